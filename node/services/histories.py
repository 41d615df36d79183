"""What several universes tell of one past: forks, what lies beyond passages, and forks of that.

    level by level from the universe that is asked for:
    its parent ─▸ where its travellers came from and went ─▸ its forks ─▸ the next level

So it is one view from wherever it is looked at. All that lead to one another among the universes of
one's own, with what these were forked from, are taken in before any level of strangers: they fork
what they like, and their travellers come from wherever they like.
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
from universe.names import parse_full_name
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
        await around.take_in(level)
        level = await around.next_level()
    histories, left, names_left = list[History](), EVENTS_MAX, NAMES_MAX
    # Others may tell of so much that there is no room for what is farther.
    for one in sorted(around.found.values(), key=lambda one: not around.is_first(one.name)):
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
    """Authors whose universes come before others' where there is no room for all."""
    found: dict[str, _Near] = field(default_factory=dict[str, _Near])
    """What is asked of is the first."""
    waiting: dict[str, NamespaceKey] = field(default_factory=dict[str, NamespaceKey])
    parents: set[str] = field(default_factory=set[str])
    """Of those that are first."""
    journeys: Journeys = field(init=False)
    is_whole: bool = True

    def __post_init__(self) -> None:
        self.journeys = Journeys(self.ferry, self.own)

    @property
    def store(self) -> Store:
        return self.ferry.store

    async def take_in(self, level: Sequence[_Near]) -> None:
        """With those beside them, who wait until they are taken in."""
        self.found |= {one.name: one for one in level}
        for one in level:
            if one.parent is not None:
                self._wait(one.parent, one.place)
                if self.is_first(one.name):
                    self.parents.add(one.parent)
        for place in dict.fromkeys(one.place for one in level):
            names = [one.name for one in level if one.place == place]
            for way in await self.journeys.through(names, place):
                self._wait(way.source, place)
                self._wait(way.target, place)
        for one in level:
            for row in await self.store.universes_forked_from(
                one.name, self.places, first=self.own
            ):
                self._wait(row.listing.target, row.namespace)

    def _wait(self, name: str, place: NamespaceKey) -> None:
        if name not in self.found:
            self.waiting.setdefault(name, place)

    async def next_level(self) -> list[_Near]:
        """Of those who wait, as many as there is room for: others after all that are first."""
        first = [one for one in self.waiting if one in self.parents or self.is_first(one)]
        names = (first or [*self.waiting])[: UNIVERSES_MAX - len(self.found)]
        self.is_whole = bool(names) or not self.waiting
        return [await self._near(name, self.waiting.pop(name)) for name in names]

    def is_first(self, name: str) -> bool:
        """Whether it comes before others where there is no room for all; what it was forked from
        does too."""
        return name == next(iter(self.found)) or parse_full_name(name)[0] in self.own

    async def _near(self, name: str, place: NamespaceKey) -> _Near:
        row = await universe_named(self.store, name, self.places)
        return _Near(name, place if row is None else row.namespace, row)


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
