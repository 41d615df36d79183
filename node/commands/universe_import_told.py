"""What an import is to do and did, on a screen and in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from node.commands.console import print_table, say
from node.commands.universe_beside import print_beside
from node.failure import Json
from node.text import printable, size_text

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse, Problem

TOLD_MAX: Final = 50
"""Of what is wrong, on a screen; in the JSON stand more."""
NAMED_MAX: Final = 5
"""Universes in one line."""


def planned(one: ImportedUniverse, visibility: str) -> dict[str, Any]:
    """`visibility`: who is to read it, where it is not there yet."""
    told: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "owner": one.owner,
        "state": "planned",
        "visibility": visibility,
        "public_there": one.is_public,
        "events": len(one.events) + len(one.named),
        "new": 0,
        "known": 0,
        "fork_of": None,
        "retention": json.loads(one.said.retention) if one.said.retention else None,
        "lets_go": _lets_go(one.said.retention),
    }
    if fork := one.fork_of:
        told["fork_of"] = {"universe": fork.universe, "tick": fork.tick}
        if one.origin is None:
            told["no_fork"] = f"{fork.universe} is not there, or without what it began with"
        else:
            told["fork_of"]["sha256"] = one.origin.content.sha256.hex()
    count(told, one.snapshots)
    return told


def count(told: dict[str, Any], snapshots: Sequence[ImportedSnapshot]) -> None:
    """Those that it is to have itself."""
    from universe.snapshot import goes_by_itself

    told["snapshots"] = len(snapshots)
    told["canonical"] = sum(each.kind == "canonical" for each in snapshots)
    told["bytes"] = sum(each.content.size for each in snapshots)
    told["decaying"] = sum(
        goes_by_itself(each.decay, is_wrapped=each.is_wrapped) for each in snapshots
    )


def _lets_go(retention: str) -> bool:
    """Whether snapshots go by that rule that stay where none is set."""
    from msgspec.structs import replace

    from universe.retention import AUTOS_MAX, Rule, parse_policy

    if not retention:
        return False
    policy = parse_policy(retention)
    return any(
        (rule.thin_over or AUTOS_MAX) < AUTOS_MAX or replace(rule, thin_over=None) != Rule()
        for rule in (policy.auto, policy.manual)
    )


def problem_json(one: Problem) -> Json:
    from universe.formats import REFUSED

    return {
        "about": one.about.value,
        "left_out": one.about in REFUSED,
        "file": one.file,
        "place": str(one.place),
        "reason": one.reason,
    }


def state_text(one: Json) -> str:
    if "why" in one:
        return f"left: {printable(one['why'])}"
    return f"{one['state']}, {one['new']:,} new"


def is_narrowed(one: Json) -> bool:
    """Whether everybody reads it where it comes from, and not here."""
    return bool(one["public_there"]) and one["visibility"] != "public"


def say_narrowed(ids: Sequence[str], report: Json) -> None:
    """What is private here never becomes public: so a plan says it before, and what helps after."""
    if not ids:
        return
    named = ", ".join(ids[:NAMED_MAX])
    if (more := len(ids) - NAMED_MAX) > 0:
        named = f"{named} and {more:,} more"
    option = "--visibility as-said"
    if report["dry_run"]:
        how = f"{option} has it for everybody, for good"
    else:
        alone = "" if len(report["universes"]) == 1 else "its folder alone, "
        how = f"for everybody it takes another id: {alone}{option} --id NEW"
    said = f"{named}: for everybody where it comes from, and here for you alone; {how}"
    say(printable(said), fg="yellow")


def print_report(report: Json, told: int) -> None:
    rows = (
        (
            one["id"],
            one["snapshots"],
            size_text(one["bytes"]),
            one["events"],
            state_text(one),
            one["name"],
        )
        for one in report["universes"]
    )
    print_table(("UNIVERSE", "SNAPSHOTS", "BYTES", "EVENTS", "STATE", "NAME"), rows)
    for one in report["universes"]:
        if "no_fork" in one:
            say(printable(f"{one['id']} is no fork here: {one['no_fork']}"), dim=True, err=True)
    if decaying := sum(one["decaying"] for one in report["universes"]):
        why = "are to be kept for some ticks, and go as the world goes on; --keep-all keeps them"
        say(f"{decaying:,} of the snapshots {why}", dim=True)
    new = [one for one in report["universes"] if one["state"] in ("planned", "created")]
    if ruled := [one["id"] for one in new if one["lets_go"]]:
        why = "brings a rule by which snapshots go with the next ones; --keep-all leaves it out"
        say(printable(f"{', '.join(ruled)}: {why}"), dim=True)
    say_narrowed([one["id"] for one in new if is_narrowed(one)], report)
    print_beside(report)
    for one in sorted(report["problems"], key=lambda one: not one["left_out"])[:TOLD_MAX]:
        parts = [part for part in (one["file"], one["place"], one["reason"]) if part]
        say(printable(f"{one['about']}: {': '.join(parts)}"), dim=True, err=True)
    if told > TOLD_MAX:
        say(f"and {told - TOLD_MAX:,} more: --json has them", dim=True, err=True)
    for one in report["refused"]:
        parts = [part for part in (one["universe"], one["what"], one["detail"]) if part]
        say(printable(": ".join(parts)), fg="red", err=True)
    if report["dry_run"]:
        say("nothing was imported: this was a plan")
