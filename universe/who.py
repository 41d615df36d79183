"""Who is meant by a name, in one universe at one tick: what souls and families both ask.

A creature is (the universe in which it was born, its name there). A name that a universe uses is
looked for where it was born there, then among the souls of who is told of there, then where its
passage came from, then in the universe that it was forked from: the first that knows it, by the
tick of the fork, is meant. A traveller may be named after its soul, and by the name that it was
born with.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from universe.histories import Crossing, Happening, Histories, is_birth

T = TypeVar("T")
By = Mapping[tuple[str, str], list[tuple[int, T]]]
"""(universe, name) → what is told of it there, by tick."""


class Creature(NamedTuple):
    """Who is who."""

    universe: str
    """Full name, where it was born, or first told of."""
    name: str


class Who:
    """Whom these universes mean."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._first = _first_told(histories)
        self._pasts: dict[tuple[str, str], bool] = {}
        self._befores: dict[tuple[str, str], tuple[str, int]] = {}
        self._born: dict[tuple[str, str], int] = {}
        self._bodies: dict[tuple[str, str], list[tuple[int, str]]] = {}
        """By souls."""
        self._bearers: dict[tuple[str, str], list[tuple[int, frozenset[str]]]] = {}
        """By bodies the souls that they were told with."""
        for one in histories.all_events():
            if is_birth(one.event):
                for name in one.event.entities:
                    self._born.setdefault((one.universe, name), one.event.tick)
            for soul, name in souls_told(one):
                self._bodies.setdefault((one.universe, soul), []).append((one.event.tick, name))
            if body := body_told(one):
                souls = (one.event.tick, frozenset(one.event.souls))
                self._bearers.setdefault((one.universe, body), []).append(souls)
        self._arrivals: dict[tuple[str, str], tuple[str, str, int, int]] = {}
        ways = [way for way in histories.crossings if way.arrived_tick is not None]
        ways = sorted(
            (way for way in ways if not way.is_returned), key=lambda one: one.arrived_tick or 0
        )
        for way in ways:
            self._arrivals.setdefault((way.target, way.name_there), _came(way))
        for way in ways:
            born_as = self.who(way.source, way.entity, way.left_tick).name
            self._arrivals.setdefault((way.target, born_as), _came(way))
        self._befores.clear()  # who came was not known yet

    def who(self, universe: str, name: str, until: int | None = None) -> Creature:
        """Whom this universe calls so. `until`: the tick at which it does; None: at any."""
        *_, (at, called, _) = self._meanings(universe, name, until)
        return Creature(at, called)

    def bearers(self, universe: str, body: str, until: int) -> frozenset[str]:
        """The souls that this body was told with last, by that tick; where it came from, too."""
        for at, called, by in self._meanings(universe, body, until):
            if souls := _last(self._bearers, at, called, by):
                return souls[1]
        return frozenset()

    def _meanings(
        self, universe: str, name: str, until: int | None
    ) -> Iterator[tuple[str, str, int | None]]:
        """(universe, name there, by which tick) of one: each is whom the one before means."""
        seen: set[tuple[str, str]] = set()
        named: set[str] = set()  # a body is no soul of another one: so no chain of names is long
        at, called = universe, name
        while (at, called) not in seen:
            seen.add((at, called))
            yield at, called, until
            begun = self._histories.begins(at)
            born = self._born.get((at, called))
            is_past = begun is not None and self._is_past(at, called, begun)
            is_told_again = is_past and begun is not None and born is not None and born <= begun[1]
            if born is not None and (until is None or born <= until) and not is_told_again:
                return
            body = None if at in named else self._body(at, called, until)
            if body is not None:
                named.add(at)
                called = body
                continue
            came = self._arrivals.get((at, called))
            if came is not None and (until is None or came[3] <= until):
                at, called, until = came[:3]
            elif begun is not None and is_past:
                at, until = self._before(at, called, begun)
            else:
                return
        yield *min(seen), until  # a circle of passages that lie

    def _body(self, universe: str, soul: str, until: int | None) -> str | None:
        """The last name of that soul there, other than its own."""
        told = _last(self._bodies, universe, soul, until)
        return None if told is None or told[1] == soul else told[1]

    def _before(self, universe: str, name: str, begun: tuple[str, int]) -> tuple[str, int]:
        """Where that fork has it from: past those of which each only goes on with it."""
        key = universe, name
        if key not in self._befores:
            at, tick = begun
            while not any(
                (at, name) in told for told in (self._born, self._bodies, self._arrivals)
            ):
                above = self._histories.begins(at)
                if above is None or not self._is_past(at, name, above):
                    break
                at, tick = above
            self._befores[key] = at, tick
        return self._befores[key]

    def _is_past(self, universe: str, name: str, begun: tuple[str, int]) -> bool:
        """Whether it was told of before that fork began; looked up once, as forks may be deep."""
        key = universe, name
        if key not in self._pasts:
            self._pasts[key] = self._knows(*begun, name)
        return self._pasts[key]

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


def body_told(one: Happening) -> str | None:
    """Whose souls an event names: it is about one alone, and names some."""
    event = one.event
    return event.entities[0] if len(event.entities) == 1 and event.souls else None


def souls_told(one: Happening) -> Iterator[tuple[str, str]]:
    """(soul, name) of whom it tells, where it is about one alone."""
    if body := body_told(one):
        for soul in one.event.souls:
            yield soul, body


def _last(told: By[T], universe: str, name: str, until: int | None) -> tuple[int, T] | None:
    ones = told.get((universe, name), [])
    end = len(ones) if until is None else bisect_right(ones, until, key=lambda one: one[0])
    return ones[end - 1] if end else None


def _came(way: Crossing) -> tuple[str, str, int, int]:
    return way.source, way.entity, way.left_tick, way.arrived_tick or 0


def _first_told(histories: Histories) -> dict[tuple[str, str], int]:
    """By (universe, name) the first tick at which it is told of there, or came."""
    first: dict[tuple[str, str], int] = {}
    for universe in histories.universes():
        for one in histories.events(universe):
            souls = (soul for soul, _ in souls_told(one))
            for name in (*one.event.entities, *one.event.parents, *souls):
                first.setdefault((universe, name), one.event.tick)
    for way in histories.crossings:
        if way.arrived_tick is not None:
            key = (way.target, way.name_there)
            first[key] = min(way.arrived_tick, first.get(key, way.arrived_tick))
    return first
