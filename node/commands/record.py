"""`info` of a genome, a seed or a lineage: all that is known of it, and its card."""

from __future__ import annotations

from typing import Any, Final

from node.commands.console import node, print_json, say, wants_json
from node.commands.life import (
    find_life,
    life_facts,
    life_path,
    verified_lines,
)
from node.commands.petnames import petnames
from node.exit_codes import NOT_FOUND
from node.failure import Failure, Json
from node.text import printable

CARD_LINES: Final = 40
"""Of a page; --readme shows the rest."""


def show_life(id: str, kind: str | None, namespace: str | None, *, only_card: bool) -> None:
    """Raises `Failure`."""
    kind, one = find_life(id, kind, namespace)
    if only_card and not wants_json():
        return say_card(one["card"], None)
    found: dict[str, Any] = {"kind": kind, **one}
    if kind == "genome":
        full = f"{one['author_did']}/{one['id']}"
        found["picture"] = None
        if is_drawn(one["format"]):
            found["picture"] = life_path(kind, full, "picture", namespace=namespace)
        found["lineage"] = lineage_of(one, namespace)
        said = node().get(life_path(kind, full, "attestations", namespace=namespace))
        found["attestations"] = said["evaluations"]
    return print_json("info", found) if wants_json() else print_life(kind, found, namespace)


def is_drawn(format: str) -> bool:
    """By what its record claims: whoever draws it goes by its bytes, and may refuse them."""
    from registry.pictures import DRAWN

    return format in DRAWN


def lineage_of(genome: Json, namespace: str | None) -> Json | None:
    """The lineage that it says it is of, where one of that name is known here."""
    if not genome["lineage_id"] or "/" in genome["lineage_id"]:  # that would name an author
        return None
    try:
        return node().get(life_path("lineage", genome["lineage_id"], namespace=namespace))
    except Failure as refused:
        if refused.exit != NOT_FOUND and refused.problem.get("code") != "invalid-name":
            raise
        return None


def print_life(kind: str, one: Json, namespace: str | None) -> None:
    names = petnames()
    say(printable(one["name"]), bold=True)
    if one["description"]:
        say(printable(one["description"]))
    for label, value in life_facts(kind, one):
        say(f"{label:<14}{printable(value)}")
    if lineage := one.get("lineage"):
        state = "extinct" if lineage["is_extinct"] else "alive"
        words = f"{lineage['name']}, level {lineage['civilization_level']}, {state}, as claimed"
        say(f"{'':<14}{printable(words)}")
    called = ", ".join(names.of(one["author_did"]))
    say(
        f"signed by     {printable(one['author_did'])}{f' ({printable(called)})' if called else ''}"
    )
    for other in one.get("also_by", ()):
        say(f"also by       {printable(names.author(other))}")
    rating: Json = one["rating"]
    if rating["count"]:
        say(f"rating        {rating['average']:.1f} of 5 ({rating['count']:,})")
    say(f"downloads     {one['downloads']:,}")
    for number, line in enumerate(verified_lines(one.get("attested"), names)):
        say(f"{'' if number else 'verified':<14}{line}")
    # Whole: its first digits may be those of somebody else's, too.
    full = printable(f"{one['author_did']}/{one['id']}")
    if kind == "genome" and not one.get("attestations"):
        there = f" --namespace {printable(namespace)}" if namespace else ""
        say(f"verified      nothing: nobody ran it yet; panspermia attest {full}{there}")
    if one.get("picture") and namespace in (None, "commons"):  # `picture` looks there alone
        say(f"picture       panspermia picture {full} -o FILE.png")
    say_card(one["card"], CARD_LINES)


def say_card(text: str, lines_max: int | None) -> None:
    """Markdown as it was written, whatever moves a cursor left out."""
    lines = text.splitlines()
    if lines_max is not None and lines:
        say()
    for line in lines[:lines_max]:
        say(printable(line))
    if lines_max is not None and len(lines) > lines_max:
        say(f"… {len(lines) - lines_max:,} more lines: info NAME --readme", dim=True)
