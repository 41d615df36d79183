"""`universe souls` and `universe lineage`: who lived where, and whose children they are."""

from __future__ import annotations

import click

from node.client import path_of
from node.commands.console import IN_NAMESPACE, node, print_json, print_table, say, wants_json
from node.commands.petnames import Petnames, own_did, petnames
from node.commands.universe_named import PATH
from node.failure import Json
from node.text import printable


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
        if not found["souls"]:
            say("Nothing is told of any soul: panspermia universe event … birth --soul NAME")
        tell_more(found["total"] - len(found["souls"]))
        return tell_rest(found)
    tell_soul(found["soul"])
    return tell_rest(found)


def tell_soul(soul: Json) -> None:
    called = petnames(own_did())
    for stay in soul["stays"]:
        say(stay_text(stay, called), bold=stay["until"] is None)
        for event in stay["events"]:
            say(f"  {event['tick']:>12,}  {printable(event['title'])}", dim=True)
        more = stay["eventCount"] - len(stay["events"])
        tell_more(more, "more events: the timeline has them", begin="  ")
    tell_more(soul["stayCount"] - len(soul["stays"]), "more times that it was somewhere")
    for way in soul["inTransit"]:
        whose = whose_text(way, way["source"], called)
        say(printable(f"on its way to {called.universe(way['target'])}{whose}"), fg="yellow")
    tell_more(soul["inTransitCount"] - len(soul["inTransit"]), "more under way")
    if not soul["stayCount"]:
        say(f"Nothing is told of {printable(soul['name'])}.")


def stay_text(stay: Json, called: Petnames) -> str:
    came = f" from {called.universe(stay['cameFrom'])}" if stay["cameFrom"] else ""
    line = f"{called.universe(stay['universe'])}  {stay['since']:,} {stay['began']}{came}"
    if stay["until"] is not None:
        went = f" to {called.universe(stay['wentTo'])}" if stay["wentTo"] else ""
        line += f" … {stay['until']:,} {stay['ended'] or 'gone'}{went}"
    return printable(line + whose_text(stay, stay["universe"], called))


def whose_text(one: Json, at: str, called: Petnames) -> str:
    """Of a guest in a universe of which universe it is."""
    return f", of {called.universe(one['origin'])}" if one["origin"] != at else ""


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
    called = petnames(own_did())
    rows = (
        (
            printable(one["name"]),
            birthplace(one, called),
            "" if one["born"] is None else f"{one['born']:,}",
            names(one["parents"], one["universe"], called),
            names(one["children"], one["universe"], called),
        )
        for one in found["people"]
    )
    print_table(("NAME", "BORN IN", "AT", "PARENTS", "CHILDREN"), rows)
    tell_more(found["total"] - len(found["people"]))
    tell_rest(found)


def tell_more(more: int, of: str = "more: name one of them", begin: str = "") -> None:
    if more > 0:
        say(f"{begin}and {more:,} {of}", dim=True)


def birthplace(one: Json, called: Petnames) -> str:
    """Of whom no birth is told, where one first hears of it."""
    place = printable(called.universe(one["universe"]))
    return f"? told of in {place}" if one["born"] is None else place


def tell_rest(found: Json) -> None:
    names_places = found["untold"] or found["unread"] or found["leftOut"]
    called = petnames(own_did()) if names_places else Petnames({})
    for universe in found["untold"]:
        where = printable(called.universe(universe))
        say(f"What happened in {where} is not told: it is deleted, or not known here.", fg="yellow")
    for universe in found["unread"]:
        where = printable(called.universe(universe))
        why = "what its gate signed is damaged here, or depends on too much"
        say(f"Who passed {where} is told as far as other gates say so: {why}.", fg="yellow")
    for one in found["leftOut"]:
        who = f"{printable(one['soul'])} of {printable(called.universe(one['origin']))}"
        why = "too much is to be read for it, or some of that is damaged here"
        say(f"The journey of {who} is not told: {why}.", fg="yellow")
    tell_more(found["leftOutCount"] - len(found["leftOut"]), "more travellers: the same of these")
    if not found["whole"]:
        say("More is known here than is told: that is the nearest of it.", fg="yellow")


def names(people: list[Json], at: str, called: Petnames) -> str:
    """Of whoever is of another universe than `at` with that: all may use one name."""

    def text(one: Json) -> str:
        is_there = one["universe"] == at
        return one["name"] if is_there else f"{one['name']} ({called.universe(one['universe'])})"

    return printable(", ".join(map(text, people)))
