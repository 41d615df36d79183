"""Times that a soul spends in one universe, and the order in which things happen to it there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, Literal, TypeAlias

from universe.event import DEATH, REBIRTH, event_kind
from universe.histories import Crossing, Happening, is_beginning

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
    origin: str = ""
    """The universe that gates sign it is of. Two of one name in one universe differ by it."""

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
class Turn:
    """What happens to it at one tick."""

    tick: int
    rank: int
    happening: Happening | None = None
    crossing: Crossing | None = None
    seq: int = 0
    """Of a crossing: number of its receipt in this universe."""
    at_us: int = 0
    """Of a crossing: when that was signed."""


COMES, IS, GOES, RETURNS = range(4)


def is_rebirth(one: Happening) -> bool:
    return event_kind(one.event.type) == REBIRTH


def is_dead(stays: Sequence[Stay]) -> bool:
    return bool(stays) and stays[-1].ended == "died"


def ways_of(universe: str, crossings: Sequence[Crossing]) -> list[Turn]:
    """How they came and went there, in the order of the receipts."""
    ways: list[Turn] = []
    for one in crossings:
        if one.source == universe:
            ways.append(Turn(one.left_tick, GOES, None, one, one.left_seq, one.left_us))
            if one.returned is not None:
                ways.append(Turn(one.returned[0], RETURNS, None, one, one.ended_seq, one.ended_us))
        elif one.target == universe and one.arrived is not None:
            ways.append(Turn(one.arrived[0], COMES, None, one, one.ended_seq, one.ended_us))
    return sorted(ways, key=lambda way: (way.seq, way.tick, way.rank))


def turns_of(own: Sequence[Happening], ways: Sequence[Turn], since: int) -> list[Turn]:
    """All in order. `since`: the first tick that counts for receipts. No receipt is before the one
    before it about any of the same origin."""
    told = [Turn(one.event.tick, _rank(one), one) for one in own]
    last, counted = dict[str, int](), list[Turn]()
    for way in ways:
        origin = "" if way.crossing is None else way.crossing.origin
        tick = last[origin] = max(since, way.tick, last.get(origin, 0))
        counted.append(replace(way, tick=tick))
    return _in_order(told, counted)


def _in_order(told: Sequence[Turn], ways: Sequence[Turn]) -> list[Turn]:
    """By tick. At one tick a birth comes first, a death where it is there for the last time, and
    all else once those have come who came before anybody left."""
    ordered: list[Turn] = []
    turns = sorted((*told, *ways), key=lambda turn: turn.tick)
    for _, at_one in groupby(turns, key=lambda turn: turn.tick):
        each = list(at_one)
        moves = [turn for turn in each if turn.crossing is not None]
        first = next((at for at, one in enumerate(moves) if one.rank == GOES), len(moves))
        last = len(moves) if not moves or moves[-1].rank != GOES else len(moves) - 1
        by_rank = [[one for one in each if one.happening and one.rank == rank] for rank in range(3)]
        # Where it left and did not come again, whatever is told of it was before that.
        ordered += [*by_rank[COMES], *moves[:first], *by_rank[IS], *moves[first:last]]
        ordered += [*by_rank[GOES], *moves[last:]]
    return ordered


def is_told_after(turn: Turn) -> bool:
    """What is told of the dead does not bring them back."""
    return turn.happening is not None and turn.rank != COMES


def opened(universe: str, turn: Turn) -> Stay:
    crossing = turn.crossing
    if crossing is None:
        began: Began = "born" if turn.rank == COMES else IS_TOLD
        return Stay(universe, turn.tick, began)
    if turn.rank == COMES:
        came_from, at_us = crossing.source, turn.at_us
        return Stay(universe, turn.tick, "arrived", came_from=came_from, since_us=at_us)
    if turn.rank == RETURNS:
        came_from, at_us = crossing.target, turn.at_us
        return Stay(universe, turn.tick, "returned", came_from=came_from, since_us=at_us)
    return Stay(universe, turn.tick, IS_TOLD)


def mentioned(universe: str, tick: int) -> Stay:
    """Of who is not there: it is told of, and no more."""
    return Stay(universe, tick, IS_TOLD, until=tick)


def closed(stay: Stay, turn: Turn) -> Stay:
    if turn.crossing is None:
        return replace(stay, until=turn.tick, ended="died")
    went_to, at_us = turn.crossing.target, turn.at_us
    return replace(stay, until=turn.tick, ended="left", went_to=went_to, until_us=at_us)


def forked(universe: str, begun: tuple[str, int]) -> Stay:
    """Of who was in the parent, (universe, tick), then: it is here from the first tick on."""
    parent, tick = begun
    return Stay(universe, tick, "forked", came_from=parent)


def _rank(one: Happening) -> int:
    if is_beginning(one.event):
        return COMES
    return GOES if event_kind(one.event.type) == DEATH else IS
