"""`publish` of genomes, seeds and lineages: files of the programs they come from, one or a folder.

Each file is read here, by what it is (`registry.formats`), and each item in it is one submission. A
file that cannot be read is told and passed over; what is published already is no error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from node.commands.console import node, print_json, say, wants_json
from node.commands.progress import Progress
from node.exit_codes import FAILED, NETWORK, NOT_ALLOWED, NOT_FOUND, NOT_RUNNING
from node.failure import Failure, Json, failure
from node.text import printable

if TYPE_CHECKING:
    from node.found_files import Contents
    from registry.errors import RegistryError
    from registry.formats import Found, Merged

# The node's own limit says the same of an item; a file may hold many.
FILE_BYTES_MAX: Final = 64 << 20
CARD_BYTES_MAX: Final = 64 << 10
TIMEOUT_S: Final = 120.0
TOLD_MAX: Final = 100
"""Of what was refused, on a screen."""
ENDS_ALL: Final = (NOT_RUNNING, NOT_ALLOWED, NETWORK)
"""What would be the same for every other file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the line said. `overrides` are fields of each submission."""

    kind: str | None
    namespace: str
    dry_run: bool
    update: bool
    overrides: Json = field(default_factory=dict[str, object])


@dataclass(slots=True)
class Report:
    """What became of each file."""

    published: list[Json] = field(default_factory=list[Json])
    refused: list[Json] = field(default_factory=list[Json])
    skipped: list[str] = field(default_factory=list[str])

    def refuse(self, file: Path, place: str, said: Json) -> None:
        self.refused.append({"file": str(file), "place": place, **said})

    def refuse_invalid(self, file: Path, error: RegistryError) -> None:
        place = str(getattr(error, "place", ""))
        self.refuse(file, place, {"code": error.code, "detail": error.detail})


def publish_files(path: Path, wanted: Wanted) -> None:
    """Each file at `path`, and in the folders in it. Raises `Failure` where any was refused."""
    files = sorted(files_in(path)) if path.is_dir() else [path]
    sizes = [file.stat().st_size for file in files]
    report = Report()
    with Progress() as bars:
        for place, file in enumerate(files):
            before, size = sum(sizes[:place]), sizes[place]
            for part in publish_file(file, wanted, report):
                done = before + round(size * part)
                bars.show({"id": path.name, "done": done, "total": sum(sizes)})
    tell(path, wanted, report)


def files_in(folder: Path) -> Iterator[Path]:
    """Regular files at any depth; what is hidden, and links, are nobody's genome."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(where) / name
            if not name.startswith(".") and not file.is_symlink() and file.is_file():
                yield file


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
        detail = f"{file}: {error.strerror}"
        report.refuse(file, "", {"code": "file-missing", "detail": detail})
        return
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

    A file without an item of that kind, but of a kind that is bytes, is one item itself. Raises
    `InvalidFile`.
    """
    from node.found_files import Contents, contents_of
    from registry.formats import Format, Found, InvalidFile, Place, detect

    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise InvalidFile(file.name, Place(), f"is larger than {FILE_BYTES_MAX >> 20} MiB")
    format = detect(file.name, data)
    if format is Format.UNKNOWN and kind is None:
        return Contents(format, ())
    contents = contents_of(file.name, data, format)
    if kind is None:
        return contents
    fitting = tuple(item for item in contents.found if item.kind == kind)
    if fitting or kind == "lineage" or contents.refused:
        return Contents(format, fitting, contents.refused)
    whole = Found(kind="seed" if kind == "seed" else "genome", format=format, data=data, name="")
    return Contents(format, (whole,))


def publish_item(file: Path, one: Merged, wanted: Wanted) -> Json:
    from node.found_files import body_of

    item = one.found
    body = {**body_of(file.name, item), "dry_run": wanted.dry_run}
    if card := one.card(file.name):
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


NOTHING: Final[Json] = {}
IS_THERE: Final = "is there "
STATES: Final = {
    "published": "published", "updated": "updated  ", "unchanged": IS_THERE, "known": IS_THERE,
}  # fmt: skip


def print_published(file: Path, name: str, answer: Json, others: Sequence[Found]) -> None:
    did = "would be " * answer["dry_run"] + STATES[answer["state"]]
    count = len(answer["also_by"])
    also = f"  also published by {count} other{'s' * (count > 1)}" if count else ""
    say(f"{did} ", fg="green", nl=False)
    say(f"{answer['kind']} {answer['id'][:16]}  {printable(name)}  ({printable(file.name)}){also}")
    for other in others:
        where = str(other.place) or file.name
        say(f"  the same bytes as {where}: {printable(other.name)}; told on its card", dim=True)


def tell(path: Path, wanted: Wanted, report: Report) -> None:
    """The end of it. Raises `Failure` where something was refused, or nothing was there."""
    if not report.published and not report.refused:
        names = "the file" if path.is_file() else f"any of {len(report.skipped)} files"
        detail = (
            f"{path}: nobody can tell what {names} is. Name the kind, as in --kind genome; a module"
            " has a gen.toml."
        )
        raise failure("no-manifest", "There is nothing to publish", detail, NOT_FOUND)
    body = {"published": report.published, "refused": report.refused, "skipped": report.skipped}
    if report.refused:
        if len(report.refused) == 1 and not report.published:
            only = report.refused[0]
            raise failure(
                only["code"], "A file cannot be published", only["detail"], FAILED, **body
            )
        lines = [one["detail"] for one in report.refused[:TOLD_MAX]]
        if (more := len(report.refused) - TOLD_MAX) > 0:
            lines.append(f"… and {more:,} more; --json has them all")
        detail = "\n".join(lines)
        title = (
            f"{len(report.refused)} files were refused, {len(report.published)} things published"
        )
        raise failure("some-refused", title, detail, FAILED, **body)
    if wants_json():
        first = report.published[0] if len(report.published) == 1 else NOTHING
        return print_json("publish", {"kind": wanted.kind, **first, **body})
    if len(report.published) > 1:
        new = sum(one["state"] in ("published", "updated") for one in report.published)
        skipped = f", {len(report.skipped):,} files of no known format left out"
        say(
            f"{new:,} {'would be ' * wanted.dry_run}published,"
            f" {len(report.published) - new:,} there already{skipped * bool(report.skipped)}"
        )
    return None


def card_text(file: Path | None) -> str | None:
    if file is None:
        return None
    with file.open("rb") as opened:
        content = opened.read(CARD_BYTES_MAX + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file} is no UTF-8 at byte {error.start}") from error
