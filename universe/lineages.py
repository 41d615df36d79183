"""Parents and children of several universes in one view, each creature once.

```
ada/main   eve ┬ adam               what was born before a fork is one creature in both,
           cain, abel               what is born after it is each universe's own, though
ada/harder  └── enoch (of cain)     both may call it by one name
```
A creature is (the universe in which it was born, its name there). A name that a universe uses is
looked for where it was born there, then among the souls of who is told of there, then where its
passage came from, then in the universe that it was forked from: the first that knows it, by the
tick of the fork, is meant. A traveller may be named after its soul, and by the name that it was
born with.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from universe.event import DEATH, event_kind
from universe.histories import Happening, Histories, is_birth

FOUND_MAX: Final = 10_000
"""Of the ancestors, or the descendants, of one."""


class Creature(NamedTuple):
    """Who is who."""

    universe: str
    """Full name, where it was born, or first told of."""
    name: str


@dataclass(slots=True)
class Person:
    """What is known of one. Parents, children and universes in the order in which they are told."""

    who: Creature
    parents: dict[Creature, None] = field(default_factory=dict[Creature, None])
    children: dict[Creature, None] = field(default_factory=dict[Creature, None])
    souls: dict[str, None] = field(default_factory=dict[str, None])
    born: Happening | None = None
    died: dict[str, Happening] = field(default_factory=dict[str, Happening])
    """In each universe that tells of it: after a fork one may live and the other not."""
    told_in: dict[str, None] = field(default_factory=dict[str, None])


class Lineages:
    """Everybody whom these universes tell of."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._first = _first_told(histories)
        self._born: dict[tuple[str, str], int] = {}
        self._bodies: dict[tuple[str, str], list[tuple[int, str]]] = {}
        """(universe, soul) → the names it is told under there, by tick."""
        self._arrivals: dict[tuple[str, str], tuple[str, str, int, int]] = {}
        for way in sorted(histories.crossings, key=lambda one: one.arrived_tick or 0):
            if way.arrived_tick is not None and not way.is_returned:
                source = (way.source, way.entity, way.left_tick, way.arrived_tick)
                self._arrivals.setdefault((way.target, way.name_there), source)
        events = histories.all_events()
        for one in events:
            if is_birth(one.event):
                for name in one.event.entities:
                    self._born.setdefault((one.universe, name), one.event.tick)
            for soul, name in _souls_told(one):
                self._bodies.setdefault((one.universe, soul), []).append((one.event.tick, name))
        for (universe, _), source in list(self._arrivals.items()):
            born_as = self._who(*source[:3]).name
            self._arrivals.setdefault((universe, born_as), source)
        self.people: dict[Creature, Person] = {}
        for one in events:
            self._tell(one)

    def who(self, universe: str, name: str) -> Creature:
        """Whom this universe calls so."""
        return self._who(universe, name, None)

    def _who(self, universe: str, name: str, until: int | None) -> Creature:
        """`until`: the tick at which it is called so; None: at any."""
        seen: set[tuple[str, str]] = set()
        named: set[str] = set()  # a body is no soul of another one: so no chain of names is long
        at, called = universe, name
        while (at, called) not in seen:
            seen.add((at, called))
            begun = self._histories.begins(at)
            born = self._born.get((at, called))
            is_past = begun is not None and self._knows(*begun, called)
            is_told_again = is_past and begun is not None and born is not None and born <= begun[1]
            if born is not None and (until is None or born <= until) and not is_told_again:
                return Creature(at, called)
            body = None if at in named else self._body(at, called, until)
            if body is not None:
                named.add(at)
                called = body
                continue
            came = self._arrivals.get((at, called))
            if came is not None and (until is None or came[3] <= until):
                at, called, until = came[:3]
            elif begun is not None and is_past:
                at, until = begun
            else:
                return Creature(at, called)
        return Creature(*min(seen))  # a circle of passages that lie

    def called(self, name: str) -> tuple[Creature, ...]:
        """All of that name or that soul, by their universe."""
        return tuple(
            sorted(who for who, one in self.people.items() if name == who.name or name in one.souls)
        )

    def ancestors(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """Nearest first, each once, itself never: also where strangers close a circle.

        The first `most` of them: whoever asks of many people asks for few of each.
        """
        return self._walk(who, lambda one: one.parents, most)

    def descendants(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """As `ancestors`."""
        return self._walk(who, lambda one: one.children, most)

    def _walk(
        self, who: Creature, next: Callable[[Person], Iterable[Creature]], most: int
    ) -> tuple[Creature, ...]:
        found = dict[Creature, None]()
        level = [who] if who in self.people else []
        while level:
            beyond: list[Creature] = []
            for one in (one for each in level for one in next(self.people[each])):
                if one == who or one in found:
                    continue
                found[one] = None
                beyond.append(one)
                if len(found) == most:
                    return tuple(found)
            level = beyond
        return tuple(found)

    def _body(self, universe: str, soul: str, until: int | None) -> str | None:
        """The last name of that soul there, other than its own."""
        told = self._bodies.get((universe, soul), [])
        end = len(told) if until is None else bisect_right(told, until, key=lambda one: one[0])
        return told[end - 1][1] if end and told[end - 1][1] != soul else None

    def _knows(self, universe: str, tick: int, name: str) -> bool:
        """Whether it was told of there, or in a universe that is its past, by that tick."""
        at: tuple[str, int] | None = (universe, tick)
        while at is not None:
            first = self._first.get((at[0], name))
            if first is not None and first <= at[1]:
                return True
            begun = self._histories.begins(at[0])
            at = None if begun is None else (begun[0], min(begun[1], at[1]))
        return False

    def _tell(self, one: Happening) -> None:
        event, universe = one.event, one.universe
        named = [self._person(universe, name) for name in event.entities]
        parents = [self._person(universe, name) for name in event.parents]
        for person in named:
            person.souls.update(dict.fromkeys(soul for soul, _ in _souls_told(one)))
            if event_kind(event.type) == DEATH:
                person.died.setdefault(universe, one)
            if not is_birth(event):
                continue
            person.born = person.born or one
            for parent in parents:
                if parent is not person:
                    person.parents.setdefault(parent.who)
                    parent.children.setdefault(person.who)

    def _person(self, universe: str, name: str) -> Person:
        who = self.who(universe, name)
        person = self.people.setdefault(who, Person(who))
        person.told_in.setdefault(universe)
        return person


def _souls_told(one: Happening) -> Iterator[tuple[str, str]]:
    """(soul, name) of whom it tells, where it is about one alone."""
    if len(one.event.entities) == 1:
        for soul in one.event.souls:
            yield soul, one.event.entities[0]


def _first_told(histories: Histories) -> dict[tuple[str, str], int]:
    """By (universe, name) the first tick at which it is told of there, or came."""
    first: dict[tuple[str, str], int] = {}
    for universe in histories.universes():
        for one in histories.events(universe):
            souls = (soul for soul, _ in _souls_told(one))
            for name in (*one.event.entities, *one.event.parents, *souls):
                first.setdefault((universe, name), one.event.tick)
    for way in histories.crossings:
        if way.arrived_tick is not None:
            key = (way.target, way.name_there)
            first[key] = min(way.arrived_tick, first.get(key, way.arrived_tick))
    return first
