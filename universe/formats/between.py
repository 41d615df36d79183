"""Passages between universes, and players: as ai_village writes them, in and out.

```
passage  {id, sourceUniverseId, targetUniverseId, type, active, createdAt, createdBy,
          stability, lastMaintenance}
player   {id, displayName, createdAt, lastSeen, universeCount}, and its list of ids of universes
```
Times are ms since 1970.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from registry.errors import InvalidName
from registry.formats.errors import InvalidFile, Place
from registry.manifest import NAME_CHARACTERS_MAX
from registry.plain import as_list, as_map
from universe.formats.claims import OWNER_CHARACTERS_MAX, Claims
from universe.formats.imported import About, ImportedPassage, ImportedPlayer, Report
from universe.names import parse_new_id
from universe.passage import STABILITY_MAX, TYPES
from universe.player import parse_player_id

ENDS: Final = ("sourceUniverseId", "targetUniverseId")


def passage_of(told: Claims) -> ImportedPassage:
    """Raises `InvalidFile`."""
    id, source, target = (_id(told, key) for key in ("id", *ENDS))
    if source == target:
        raise InvalidFile(told.file, told.at(ENDS[1]), "leads where it comes from")
    if (type := told.fields.get("type")) not in TYPES:
        raise InvalidFile(told.file, told.at("type"), f"is none of {', '.join(TYPES)}")
    stability = told.whole("stability", STABILITY_MAX)
    return ImportedPassage(
        id=id,
        source=source,
        target=target,
        type=str(type),
        is_active=told.fields.get("active") is not False,
        created_us=told.time_us("createdAt"),
        by=told.exact("createdBy", OWNER_CHARACTERS_MAX),
        stability=STABILITY_MAX if stability is None else stability,
        maintained_us=told.time_us("lastMaintenance"),
    )


def passages_of(told: Claims) -> list[ImportedPassage]:
    """Of a list in a file; what is wrong with one of them is in the report."""
    value = told.fields.get("passages")
    listed = as_list(value)
    if listed is None and value is not None:
        told.doubt("passages", "must be a list")
    found: list[ImportedPassage] = []
    for number, each in enumerate(listed or ()):
        pointer = f"{told.pointer}/passages/{number}"
        try:
            if (fields := as_map(each)) is None:
                raise InvalidFile(told.file, Place(pointer=pointer), "must be an object")
            found.append(passage_of(Claims(fields, told.file, pointer, told.report)))
        except InvalidFile as wrong:
            told.report.refuse(wrong)
    return found


def player_of(told: Claims, universes: tuple[str, ...], id: str | None = None) -> ImportedPlayer:
    """`id`: where it says none itself. Raises `InvalidFile`."""
    own = told.fields.get("id")
    try:
        found = parse_player_id(own if isinstance(own, str) else id or "")
    except InvalidName as wrong:
        raise InvalidFile(told.file, told.at("id"), wrong.detail) from wrong
    return ImportedPlayer(
        id=found,
        name=told.exact("displayName", NAME_CHARACTERS_MAX) or found,
        universes=universes,
        created_us=told.time_us("createdAt"),
        seen_us=told.time_us("lastSeen"),
    )


def each_once(
    passages: Sequence[ImportedPassage], players: Sequence[ImportedPlayer], report: Report
) -> tuple[tuple[ImportedPassage, ...], tuple[ImportedPlayer, ...]]:
    """The first of each id; another that says something else is told."""
    by_id: dict[str, ImportedPassage] = {}
    for one in passages:
        if by_id.setdefault(one.id, one) != one:
            report.tell(About.SAME_ID, "", f"another passage before it is {one.id} too")
    known: dict[str, ImportedPlayer] = {}
    for who in players:
        if known.setdefault(who.id, who) != who:
            report.tell(About.SAME_ID, "", f"another player before it is {who.id} too")
    return tuple(by_id.values()), tuple(known.values())


def why_not(one: ImportedPassage, universes: Collection[str]) -> str:
    """Why it cannot be made where only these universes are; "" where it can."""
    missing = [end for end in (one.source, one.target) if end not in universes]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{' and '.join(missing)} {verb} not among the universes"


def passage_json(one: ImportedPassage) -> dict[str, Any]:
    return {
        "id": one.id,
        "sourceUniverseId": one.source,
        "targetUniverseId": one.target,
        "type": one.type,
        "active": one.is_active,
        "createdAt": one.created_us // 1_000,
        "createdBy": one.by,
        "stability": one.stability,
        "lastMaintenance": one.maintained_us // 1_000,
    }


def player_json(one: ImportedPlayer) -> dict[str, Any]:
    return {
        "id": one.id,
        "displayName": one.name,
        "createdAt": one.created_us // 1_000,
        "lastSeen": one.seen_us // 1_000,
        "universeCount": len(one.universes),
    }


def list_json(one: ImportedPlayer) -> Mapping[str, Any]:
    """A player's list, as it lies beside the profile."""
    last_ms = one.seen_us // 1_000
    return {"playerId": one.id, "universes": [*one.universes], "lastUpdated": last_ms}


def _id(told: Claims, key: str) -> str:
    value = told.fields.get(key)
    try:
        return parse_new_id(value if isinstance(value, str) else "")
    except InvalidName as wrong:
        raise InvalidFile(told.file, told.at(key), wrong.detail) from wrong
