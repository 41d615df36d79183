"""`universe create`, `list`, `show`, `snapshots`, `delete`: what there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any, cast

import click

from node.client import path_of, with_query
from node.commands.console import (
    DRY_RUN,
    IN_NAMESPACE,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.universe_named import PATH, UNIVERSE, meant
from node.exit_codes import USAGE
from node.failure import Json, failed, failure
from node.text import printable, size_text

EVERYTHING = 10_000
CONFIG_BYTES_MAX = 16 * 1024
LISTED_MAX = 1_000
SAME_SHOWN_MAX = 5


@click.command("create")
@click.argument("name")
@click.option("--id", help="As programs call it; else one is made up.")
@click.option("--owner", help="The player whose it is, in free text.")
@click.option("--public", is_flag=True, help="For everybody; what was public stays so.")
@click.option("--config", metavar="JSON|FILE", help="A JSON object: timeScale, magicLevel, …")
@click.option("--description", help="One line.")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--namespace", metavar="NAME|DID", help="Shared with the members of this namespace.")
@click.option("--again", is_flag=True, help="Another one, though one of yours is called NAME.")
def create(
    name: str,
    id: str | None,
    owner: str | None,
    public: bool,
    config: str | None,
    description: str | None,
    tags: tuple[str, ...],
    namespace: str | None,
    again: bool,
) -> None:
    """Make a universe called NAME; private, unless you say else.

    Said again with its --id, its words change. Without --id it is a new one; where one of yours is
    called NAME already only --again makes another.
    """
    if public and namespace is not None:
        raise click.UsageError("--public is for everybody, --namespace for its members: say one")
    if id is None and not again:
        refuse_same_name(name)
    body: dict[str, Any] = {
        "name": name, "id": id, "ownerId": owner, "namespace": namespace,
        "description": description, "tags": list(tags) or None,
    }  # fmt: skip
    if public or id is None:
        body["isPublic"] = public if namespace is None else None
    if config is not None:
        body["config"] = config_of(config)
    done = node().post("/api/universe", {key: one for key, one in body.items() if one is not None})
    if wants_json():
        return print_json("universe", done)
    universe = done["universe"]
    say(f"{printable(universe['id'])}: {done['state']}, {universe['visibility']}", fg="green")
    say_rule(done["rule"])
    own = printable(quote(universe["id"]))
    say(f"Keep a state of it: panspermia universe snapshot {own} FILE --tick N", dim=True)


def refuse_same_name(name: str) -> None:
    """Raises `Failure` where a universe of one's own is called so: who types it twice means it."""
    same = [one["id"] for one in own_universes() if one["name"] == name]
    if same:
        ids = ", ".join(map(printable, same[:SAME_SHOWN_MAX]))
        more = ", …" if len(same) > SAME_SHOWN_MAX else ""
        detail = (
            f"you have a universe called {printable(name)} already: {ids}{more}\n"
            "To change its words: --id ID; for another one of that name: --again"
        )
        raise failed("same-name", "One of that name is there already", detail, ids=same)


def own_universes() -> Iterator[Json]:
    """All of them."""
    author, cursor = node().get("/api/identity")["did"], None
    while True:
        query = {"author": author, "limit": LISTED_MAX, "cursor": cursor}
        page = node().get("/api/universes", query)
        yield from page["universes"]
        cursor = page["next"]
        if cursor is None:
            return


def config_of(text: str, what: str = "the config") -> Json:
    """JSON, or a file of it. Raises `Failure`."""
    if not text.lstrip().startswith(("{", "[", '"')):
        try:
            with Path(text).open("rb") as file:
                text = file.read(CONFIG_BYTES_MAX + 1).decode(errors="replace")
        except OSError as error:
            detail = f"{printable(text)}: {error.strerror}"
            raise failed("cannot-read", "The file cannot be read", detail) from error
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise failure("not-json", "That is no JSON", f"{what}: {error}", USAGE) from error
    if not isinstance(found, dict):
        raise failure("not-json", "That is no JSON object", f"{what}: write {{…}}", USAGE)
    return cast("dict[str, Any]", found)


@click.command("list")
@click.option("--public", is_flag=True, help="Only those that everybody may read.")
@click.option("--owner", help="Only of this player.")
@click.option("--author", metavar="DID|NAME", help="Only of this author.")
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--sort", type=click.Choice(["recent", "name", "rating"]), default="recent")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def list_(
    public: bool,
    owner: str | None,
    author: str | None,
    tags: tuple[str, ...],
    sort: str,
    limit: int,
    cursor: str | None,
    namespace: str | None,
) -> None:
    """List the universes that this node knows."""
    query: dict[str, Any] = {
        "publicOnly": "true" if public else None, "ownerId": owner, "author": author, "tag": tags,
        "sort_by": sort, "limit": limit, "cursor": cursor, "namespace": namespace,
    }  # fmt: skip
    page = node().get("/api/universes", query)
    if wants_json():
        return print_json("universe", page)
    if not page["universes"]:
        return say("None is known. Make one: panspermia universe create NAME")
    print_universes(page["universes"])
    if page["next"]:
        say(f"more: --cursor {page['next']}", dim=True)


def print_universes(universes: list[Json]) -> None:
    from node.commands.petnames import petnames

    names = petnames()
    rows = (
        (
            printable(one["id"]),
            printable(one["name"]),
            names.author(one["author"]),
            f"{one['snapshotCount']:,}",
            f"{one['canonicalEventCount']:,}",
            one["visibility"],
            when(one["lastSnapshotAt"]),
        )
        for one in universes
    )
    print_table(("ID", "NAME", "OF", "SNAPSHOTS", "EVENTS", "FOR", "LAST"), rows)


@click.command("show")
@UNIVERSE
@IN_NAMESPACE
def show(universe: str | None, namespace: str | None) -> None:
    """Show one universe, what it holds, and where it comes from."""
    from node.commands.petnames import petnames
    from node.commands.rights_in_words import state_words

    name, query = meant(universe), {"namespace": namespace}
    found = node().get(path_of(PATH, name), query)
    one = found["universe"]
    record = {"record": f"{one['author']}/universe/{one['id']}", "namespace": one["namespace"]}
    members = node().get("/api/publishers", record)["publishers"]
    if wants_json():
        return print_json("universe", {**found, "members": members})
    say(f"{printable(one['name'])}  {printable(one['id'])}", bold=True)
    if one.get("description"):
        say(printable(one["description"]))
    rows = [
        ("full name", one["fullName"]),
        ("for", one["visibility"]),
        ("owner", one["ownerId"]),
        ("snapshots", f"{one['snapshotCount']:,}, {size_text(one['bytes'])} in all"),
        ("events", f"{one['canonicalEventCount']:,}"),
        ("last", when(one["lastSnapshotAt"])),
        ("tags", ", ".join(one.get("tags", ()))),
        ("config", json.dumps(one["config"], ensure_ascii=False) if one.get("config") else ""),
    ]
    if origin := one.get("forkOf"):
        rows.append(("forked from", f"{origin['universe']} at tick {origin['snapshotTick']:,}"))
    if members:
        names = petnames()
        who = [(names.author(other["receiver"]), state_words(other)) for other in members]
        rows += [("member", f"{name} may write: {state}") for name, state in who]
    for label, value in rows:
        if value:
            say(f"{label:<12}{printable(str(value))}")
    say_rule(found["rule"])
    say(f"{'':<12}what goes keeps its room until: panspermia gc", dim=True)


def say_rule(rule: list[str]) -> None:
    """Which of its snapshots are kept."""
    for place, line in enumerate(rule):
        say(f"{'' if place else 'kept':<12}{line}")


@click.command("snapshots")
@UNIVERSE
@click.option("--limit", type=click.IntRange(1, EVERYTHING), default=EVERYTHING)
@click.option("--cursor", help="Go on where the last page ended.")
@IN_NAMESPACE
def snapshots(universe: str | None, limit: int, cursor: str | None, namespace: str | None) -> None:
    """List the snapshots of a universe by tick."""
    query = {"limit": limit, "cursor": cursor, "namespace": namespace}
    page = node().get(path_of(PATH, meant(universe), "snapshots"), query)
    if wants_json():
        return print_json("universe", page)
    rows = (
        (
            f"{one['tick']:,}",
            "forked here" if one.get("inherited") else one["type"],
            size_text(one["fileSize"]),
            when(one["timestamp"]),
            one["id"][:16],
        )
        for one in page["snapshots"]
    )
    print_table(("TICK", "TYPE", "SIZE", "TAKEN", "ID"), rows)
    if page["next"]:
        say(f"more: --cursor {page['next']}", dim=True)


@click.command("delete")
@click.argument("universe")
@DRY_RUN
@IN_NAMESPACE
def delete(universe: str, dry_run: bool, namespace: str | None) -> None:
    """Show a universe of yours to nobody any more. Its forks stay whole."""
    query = {"namespace": namespace, "dryRun": "true" if dry_run else None}
    done = node().delete(with_query(path_of(PATH, universe), query))
    if wants_json():
        return print_json("universe", done)
    say(done["message"])


def when(at_ms: int) -> str:
    """In UTC, to the minute; "" for never."""
    if not at_ms:
        return ""
    try:
        return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"
