"""Whom a name means in a universe where several go under it, and in which body each leaves.

```
bob/isle   5 birth kit, soul:1 ───── 27 harvest kit, soul:1 ───────────▸   its own is in kit
           20 soul:1 of eve/far comes as rex ── 26 zoe, soul:1 ── leaves   the stranger is in zoe
```
An event of one body that tells a name tells of who is in that body; else, of a birth or of a body
that the past of the universe knew, of the universe's own; else of who came last and is there. So
it is with the name alone.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeAlias

from universe.histories import Crossing, Moment
from universe.receipts import SEQ_MAX

Told: TypeAlias = tuple[int, str]
"""(tick, body)."""


@dataclass(slots=True)
class Guest:
    """One of them. Neither: its own, of whom only its past tells."""

    body: str | None = None
    """The last that was told of it here."""
    way: Crossing | None = None
    """By which it came."""


class Namesakes:
    """Those of one name in one universe. Ask of each after who came before it was added."""

    def __init__(
        self,
        universe: str,
        told: Iterable[Told],
        ways: Iterable[Crossing],
        is_own: Callable[[int, str], bool],
        names_of: Mapping[Crossing, Collection[str]],
    ) -> None:
        """`ways`: all out of this universe or into it. `is_own`: whether what is told at that tick
        of that body is of the universe's own. `names_of`: by which names who came is known."""
        self._universe = universe
        self._is_own = is_own
        self._names_of = names_of
        moves: list[tuple[Moment, Crossing | Told]] = []
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
        events = [(self.when_told(one[0]), one) for one in told]
        # The sort is stable, and the last is the next.
        self._to_come = sorted([*moves, *events], key=itemgetter(0))[::-1]
        self.last_tick = max((one[0][0] for one in self._to_come), default=0)
        self._left: dict[Crossing, Guest] = {}
        self._meant: list[tuple[Moment, Guest]] = []
        self._guests = {universe: Guest()}
        self._there = {universe: None}
        """The last who came last."""
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
        while self._to_come and (until is None or self._to_come[-1][0] <= until):
            self._go_on()
        past = self._meant
        end = len(past) if until is None else bisect_right(past, until, key=itemgetter(0))
        return past[end - 1][1] if end else Guest()

    def _go_on(self) -> None:
        at, one = self._to_come.pop()
        if not isinstance(one, Crossing):
            self._tell(*one)
        elif one.source == self._universe:
            self._leave(one)
        else:
            self._come(one)
        self._meant.append((at, replace(self._guests[self._last])))

    @property
    def _last(self) -> str:
        """Who came last of those there; of nobody, its own."""
        return next(reversed(self._there), self._universe)

    def _tell(self, tick: int, body: str) -> None:
        of = self._by_name.get(body)
        if of is None:
            of = self._universe if self._is_own(tick, body) else self._last
        self._by_name[body] = of
        self._guests[of].body = body

    def _come(self, way: Crossing) -> None:
        of = way.origin or self._universe
        self._guests[of] = Guest(None, way)
        self._there.pop(of, None)
        self._there[of] = None
        self._by_name.update(dict.fromkeys(self._names_of.get(way, ()), of))

    def _leave(self, way: Crossing) -> None:
        of = way.origin or self._universe
        of = of if of in self._guests else self._universe
        self._there.pop(of, None)
        guest = self._guests[of]
        self._left[way] = Guest(guest.body, guest.way)
