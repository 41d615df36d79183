"""What the node knows of a universe that is to go out as files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from node.client import path_of
from node.commands.console import node
from node.commands.passage_pages import passages_known
from node.exit_codes import NOT_FOUND
from node.failure import Failure, Json

if TYPE_CHECKING:
    from universe.event import Event
    from universe.formats.imported import ImportedPassage, ImportedPlayer
    from universe.formats.leaving import OutSnapshot, OutUniverse
    from universe.snapshot import Decay

LISTED_MAX: Final = 10_000
NOBODY: Final = frozenset({"invalid-name", "unknown-player", "unknown-petname"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    name: str
    """Full, for the node."""
    universe: OutUniverse


def outgoing(universes: list[str]) -> tuple[list[Outgoing], list[ImportedPassage]]:
    """They, with the passages between them; and those that lead elsewhere. Raises `Failure`."""
    metas = [node().get(path_of("/api/universe", one))["universe"] for one in universes]
    by_name = {meta["fullName"]: meta for meta in metas}
    left: dict[str, ImportedPassage] = {}
    outs: list[Outgoing] = []
    for name, meta in by_name.items():
        inside: list[ImportedPassage] = []
        for one, ends in _passages(name):
            if ends <= by_name.keys():
                inside.append(one)
            else:
                left[one.id] = one
        alike = {_id_in(one["fullName"]) for one in metas if one["ownerId"] == meta["ownerId"]}
        owners = tuple(_players(meta, alike))
        one_of = replace(_universe(name, meta), passages=tuple(inside), players=owners)
        outs.append(Outgoing(name, one_of))
    return outs, [*left.values()]


def _universe(name: str, meta: Json) -> OutUniverse:
    from universe.formats.imported import ForkOf, Said
    from universe.formats.leaving import OutUniverse

    snapshots = [snapshot_of(one) for one in _listed(name, "snapshots", "snapshots", {})]
    events = {one.event for one in snapshots if one.event}
    told, named = _events(name, {one.id: one for one in snapshots})
    events |= told
    fork, config = meta.get("forkOf"), meta.get("config")
    return OutUniverse(
        id=_id_in(name),
        name=meta["name"],
        snapshots=tuple(snapshots),
        events=tuple(sorted(events, key=_when)),
        owner=meta["ownerId"],
        created_us=meta["createdAt"] * 1_000,
        is_public=meta["isPublic"],
        config=json.dumps(config, ensure_ascii=False, separators=(",", ":")) if config else "",
        fork_of=ForkOf(_id_in(fork["universe"]), fork["snapshotTick"]) if fork else None,
        said=Said(
            meta.get("description", ""),
            tuple(meta.get("tags", ())),
            meta.get("license", ""),
            meta.get("card", ""),
            meta.get("retention", ""),
        ),
        named=tuple(sorted(named, key=lambda one: _when(one[0]))),
    )


def _id_in(full_name: str) -> str:
    """As its author calls it: what a list says may be more, where others call theirs so too."""
    return full_name.partition("/")[2]


def _listed(name: str, what: str, key: str, query: Json) -> Iterator[dict[str, Any]]:
    """All of a list of a universe's."""
    cursor: str | None = None
    while True:
        asked = {**query, "limit": LISTED_MAX, "cursor": cursor}
        page = node().get(path_of("/api/universe", name, what), asked)
        yield from page[key]
        cursor = page["next"]
        if cursor is None:
            return


def _when(event: Event) -> tuple[int, int, str]:
    return event.at_us, event.tick, repr(event)


def _events(
    name: str, snapshots: Mapping[str, OutSnapshot]
) -> tuple[set[Event], set[tuple[Event, str]]]:
    """Those that no snapshot was taken for; and those that name one, with its id."""
    found: set[Event] = set()
    named: set[tuple[Event, str]] = set()
    for entry in _listed(name, "timeline", "entries", {"bare": "true"}):
        if not entry.get("event"):
            continue
        event = event_of(entry, entry["tick"], entry["timestamp"] * 1_000)
        if (names := entry.get("names")) in snapshots:
            named.add((event, str(names)))
            continue
        opens = snapshots.get(entry.get("snapshot") or "")
        taken = opens and opens.event
        if not taken or replace(taken, tick=event.tick, at_us=event.at_us) != event:
            found.add(event)
    return found, named


def snapshot_of(entry: dict[str, Any]) -> OutSnapshot:
    from universe.formats.leaving import OutSnapshot

    at_us = entry["timestamp"] * 1_000
    told, policy = entry.get("canonEvent"), entry.get("decayPolicy")
    return OutSnapshot(
        id=entry["id"],
        tick=entry["tick"],
        kind=entry.get("kind") or entry["type"],
        at_us=at_us,
        media=entry["media"],
        day=entry.get("day"),
        event=event_of(told, entry["tick"], at_us) if told else None,
        size=entry["fileSize"],
        checksum=entry["checksum"],
        decay=decay_of(policy) if policy else None,
        is_wrapped=entry.get("wrapped", False),
        is_inherited=entry.get("inherited", False),
    )


def event_of(told: dict[str, Any], tick: int, at_us: int) -> Event:
    from universe.event import Event

    day = told.get("day")
    return Event(
        tick=tick,
        at_us=at_us,
        type=told["type"],
        title=told["title"],
        description=told.get("description", ""),
        day=None if day is None else int(day),
        importance=int(told.get("importance", 0)),
        entities=tuple(told.get("entities") or ()),
        souls=tuple(told.get("souls") or ()),
        parents=tuple(told.get("parents") or ()),
    )


def decay_of(told: Json) -> Decay:
    from universe.snapshot import Decay

    after, reason = told.get("decayAfterTicks"), told.get("preservationReason", "")
    return Decay(after, bool(told.get("neverDecay")), reason)


def _passages(name: str) -> Iterator[tuple[ImportedPassage, set[str]]]:
    """Each with the full names of its ends."""
    from universe.formats.imported import ImportedPassage

    known = passages_known({"universeId": name})
    for one in sorted(known, key=itemgetter("createdAt", "id")):  # the same files each time
        passage = ImportedPassage(
            id=one["id"],
            source=_id_in(one["source"]),
            target=_id_in(one["target"]),
            type=one["type"],
            is_active=one["active"],
            created_us=one["createdAt"] * 1_000,
            by=one["createdBy"],
            stability=one["stability"],
            maintained_us=one["lastMaintenance"] * 1_000,
        )
        yield passage, {one["source"], one["target"]}


def _players(meta: Json, universes: Collection[str]) -> Iterator[ImportedPlayer]:
    """The universe's owner, where that is a player of its author's."""
    from universe.formats.imported import ImportedPlayer

    if not meta["ownerId"] or "/" in meta["ownerId"]:
        return
    path = path_of("/api/player", f"{meta['author']}/{meta['ownerId']}")
    for place in dict.fromkeys((meta["namespace"], "commons")):
        try:
            one = node().get(path, {"namespace": place})["player"]
        except Failure as wrong:
            if wrong.exit != NOT_FOUND and wrong.problem.get("code") not in NOBODY:
                raise
            continue
        yield ImportedPlayer(
            id=one["id"],
            name=one["displayName"],
            universes=tuple(sorted(universes)),
            created_us=one["createdAt"] * 1_000,
            seen_us=one["lastSeen"] * 1_000,
        )
        return
