"""What an import is to do and did, on a screen and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.commands.console import print_table, say
from node.commands.universe_beside import print_beside
from node.failure import Json
from node.text import printable, size_text

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse, Problem

TOLD_MAX: Final = 50
"""Of what is wrong, on a screen; in the JSON stand more."""


def goes_by_itself(one: ImportedSnapshot) -> bool:
    """What its program wrote in JSON is shown, and obeyed by whoever asks for it."""
    return one.decay is not None and one.decay.goes and not one.is_wrapped


def planned(one: ImportedUniverse) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "owner": one.owner,
        "state": "planned",
        "snapshots": len(one.snapshots),
        "canonical": sum(each.kind == "canonical" for each in one.snapshots),
        "events": len(one.events),
        "bytes": one.size,
        "decaying": sum(goes_by_itself(each) for each in one.snapshots),
        "new": 0,
        "known": 0,
        "fork_of": None,
    }
    if fork := one.fork_of:
        told["fork_of"] = {"universe": fork.universe, "tick": fork.tick}
        if one.origin is None:
            told["no_fork"] = f"{fork.universe} is not there, or without what it began with"
        else:
            told["fork_of"]["sha256"] = one.origin.content.sha256.hex()
    return told


def problem_json(one: Problem) -> Json:
    from universe.formats import REFUSED

    return {
        "about": one.about.value,
        "left_out": one.about in REFUSED,
        "file": one.file,
        "place": str(one.place),
        "reason": one.reason,
    }


def state_text(one: Json, *, is_dry: bool) -> str:
    if "why" in one:
        return f"left: {printable(one['why'])}"
    return str(one["state"]) if is_dry else f"{one['state']}, {one['new']} new"


def print_report(report: Json, count: int) -> None:
    rows = (
        (
            one["id"],
            one["snapshots"],
            size_text(one["bytes"]),
            one["events"],
            state_text(one, is_dry=report["dry_run"]),
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
    print_beside(report)
    for one in sorted(report["problems"], key=lambda one: not one["left_out"])[:TOLD_MAX]:
        parts = [part for part in (one["file"], one["place"], one["reason"]) if part]
        say(printable(f"{one['about']}: {': '.join(parts)}"), dim=True, err=True)
    if count > TOLD_MAX:
        say(f"and {count - TOLD_MAX:,} more: --json has them", dim=True, err=True)
    for one in report["refused"]:
        parts = [part for part in (one["universe"], one["what"], one["detail"]) if part]
        say(printable(": ".join(parts)), fg="red", err=True)
    if report["dry_run"]:
        say("nothing was imported: this was a plan")
