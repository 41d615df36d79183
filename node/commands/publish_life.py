"""`publish` of genomes, seeds and lineages: files of the programs they come from, one or a folder.

Each file is read here, by what it is (`registry.formats`), and each item in it is one submission. A
file that cannot be read is told and passed over; what is published already is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from node.commands.console import node, say, wants_json
from node.commands.files import read_file
from node.commands.publish_report import NEW, Report, Wanted
from node.exit_codes import NETWORK, NOT_ALLOWED, NOT_RUNNING
from node.failure import Failure, Json
from node.text import printable

if TYPE_CHECKING:
    from node.found_files import Contents
    from registry.formats import Found, Merged

# The node's own limit says the same of an item; a file may hold many.
FILE_BYTES_MAX: Final = 64 << 20
CARD_BYTES_MAX: Final = 64 << 10
TIMEOUT_S: Final = 120.0
ENDS_ALL: Final = (NOT_RUNNING, NOT_ALLOWED, NETWORK)
"""What would be the same for every other file."""


def publish_file(file: Path, wanted: Wanted, report: Report) -> Iterator[float]:
    """Its items, one after another; gives how much of them is done, of 1.

    What is wrong with the file, or with one of them, is in the report. Raises `Failure` for what
    would be the same for every other file.
    """
    from registry.errors import RegistryError
    from registry.formats import merged

    try:
        contents = read_items(file, wanted.kind)
    except RegistryError as error:
        report.refuse_invalid(file, error)
        return
    except OSError as error:
        report.refuse_unreadable(file, error)
        return
    if contents.warning:
        report.warn(contents.warning)
    found = merged(contents.found)
    for row in contents.refused:
        report.refuse_invalid(file, row)
    if not found and not contents.refused:
        report.skipped.append(str(file))
    for number, one in enumerate(found, 1):
        item = one.found
        try:
            report.published.append(publish_item(file, one, wanted))
        except Failure as refused:
            if refused.exit in ENDS_ALL:
                raise
            problem = refused.problem
            place = str(item.place)
            where = f"{file}: {place}" if place else str(file)
            detail = f"{where}: {problem.get('detail', '')}"
            said = {"code": problem["code"], "detail": detail}
            report.refuse(file, place, {**said, "errors": problem.get("errors", [])})
        yield number / len(found)


def read_items(file: Path, kind: str | None) -> Contents:
    """What the file holds, of the kind that is wanted; nothing where nobody can tell what it is.

    A file without an item of that kind, but of a kind that is bytes, is one item itself; a database
    never is. Raises `InvalidFile`.
    """
    from node.found_files import Contents, contents_of, contents_of_database, is_database
    from registry.formats import Format, Found, InvalidFile, Place, detect

    if is_database(file):
        return rows_of_kind(contents_of_database(file.name, file), file, kind)
    data = read_file(file, FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise InvalidFile(file.name, Place(), f"is larger than {FILE_BYTES_MAX >> 20} MiB")
    format = detect(file.name, data)
    if format is Format.UNKNOWN and kind is None:
        return Contents(format, ())
    if format is Format.PRIMORDIUM_REGISTRY:  # from a pipe
        return rows_of_kind(contents_of(file.name, data, format), file, kind)
    contents = of_kind(contents_of(file.name, data, format), kind)
    if kind is None or contents.found or kind == "lineage":
        return contents
    whole = Found(kind="seed" if kind == "seed" else "genome", format=format, data=data, name="")
    return Contents(format, (whole,))


def rows_of_kind(contents: Contents, file: Path, kind: str | None) -> Contents:
    """Of a database. Raises `InvalidFile` where none of its rows is of that kind."""
    from registry.formats import InvalidFile, Place

    held = of_kind(contents, kind)
    if not held.found and not held.refused:
        raise InvalidFile(file.name, Place(), f"holds no {kind or 'genome, seed or lineage'}")
    return held


def of_kind(contents: Contents, kind: str | None) -> Contents:
    if kind is None:
        return contents
    fitting = tuple(item for item in contents.found if item.kind == kind)
    return replace(contents, found=fitting)


def publish_item(file: Path, one: Merged, wanted: Wanted) -> Json:
    from node.found_files import body_of
    from registry.formats.texts import line_of

    item = one.found
    body = {**body_of(file.name, item), "dry_run": wanted.dry_run}
    if card := one.card(line_of(file.name)):
        body["card"] = card
    body |= wanted.overrides
    if wanted.namespace != "commons":
        body["namespace"] = wanted.namespace
    # A lineage goes on; of bytes that are there already, what was said stands.
    body["only_new"] = item.kind != "lineage" and not wanted.update and not wanted.overrides
    answer = node().post(f"/api/registry/{item.kind}s", body, timeout_s=TIMEOUT_S)
    name = str(body.get("name") or file.name)
    if not wants_json():
        print_published(file, name, answer, one.others)
    duplicates = [{"place": str(other.place), "name": other.name} for other in one.others]
    return {"file": str(file), "name": name, **answer, "duplicates": duplicates}


IS_THERE: Final = "is there "
STATES: Final = {
    "published": "published", "updated": "updated  ", "unchanged": IS_THERE, "known": IS_THERE,
}  # fmt: skip


def print_published(file: Path, name: str, answer: Json, others: Sequence[Found]) -> None:
    state = answer["state"]
    did = "would be " * (answer["dry_run"] and state in NEW) + STATES[state]
    count = len(answer["also_by"])
    also = f"  also published by {count} other{'s' * (count > 1)}" if count else ""
    say(f"{did} ", fg="green", nl=False)
    say(f"{answer['kind']} {answer['id'][:16]}  {printable(name)}  ({printable(file.name)}){also}")
    for other in others:
        where = str(other.place) or file.name
        say(f"  the same bytes as {where}: {printable(other.name)}; told on its card", dim=True)


def card_text(file: Path | None) -> str | None:
    if file is None:
        return None
    with file.open("rb") as opened:
        content = opened.read(CARD_BYTES_MAX + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is no UTF-8 at byte {error.start}") from error
