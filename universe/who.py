"""Who is meant by a name, in one universe at one tick: what souls and families both ask.

A creature is (the universe in which it was born, its name there). A name that a universe uses is
looked for where it was born there, then among the souls of who is told of there, then where its
passage came from, then in the universe that it was forked from: the first that knows it, by the
tick of the fork, is meant. A traveller may be named after its soul, and by the name that it was
born with.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from universe.histories import Happening, Histories, is_birth

T = TypeVar("T")
By: TypeAlias = dict[tuple[str, str], list[tuple[int, T]]]
"""(universe, name) → what is told of it there, by tick."""
Place: TypeAlias = tuple[str, str, int | None]
"""(universe, name there, by which tick; None: any)."""


class Creature(NamedTuple):
    """Who is who."""

    universe: str
    """Full name, where it was born, or first told of."""
    name: str


class Who:
    """Whom these universes mean."""

    def __init__(self, histories: Histories, asked: Collection[str] | None = None) -> None:
        """`asked`: the names to ask for, beside those of travellers and of what events alone are
        about: less is kept. None: any."""
        self._histories = histories
        kept = None if asked is None else {*asked, *_bodies_and_travellers(histories)}
        self._first = _first_told(histories, kept)
        self._pasts: dict[tuple[str, str], bool] = {}
        self._befores: dict[tuple[str, str], tuple[str, int]] = {}
        self._origins: dict[Place, Creature] = {}
        self._souls: dict[Place, Sequence[str]] = {}
        self._latest: dict[tuple[str, str], tuple[int, Creature]] = {}
        self._born: dict[tuple[str, str], int] = {}
        self._bodies: By[str] = {}
        """By souls."""
        self._bearers: By[Sequence[str]] = {}
        """By bodies the souls that they were told with."""
        for one in histories.all_events():
            self._read(one, kept)
        self._arrivals: dict[tuple[str, str], tuple[Place, int]] = {}
        """Where a passage has it from, and when it came."""
        self._read_ways()

    def _read(self, one: Happening, kept: Collection[str] | None) -> None:
        event, at = one.event, one.universe
        if is_birth(event):
            for name in event.entities:
                if kept is None or name in kept:
                    self._born.setdefault((at, name), event.tick)
        if body := body_told(one):
            told = event.tick, body
            for soul in event.souls:
                if kept is None or soul in kept:
                    self._bodies.setdefault((at, soul), []).append(told)
            self._bearers.setdefault((at, body), []).append((event.tick, event.souls))

    def _read_ways(self) -> None:
        ways = [
            (way, way.arrived_tick)
            for way in self._histories.crossings
            if way.arrived_tick is not None and not way.is_returned
        ]
        ways.sort(key=lambda one: one[1])
        came = [((way.source, way.entity, way.left_tick), tick) for way, tick in ways]
        for (way, _), one in zip(ways, came, strict=True):
            self._arrivals.setdefault((way.target, way.name_there), one)
        # All are asked before any is added: what was found stays true meanwhile.
        born_as = [self.who(*place).name for place, _ in came]
        for (way, tick), one, name in zip(ways, came, born_as, strict=True):
            key = way.target, name
            self._arrivals.setdefault(key, one)
            self._first[key] = min(tick, self._first.get(key, tick))
        for found in (self._pasts, self._befores, self._origins, self._latest):
            found.clear()  # who came was not known yet

    def who(self, universe: str, name: str, until: int | None = None) -> Creature:
        """Whom this universe calls so. `until`: the tick at which it does; None: at any."""
        if until is None:
            return self._who(universe, name, None)
        key = universe, name
        if key not in self._latest:
            self._latest[key] = self._changed(universe, name), self._who(universe, name, None)
        since, latest = self._latest[key]
        return latest if until >= since else self._who(universe, name, until)

    def bearers(self, universe: str, body: str, until: int) -> Sequence[str]:
        """The souls that this body was told with last, by that tick; where it came from, too."""
        place: Place | None = (universe, body, until)
        souls: Sequence[str] = ()
        passed: dict[Place, None] = {}
        while place is not None and not souls and place not in passed:
            if place in self._souls:
                souls = self._souls[place]
                break
            passed[place] = None
            at, _, by = place
            names, place = self._step(*place)
            each = (_last(self._bearers, at, name, by) for name in names)
            souls = next((told[1] for told in each if told is not None), ())
        self._souls.update(dict.fromkeys(passed, souls))
        return souls

    def _who(self, universe: str, name: str, until: int | None) -> Creature:
        names, before = self._step(universe, name, until)
        return Creature(universe, names[-1]) if before is None else self._origin(before)

    def _origin(self, place: Place) -> Creature:
        """Who that is. From a passage or a fork on, the ticks to ask by are few, however many
        events ask: so each place of a chain is looked up once."""
        passed: dict[Place, str] = {}
        next: Place | None = place
        while next is not None and next not in passed and next not in self._origins:
            place = next
            names, next = self._step(*place)
            passed[place] = names[-1]
        if next is None:
            origin = Creature(place[0], passed[place])
        elif next in self._origins:
            origin = self._origins[next]
        else:  # a circle of passages that lie
            every = list(passed.items())
            circle = every[list(passed).index(next) :]
            origin = min(Creature(at, name) for (at, _, _), name in circle)
        self._origins.update(dict.fromkeys(passed, origin))
        return origin

    def _step(self, at: str, called: str, until: int | None) -> tuple[Sequence[str], Place | None]:
        """Its names there, the last is that of its body; and where that has it from, None: it is
        from there."""
        begun = self._histories.begins(at)
        if self._is_from(at, called, until, begun):
            return (called,), None
        names, body = [called], _last(self._bodies, at, called, until)
        if body is not None and body[1] != called:  # a body is no soul of another one
            called = body[1]
            names.append(called)
            if self._is_from(at, called, until, begun):
                return names, None
        came = self._arrivals.get((at, called))
        if came is not None and (until is None or came[1] <= until):
            return names, came[0]
        if begun is not None and self._is_past(at, called, begun):
            before, tick = self._before(at, called, begun)
            return names, (before, called, tick)
        return names, None

    def _is_from(
        self, at: str, called: str, until: int | None, begun: tuple[str, int] | None
    ) -> bool:
        """Whether it was born there by then, and is not told again by a fork."""
        born = self._born.get((at, called))
        if born is None or (until is not None and born > until):
            return False
        return begun is None or born > begun[1] or not self._is_past(at, called, begun)

    def _changed(self, at: str, called: str) -> int:
        """The tick from which on that name means one there for good."""
        body = _last(self._bodies, at, called, None)
        names = (called,) if body is None else (called, body[1])
        came = [self._arrivals[at, name][1] for name in names if (at, name) in self._arrivals]
        born = [self._born[at, name] for name in names if (at, name) in self._born]
        return max([*came, *born, *(body or ())[:1]], default=0)

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


def _bodies_and_travellers(histories: Histories) -> Iterator[str]:
    for universe in histories.universes():
        yield from (body for one in histories.events(universe) if (body := body_told(one)))
    for way in histories.crossings:
        yield from (way.entity, way.name_there)


def _first_told(histories: Histories, kept: Collection[str] | None) -> dict[tuple[str, str], int]:
    """By (universe, name) the first tick at which it is told of there, or came."""
    first: dict[tuple[str, str], int] = {}
    for universe in histories.universes():
        for one in histories.events(universe):
            souls = one.event.souls if body_told(one) else ()
            for name in (*one.event.entities, *one.event.parents, *souls):
                if kept is None or name in kept:
                    first.setdefault((universe, name), one.event.tick)
    for way in histories.crossings:
        if way.arrived_tick is not None:
            key = (way.target, way.name_there)
            first[key] = min(way.arrived_tick, first.get(key, way.arrived_tick))
    return first
