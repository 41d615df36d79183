"""What several universes tell of one past: forks, what lies beyond passages, and forks of that.

    level by level from the universe that is asked for:
    its parent ─▸ where its travellers came from and went ─▸ its forks ─▸ the next level

So it is one view from wherever it is looked at, and many forks by strangers come last.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from crdt.keys import NamespaceKey
from node.services.crossings import Journeys
from node.services.passages import Ferry
from node.services.timelines import branch_of, parent_name, universe_named
from node.services.universes import joined_places
from storage.listing import EventRow
from storage.listings import ListedRow
from storage.snapshots import PAGE_MAX
from storage.store import Store
from universe.event import Event, decode_event
from universe.forks import Branch
from universe.histories import Histories, History
from universe.receipts import Who

UNIVERSES_MAX: Final = 64
"""Whose receipts are read: each is one document."""
EVENTS_MAX: Final = 20_000
"""Some tens of MB while they are read."""
NAMES_MAX: Final = 200_000
"""Entities, souls and parents that these name: ten each. One event may name 192, and to know who
each of them is takes about a KB."""


@dataclass(frozen=True, slots=True)
class Told:
    """`is_whole`: whether everything was read that is known here."""

    histories: Histories
    is_whole: bool
    untold: tuple[str, ...] = ()
    """Those that were deleted, or are not here."""
    unread: tuple[str, ...] = ()
    """Those of which it cannot be read who passed them."""
    left_out: tuple[Who, ...] = ()
    """Travellers whose journeys cannot be read, one's own first: of these no more is told than that
    they left home."""


async def told_around(ferry: Ferry, row: ListedRow) -> Told:
    """Of all universes that forks and travellers join with this one, the nearest first.

    Of one that was deleted, or is not here, only what receipts say of it.
    """
    places, own = await joined_places(ferry.store), await ferry.store.own_authors()
    around = _Around(ferry, places, own)
    level = [_Near(row.listing.target, row.namespace, row)]
    while level:
        level = await around.go_on(level)
    histories, left, names_left = list[History](), EVENTS_MAX, NAMES_MAX
    for one in around.found.values():
        if one.row is None:
            histories.append(History(Branch(one.name), {}))
            continue
        events = []
        if left and names_left >= 0:
            events = await ferry.store.events_of(one.row.number, limit=min(PAGE_MAX, left))
        left -= len(events)
        history, names_left = await asyncio.to_thread(_history, one.row, events, names_left)
        histories.append(history)
    journeys = around.journeys
    is_read = not journeys.left_out and not journeys.unread
    is_whole = around.is_whole and is_read and left > 0 and names_left >= 0
    untold = tuple(sorted(one.name for one in around.found.values() if one.row is None))
    told = await asyncio.to_thread(Histories, histories, journeys.crossings)
    return Told(told, is_whole, untold, tuple(sorted(journeys.unread)), journeys.left_out)


@dataclass(frozen=True, slots=True)
class _Near:
    """A universe that is joined with the one that is asked of."""

    name: str
    place: NamespaceKey
    row: ListedRow | None
    """None: it is not listed here."""

    @property
    def parent(self) -> str | None:
        return None if self.row is None else parent_name(self.row)


@dataclass(slots=True)
class _Around:
    """What was found so far."""

    ferry: Ferry
    places: Sequence[NamespaceKey]
    own: Collection[str]
    """Authors whose forks come before others' where there is no room for all."""
    found: dict[str, _Near] = field(default_factory=dict[str, _Near])
    journeys: Journeys = field(init=False)
    is_whole: bool = True

    def __post_init__(self) -> None:
        self.journeys = Journeys(self.ferry, self.own)

    @property
    def store(self) -> Store:
        return self.ferry.store

    async def go_on(self, level: Sequence[_Near]) -> list[_Near]:
        """Take these in; those beside them that are new, as many as there is room for."""
        self.found |= {one.name: one for one in level}
        beside: dict[str, NamespaceKey] = {}
        for one in level:
            if one.parent is not None:
                beside.setdefault(one.parent, one.place)
        for place in dict.fromkeys(one.place for one in level):
            names = [one.name for one in level if one.place == place]
            for way in await self.journeys.through(names, place):
                beside.setdefault(way.source, place)
                beside.setdefault(way.target, place)
        new: dict[str, _Near] = {}
        for name, place in beside.items():
            if name not in self.found:
                row = await universe_named(self.store, name, self.places)
                new[name] = _Near(name, place if row is None else row.namespace, row)
        forks = list[ListedRow]()
        for one in level:
            forks += await self.store.universes_forked_from(one.name, self.places, first=self.own)
        for row in sorted(forks, key=lambda fork: fork.listing.author not in self.own):
            name = row.listing.target
            if name not in self.found:
                new.setdefault(name, _Near(name, row.namespace, row))
        room = UNIVERSES_MAX - len(self.found)
        self.is_whole = self.is_whole and len(new) <= room
        return list(new.values())[:room]


def _history(row: ListedRow, events: Sequence[EventRow], names: int) -> tuple[History, int]:
    """With the newest events, as far as `names` go; how many are left, less than 0 where they do
    not suffice."""
    told: dict[bytes, Event] = {}
    for one in events:
        event = decode_event(one.event)
        names -= len(event.entities) + len(event.souls) + len(event.parents)
        if names < 0:
            break
        told[one.id] = event
    return History(branch_of(row), told), names
