"""What several universes tell of one past: forks, what lies beyond passages, and forks of that.

    level by level from the universe that is asked for:
    its parent ─▸ where its travellers came from and went ─▸ its forks ─▸ the next level

So it is one view from wherever it is looked at, and many forks by strangers come last.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crdt.keys import NamespaceKey
from node.services.gatebooks import Books
from node.services.passages import Ferry
from node.services.timelines import branch_of, parent_name, universe_named
from node.services.universes import joined_places
from storage.listing import EventRow
from storage.listings import ListedRow
from storage.snapshots import PAGE_MAX
from storage.store import Store
from universe.crossings import crossings_of
from universe.event import decode_event
from universe.forks import Branch
from universe.histories import Crossing, Histories, History
from universe.lines import Lines
from universe.travel import story_of

UNIVERSES_MAX: Final = 64
"""Whose receipts are read: each is one document."""
EVENTS_MAX: Final = 20_000
"""Some tens of MB while they are read."""


@dataclass(frozen=True, slots=True)
class Told:
    """`is_whole`: whether everything was read that is known here."""

    histories: Histories
    is_whole: bool
    untold: tuple[str, ...] = ()
    """Those that were deleted, or are not here."""


async def told_around(ferry: Ferry, row: ListedRow) -> Told:
    """Of all universes that forks and travellers join with this one, the nearest first.

    Of one that was deleted, or is not here, only what receipts say of it.
    """
    places, own = await joined_places(ferry.store), await ferry.store.own_authors()
    around = _Around(ferry, places, own)
    level = [_Near(row.listing.target, row.namespace, row)]
    while level:
        level = await around.go_on(level)
    histories, left = list[History](), EVENTS_MAX
    for one in around.found.values():
        if one.row is None:
            histories.append(History(Branch(one.name), {}))
            continue
        events = []
        if left:
            events = await ferry.store.events_of(one.row.number, limit=min(PAGE_MAX, left))
        left -= len(events)
        histories.append(await asyncio.to_thread(_history, one.row, events))
    is_whole = around.is_whole and left > 0
    untold = tuple(sorted(one.name for one in around.found.values() if one.row is None))
    told = await asyncio.to_thread(Histories, histories, around.crossings)
    return Told(told, is_whole, untold)


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
    crossings: list[Crossing] = field(default_factory=list[Crossing])
    is_whole: bool = True

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
            for way in await self._crossings(
                [one.name for one in level if one.place == place], place
            ):
                self.crossings.append(way)
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

    async def _crossings(self, names: Sequence[str], place: NamespaceKey) -> list[Crossing]:
        """Of all who ever passed these: both ends of a passage lie in one namespace."""
        ferry = Ferry(self.store, self.ferry.identity, self.ferry.clock_us, place)
        told = await Books(ferry).ask_each(names, _ways)
        # Of one whose travellers' stories are too long to read nothing is told.
        self.is_whole = self.is_whole and len(told) == len(names)
        return [way for each in told for way in each]


def _ways(names: Sequence[str], _: Books, lines: Lines) -> list[list[Crossing]]:
    return [list(_ways_of(name, lines)) for name in names]


def _ways_of(name: str, lines: Lines) -> Iterable[Crossing]:
    who = {one.receipt.traveller.who for one in lines[name].receipts}
    for one in sorted(who):
        yield from crossings_of(story_of(one, lines))


def _history(row: ListedRow, events: Sequence[EventRow]) -> History:
    return History(branch_of(row), {one.id: decode_event(one.event) for one in events})
