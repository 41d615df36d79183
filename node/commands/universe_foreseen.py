"""What a node would do with what an import sends it, by what it says is there: for a plan.

It follows what `node.services.snapshots` does with an upload: see `_known` there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.failure import Json

if TYPE_CHECKING:
    from universe.event import Event
    from universe.formats import ImportedSnapshot


@dataclass(slots=True)
class Foreseen:
    """`rows`: by ids of universes, their snapshots as the node lists them, and those to come."""

    rows: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    _alike: dict[str, dict[tuple[int, str], list[Json]]] = field(
        default_factory=dict[str, dict[tuple[int, str], list[Json]]]
    )
    """The same, of each tick and checksum: there may be thousands."""

    def begin(self, id: str, there: list[Json]) -> None:
        """A universe with what is there of it."""
        self.rows[id], self._alike[id] = [], {}
        for row in there:
            self._put(id, row)

    def send(self, id: str, snapshot: ImportedSnapshot) -> bool:
        """Whether it is there already."""
        row = _row(snapshot)
        if any(_is_same(there, row) for there in self._alike[id].get(_bytes_at(row), ())):
            return True
        self._put(id, row)
        return False

    def _put(self, id: str, row: Json) -> None:
        self.rows[id].append(row)
        self._alike[id].setdefault(_bytes_at(row), []).append(row)


def _bytes_at(row: Json) -> tuple[int, str]:
    return row["tick"], row["checksum"]


def _row(one: ImportedSnapshot) -> Json:
    from universe.formats.decays import decay_json

    return {
        "id": "",
        "tick": one.tick,
        "type": one.kind_kept,
        "checksum": one.content.checksum.hex(),
        "decayPolicy": None if one.decay is None else decay_json(one.decay),
        "wrapped": one.is_wrapped,
        "canonEvent": None if one.event is None else _said(one.event, one.day),
    }


def _is_same(there: Json, row: Json) -> bool:
    from universe.snapshot import is_alike

    if not is_alike(there["type"], row["type"]):
        return False
    if (there.get("decayPolicy") or None) != (row["decayPolicy"] or None):
        return False
    if _goes_by_itself(there) != _goes_by_itself(row):
        return False
    event, told = row["canonEvent"], there.get("canonEvent")
    return event is None or (told is not None and _plain(told) == _plain(event))


def _goes_by_itself(row: Json) -> bool:
    """As `universe.snapshot.goes_by_itself`."""
    policy: Json = row.get("decayPolicy") or {}
    goes = policy.get("decayAfterTicks") is not None and not policy.get("neverDecay")
    return goes and not row.get("wrapped", False)


def _said(event: Event, day: int | None) -> dict[str, Any]:
    """`day`: of its snapshot."""
    return {
        "type": event.type,
        "title": event.title,
        "description": event.description,
        "importance": event.importance,
        "day": day if event.day is None else event.day,
        "entities": event.entities,
        "souls": event.souls,
        "parents": event.parents,
    }


def _plain(event: Json) -> list[object]:
    lists = [[*(event.get(key) or ())] for key in ("entities", "souls", "parents")]
    words = [event["type"], event["title"], event.get("description", "")]
    return [*words, int(event.get("importance") or 0), event.get("day"), *lists]
