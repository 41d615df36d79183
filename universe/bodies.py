"""In which body a soul is, so that what is told of that body is told of the soul.

```
ada/main    5 birth kit, soul sk ── sk is in kit ──▸ leaves as sk
bob/isle                                          ▸ comes as sk ── 50 death kit: sk died
```
An event about one alone that names the soul tells of its body. The soul has it until it is told in
another one, until the body is told with another soul, or until it is no more there. Which body a
name means in a universe says `universe.who`, which families ask too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from universe.histories import Crossing, Happening, Histories
from universe.who import Creature, Who, body_told, souls_told


@dataclass(slots=True)
class Body:
    """The one that a life has, as far as it was told."""

    is_in: Creature | None = None
    """None: in none that anybody told of."""
    is_known: bool = False
    """Whether anybody told of one, or that it lost it."""
    _past: list[tuple[int, Creature | None]] = field(init=False)

    def __post_init__(self) -> None:
        self.is_known = self.is_known or self.is_in is not None
        self._past = [(0, self.is_in)]

    def at(self, tick: int) -> Creature | None:
        """The one it had when that tick was over."""
        return next((one for at, one in reversed(self._past) if at <= tick), None)

    def be_in(self, body: Creature | None, tick: int) -> None:
        self.is_in, self.is_known = body, True
        self._past.append((tick, body))


class Tie(NamedTuple):
    """An event of one body alone that names souls."""

    body: Creature
    is_its: bool
    """False: of others alone."""


@dataclass
class Followed:
    """Who is followed."""

    histories: Histories
    called: frozenset[str]
    """What names it, wherever that is told."""
    bodies: set[str] = field(default_factory=set[str])
    """Names that mean it where it has the body that they mean."""

    @cached_property
    def who(self) -> Who:
        """Made when it is asked for: it reads all that is told."""
        return Who(self.histories, self.called)

    @property
    def is_whole(self) -> bool:
        """As of `who`, if that was asked for."""
        return "who" not in vars(self) or self.who.is_whole

    def is_named(self, one: Happening) -> bool:
        return not self.called.isdisjoint((*one.event.entities, *one.event.souls))

    def may_be_its(self, one: Happening) -> bool:
        return self.is_named(one) or not self.bodies.isdisjoint(one.event.entities)

    def tie(self, universe: str, one: Happening) -> Tie | None:
        """Of a body that may be its."""
        body = body_told(one)
        is_its = not self.called.isdisjoint(one.event.souls)
        if body is None or not (is_its or body in self.bodies):
            return None
        return Tie(self._meant(universe, body, one), is_its)

    def meant(self, universe: str, one: Happening) -> set[Creature]:
        """Who is told of under names that may mean its body."""
        names = self.bodies.intersection(one.event.entities)
        return {self._meant(universe, name, one) for name in names}

    def _meant(self, universe: str, name: str, one: Happening) -> Creature:
        return self.who.who(universe, name, one.event.tick)

    def is_in(self, way: Crossing) -> bool:
        """Whether it is in the body that goes under its own name."""
        if way.entity not in self.bodies:
            return False
        souls, body = self.who.souls_leaving(way), self.who.leaving(way)
        return any(self._is_there(way, soul, body) for soul in self.called.intersection(souls))

    def _is_there(self, way: Crossing, soul: str, body: Creature) -> bool:
        """Nothing is told of it there, or it has no later body."""
        there = self.who.leaving(way, soul)
        return there == body or there.name == soul


def followed_as(
    called: frozenset[str], histories: Histories, crossings: Iterable[Crossing]
) -> tuple[Followed, list[Crossing]]:
    """With the journeys beside `crossings` that it made under the name of its body."""
    followed = Followed(histories, called)
    for universe in histories.universes():
        for one in histories.events(universe):
            followed.bodies |= {body for soul, body in souls_told(one) if soul in called}
    known, found = {*crossings}, list[Crossing]()
    ways: dict[str, list[Crossing]] = {}
    for way in histories.crossings:
        if way not in known:
            ways.setdefault(way.entity, []).append(way)
    left = [*followed.bodies]
    while left:
        more = [way for way in ways.pop(left.pop(), ()) if followed.is_in(way)]
        found += more
        new = {way.name_there for way in more} - followed.bodies
        left += new
        followed.bodies |= new
    return followed, found
