"""`reindex`, `gc` and `scrub`: what can be made anew, what nobody needs, what the disk forgot."""

from __future__ import annotations

import click

from node.client import broken
from node.commands.console import (
    node,
    print_event,
    print_json,
    print_result,
    print_table,
    say,
    wants_json,
)
from node.commands.going_on import goes_on
from node.commands.petnames import own_did, petnames
from node.commands.progress import Progress
from node.exit_codes import UNVERIFIED
from node.failure import Json
from node.text import printable, short_name, size_text

# 100,000 records took seconds; a slow disk may take minutes.
REINDEX_TIMEOUT_S = 1800.0
# Of silence: each step of the reading, and of what comes, is a line.
SCRUB_TIMEOUT_S = 600.0

AGAIN = (
    "What was found is remembered: the same command again reads all, and fetches what is missing."
)


@click.command("reindex")
def reindex_command() -> None:
    """Rebuild the search index from the store."""
    answer = node().post("/api/reindex", timeout_s=REINDEX_TIMEOUT_S)
    if wants_json():
        return print_json("reindex", answer)
    say(f"indexed {answer['records']:,} records")


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Say what would go; nothing does.")
def gc_command(dry_run: bool) -> None:
    """Collect blobs that nothing refers to, an hour after they came at the earliest."""
    body: Json = {"dry_run": True} if dry_run else {}
    answer = node().post("/api/gc", body, timeout_s=REINDEX_TIMEOUT_S)
    if wants_json():
        return print_json("gc", answer)
    if dry_run:
        _show_going(answer)
    else:
        say(f"collected {answer['blobs']:,} blobs, {size_text(answer['bytes'])}")
    if answer["young"]:
        say(f"{answer['young']:,} more came within the last hour, and go after it", dim=True)
    for one in answer["damaged"]:
        say(f"left as it is: {one}")


def _show_going(answer: Json) -> None:
    if answer["going"]:
        names = petnames(own_did())
        rows = (
            ("-", "", size_text(one["size"]), one["blob"]) if one["universe"] is None
            else (names.universe(one["universe"]), f"{one['tick']:,}", size_text(one["size"]),
                  one["blob"])
            for one in answer["going"]
        )  # fmt: skip
        print_table(("UNIVERSE", "TICK", "SIZE", "BLOB"), rows)
    if answer["left_off"]:
        say(f"and {answer['left_off']:,} more")
    what = "1 blob" if answer["blobs"] == 1 else f"{answer['blobs']:,} blobs"
    say(f"{what} would go, about {size_text(answer['bytes'])}; nothing was changed")


@click.command("scrub")
@click.option("--dry-run", is_flag=True, help="Say what is damaged; drop and fetch nothing.")
def scrub_command(dry_run: bool) -> None:
    """Read everything kept of blobs, and fetch again what the disk damaged.

    Each part is held against its hash, while the node goes on with what it does. Only parts that
    are damaged are dropped, and come again from peers who have them. Exit 7: something stays
    damaged.
    """
    with goes_on(AGAIN), Progress(tells=False) as bars:
        lines = node().post_lines("/api/scrub", {"dry_run": dry_run}, timeout_s=SCRUB_TIMEOUT_S)
        result: Json | None = None
        for line in lines:
            told = {name: value for name, value in line.items() if name != "event"}
            if line.get("event") == "result":
                result = told
                break
            if wants_json():
                print_event(line.get("event", "progress"), told)
            bars.show(line)
        if result is None:
            raise broken("It ended without a result.")
    if wants_json():
        print_result("scrub", result)
    else:
        for text in scrub_lines(result):
            say(text)
    if result["damaged"]:
        click.get_current_context().exit(UNVERIFIED)


def scrub_lines(result: Json) -> list[str]:
    """What was read, each blob that was damaged with what it belongs to, and what is to be done."""
    found = "every part is what it was"
    if result["parts"]:
        found = f"{counted(result['parts'], 'part')} damaged"
    elif result["blobs"]:  # of an earlier scrub, or a reader, who dropped it
        found = "every part that is here is what it was; some that were damaged before were missing"
    lines = [f"read {size_text(result['bytes'])}: {found}"]
    for one in result["blobs"]:
        of = ", ".join(map(use_text, one["of"])) or "nothing that is listed"
        lines.append(f"{one['state']}  {one['id']}  {size_text(one['size'])}, of {of}")
        if one["why"]:
            lines.append(f"  {printable(one['why'])}")
    if result["left_off"]:
        lines.append(f"and {result['left_off']:,} more")
    if result["mended"]:
        lines.append(f"{counted(result['mended'], 'blob')} whole again")
    damaged = result["damaged"]
    if damaged and result["dry_run"]:
        lines.append(f"{counted(damaged, 'blob')} damaged; nothing was changed")
    elif damaged:
        them, stay = ("it", "blob stays") if damaged == 1 else ("them", "blobs stay")
        lines.append(f"{damaged:,} {stay} damaged: no connected peer gave {them}")
        lines.append(f"Connect to somebody who has {them}, then: panspermia scrub")
    return lines


def counted(count: int, what: str) -> str:
    """`1 blob is`, `2 blobs are`."""
    return f"1 {what} is" if count == 1 else f"{count:,} {what}s are"


def use_text(use: Json) -> str:
    """One thing that a blob belongs to."""
    tick = "" if use["tick"] is None else f" at tick {use['tick']:,}"
    return f"{printable(use['kind'])} {printable(short_name(use['name']))}{tick}"
