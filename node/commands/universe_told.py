"""What a universe was told of already: events are for good, so one typed twice is told once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from node.client import Client
from node.commands.universe_telling import timeline_in
from node.exit_codes import CONFLICT
from node.failure import Json, failure
from node.text import printable

NAMES: Final = ("entities", "souls", "parents")


def told_before(node: Client, universe: str, said: Mapping[str, Any], **where: Any) -> Json | None:  # noqa: ANN401 - a query
    """The event of its timeline with this tick, type, title and names; None where there is none.

    What is not said is not compared. `where`: of the query that finds the universe.
    Raises `Failure` (`same-event`) where something else that is said of it differs.
    """
    from universe.event import event_word

    wanted = _words({**said, "title": said["title"] or event_word(said["type"])})
    query = {**where, "canonicalOnly": "true", "from": said["tick"], "to": said["tick"]}
    same = [
        (_differing(entry, said), entry)
        for entry in timeline_in(node, universe, query)
        if entry.get("event") and _words(entry) == wanted
    ]
    if not same:
        return None
    differs, found = min(same, key=lambda one: len(one[0]))
    if differs:
        what = " and ".join(", ".join(differs).rsplit(", ", 1))
        detail = (
            f"tick {found['tick']:,}: {printable(found['title'])} was told with another {what},"
            " which stays: events are for good\n"
            "To tell this one beside it: --again"
        )
        raise failure(
            "same-event", "That was told before", detail, CONFLICT, event=found["event"]
        )  # fmt: skip
    return found


def _words(event: Mapping[str, Any]) -> tuple[object, ...]:
    names = (tuple(event.get(key) or ()) for key in NAMES)
    return event["tick"], event["type"], event["title"], *names


def _differing(entry: Json, said: Mapping[str, Any]) -> list[str]:
    is_said = {"description": bool(said["description"]), "importance": bool(said["importance"]),
               "day": said["day"] is not None}  # fmt: skip
    differs = [key for key in is_said if is_said[key] and said[key] != entry.get(key)]
    if said.get("snapshot") not in (None, entry.get("names"), entry.get("snapshot")):
        differs.append("snapshot")
    return differs
