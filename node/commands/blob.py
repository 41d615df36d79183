"""`blob`: files of any size and kind, kept and given by the hash of what is in them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import IO

import click

from node.commands.console import (
    node,
    print_json,
    print_result,
    print_table,
    say,
    wants_json,
)
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.failure import Failure, Json, failed
from node.text import printable, short_did, size_text

# Of silence from the node: it answers when all of it is on the disk.
ADD_TIMEOUT_S = 600.0
LISTED_MAX = 1_000

AGAIN = "It is added when its id is printed: until then nothing of it is kept, so add it again."


@click.group("blob", invoke_without_command=True)
@click.pass_context
def blob_command(ctx: click.Context) -> None:
    """Add, list and remove files that are named by what is in them.

    A blob that no record names is given to whoever knows its id; nobody else learns of it. Get one
    with: panspermia fetch ID -o FILE
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@blob_command.command("add")
@click.argument("file", metavar="FILE|-", type=click.Path(allow_dash=True))
@click.option(
    "--chunks",
    type=click.Choice(["content", "fixed"]),
    default="fixed",
    show_default=True,
    help="`content`: the next version of it shares with it what is the same; for what changes.",
)
def add(file: str, chunks: str) -> None:
    """Keep FILE, or what comes on stdin, as a blob, and print its id.

    It is kept until you remove it, and given to whoever knows the id, in parts that are checked.
    """
    if file == "-":
        answer = send(sys.stdin.buffer, None, "", chunks)
    else:
        path = Path(file)
        try:
            with path.open("rb") as source:
                size = stat_size(source, path)
                answer = send(source, size, path.name, chunks)
        except OSError as error:
            raise unreadable(path, error) from error
    if wants_json():
        return print_result("blob", answer)
    say(answer["id"])


def send(source: IO[bytes], size: int | None, name: str, chunks: str) -> Json:
    with goes_on(AGAIN), Progress() as bars:
        shows = bars.bytes_of(name or "stdin")
        query = {"name": printable(name)[:255], "chunks": chunks}
        return node().upload("/api/blobs", query, source, size, shows, ADD_TIMEOUT_S)


def stat_size(source: IO[bytes], path: Path) -> int | None:
    """None of a pipe. Raises `Failure` for what is no file."""
    import os

    found = os.fstat(source.fileno())
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        return None
    raise failed("not-a-file", "This is no file", printable(str(path)))


def unreadable(path: Path, error: OSError) -> Failure:
    detail = f"{printable(str(path))}: {error.strerror}"
    return failed("cannot-read", "The file cannot be read", detail)


@blob_command.command("list")
def list_() -> None:
    """List the blobs that you added, and what is kept because records name it."""
    page = node().get("/api/blobs", {"limit": LISTED_MAX})
    kept = node().get("/api/kept", {"limit": LISTED_MAX})
    if wants_json():
        return print_json("blob", {**page, "kept": kept})
    print_added(page)
    print_kept(kept)


def print_added(page: Json) -> None:
    if not page["blobs"]:
        return say("You added none yet: panspermia blob add FILE")
    rows = (
        (
            one["id"],
            size_text(one["size"]) if one["whole"] else "damaged: fetch it",
            one["chunks"],
            one["added_at"],
            one["name"],
        )
        for one in page["blobs"]
    )
    print_table(("ID", "SIZE", "CHUNKS", "ADDED", "NAME"), rows)


def print_kept(kept: Json) -> None:
    """For whom, and what waits; which blobs they are is in the JSON."""
    keep = kept["keep"]
    if not (kept["shares"] or kept["waits"]):
        return
    from node.commands.petnames import petnames

    names = petnames()
    say()
    said = f"{size_text(keep['bytes'])} of {size_text(keep['budget_bytes'])}"
    say(f"Kept because records name them, until others need the room: {said}")
    rows = (
        (
            names.author(one["author"]),
            size_text(one["bytes"]),
            size_text(one["share_bytes"]) if one["share_bytes"] else "nothing: it goes first",
            f"{one['blobs']:,}",
            place_shown(one["namespace"]),
        )
        for one in kept["shares"]
    )
    print_table(("NAMED BY", "TAKES", "OF", "BLOBS", "IN"), rows)
    if kept["waits"]:
        say()
        waits = (
            (one["id"], size_text(one["size"]), names.author(one["author"]), printable(one["why"]))
            for one in kept["waits"]
        )
        print_table(("WAITS", "SIZE", "NAMED BY", "WHY"), waits)


def place_shown(namespace: str | None) -> str:
    return "" if namespace is None else short_did(namespace)


@blob_command.command("remove")
@click.argument("id")
def remove(id: str) -> None:
    """Keep the blob ID no longer. Where no record names it, `panspermia gc` gives its room back."""
    from node.client import path_of

    node().delete(path_of("/api/blobs", id.lower()))
    if wants_json():
        return print_json("blob", {"id": id.lower(), "removed": True})
    say("It is kept no longer; panspermia gc gives its room back")
