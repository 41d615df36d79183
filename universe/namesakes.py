"""Whom a name means in a universe where several go under it, and in which body each leaves.

```
bob/isle   5 birth kit, soul:1 ───── 27 harvest kit, soul:1 ───────────▸   its own is in kit
           20 soul:1 of eve/far comes as rex ── 26 zoe, soul:1 ── leaves   the stranger is in zoe
```
An event of one body that tells a name tells of who is in that body; else, of a birth or of a body
that the past of the universe knew, of the universe's own; of a rebirth one of the dead; else of who
came last and is there. So it is with the name alone. Who died is there no more.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from universe.histories import Crossing, Moment
from universe.receipts import SEQ_MAX

DEAD_MAX: Final = 16
"""Who may be born again; of more the last. As many as a name has lives in one universe."""
BEFORE: Final = -1
"""A tick that comes before all that is told."""


class Told(NamedTuple):
    """An event that says in which body a name is."""

    tick: int
    body: str
    is_rebirth: bool = False


class _Died(NamedTuple):
    """Who goes by the name."""

    tick: int


class _Look(NamedTuple):
    """Whether somebody is dead now."""


_Item: TypeAlias = Crossing | Told | _Died | _Look


class Known(NamedTuple):
    """What is told beside the name in that universe."""

    is_own: Callable[[int, str], bool]
    """Whether what is told at that tick of that body is of the universe's own."""
    deaths: Callable[[str], Sequence[int]]
    """Ticks at which one dies who is called so."""
    names_before: Callable[[], Collection[str]]
    """Of the body of its own before it was forked."""
    was_dead: Callable[[], bool]
    """Whether its own was, when it was forked."""
    names_of: Mapping[Crossing, Collection[str]]
    """By which names who came is known."""


@dataclass(slots=True)
class Guest:
    """One of them. Neither: its own, of whom only its past tells."""

    body: str | None = None
    """The last that was told of it here."""
    way: Crossing | None = None
    """By which it came."""
    since: int = 0
    """The tick at which it came, or was told in that body."""
    dies: int | None = None
    is_looked_up: bool = False
    """Whether `dies` says when that is. A body may have 65 names, and each rebirth asks of all."""


class Namesakes:
    """Those of one name in one universe. Ask of each after who came before it was added."""

    def __init__(
        self,
        universe: str,
        name: str,
        told: Iterable[Told],
        ways: Iterable[Crossing],
        known: Known,
    ) -> None:
        """`ways`: all out of this universe or into it."""
        self._universe = universe
        self._name = name
        self._known = known
        moves: list[tuple[Moment, Crossing]] = []
        first_left: dict[int, int] = {}
        for way in ways:
            if way.source == universe:
                moves.append((way.left, way))
                first_left[way.left_tick] = min(
                    way.left_seq, first_left.get(way.left_tick, SEQ_MAX)
                )
            if way.target == universe and way.arrived is not None:
                moves.append((way.arrived, way))
        self._first_left = first_left
        self._to_come: list[tuple[Moment, int, int, _Item]] = []
        """What is told of a tick comes after who arrived by then, and a death after its tick."""
        for at, way in moves:
            self._to_come.append((at, 1, len(self._to_come), way))
        for one in told:
            self._to_come.append((self.when_told(one.tick), 2, len(self._to_come), one))
        for tick in known.deaths(name):
            self._to_come.append((_after(tick), 0, len(self._to_come), _Died(tick)))
        self._count = len(self._to_come)
        heapify(self._to_come)
        self._left: dict[Crossing, Guest] = {}
        self._meant: list[tuple[Moment, Guest]] = []
        self._guests = {universe: Guest()}
        self._there = {universe: None}
        """The last who came last."""
        self._dead: dict[str, None] = {}
        self._watched = set[tuple[str, int]]()
        self._by_name: dict[str, str] = {}

    def when_told(self, tick: int) -> Moment:
        """What is told of a tick is told before anybody leaves at it."""
        return tick, self._first_left.get(tick, SEQ_MAX + 1) - 1

    def leaving(self, way: Crossing) -> Guest:
        while way not in self._left:
            self._go_on()
        return self._left[way]

    def meant(self, until: Moment | None) -> Guest:
        """Who goes by the name by then; None: at last."""
        while self._to_come and (until is None or self._to_come[0][0] <= until):
            self._go_on()
        past = self._meant
        end = len(past) if until is None else bisect_right(past, until, key=itemgetter(0))
        return past[end - 1][1] if end else Guest()

    @property
    def last_tick(self) -> int:
        """After which the name means one for good."""
        self.meant(None)
        return self._meant[-1][0][0] if self._meant else 0

    def _go_on(self) -> None:
        at, _, _, one = heappop(self._to_come)
        if isinstance(one, Told):
            self._tell(one)
        elif isinstance(one, _Died):
            self._bury(self._last)
        elif isinstance(one, Crossing) and one.source == self._universe:
            self._leave(one)
        elif isinstance(one, Crossing):
            self._come(one, at[0])
        guest = self._guests[self._who_is_there(at)]
        self._meant.append((at, Guest(guest.body, guest.way)))

    def _who_is_there(self, at: Moment) -> str:
        """By then. Looks again when that one dies."""
        while self._is_there(last := self._last) and (died := self._dies(last)) is not None:
            if _after(died) > at:
                if (last, died) not in self._watched:
                    self._watched.add((last, died))
                    self._count += 1
                    heappush(self._to_come, (_after(died), 0, self._count, _Look()))
                break
            self._bury(last)
        return self._last

    def _is_there(self, of: str) -> bool:
        return of in self._there and of not in self._dead

    def _dies(self, of: str) -> int | None:
        guest = self._guests[of]
        if not guest.is_looked_up:
            guest.dies = self._looked_up(guest)
            guest.is_looked_up = guest.way is None or guest.way in self._known.names_of
        return guest.dies

    def _looked_up(self, guest: Guest) -> int | None:
        if guest.body is not None:
            names: Collection[str] = (guest.body,)
        elif guest.way is None:
            if self._known.was_dead():
                return BEFORE
            names = self._known.names_before()
        else:
            names = self._known.names_of.get(guest.way, ())
        each = [self._known.deaths(name) for name in names if name != self._name]
        found = [(ticks, bisect_left(ticks, guest.since)) for ticks in each]
        return min((ticks[at] for ticks, at in found if at < len(ticks)), default=None)

    def _bury(self, of: str) -> None:
        if self._is_there(of):
            self._dead[of] = None
            if len(self._dead) > DEAD_MAX:
                self._go(next(iter(self._dead)))

    def _go(self, of: str) -> None:
        self._there.pop(of, None)
        self._dead.pop(of, None)

    @property
    def _last(self) -> str:
        """Who came last of those there; of nobody, its own."""
        living = (of for of in reversed(self._there) if of not in self._dead)
        return next(living, self._universe)

    def _tell(self, one: Told) -> None:
        of = self._by_name.get(one.body)
        if one.is_rebirth:
            for each in [self._universe, *islice(reversed(self._there), DEAD_MAX)]:
                if (died := self._dies(each)) is not None and died < one.tick:
                    self._bury(each)
        if one.is_rebirth and self._dead:
            of = of if of in self._dead else next(reversed(self._dead))
            del self._dead[of]
        if of is None:
            is_own = self._known.is_own(one.tick, one.body)
            of = self._universe if is_own else self._last
        self._by_name[one.body] = of
        guest = self._guests[of]
        guest.body, guest.since, guest.is_looked_up = one.body, one.tick, False

    def _come(self, way: Crossing, tick: int) -> None:
        of = way.origin or self._universe
        self._guests[of] = Guest(None, way, tick)
        self._go(of)
        self._there[of] = None
        self._by_name.update(dict.fromkeys(self._known.names_of.get(way, ()), of))

    def _leave(self, way: Crossing) -> None:
        of = way.origin or self._universe
        of = of if of in self._guests else self._universe
        self._go(of)
        guest = self._guests[of]
        self._left[way] = Guest(guest.body, guest.way)


def _after(tick: int) -> Moment:
    """What is told of the tick of a death is told before it."""
    return tick + 1, -1
