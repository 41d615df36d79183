"""Who is meant by a name, in one universe at one tick: what souls and families both ask.

A creature is (the universe in which it was born, its name there). A name that a universe uses is
looked for where it was born there, then as a soul where it was told of or came there last: in the
body that was told, or where its passage came from. Then it is looked for in the universes that this
was forked from: the first that knows it, by the tick of the fork, is meant. A traveller may be
named after its soul, and by the name that it was born with.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias, TypeVar

from universe.crossings import in_turn
from universe.event import BIRTH, DEATH, REBIRTH, event_kind
from universe.histories import Crossing, Happening, Histories, Moment
from universe.namesakes import Known, Namesakes, Told
from universe.pasts import Pasts
from universe.receipts import SEQ_MAX

T = TypeVar("T")
By: TypeAlias = dict[tuple[str, str], list[tuple[int, T]]]
"""(universe, name) → what is told of it there, by tick."""
Place: TypeAlias = tuple[str, str, Moment | None]
"""(universe, name there, by when; None: ever)."""

WAY_NAMES_MAX: Final = 200_000
"""By which all who arrive are known where they do: some 140 MB. Where there are more, of each an
equal share: a body may have been told with 64 souls, and go round thousands of times."""


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
        self.is_whole = True
        """False where of some who came not all names are known there."""
        self._histories = histories
        self._pasts = Pasts(histories)
        self._origins: dict[Place, Creature] = {}
        self._souls: dict[Place, Sequence[str]] = {}
        self._latest: dict[tuple[str, str], tuple[int, Creature]] = {}
        self._born: dict[tuple[str, str], int] = {}
        self._bodies: By[str] = {}
        """By souls."""
        self._reborn = set[tuple[str, str, int, str]]()
        """(universe, soul, tick, body)."""
        self._deaths: dict[tuple[str, str], list[int]] = {}
        self._bearers: By[Sequence[str]] = {}
        """By bodies the souls that they were told with."""
        self._arrivals: dict[tuple[str, str], list[tuple[Moment, Place]]] = {}
        """When it came, and where a passage has it from."""
        self._places: dict[Crossing, Place] = {}
        self._namesakes: dict[tuple[str, str], Namesakes] = {}
        self._kept = None if asked is None else {*asked, *_bodies_and_travellers(histories)}
        for universe in histories.universes():
            for one in histories.events(universe):
                self._read_names(one)
        for one in histories.all_events():
            self._read(one)
        self._read_ways()

    def _keeps(self, name: str) -> bool:
        return self._kept is None or name in self._kept

    def _read_names(self, one: Happening) -> None:
        souls = one.event.souls if body_told(one) else ()
        for name in (*one.event.entities, *one.event.parents, *souls):
            if self._keeps(name):
                self._pasts.tell(one.universe, name, one.event.tick)

    def _read(self, one: Happening) -> None:
        event, at = one.event, one.universe
        kind = event_kind(event.type)
        for name in event.entities if kind in (BIRTH, DEATH) else ():
            if kind == BIRTH and self._keeps(name):
                self._born.setdefault((at, name), event.tick)
            if kind == DEATH and self._keeps(name):
                self._deaths.setdefault((at, name), []).append(event.tick)
        if body := body_told(one):
            told = event.tick, body
            for soul in event.souls:
                if self._keeps(soul):
                    self._bodies.setdefault((at, soul), []).append(told)
                    if kind == REBIRTH:
                        self._reborn.add((at, soul, *told))
            self._bearers.setdefault((at, body), []).append((event.tick, event.souls))

    def _read_ways(self) -> None:
        """Each after those that it may go on from, so that what is found meanwhile stays true."""
        names_of: dict[Crossing, Collection[str]] = {}
        self._namesakes = self._find_namesakes(names_of)
        ways = in_turn(self._histories)
        most = max(2, WAY_NAMES_MAX // max(1, len(ways)))
        for at, way in ways:
            place = self._places[way] = self._place_of(way)
            names_of[way] = self._first((way.name_there, *self._names_at(place)), most)
            for name in names_of[way]:
                self._pasts.tell(way.target, name, at[0])
                came = self._arrivals.setdefault((way.target, name), [])
                insort(came, (at, place), key=lambda one: one[0])
        for found in (self._origins, self._souls):
            found.clear()  # of a circle not all were known

    def _first(self, names: Iterable[str], most: int) -> Sequence[str]:
        """Each once: that which it goes by is the first."""
        each = [*dict.fromkeys(names)]
        self.is_whole = self.is_whole and len(each) <= most
        return each[:most]

    def _find_namesakes(
        self, names_of: Mapping[Crossing, Collection[str]]
    ) -> dict[tuple[str, str], Namesakes]:
        """By universe and name, where more than one may be under it. `names_of`: who came."""
        ways: dict[tuple[str, str], list[Crossing]] = {}
        for way in self._histories.crossings:
            for universe in (way.source, way.target):
                ways.setdefault((universe, way.traveller[1]), []).append(way)
        found: dict[tuple[str, str], Namesakes] = {}
        for (at, name), each in ways.items():
            of = {way.origin or at for way in each}
            first = min(
                (way.arrived for way in each if way.arrived and way.target == at), default=None
            )
            told = self._bodies.get((at, name), [])
            if first is not None and (
                self._pasts.before(at, name) is not None
                or any(tick < first[0] or self._is_own(at, tick, body) for tick, body in told)
            ):
                of.add(at)
            if len(of) > 1:
                said = [Told(*one, (at, name, *one) in self._reborn) for one in told]
                known = Known(
                    is_own=partial(self._is_own, at),
                    deaths=partial(self._deaths_of, at),
                    names_before=partial(self._names_before, at, name),
                    was_dead=partial(self._was_dead, at, name),
                    names_of=names_of,
                )
                found[at, name] = Namesakes(at, name, said, each, known)
        return found

    def _deaths_of(self, at: str, name: str) -> Sequence[int]:
        return self._deaths.get((at, name), [])

    def _was_dead(self, at: str, name: str) -> bool:
        """Whether the body that it had there before the fork died in that."""
        if (before := self._before(at, name)) is None:
            return False
        above, until = before[0], before[2]
        told, body = _last(self._bodies, above, name, until) or (0, name)
        deaths = self._deaths_of(above, body)
        next = bisect_left(deaths, told)
        return until is not None and next < len(deaths) and deaths[next] <= until[0]

    def _names_before(self, at: str, name: str) -> Sequence[str]:
        """Under which its body goes there that it had before the fork."""
        before = self._before(at, name)
        return () if before is None else self._step(*before)[0][-1:]

    def _is_own(self, at: str, tick: int, body: str) -> bool:
        return self._born.get((at, body)) == tick or self._pasts.before(at, body) is not None

    def _place_of(self, way: Crossing) -> Place:
        """Under which name it left, and when; where that is a stranger's too, its body's, or where
        it came from."""
        plain = way.source, way.entity, way.left
        those = self._namesakes.get((way.source, way.traveller[1]))
        if those is None:
            return plain
        guest = those.leaving(way)
        if guest.body is not None:
            return way.source, guest.body, way.left
        if guest.way is not None:
            return self._places.get(guest.way, plain)
        return self._before(way.source, way.entity) or plain

    def _before(self, at: str, name: str) -> Place | None:
        before = self._pasts.before(at, name)
        return None if before is None else (before[0], name, (before[1], SEQ_MAX))

    def _names_at(self, place: Place) -> Iterator[str]:
        """What else means who left there: the name that it was born with, and its souls where it
        is none of them that it goes by."""
        yield self._origin(place).name
        souls = self._bearers_at(place)
        if place[1] not in souls:
            yield from (soul for soul in souls if self._keeps(soul))

    def who(self, universe: str, name: str, until: int | None = None) -> Creature:
        """Whom this universe calls so. `until`: the tick at which it does; None: at any."""
        if until is None:
            return self._who(universe, name, None)
        key = universe, name
        if key not in self._latest:
            self._latest[key] = self._changed(universe, name), self._who(universe, name, None)
        since, latest = self._latest[key]
        if until >= since:
            return latest
        those = self._namesakes.get(key)
        moment = (until, SEQ_MAX) if those is None else those.when_told(until)
        return self._who(universe, name, moment)

    def leaving(self, way: Crossing, name: str | None = None) -> Creature:
        """Whom that name means where it left, when it did; None: the traveller."""
        plain = way.source, name or way.entity, way.left
        return self._origin(self._places.get(way, plain) if name is None else plain)

    def souls_leaving(self, way: Crossing) -> Sequence[str]:
        """Those that its body was told with last; where it came from, too."""
        return self._bearers_at((way.source, way.entity, way.left))

    def _bearers_at(self, begin: Place) -> Sequence[str]:
        place: Place | None = begin
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

    def _who(self, universe: str, name: str, until: Moment | None) -> Creature:
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

    def _step(
        self, at: str, called: str, until: Moment | None
    ) -> tuple[Sequence[str], Place | None]:
        """Its names there, the last is that of its body; and where that has it from, None: it is
        from there."""
        if self._is_from(at, called, until):
            return (called,), None
        names = [called]
        body, came_from = self._last_told(at, called, until)
        if body is not None and body != called:  # a body is no soul of another one
            called = body
            names.append(called)
            if self._is_from(at, called, until):
                return names, None
            came = self._came(at, called, until)
            came_from = None if came is None else came[1]
        return names, came_from or self._before(at, called)

    def _last_told(
        self, at: str, called: str, until: Moment | None
    ) -> tuple[str | None, Place | None]:
        """In which body who is called so is, if that was told since it came; and where it came
        from."""
        if (those := self._namesakes.get((at, called))) is not None:
            guest = those.meant(until)
            return guest.body, None if guest.way is None else self._places.get(guest.way)
        body, came = _last(self._bodies, at, called, until), self._came(at, called, until)
        if body is not None and (came is None or came[0][0] <= body[0]):
            return body[1], None if came is None else came[1]
        return None, None if came is None else came[1]

    def _came(self, at: str, called: str, until: Moment | None) -> tuple[Moment, Place] | None:
        """The last that came there so."""
        came = self._arrivals.get((at, called), [])
        end = len(came) if until is None else bisect_right(came, until, key=lambda one: one[0])
        return came[end - 1] if end else None

    def _is_from(self, at: str, called: str, until: Moment | None) -> bool:
        """Whether it was born there by then, and is not told again by a fork."""
        born = self._born.get((at, called))
        if born is None or (until is not None and born > until[0]):
            return False
        begun = self._histories.begins(at)
        return begun is None or born > begun[1] or self._pasts.before(at, called) is None

    def _changed(self, at: str, called: str) -> int:
        """The tick from which on that name means one there for good."""
        body = _last(self._bodies, at, called, None)
        names = (called,) if body is None else (called, body[1])
        came = [one[0][0] for name in names if (one := self._came(at, name, None))]
        born = [self._born[at, name] for name in names if (at, name) in self._born]
        those = self._namesakes.get((at, called))
        moved = () if those is None else (those.last_tick + 1,)  # after who leaves at that one
        return max([*came, *born, *moved, *(body or ())[:1]], default=0)


def body_told(one: Happening) -> str | None:
    """Whose souls an event names: it is about one alone, and names some."""
    event = one.event
    return event.entities[0] if len(event.entities) == 1 and event.souls else None


def souls_told(one: Happening) -> Iterator[tuple[str, str]]:
    """(soul, name) of whom it tells, where it is about one alone."""
    if body := body_told(one):
        for soul in one.event.souls:
            yield soul, body


def _last(told: By[T], universe: str, name: str, until: Moment | None) -> tuple[int, T] | None:
    ones = told.get((universe, name), [])
    end = len(ones) if until is None else bisect_right(ones, until[0], key=lambda one: one[0])
    return ones[end - 1] if end else None


def _bodies_and_travellers(histories: Histories) -> Iterator[str]:
    for universe in histories.universes():
        yield from (body for one in histories.events(universe) if (body := body_told(one)))
    for way in histories.crossings:
        yield from (way.entity, way.name_there, way.soul)
