"""Genomes, seeds and lineages for the commands: which is meant, how it is shown; `hall-of-fame`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click

from node.client import path_of, with_query
from node.commands.console import IN_NAMESPACE, node, print_json, print_table, say, wants_json
from node.commands.petnames import Petnames, petnames
from node.exit_codes import NOT_FOUND
from node.failure import Failure, Json
from node.text import printable, size_text

WORDS: Final = ("genome", "seed", "lineage")
SORTS: Final = {"genome": "fitness", "seed": "pop", "lineage": "level"}
ID_SHOWN: Final = 16

_UUID: Final = re.compile(r"(?:[^/]+/)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ID: Final = re.compile(r"(?:[^/]+/)?[0-9a-f]{8,64}", re.ASCII)


def is_life(text: str) -> bool:
    """Whether it is the id of a genome or a seed, or begins one, and so no module's name."""
    return _ID.fullmatch(text) is not None


def is_lineage(text: str) -> bool:
    """Whether it is a lineage's id as Primordium has it, and so no module's name."""
    return _UUID.fullmatch(text) is not None


def life_path(kind: str, id: str, *more: str, namespace: str | None = None) -> str:
    path = path_of(f"/api/registry/{kind}s", id, *more)
    return with_query(path, {"namespace": namespace})


def find_life(id: str, kind: str | None = None, namespace: str | None = None) -> tuple[str, Json]:
    """Its kind, and what the node knows of it: of no kind that is named, a genome or a seed.

    Raises `Failure`.
    """
    kinds = [kind] if kind else list(WORDS[:2])
    for place, one in enumerate(kinds, 1):
        try:
            return one, node().get(life_path(one, id, namespace=namespace))
        except Failure as refused:
            if refused.exit != NOT_FOUND or refused.problem["code"] != "unknown-record":
                raise
            if place == len(kinds):
                detail = (
                    f"no {' or '.join(kinds)} {id} is known here; `panspermia sync` may bring it"
                )
                raise Failure({**refused.problem, "detail": detail}, refused.exit) from refused
    raise AssertionError("one of them raised or answered")


def verified_lines(one: Json | None, names: Petnames) -> Iterator[str]:
    """What is verified of a genome and by whom, and who says something else."""
    if one is None:
        return
    if one["result"] is None:
        yield "nothing: no run by you or by somebody you named counts yet"
    else:
        question = f"seed {one['seed']}, {one['ticks']:,} ticks"
        if not one["standard"]:
            question += ", which not all genomes were asked"
        by = ", ".join(map(names.author, one["attestors"]))
        found = f"{one['result']:,} by {printable(one['module'])} ({question})"
        yield f"{found}, found by {printable(by)}"
    for author in one["contradicted_by"]:
        yield f"{printable(names.author(author))} says something else"
    if one["disputed"]:
        yield f"DISPUTED by runs that count, evaluations: {one['disputed']:,}; attest --show"
    elif one["contradictions"]:
        yield f"claims or strangers differ, evaluations: {one['contradictions']:,}; attest --show"
    if one["claimed"]:
        yield f"only claimed, evaluations: {one['claimed']:,}"


def life_facts(kind: str, one: Json) -> Iterator[tuple[str, str]]:
    """What there is to say, in order; numbers are those that its author claims."""
    yield "id", one["id"]
    if kind != "lineage":
        yield "format", f"{one['format']}, {size_text(one['size'])}"
    if one["author"]:
        yield "author", one["author"] + (" (handed in by a stranger)" if one["anonymous"] else "")
    if one["license"]:
        yield "licence", one["license"]
    if one["tags"]:
        yield "tags", ", ".join(one["tag_list"])
    if one.get("fitness_score"):
        yield "fitness", f"{one['fitness_score']:g}, as its author claims"
    for key, label in (
        ("offspring_count", "offspring"), ("max_pop", "population"),
        ("avg_tick_time", "tick time"), ("civilization_level", "level"), ("tick", "tick"),
        ("start_tick", "since tick"), ("lineage_id", "lineage"), ("parent", "descends from"),
        ("performance_summary", "performance"), ("best_genotype", "best genome"),
    ):  # fmt: skip
        if one.get(key):
            yield label, f"{one[key]:g}" if isinstance(one[key], float) else str(one[key])
    for parent in one.get("parents", ()):
        yield "parent", parent


def print_list(kind: str, page: Json) -> None:
    names, rows = petnames(), page[f"{kind}s"]
    if not rows:
        return say("None is known here. What a peer publishes arrives by itself: panspermia peers")
    score = {"genome": "fitness_score", "seed": "max_pop", "lineage": "civilization_level"}[kind]
    claimed = "CLAIMED FITNESS" if kind == "genome" else SORTS[kind].upper()
    is_verified = all("result" in (one.get("attested") or {}) for one in rows)
    head = ("ID", "NAME", "VERIFIED" if is_verified else claimed, "STARS", "DOWNLOADS", "SIGNED BY")
    print_table(head, (
        (one["id"] if kind == "lineage" else one["id"][:ID_SHOWN], one["name"],
         f"{one['attested']['result']:,}" if is_verified else f"{one[score]:g}",
         f"{one['rating']['average']:.1f}" if one["rating"]["count"] else "-", one["downloads"],
         names.author(one["author_did"]))
        for one in rows
    ))  # fmt: skip
    if page["next"]:
        say(f"More: --cursor {printable(page['next'])}", dim=True)
    return None


@click.command("hall-of-fame")
@click.option("--followed", is_flag=True, help="Only your own, and of people whom you follow.")
@IN_NAMESPACE
def hall_of_fame_command(followed: bool, namespace: str | None) -> None:
    """List the ten lineages of the highest civilisation level."""
    trust = "followed" if followed else None
    answer = node().get("/api/registry/hall_of_fame", {"namespace": namespace, "trust": trust})
    if wants_json():
        return print_json("hall-of-fame", answer)
    if not answer["hall_of_fame"]:
        return say("No lineage is known yet. What a peer publishes arrives by itself.")
    names = petnames()
    print_table(("LEVEL", "LINEAGE", "NAME", "STATE", "SIGNED BY"), (
        (one["civilization_level"], one["id"], one["name"],
         "extinct" if one["is_extinct"] else "alive", names.author(one["author_did"]))
        for one in answer["hall_of_fame"]
    ))  # fmt: skip
    return None
