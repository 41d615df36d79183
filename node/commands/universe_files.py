"""`universe snapshot` and `universe open`: states of any size, in and out, piece by piece."""

from __future__ import annotations

import mimetypes
import sys
from pathlib import Path
from typing import IO, Any, cast

import click

from node.client import path_of
from node.commands.blob import stat_size, unreadable
from node.commands.console import IN_NAMESPACE, is_terminal, node, print_result, say, wants_json
from node.commands.files import is_stream, keep_what_is_there, whole_file
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.commands.stdout import Stdout
from node.commands.universe_named import PATH, TICK, UNIVERSE, meant
from node.commands.universe_opened import Opening
from node.commands.universe_states import state_meant
from node.failure import Json
from node.text import printable, size_text

TIMEOUT_S = 600.0
STDIO = "-"
KINDS = ["auto", "manual", "canonical"]
AGAIN = "It is kept when its id is printed: until then nothing of it is, so send it again."


@click.command("snapshot")
@click.argument("names", nargs=-1, required=True, metavar="[UNIVERSE] FILE|-")
@click.option("--tick", type=TICK, required=True, help="In the time of its world.")
@click.option(
    "--type",
    type=click.Choice(["auto", "manual", "canonical"]),
    default="manual",
    show_default=True,
)
@click.option("--day", type=click.IntRange(0), help="In the time of its world.")
@click.option("--event", metavar="TYPE", help="What it was taken for: birth, union, founded, …")
@click.option("--title", help="Of the event.")
@click.option("--entity", "entities", multiple=True, help="Of the event; may be repeated.")
@click.option("--soul", "souls", multiple=True, help="Of the event; may be repeated.")
@click.option("--parent", "parents", multiple=True, help="Of a birth; may be repeated.")
@click.option("--importance", type=click.IntRange(0, 1000), help="Of the event.")
@click.option("--media", help="Content-Type; else by the ending of FILE.")
@click.option("--universe", help="Which; else the first word, else the only one of yours.")
@IN_NAMESPACE
def snapshot(
    names: tuple[str, ...],
    tick: int,
    type: str,
    day: int | None,
    event: str | None,
    media: str | None,
    universe: str | None,
    namespace: str | None,
    **told: Any,  # noqa: ANN401 - click gives them
) -> None:
    """Keep a state of a universe: FILE, or what comes on stdin, of any size and kind.

    The same bytes at the same tick are the snapshot that is there.
    """
    if len(names) > (1 if universe is not None else 2):
        raise click.UsageError("[UNIVERSE] FILE: one universe and one file")
    file = names[-1]
    which = meant(universe if universe is not None or len(names) == 1 else names[0])
    of_event = {key: said for key, said in told.items() if said not in (None, ())}
    if of_event and event is None:
        option = next(iter(of_event))
        option = {"entities": "entity", "souls": "soul", "parents": "parent"}.get(option, option)
        raise click.UsageError(f"--{option} is of an event: say --event TYPE too")
    query: dict[str, Any] = {"tick": tick, "type": type, "day": day, "namespace": namespace}
    if event is not None:
        query["event"] = json_text({"type": event} | of_event)
    path = path_of(PATH, which, "snapshot")
    if file == STDIO:
        done = sent(path, query, sys.stdin.buffer, None, "stdin", media)
    else:
        source = Path(file)
        kind = media or mimetypes.guess_type(source.name)[0]
        try:
            with source.open("rb") as opened:
                size = stat_size(opened, source)
                done = sent(path, query, opened, size, source.name, kind)
        except OSError as error:
            raise unreadable(source, error) from error
    if wants_json():
        return print_result("universe", done)
    said = "was there already" if done["known"] else "kept"
    say(f"tick {done['tick']:,}: {size_text(done['fileSize'])} {said}", fg="green")
    say(done["id"], dim=True)
    if done["dropped"]:
        count = f"{done['dropped']:,} older {'one' if done['dropped'] == 1 else 'ones'}"
        why = "by the rule of the universe, or their own: panspermia universe show says it"
        whose = "its" if done["dropped"] == 1 else "their"
        say(f"{count} went, {why}; panspermia gc gives {whose} room back", dim=True)
        for one in done["droppedSnapshots"]:
            say(f"tick {one['tick']:,}  blob {one['blob']}", dim=True)


def json_text(value: Json) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def sent(
    path: str,
    query: dict[str, Any],
    file: IO[bytes],
    size: int | None,
    name: str,
    media: str | None,
) -> Json:
    with goes_on(AGAIN), Progress() as bars:
        return node().upload(path, query, file, size, bars.bytes_of(name, "send"), TIMEOUT_S, media)


@click.command("open")
@UNIVERSE
@click.option("--tick", type=TICK, help="The last snapshot at or before it.")
@click.option("--snapshot", "id", metavar="ID", help="This very one; 8 digits may do.")
@click.option("-o", "--output", metavar="FILE|-", help="Where its bytes go; - is stdout.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option(
    "--patience",
    type=click.IntRange(1, 120),
    default=15,
    show_default=True,
    help="Seconds to wait for who gave some of it and is gone, or for another.",
)
@IN_NAMESPACE
def open_(
    universe: str | None,
    tick: int | None,
    id: str | None,
    output: str | None,
    force: bool,
    patience: int,
    namespace: str | None,
) -> None:
    """Write a state of a universe to a file: of any that you may read, at any tick.

    With --snapshot also one that was let go, by its whole id, until `panspermia gc`.

    What is not here comes from peers, each part checked; only what is missing is fetched. Where the
    last of them leaves it ends, and the same command again goes on where it stopped.
    """
    to_stdout = output in (None, STDIO)
    if to_stdout and (wants_json() or is_terminal(sys.stdout)):
        raise click.UsageError("bytes do not belong on a terminal; give -o FILE")
    target = None if to_stdout else Path(str(output))
    if target is not None:
        keep_what_is_there(target, force=force)
    which, query = meant(universe), {"namespace": namespace}
    at = "latest" if tick is None else str(tick)
    start = path_of(PATH, which)
    id = state_meant(start, namespace, id)
    found = node().get(f"{start}/nearest/{at}", {**query, "snapshot": id})
    entry = found["entry"]
    with Progress() as bars:
        opening = Opening(start, query, found, bars, patience)
        if target is None:
            stdout = Stdout()
            opening.write(cast("IO[bytes]", stdout), "")
            stdout.flush()
            return
        with whole_file(target, force=force) as file:
            size = opening.write(file, target.name)
    if wants_json():
        body = {"universe": found["fullName"], "entry": entry, "file": str(target), "size": size}
        return print_result("universe", body)
    asked = "" if tick in (None, entry["tick"]) else f", the last before tick {tick:,}"
    done = f"tick {entry['tick']:,}{asked}: {size_text(size)} in {printable(str(target))}"
    say(done, fg="green", err=is_stream(target))
    if found["dropped"]:
        again = "panspermia universe snapshot UNIVERSE FILE --tick N keeps it again"
        say(f"it was let go, and is in no list: {again}", dim=True, err=is_stream(target))
