"""Files that people name, as the items in them: whatever format, also those that are databases."""

from __future__ import annotations

import base64
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.content import FILE_CHARACTERS_MAX
from registry.formats import Format, Found, InvalidFile, detect, read
from registry.formats.texts import line_of

MAGIC_BYTES: Final = 16
"""Of a SQLite file: it begins with them."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file is and what it holds; of a database also the rows that cannot be taken."""

    format: Format
    found: tuple[Found, ...]
    refused: tuple[InvalidFile, ...] = ()
    warning: str = ""
    """What one should know of all of it."""


def contents_of(name: str, data: bytes, format: Format | None = None) -> Contents:
    """`format` where a person says what it is.

    May block for a while: a SQLite file is read in a child process. Raises `InvalidFile`.
    """
    known = format or detect(name, data)
    if known is Format.PRIMORDIUM_REGISTRY:
        return contents_of_database(name, data)
    return Contents(known, read(known, data, name))


def contents_of_database(name: str, source: bytes | Path) -> Contents:
    """Of a registry.db, which may have any size where it is a file. Raises `InvalidFile`."""
    from node.workers.tables import read_registry  # no other format needs a process

    rows = read_registry(source, name)
    warning = journal_warning(source) if isinstance(source, Path) else ""
    return Contents(Format.PRIMORDIUM_REGISTRY, rows.found, rows.refused, warning)


def journal_warning(database: Path) -> str:
    """That there may be more than the file holds, as its program left something beside it; else "".

    What was moved into the file stays beside it too, until its program ends or writes again.
    """
    file = os.path.realpath(database)  # a link leads SQLite to the journal of what it links to
    journal = f"{file}-wal"
    try:
        has_more = os.stat(journal).st_size > 0
    except OSError:  # it ended in order, and took it away
        return ""
    if not has_more:
        return ""
    return (
        f"{database}: newer rows may lie in {journal}, which is not read. End the program that"
        " writes it, and do this again; where none runs, first:"
        f" sqlite3 {shlex.quote(file)} 'PRAGMA wal_checkpoint(TRUNCATE)'"
    )


def is_database(path: Path) -> bool:
    """Whether it is a SQLite file: a pipe or a terminal is none. Raises `OSError`."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return detect("", file.read(MAGIC_BYTES)) is Format.PRIMORDIUM_REGISTRY


def kept_name(file: str) -> str:
    """What a record says the file was called: on Linux a name may be any bytes. "" if too long."""
    if len(file) > FILE_CHARACTERS_MAX:
        return ""
    return line_of(file, FILE_CHARACTERS_MAX).replace("\\", "_").replace("/", "_")


def body_of(file: str, item: Found) -> dict[str, object]:
    """The submission, as the API takes it.

    What the file does not say is left out, and stays as it was said before.
    """
    words: dict[str, object] = {
        "name": item.name, "description": item.description, "tags": list(item.tags),
        "license": item.license, "author": item.by,
    }  # fmt: skip
    said = {key: value for key, value in words.items() if value}
    if item.kind == "lineage":
        line: dict[str, object] = {
            "id": item.lineage, "civilization_level": item.civilization_level,
            "is_extinct": item.is_extinct, "start_tick": item.start_tick,
            "best_genotype": item.best_genotype or None, "parent": item.parent_lineage or None,
        }  # fmt: skip
        return said | {key: value for key, value in line.items() if value is not None}
    said |= {"content": base64.b64encode(item.data).decode(), "format": str(item.format)}
    if kept := kept_name(file):
        said["file"] = kept
    more: dict[str, object]
    if item.kind == "seed":
        more = {"avg_tick_time": item.avg_tick_time, "max_pop": item.max_pop}
        more["performance_summary"] = item.performance_summary or None
    else:
        more = {"fitness_score": item.fitness_score, "offspring_count": item.offspring_count}
        more |= {"tick": item.tick, "lineage_id": item.lineage or None}
        more["parents"] = list(item.parents) or None
    return said | {key: value for key, value in more.items() if value is not None}
