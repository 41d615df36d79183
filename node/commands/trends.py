"""`info NAME --trends`: how a record does over time, as a line of small bars for each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from node.commands.console import node, print_json, say, wants_json
from node.failure import Json
from node.text import printable

BARS: Final = "▁▂▃▄▅▆▇█"
LABELS: Final = {
    "module": ("installed by", "rated by", "needed by"),
    "genome": ("fetched by", "rated by", "parent for"),
    "seed": ("fetched by", "rated by", ""),
    "lineage": ("", "rated by", "taken up by"),
}
OTHERWISE: Final = {
    "before": "before that",
    "ahead": "dated in the future, by a clock that is wrong",
    "undated": "at a time that nobody noted",
}


def sparkline(values: Sequence[int]) -> str:
    """One character each, the highest as high as there is; nothing is the lowest."""
    most = max(values, default=0)
    top = len(BARS) - 1
    return "".join(BARS[-(-value * top // most) if most else 0] for value in values)


def show_trends(path: str, wanted: Mapping[str, Any]) -> None:
    found = node().get(path, wanted)
    return print_json("info", found) if wants_json() else print_trends(found)


def print_trends(found: Json) -> None:
    points: list[Json] = found["points"]
    say(printable(found["id"].rpartition("/")[2]), bold=True)
    say(f"by {found['step']} since {points[0]['since']}; authors, each counted once", dim=True)
    keys = ("downloads", "ratings", "dependants")
    for key, label in zip(keys, LABELS[found["kind"]], strict=True):
        if label:
            say(_line(found, key, label))
    if not found["whole"]:
        say("More records build on it than are looked at.", fg="yellow")


def _line(found: Json, key: str, label: str) -> str:
    points: list[Json] = found["points"]
    values = [point[key] for point in points]
    said = [f"{sum(values):,}"]
    said += [f"{found[when][key]:,} {word}" for when, word in OTHERWISE.items() if found[when][key]]
    if key == "ratings" and (rated := sum(values)):
        stars = sum(point["average"] * point[key] for point in points if point[key])
        said.append(f"{stars / rated:.1f} of 5")
    return f"{label:<14}{sparkline(values)}  {', '.join(said)}"
