"""`player`: who somebody is in games, and what others sign of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Final

import click

from node.client import path_of
from node.commands.console import (
    DRY_RUN,
    IN_NAMESPACE,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.petnames import Petnames, petnames
from node.failure import Json
from node.text import printable

PATH: Final = "/api/player"
LABELS: Final = {
    "rating": "rated",
    "same": "ran again, found the same",
    "other": "ran again, found something else",
    "advisory": "warn of modules",
    "arrived": "took travellers in",
    "turned-back": "turned travellers back",
}
BAD: Final = ("other", "advisory", "turned-back")
FACTS_SHOWN: Final = 5
"""Of each line; --json has more."""
ENTRY_DIGITS: Final = 16


@click.group("player")
def player_command() -> None:
    """Say who you are in games, and see what others sign of players.

    PLAYER is an id, as a game gives it, or WHOSE/ID. Of a bare id your own player is meant, then
    that of somebody whom you follow.
    """


@player_command.command("register")
@click.argument("id")
@click.option("--name", help="What others see.")
@click.option("--about", help="One paragraph.")
@click.option("--link", "links", multiple=True, metavar="URL", help="May be repeated; '' for none.")
@DRY_RUN
@IN_NAMESPACE
def register(
    id: str,
    name: str | None,
    about: str | None,
    links: tuple[str, ...],
    dry_run: bool,
    namespace: str | None,
) -> None:
    """Say who a player is; said again, what is given is said anew."""
    body = {
        "id": id, "displayName": name, "about": about,
        "links": [link for link in links if link] if links else None,
        "namespace": namespace or "commons", "dry_run": dry_run,
    }  # fmt: skip
    done = node().post(PATH, body)
    if wants_json():
        return print_json("player", done)
    if dry_run:
        return say(f"{printable(id)} can be registered so; nothing was signed (dry run)")
    said = "registered" if done["entry"] else "nothing new"
    return say(f"{printable(done['player']['displayName'])}: {said}", fg="green")


@player_command.command("list")
@click.option("--author", metavar="DID|NAME", help="Only those of this author.")
@click.option("--sort", type=click.Choice(["recent", "name"]), default="recent", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def list_(
    author: str | None, sort: str, limit: int, cursor: str | None, namespace: str | None
) -> None:
    """List players; who changed last is first."""
    query = {
        "author": author, "sort_by": sort, "limit": limit, "cursor": cursor,
        "namespace": namespace,
    }  # fmt: skip
    page = node().get("/api/players", query)
    if wants_json():
        return print_json("player", page)
    if not page["players"]:
        return say("No player is known here. Who you are: panspermia player register ID")
    called = petnames()
    rows = (
        (one["id"], one["displayName"], called.author(one["author"])) for one in page["players"]
    )
    print_table(("ID", "NAME", "SIGNED BY"), rows)
    if page["next"]:
        say(f"More: --cursor {printable(page['next'])}", dim=True)
    return None


@player_command.command("show")
@click.argument("player")
@IN_NAMESPACE
def show(player: str, namespace: str | None) -> None:
    """Show a player, and what others sign of the author: facts, and where each stands."""
    query = {"namespace": namespace}
    one = node().get(path_of(PATH, player), query)["player"]
    full = f"{one['author']}/{one['id']}"
    found = node().get(path_of(PATH, full, "reputation"), query)
    if wants_json():
        return print_json("player", {"player": one, "reputation": found})
    called = petnames()
    print_player(one, called)
    for line in reputation_lines(found, called):
        say(line.text, fg=line.color, dim=line.is_dim)
    return None


@player_command.command("universes")
@click.argument("player")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def universes(player: str, limit: int, cursor: str | None, namespace: str | None) -> None:
    """List the universes of a player: those that name the player as owner, or nobody else."""
    query: dict[str, str | int | None] = {
        "includeMetadata": "true", "limit": limit, "cursor": cursor, "namespace": namespace,
    }  # fmt: skip
    page = node().get(path_of(PATH, player, "universes"), query)
    if wants_json():
        return print_json("player", page)
    if not page["universes"]:
        return say("No universe of this player is known here.")
    head = ("ID", "NAME", "SNAPSHOTS", "LAST", "SEEN BY")
    print_table(head, (
        (one["id"], one["name"], f"{one['snapshotCount']:,}",
         moment_text(one["lastSnapshotAt"]) if one["lastSnapshotAt"] else "-", one["visibility"])
        for one in page["universes"]
    ))  # fmt: skip
    if page["next"]:
        say(f"More: --cursor {printable(page['next'])}", dim=True)
    return None


def print_player(one: Json, called: Petnames) -> None:
    say(printable(one["displayName"]), bold=True)
    if one["about"]:
        say(printable(one["about"]))
    for label, value in (
        ("id", one["id"]), ("signed by", f"{one['author']}"),
        *(("called", name) for name in called.of(one["author"])),
        ("registered", moment_text(one["createdAt"])),
        ("last signed", moment_text(one["lastSeen"])),
        ("universes", f"{one['universeCount']:,}"),
        *(("link", link) for link in one["links"]),
        *(("also by", called.author(other)) for other in one["alsoBy"]),
    ):  # fmt: skip
        say(f"{label:<14}{printable(value)}")


@dataclass(frozen=True, slots=True)
class Told:
    """A line to print, and how."""

    text: str
    color: str | None = None
    is_dim: bool = False


def reputation_lines(found: Json, called: Petnames) -> Iterator[Told]:
    """All that is held, the proofs first; each fact with the command that shows it."""
    for proof in found["proofs"]:
        entry = proof["entries"][0][:ENTRY_DIGITS]
        words = f"{proof['key']} signed two things with the number {proof['number']}"
        yield Told(f"PROOF: {printable(words)} in {printable(proof['of'])}", "red")
        yield Told(f"    panspermia cap proof {entry} -o FILE", is_dim=True)
    for circle, title in (
        ("followed", "By you and whom you follow:"),
        ("strangers", "By strangers, which proves nothing, as keys are free:"),
    ):
        lines = found[circle]
        if lines:
            yield Told(title)
        for line in lines:
            color = "yellow" if line["kind"] in BAD and circle == "followed" else None
            yield Told(f"  {line_text(line)}", color)
            for fact in line["facts"][:FACTS_SHOWN]:
                yield Told(f"    {fact_text(line['kind'], fact, called)}", is_dim=True)
            if (more := line["count"] - FACTS_SHOWN) > 0:
                yield Told(f"    and {more:,} more", is_dim=True)
    if not any(found[part] for part in ("proofs", "followed", "strangers")):
        if found["whole"]:
            yield Told("Nobody else signed anything of this author that is known here.")
        else:
            yield Told("What was looked at has nothing that anybody else signed of this author.")
    if not found["whole"]:
        yield Told("More is held than was looked at; whom you follow comes first.", "yellow")


def line_text(line: Json) -> str:
    stars = "" if line["average"] is None else f" {line['average']:.1f} of 5"
    signers = "author" if line["signers"] == 1 else "authors"
    return f"{LABELS[line['kind']]}{stars}: {line['count']:,}, by {line['signers']:,} {signers}"


def fact_text(kind: str, fact: Json, called: Petnames) -> str:
    stars = f"{fact['stars']} stars of " if fact["stars"] else ""
    said = f" ({printable(fact['said'])})" if fact["said"] else ""
    by, of = printable(called.author(fact["by"])), printable(fact["of"])
    return f"{by}: {stars}{of}{said}; {command_of(kind, fact)}"


def command_of(kind: str, fact: Json) -> str:
    """What shows it."""
    of = printable(quote(fact["of"]))
    match kind:
        case "rating" if fact["on"] == "lineage":
            return f"panspermia info {of} --kind lineage"
        case "rating":
            return f"panspermia info {of}"
        case "same" | "other":
            return f"panspermia attest {of} --show"
        case "advisory":
            return f"panspermia advisory list {of}"
        case _:
            return f"panspermia universe timeline {of}"


def moment_text(at_ms: int) -> str:
    """As its author has it, to the second, in UTC."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
