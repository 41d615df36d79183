"""What an import brings beside universes: players, and passages between what came with them.

All of it is this node's own: its author signs for the players, as their server did, and both ends
of a passage are this author's, so it is open at once. What is there already stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.client import path_of, with_query
from node.commands.console import node, say
from node.exit_codes import NOT_FOUND
from node.failure import Failure, Json
from node.text import printable

if TYPE_CHECKING:
    from universe.formats import ImportedPassage, ImportedPlayer, Plan

PLAYER: Final = "/api/player"
PASSAGE: Final = "/api/passage"
COMMONS: Final = "commons"
SHOWN_MAX: Final = 20
"""Of each, on a screen."""


@dataclass(frozen=True, slots=True)
class Beside:
    """`places`: the universes that are there now, by their ids, each with where it lies.

    `is_dry`: nothing is made, and `did` may be "", where no node says what is there.
    """

    did: str
    plan: Plan
    places: Mapping[str, str]
    is_dry: bool = False

    def passage(self, one: ImportedPassage) -> Json:
        """Makes it; what became of it. Raises `Failure`."""
        from universe.formats.between import why_not

        told = passage_told(one)
        if reason := why_not(one, self.places):
            return {**told, "state": "left", "reason": f"{reason} that are imported"}
        if self.places[one.source] != self.places[one.target]:
            reason = "its ends have different readers, who could not tell who is at the other"
            return {**told, "state": "left", "reason": reason}
        name = f"{self.did}/{one.id}"
        found = there(path_of(PASSAGE, name)) if self.did else None
        if self.is_dry:
            return told if found is None else {**told, "state": "unchanged"}
        is_new = found is None
        if found is None:
            found = node().post(PASSAGE, self._body(one))
        if is_new and not one.is_active:  # one that is there stays as its owners have it now
            node().delete(path_of(PASSAGE, name))
        return {**told, "state": "created" if is_new else "unchanged"}

    def player(self, one: ImportedPlayer) -> Json:
        """Registers who it is; what became of it. Raises `Failure`."""
        told, place = player_told(one), self._place(one)
        if not place:
            return {**told, "state": "left", "reason": "none of their universes is there"}
        path = path_of(PLAYER, f"{self.did}/{one.id}")
        if self.did and there(with_query(path, {"namespace": place})) is not None:
            return {**told, "state": "unchanged", "namespace": place}
        if self.is_dry:
            return {**told, "namespace": place}
        body: Json = {
            "id": one.id, "displayName": one.name, "namespace": place,
            "createdAt": one.created_us // 1_000 or None,
        }  # fmt: skip
        node().post(PLAYER, body)
        return {**told, "state": "created", "namespace": place}

    def _body(self, one: ImportedPassage) -> Json:
        body: dict[str, Any] = {
            "id": one.id,
            "sourceUniverseId": f"{self.did}/{one.source}",
            "targetUniverseId": f"{self.did}/{one.target}",
            "type": one.type,
            "createdBy": one.by or None,
            "stability": one.stability,
            "createdAt": one.created_us // 1_000 or None,
            "lastMaintenance": one.maintained_us // 1_000 or None,
        }
        return {key: value for key, value in body.items() if value is not None}

    def _place(self, one: ImportedPlayer) -> str:
        """Where the player's universes are: in commons where one of them is, which is for ever.

        "" where none of them is there. Who has none is no wider than any universe that is.
        """
        named = {*one.universes, *(each.id for each in self.plan.universes if each.owner == one.id)}
        places = {id: place for id, place in self.places.items() if not named or id in named}
        narrow = next((each for each in places.values() if each != COMMONS), "")
        is_public = COMMONS in places.values() and (named or not narrow)
        return COMMONS if is_public else narrow


def there(path: str) -> Json | None:
    """What is at that address; None where nothing is."""
    try:
        return node().get(path)
    except Failure as wrong:
        if wrong.exit != NOT_FOUND:
            raise
        return None


def told_gone(path: str, id: str) -> str:
    """Of a universe of one's own that is not there: how it comes back, where it was deleted."""
    try:
        node().get(path)
    except Failure as wrong:
        if wrong.exit != NOT_FOUND:
            raise
        detail = str(wrong.problem.get("detail", ""))
        return detail if detail.startswith(f"{id} is deleted: ") else ""
    return ""


def passage_told(one: ImportedPassage) -> Json:
    return {
        "id": one.id,
        "source": one.source,
        "target": one.target,
        "type": one.type,
        "active": one.is_active,
        "state": "planned",
    }


def player_told(one: ImportedPlayer) -> Json:
    return {"id": one.id, "name": one.name, "universes": [*one.universes], "state": "planned"}


def print_beside(report: Json) -> None:
    for one in report["passages"][:SHOWN_MAX]:
        why = f": {one['reason']}" if "reason" in one else ""
        closed = "" if one["active"] else ", closed"
        line = f"passage {one['id']}, {one['source']} to {one['target']}{closed}: {one['state']}"
        say(printable(f"{line}{why}"), dim=one["state"] != "created")
    for one in report["players"][:SHOWN_MAX]:
        line = f"player {one['id']}, {one['name']}: {one['state']}{_where(one)}"
        say(printable(line), dim=one["state"] != "created")
    for kind in ("passages", "players"):
        if (more := len(report[kind]) - SHOWN_MAX) > 0:
            say(f"and {more:,} more {kind}: --json has them", dim=True)


def _where(player: Json) -> str:
    if "reason" in player:
        return f": {player['reason']}"
    if "namespace" not in player:
        return ""
    is_public = player["namespace"] == COMMONS
    return ", in commons for everybody" if is_public else ", for who reads their universes"
