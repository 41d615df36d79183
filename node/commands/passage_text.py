"""How passages and travellers read in words."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from node.commands.petnames import Petnames
from node.failure import Json
from node.text import printable


def stability_text(one: Json) -> str:
    """What is left, and how often somebody means to look after it."""
    now, said, every = one["stabilityNow"], one["stability"], one["maintenanceEvery"]
    text = f"{now} of 100" + (f", {said} when looked after" if now != said else "")
    if every:
        text += f"; one means to look after it each {every / 86_400_000:g} days"
    return text


def state_text(one: Json, called: Petnames, own: str) -> str:
    """And which end was deleted: nobody goes there."""
    gone = ", ".join(end_text(end, called, own) for end in one["gone"])
    return printable(f"{one['state']}: {gone} was deleted" if gone else one["state"])


def waiting_text(passage: Json, found: Json, own: str) -> Iterator[str]:
    """What a person can do for those who wait at a gate of theirs."""
    if passage["arrivals"].get(own) != "ask" or passage["state"] not in ("open", "gone"):
        return
    for one in found["travellers"]:
        is_coming = one["state"] == "in-transit" and one["universe"].startswith(f"{own}/")
        if is_coming and one["passage"] == passage["fullName"]:
            name = quote(passage["fullName"])
            command = f"panspermia passage decide {name} {one['migration']} --accept"
            yield f"{printable(one['soul'])} waits for you: {printable(command)} (or --refuse)"


def late_text(one: Json) -> str | None:
    """Of who was called back and is under way no more: nobody hears of it."""
    return "It is under way no more: this calls nobody back." if one["state"] == "in" else None


def behind_text(universe: str) -> str:
    """What stops a gate, and what helps."""
    text = (
        f"The gate of {universe} signs nothing: the other end answered what is not here."
        " `panspermia sync` brings it; if it is lost for good, or was never signed,"
        f" `panspermia passage gate {quote(universe)} --anyway` goes on without it."
    )
    return printable(text)


def rest_text(universe: str, why: str) -> str:
    """Why its gate answers nobody who comes through the passage."""
    said = {
        "day": "answered as many through this passage as it does in a day: others wait",
        "refused": "refused many in a row through this passage, and answers nobody else",
        "spent": "answered as many through this passage as it ever does: another passage goes on",
    }
    return printable(f"The gate of {universe} {said.get(why, why)}.")


def end_text(name: str, called: Petnames, own: str) -> str:
    """Of two of one id it says which is one's own."""
    author, _, id = name.partition("/")
    return f"{id} (yours)" if author == own else f"{called.author(author)}/{id}"


def travellers_text(found: Json, called: Petnames) -> Iterator[str]:
    for one in found["travellers"]:
        yield f"{place_text(one, called)}  (migration {one['migration']})"


def place_text(one: Json, called: Petnames) -> str:
    soul = printable(one["soul"])
    where = printable(universe_text(one["universe"], called))
    match one["state"]:
        case "in":
            return f"{soul} is in {where}" + (", which was deleted" if one.get("gone") else "")
        case "refused":
            why = f": {printable(one['reason'])}" if one.get("reason") else ""
            return f"{soul} is on its way back to {where}, refused{why}"
        case _:
            left = printable(universe_text(one["source"], called))
            return f"{soul} is on its way from {left} to {where}"


def universe_text(name: str, called: Petnames) -> str:
    """As it may be typed, where it is one's own or its author has a petname."""
    return called.universe(name)
