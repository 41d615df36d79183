"""What several universes tell of one past: forks, what lies beyond passages, and forks of that.

    level by level from the universe that is asked for:
    its parent ─▸ where its travellers came from and went ─▸ its forks ─▸ the next level

So it is one view from wherever it is looked at, and many forks by strangers come last.
"""

import asyncio
from collections.abc import Iterable, Sequence
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


async def told_around(ferry: Ferry, row: ListedRow) -> Told:
    """Of all universes that forks and travellers join with this one, the nearest first."""
    around = _Around(ferry, await joined_places(ferry.store))
    level = [row]
    while level:
        level = await around.go_on(level)
    histories, left = list[History](), EVENTS_MAX
    for one in around.rows.values():
        events = []
        if left:
            events = await ferry.store.events_of(one.number, limit=min(PAGE_MAX, left))
        left -= len(events)
        histories.append(await asyncio.to_thread(_history, one, events))
    is_whole = around.is_whole and left > 0
    return Told(await asyncio.to_thread(Histories, histories, around.crossings), is_whole)


@dataclass(slots=True)
class _Around:
    """What was found so far."""

    ferry: Ferry
    places: Sequence[NamespaceKey]
    rows: dict[str, ListedRow] = field(default_factory=dict[str, ListedRow])
    crossings: list[Crossing] = field(default_factory=list[Crossing])
    is_whole: bool = True

    @property
    def store(self) -> Store:
        return self.ferry.store

    async def go_on(self, level: Sequence[ListedRow]) -> list[ListedRow]:
        """Take these in; those beside them that are new, as many as there is room for."""
        self.rows |= {one.listing.target: one for one in level}
        ways = await self._crossings(level)
        self.crossings += ways
        parents = [parent_name(one) for one in level]
        beyond = [*parents, *(end for way in ways for end in (way.source, way.target))]
        found: dict[str, ListedRow] = {}
        missing = list[str]()
        for name in dict.fromkeys(beyond):
            if name is None or name in self.rows:
                continue
            named = await universe_named(self.store, name, self.places)
            if named is None:
                missing.append(name)
            else:
                found[name] = named
        gone = [name for name in missing if name in parents]
        for name in (*(one.listing.target for one in level), *gone):
            forks = await self.store.universes_forked_from(name, self.places)
            found |= {one.listing.target: one for one in forks if one.listing.target not in found}
        new = [one for name, one in found.items() if name not in self.rows]
        room = UNIVERSES_MAX - len(self.rows)
        self.is_whole = self.is_whole and len(new) <= room
        return new[:room]

    async def _crossings(self, level: Sequence[ListedRow]) -> list[Crossing]:
        """Of all who ever passed these: both ends of a passage lie in one namespace."""
        ways = list[Crossing]()
        for place in dict.fromkeys(one.namespace for one in level):
            names = [one.listing.target for one in level if one.namespace == place]
            ferry = Ferry(self.store, self.ferry.identity, self.ferry.clock_us, place)
            told = await Books(ferry).ask_each(names, _ways)
            # Of one whose travellers' stories are too long to read nothing is told.
            self.is_whole = self.is_whole and len(told) == len(names)
            ways += [way for each in told for way in each]
        return ways


def _ways(names: Sequence[str], _: Books, lines: Lines) -> list[list[Crossing]]:
    return [list(_ways_of(name, lines)) for name in names]


def _ways_of(name: str, lines: Lines) -> Iterable[Crossing]:
    who = {one.receipt.traveller.who for one in lines[name].receipts}
    for one in sorted(who):
        yield from crossings_of(story_of(one, lines))


def _history(row: ListedRow, events: Sequence[EventRow]) -> History:
    return History(branch_of(row), {one.id: decode_event(one.event) for one in events})
