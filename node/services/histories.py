"""What several universes tell of one past: forks, what lies beyond passages, and forks of that.

    level by level from the universe that is asked for:
    its parent ─▸ where its travellers came from and went ─▸ its forks ─▸ the next level

So it is one view from wherever it is looked at, and many forks by strangers come last.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

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
from universe.event import Event, decode_event
from universe.forks import Branch
from universe.histories import Crossing, Histories, History
from universe.lines import Lines
from universe.receipts import Who
from universe.travel import Story, story_of

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
    is_whole = around.is_whole and left > 0 and names_left >= 0
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


_Traveller: TypeAlias = tuple[NamespaceKey, Who]


@dataclass(slots=True)
class _Around:
    """What was found so far."""

    ferry: Ferry
    places: Sequence[NamespaceKey]
    own: Collection[str]
    """Authors whose forks come before others' where there is no room for all."""
    found: dict[str, _Near] = field(default_factory=dict[str, _Near])
    ways: dict[_Traveller, list[Crossing]] = field(default_factory=dict[_Traveller, list[Crossing]])
    """Of each traveller that passed these, once: its story is the same wherever it is read."""
    is_whole: bool = True

    @property
    def crossings(self) -> list[Crossing]:
        """In an order that does not depend on where one began."""
        ordered = sorted(self.ways.items(), key=lambda one: one[0][1])
        return [way for _, ways in ordered for way in ways]

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
        """Of all who ever passed these, and of whom nothing is told yet: both ends of a passage lie
        in one namespace."""
        ferry = Ferry(self.store, self.ferry.identity, self.ferry.clock_us, place)
        known = frozenset(who for at, who in self.ways if at == place)

        def question(names: Sequence[str], _: Books, lines: Lines) -> list[dict[Who, Story]]:
            return _stories(names, lines, known)

        told = await Books(ferry).ask_each(names, question)
        # Of one whose travellers' stories are too long to read nothing is told.
        self.is_whole = self.is_whole and len(told) == len(names)
        stories = {who: story for each in told for who, story in each.items()}
        ways = await asyncio.to_thread(_ways, stories)
        self.ways |= {(place, who): its for who, its in ways.items()}
        return [way for its in ways.values() for way in its]


def _stories(names: Sequence[str], lines: Lines, known: Collection[Who]) -> list[dict[Who, Story]]:
    """By universe of who passed it; each at the first of them, as one story names them all."""
    told, each = {*known}, list[dict[Who, Story]]()
    for name in names:
        new = {one.receipt.traveller.who for one in lines[name].receipts} - told
        each.append({who: story_of(who, lines) for who in sorted(new)})
        told |= new
    return each


def _ways(stories: Mapping[Who, Story]) -> dict[Who, list[Crossing]]:
    return {who: list(crossings_of(story)) for who, story in stories.items()}


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
