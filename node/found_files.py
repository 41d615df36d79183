"""Files that people name, as the items in them: whatever format, also those that are databases."""

from __future__ import annotations

from dataclasses import dataclass

from registry.formats import Format, Found, InvalidFile, detect, read


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file is and what it holds; of a database also the rows that cannot be taken."""

    format: Format
    found: tuple[Found, ...]
    refused: tuple[InvalidFile, ...] = ()


def contents_of(name: str, data: bytes, format: Format | None = None) -> Contents:
    """`format` where a person says what it is.

    May block for a while: a SQLite file is read in a child process. Raises `InvalidFile`.
    """
    known = format or detect(name, data)
    if known is Format.PRIMORDIUM_REGISTRY:
        from node.workers.tables import read_registry  # no other format needs a process

        rows = read_registry(data, name)
        return Contents(known, rows.found, rows.refused)
    return Contents(known, read(known, data, name))
