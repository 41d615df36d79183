"""What several universes say of one past: each event once, whatever forks tell it again.

A fork goes on where its parent was. What its own document says of ticks before that is told again:
an event with the same id is the same event, and of one that only the fork tells it is the fork's
word. Events of the parent after the fork are none of the fork's. Whoever else says the same says it
of creatures of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from universe.event import BIRTH, REBIRTH, Event, event_kind
from universe.forks import Branch, Forks

Moment: TypeAlias = tuple[int, int]
"""(tick, number of a receipt): several may be signed at one tick."""

Departure: TypeAlias = tuple[str, int, tuple[str, str], bytes]
"""(universe, number of its receipt, traveller, migration)."""


@dataclass(frozen=True, slots=True)
class History:
    """One universe and what happened in it: events by their ids."""

    branch: Branch
    events: Mapping[bytes, Event]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A passage that a creature took, as receipts have it. Universes by their full names."""

    migration: bytes
    """One id for both ends; others may use it too, also of those who leave the same universe."""
    source: str
    target: str
    left_tick: int
    """Of the source."""
    entity: str
    """What it is called in the source."""
    arrived_tick: int | None = None
    """Of the target; None: it is in transit."""
    arrived_as: str = ""
    """What it is called in the target, where that is another name."""
    soul: str = ""
    is_returned: bool = False
    """It was refused, and is in the source again."""
    returned_tick: int | None = None
    """Of the source; None where nobody knows it: as it left."""
    left_seq: int = 0
    """Number of the departure among the receipts of the source; 0 where nobody knows it."""
    ended_seq: int = 0
    """Of the arrival among those of the target, or of the return among those of the source."""
    left_us: int = 0
    """By the clock of its gate, as `ended_us`; 0 where nobody knows it."""
    ended_us: int = 0
    origin: str = ""
    """The universe that its gates sign it is of; empty: of the one that it leaves, or comes to."""

    @property
    def name_there(self) -> str:
        return self.arrived_as or self.entity

    @property
    def is_of(self) -> str:
        return self.origin or self.source

    @property
    def traveller(self) -> tuple[str, str]:
        return self.origin, self.soul or self.entity

    @property
    def left(self) -> Moment:
        return self.left_tick, self.left_seq

    @property
    def arrived(self) -> Moment | None:
        """None: it is in transit, or was refused."""
        if self.arrived_tick is None or self.is_returned:
            return None
        return self.arrived_tick, self.ended_seq

    @property
    def returned(self) -> Moment | None:
        """None: it was not refused, or is not back."""
        if not self.is_returned:
            return None
        at = self.left_tick if self.returned_tick is None else self.returned_tick
        return at, self.ended_seq

    @property
    def departure(self) -> Departure:
        """What no other one has: a gate may let several leave by one migration."""
        return self.source, self.left_seq, self.traveller, self.migration

    @property
    def order(self) -> tuple[int, Departure]:
        """The same wherever they came from."""
        return self.left_tick, self.departure


@dataclass(frozen=True, slots=True)
class Happening:
    """An event in a universe that tells it, and whose ancestors do not."""

    universe: str
    id: bytes
    event: Event

    @property
    def order(self) -> tuple[int, int, bytes, str]:
        return self.event.tick, self.event.at_us, self.id, self.universe


class Histories:
    """Several universes with their forks, and the passages between them."""

    def __init__(self, histories: Iterable[History], crossings: Iterable[Crossing] = ()) -> None:
        """Of a universe given twice the last counts; of a departure out of one too."""
        self._of = {one.branch.universe: one for one in histories}
        self.forks = Forks(one.branch for one in self._of.values())
        ways = {one.departure: one for one in crossings}.values()
        self.crossings = tuple(sorted(_counted(list(ways)), key=lambda one: one.order))
        self._events: dict[str, tuple[Happening, ...]] = {}
        """Those that were asked for: one view asks for each several times."""
        self._depths: dict[str, int] = {}
        for root in self.forks.roots():
            for place in self.forks.tree(root):
                self._depths[place.branch.universe] = place.depth

    def universes(self) -> tuple[str, ...]:
        """Parents before their forks, by name."""
        return tuple(sorted(self._of, key=lambda name: (self._depths[name], name)))

    def begins(self, universe: str) -> tuple[str, int] | None:
        """(parent, tick) of a fork."""
        parent = self.forks.parent(universe)
        branch = self.forks.branch(universe)
        return None if parent is None or branch is None else (parent, branch.tick)

    def begun_us(self, universe: str) -> int:
        """When the snapshot was taken that a fork began with; 0 where nobody knows it."""
        branch = self.forks.branch(universe)
        return 0 if branch is None else branch.taken_us

    def events(self, universe: str) -> tuple[Happening, ...]:
        """What this universe is the first to tell, by tick."""
        if universe not in self._events:
            self._events[universe] = self._events_of(universe)
        return self._events[universe]

    def _events_of(self, universe: str) -> tuple[Happening, ...]:
        history = self._of.get(universe)
        if history is None:
            return ()
        told = {id for above in self.forks.ancestry(universe)[:-1] for id in self._ids(above)}
        own = [Happening(universe, id, one) for id, one in history.events.items() if id not in told]
        return tuple(sorted(own, key=lambda one: one.order))

    def all_events(self) -> tuple[Happening, ...]:
        """Of all universes. Where two tell the same that are no forks of one another, each has its
        own: else who repeats what a stranger tells would have the creatures of that."""
        every = (one for universe in self.universes() for one in self.events(universe))
        return tuple(sorted(every, key=lambda one: one.order))

    def _ids(self, universe: str) -> Iterable[bytes]:
        history = self._of.get(universe)
        return () if history is None else history.events


def _counted(ways: Sequence[Crossing]) -> Iterable[Crossing]:
    """With the ticks that count: of one traveller no receipt of a universe is at an earlier tick
    than the one before it. Worlds are set back, their gates are not."""
    signed: dict[tuple[str, tuple[str, str]], list[tuple[Moment, str, int]]] = {}
    for at, one in enumerate(ways):
        for what, universe, moment in (
            ("left", one.source, one.left),
            ("arrived", one.target, one.arrived),
            ("returned", one.source, one.returned),
        ):
            if moment is not None:
                signed.setdefault((universe, one.traveller), []).append((moment, what, at))
    ticks: list[dict[str, int]] = [{} for _ in ways]
    for each in signed.values():
        since = 0
        for (tick, _), what, at in sorted(each, key=lambda one: (one[0][1], one[0][0])):
            since = ticks[at][what] = max(since, tick)
    for one, of in zip(ways, ticks, strict=True):
        yield replace(
            one,
            left_tick=of["left"],
            arrived_tick=of.get("arrived", one.arrived_tick),
            returned_tick=of.get("returned"),
        )


def is_birth(event: Event) -> bool:
    return event_kind(event.type) == BIRTH


def is_beginning(event: Event) -> bool:
    """Of a body: by birth, or by being born again."""
    return event_kind(event.type) in (BIRTH, REBIRTH)
