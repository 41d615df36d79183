"""A soul followed through its bodies, across forks and passages.

```
ada/main      100 born ─── 400 ═ fork ─────────── 700 departs ─▸ in transit ─▸
ada/harder                  400 ─── 650 dies
bob/isle                                                            90 arrives ───
```
A soul is an identity that outlasts bodies; who has none is followed by the name of the creature. At
a fork it goes on in both universes, and from there on these are two lives. A passage takes it out
of one universe and into another: it is never in both by one and the same migration. It comes and
goes in the order in which a universe's gate signed that, whatever ticks it gave.

Who is asked for by its soul is followed in the body that it has (`universe.bodies`): most events
name nothing else.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Literal, TypeAlias

from universe.bodies import Body, followed_as
from universe.event import DEATH, REBIRTH, event_kind
from universe.histories import Crossing, Happening, Histories, is_beginning

Began: TypeAlias = Literal["born", "told", "forked", "arrived", "returned"]
Ended: TypeAlias = Literal["died", "left"]

IS_TOLD: Final = "told"
"""Nothing says how it came to be there."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One time in one universe, in the ticks of that universe."""

    universe: str
    since: int
    began: Began
    events: tuple[Happening, ...] = ()
    until: int | None = None
    """None: it is there still, as far as anybody told."""
    ended: Ended | None = None
    came_from: str | None = None
    """The universe before, where it was forked or arrived."""
    went_to: str | None = None
    since_us: int = 0
    """By the clock of its gate, where it came through a passage; so `until_us`, where it left."""
    until_us: int = 0

    def holds(self, tick: int, at_us: int = 0) -> bool:
        """Whether it was there when that tick was over; `at_us`: in a state that was taken then.

        Who leaves is at the tick of the last state, which has it still; so it is with who comes.
        """
        came, gone = (bool(at_us) and one > at_us for one in (self.since_us, self.until_us))
        is_come = self.since < tick or (self.since == tick and not came)
        is_gone = self.until is not None and (
            self.until < tick or (self.until == tick and not gone)
        )
        return is_come and not is_gone


@dataclass(frozen=True, slots=True)
class Soul:
    """All that is known of one."""

    name: str
    stays: tuple[Stay, ...]
    """Along its way: after where it left the universe where it arrived, then what was forked."""
    in_transit: tuple[Crossing, ...]

    @property
    def present(self) -> tuple[str, ...]:
        """Where it is now. More than one after a fork."""
        return tuple(dict.fromkeys(one.universe for one in self.stays if one.until is None))


def follow(name: str, histories: Histories) -> Soul:
    """`name`: of a soul, or of a creature. Nobody knows it: no stays."""
    crossings, called = _ways_of(name, histories)
    followed, by_body = followed_as(frozenset(called), histories, crossings)
    its = {*crossings, *by_body}
    crossings = [one for one in histories.crossings if one in its]
    stays: dict[str, list[Stay]] = {}
    bodies: dict[str, Body] = {}
    for universe in histories.universes():
        own = [one for one in histories.events(universe) if followed.may_be_its(one)]
        begun = histories.begins(universe)
        at_us = histories.begun_us(universe)
        was_there = begun is not None and any(
            stay.holds(begun[1], at_us) for stay in stays.get(begun[0], ())
        )
        above = None if begun is None else bodies.get(begun[0])
        had = None if begun is None or above is None else above.at(begun[1])
        body = Body(followed, universe, had)
        if begun is None or not was_there:
            is_dead = _died_before(universe, stays, histories)
            found = _stays_in(body, own, crossings, is_dead=is_dead)
        else:
            there = _stays_in(body, own, crossings, begun[1], is_there=True)
            found = _going_on(universe, begun, there)
        bodies[universe] = body
        if found:
            stays[universe] = found
    transit = [one for one in crossings if one.arrived_tick is None and not one.is_returned]
    return Soul(name, tuple(_along_its_way(stays)), tuple(transit))


def _died_before(universe: str, stays: Mapping[str, list[Stay]], histories: Histories) -> bool:
    """Whether that is the last that its past tells of it; false where it was forked from none."""
    while (begun := histories.begins(universe)) is not None:
        universe, tick = begun
        if past := [one for one in stays.get(universe, ()) if one.since <= tick]:
            return _is_dead(past)
    return False


def _along_its_way(stays: Mapping[str, list[Stay]]) -> Iterator[Stay]:
    """Each once, those of one universe in their order: from where it begins through passages, as
    far as they lead, then in the forks of where it was."""
    left = {universe: deque(ones) for universe, ones in stays.items()}
    forks: dict[str, list[str]] = {}
    for universe, (first, *_) in stays.items():
        if first.began == "forked" and first.came_from is not None:
            forks.setdefault(first.came_from, []).append(universe)
    # The last is the next: those that nothing leads to are first.
    to_do = sorted(stays, key=lambda one: stays[one][0].came_from is not None)[::-1]
    while to_do:
        at = to_do.pop()
        while left[at]:
            stay = left[at].popleft()
            yield stay
            to_do += reversed(forks.pop(at, []))
            there = left.get(stay.went_to or "")
            if there and (there[0].began, there[0].came_from) == ("arrived", at):
                to_do.append(at)
                at = there[0].universe


def _ways_of(name: str, histories: Histories) -> tuple[list[Crossing], set[str]]:
    """Its crossings, and what it is called: a traveller may be named after its soul, and be called
    otherwise where it arrived."""
    tellers = _tellers(name, histories)
    above = {
        universe: frozenset(histories.forks.ancestry(universe))
        for universe in (histories.universes() if tellers else ())
    }

    def is_its_soul(way: Crossing) -> bool:
        theirs = above.get(way.source, frozenset())
        return any(not theirs.isdisjoint(tellers.get(each, ())) for each in (way.entity, way.soul))

    by_name: dict[str, list[Crossing]] = {}
    for one in histories.crossings:
        for each in _names(one):
            by_name.setdefault(each, []).append(one)
    called, found, left = {name}, set[Crossing](), [name]
    more = [one for one in histories.crossings if is_its_soul(one)]
    while more or left:
        found.update(more)
        new = {each for one in more for each in (one.entity, one.name_there)} - called
        called |= new
        left += new
        more = by_name.pop(left.pop(), []) if left else []
    return [one for one in histories.crossings if one in found], called


def _tellers(name: str, histories: Histories) -> dict[str, set[str]]:
    """Universes that tell of it with a soul, by that soul: of those that anybody travels as."""
    travel = {each for one in histories.crossings for each in (one.entity, one.soul)}
    tellers: dict[str, set[str]] = {}
    for universe in histories.universes() if travel else ():
        for one in histories.events(universe):
            if one.event.entities == (name,):
                for soul in travel.intersection(one.event.souls):
                    tellers.setdefault(soul, set()).add(universe)
    return tellers


def souls_in(histories: Histories) -> tuple[str, ...]:
    """All that anybody tells of, by name."""
    named = {soul for one in histories.all_events() for soul in one.event.souls}
    named |= {one.soul for one in histories.crossings if one.soul}
    return tuple(sorted(named))


@dataclass(frozen=True, slots=True)
class _Turn:
    """What happens to it at one tick."""

    tick: int
    rank: int
    happening: Happening | None = None
    crossing: Crossing | None = None
    seq: int = 0
    """Of a crossing: number of its receipt in this universe."""
    at_us: int = 0
    """Of a crossing: when that was signed."""


_COMES, _IS, _GOES, _RETURNS = range(4)


def _stays_in(
    body: Body,
    own: Sequence[Happening],
    crossings: Sequence[Crossing],
    since: int = 0,
    *,
    is_there: bool = False,
    is_dead: bool = False,
) -> list[Stay]:
    """`since`: the tick of a fork. What came before is its parent's to tell.

    `is_there`: from the first tick on. `is_dead`: what may be told of it first is its rebirth.
    """
    universe = body.universe
    told = [_Turn(one.event.tick, _rank(one), one) for one in own if one.event.tick >= since]
    stays: list[Stay] = []
    for turn in _in_order(told, _ways(universe, crossings, since)):
        is_open = stays[-1].until is None if stays else is_there
        if turn.happening is not None:
            may_return = _is_dead(stays) if stays else is_dead
            has_it = is_open or (may_return and _is_rebirth(turn.happening))
            if not body.is_told(turn.happening, has_it=has_it):
                continue
        elif turn.crossing is not None and turn.rank == _COMES:
            body.came(turn.crossing, turn.tick)
        is_open = bool(stays) and stays[-1].until is None
        if not is_open and not (stays and _is_told_after(turn)):
            stays.append(_opened(universe, turn))
            is_open = True
        if turn.happening is not None:
            stays[-1] = replace(stays[-1], events=(*stays[-1].events, turn.happening))
        if is_open and turn.rank == _GOES:
            stays[-1] = _closed(stays[-1], turn)
    return stays


def _is_rebirth(one: Happening) -> bool:
    return event_kind(one.event.type) == REBIRTH


def _is_dead(stays: Sequence[Stay]) -> bool:
    return bool(stays) and stays[-1].ended == "died"


def _ways(universe: str, crossings: Sequence[Crossing], since: int) -> list[_Turn]:
    """How it came and went, in the order of the receipts; none is before the one before it."""
    ways: list[_Turn] = []
    for one in crossings:
        if one.source == universe:
            ways.append(_Turn(one.left_tick, _GOES, None, one, one.left_seq, one.left_us))
            if one.is_returned:
                ways.append(_Turn(one.left_tick, _RETURNS, None, one, one.ended_seq, one.ended_us))
        elif one.target == universe and one.arrived_tick is not None and not one.is_returned:
            ways.append(_Turn(one.arrived_tick, _COMES, None, one, one.ended_seq, one.ended_us))
    ordered: list[_Turn] = []
    for way in sorted(ways, key=lambda way: (way.seq, way.tick, way.rank)):
        since = max(since, way.tick)
        ordered.append(replace(way, tick=since))
    return ordered


def _in_order(told: Sequence[_Turn], ways: Sequence[_Turn]) -> list[_Turn]:
    """By tick. At one tick a birth comes first, a death where it is there for the last time, and
    all else where it is there for the first time."""
    ordered: list[_Turn] = []
    turns = sorted((*told, *ways), key=lambda turn: turn.tick)
    for _, at_one in groupby(turns, key=lambda turn: turn.tick):
        each = list(at_one)
        moves = [turn for turn in each if turn.crossing is not None]
        first = 0 if not moves or moves[0].rank == _GOES else 1
        last = len(moves) if not moves or moves[-1].rank != _GOES else len(moves) - 1
        by_rank = [[one for one in each if one.happening and one.rank == rank] for rank in range(3)]
        # Where it left and did not come again, whatever is told of it was before that.
        ordered += [*by_rank[_COMES], *moves[:first], *by_rank[_IS], *moves[first:last]]
        ordered += [*by_rank[_GOES], *moves[last:]]
    return ordered


def _is_told_after(turn: _Turn) -> bool:
    """What is told of the dead does not bring them back."""
    return turn.happening is not None and turn.rank != _COMES


def _opened(universe: str, turn: _Turn) -> Stay:
    crossing = turn.crossing
    if crossing is None:
        began: Began = "born" if turn.rank == _COMES else IS_TOLD
        return Stay(universe, turn.tick, began)
    if turn.rank == _COMES:
        came_from, at_us = crossing.source, turn.at_us
        return Stay(universe, turn.tick, "arrived", came_from=came_from, since_us=at_us)
    if turn.rank == _RETURNS:
        came_from, at_us = crossing.target, turn.at_us
        return Stay(universe, turn.tick, "returned", came_from=came_from, since_us=at_us)
    return Stay(universe, turn.tick, IS_TOLD)


def _closed(stay: Stay, turn: _Turn) -> Stay:
    if turn.crossing is None:
        return replace(stay, until=turn.tick, ended="died")
    went_to, at_us = turn.crossing.target, turn.at_us
    return replace(stay, until=turn.tick, ended="left", went_to=went_to, until_us=at_us)


def _going_on(universe: str, begun: tuple[str, int], found: list[Stay]) -> list[Stay]:
    """It was in the parent when this was forked, so it is here from the first tick on."""
    parent, tick = begun
    if found and found[0].began == IS_TOLD:
        first = replace(found[0], since=tick, began="forked", came_from=parent)
        return [first, *found[1:]]
    end = found[0] if found else None
    until = None if end is None else max(end.since, tick)
    return [Stay(universe, tick, "forked", until=until, came_from=parent), *found]


def _rank(one: Happening) -> int:
    if is_beginning(one.event):
        return _COMES
    return _GOES if event_kind(one.event.type) == DEATH else _IS


def _names(one: Crossing) -> set[str]:
    return {one.entity, one.name_there, one.soul} - {""}
