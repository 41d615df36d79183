"""`universe souls` and `universe lineage`: who lived where, and whose children they are."""

from __future__ import annotations

import click

from node.client import path_of
from node.commands.console import IN_NAMESPACE, node, print_json, print_table, say, wants_json
from node.commands.universe_named import PATH
from node.failure import Json
from node.text import printable, short_name


@click.command("souls")
@click.argument("universe")
@click.argument("name", required=False)
@IN_NAMESPACE
def souls(universe: str, name: str | None, namespace: str | None) -> None:
    """Follow the soul or creature NAME through forks and passages; without it, list the souls."""
    query = {"name": name, "namespace": namespace}
    found = node().get(path_of(PATH, universe, "souls"), query)
    if wants_json():
        return print_json("universe", found)
    if name is None:
        for one in found["souls"]:
            say(printable(one))
        return
    for stay in found["soul"]["stays"]:
        say(stay_text(stay), bold=stay["until"] is None)
        for event in stay["events"]:
            say(f"  {event['tick']:>12,}  {printable(event['title'])}", dim=True)
    for target in found["soul"]["inTransit"]:
        say(f"on its way to {printable(short_name(target))}", fg="yellow")
    if not found["soul"]["stays"]:
        say(f"Nothing is told of {printable(name)}.")


def stay_text(stay: Json) -> str:
    came = f" from {short_name(stay['cameFrom'])}" if stay["cameFrom"] else ""
    line = f"{short_name(stay['universe'])}  {stay['since']:,} {stay['began']}{came}"
    if stay["until"] is not None:
        went = f" to {short_name(stay['wentTo'])}" if stay["wentTo"] else ""
        line += f" … {stay['until']:,} {stay['ended'] or 'begun anew'}{went}"
    return printable(line)


@click.command("lineage")
@click.argument("universe")
@click.argument("name", required=False)
@IN_NAMESPACE
def lineage(universe: str, name: str | None, namespace: str | None) -> None:
    """List parents and children in a universe and its forks, each creature once."""
    query = {"name": name, "namespace": namespace}
    found = node().get(path_of(PATH, universe, "lineage"), query)
    if wants_json():
        return print_json("universe", found)
    rows = (
        (
            printable(one["name"]),
            printable(short_name(one["universe"])),
            "" if one["born"] is None else f"{one['born']:,}",
            names(one["parents"]),
            names(one["children"]),
        )
        for one in found["people"]
    )
    print_table(("NAME", "BORN IN", "AT", "PARENTS", "CHILDREN"), rows)


def names(people: list[Json]) -> str:
    return printable(", ".join(one["name"] for one in people))
