"""From which universe above it a fork knows a name: the nearest that told it before the fork began.

```
u0  harvest kit 5 ─┬─ 90 u1 ─┬─ 95 u2        u2 has kit from u0: u1 tells nothing of kit by 95
                   │         └ 97 harvest kit
```
Forks may be deep and tell thousands of names. So of each name it is kept which universes tell it,
a bit each, and those alone are looked at on the way up.
"""

from collections.abc import Mapping
from typing import NamedTuple

from universe.histories import Histories
from universe.snapshot import TICK_MAX


class _Line(NamedTuple):
    """What lies above one universe, in numbers that grow from parents to forks."""

    above: int
    """A bit for each."""
    until: Mapping[int, int]
    """Up to which tick of each it goes on with what that tells."""


class Pasts:
    """Tell it which names are told where, then ask."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories
        self._numbers: dict[str, int] = {}
        for universe in histories.universes():
            if (parent := histories.forks.parent(universe)) is not None:
                self._numbers.setdefault(parent, len(self._numbers))  # where it is not known here
            self._numbers.setdefault(universe, len(self._numbers))
        self._universes = tuple(self._numbers)
        self._lines: dict[str, _Line] = {}
        self._tellers: dict[str, int] = {}
        self._first: dict[tuple[str, str], int] = {}
        self._found: dict[tuple[str, str], tuple[str, int] | None] = {}

    def tell(self, universe: str, name: str, tick: int) -> None:
        """What was found before is looked for anew."""
        key, number = (universe, name), self._numbers.get(universe)
        first = self._first.get(key)
        if first is None or tick < first:
            self._first[key] = tick
            self._found.clear()
        if number is not None and first is None:
            self._tellers[name] = self._tellers.get(name, 0) | 1 << number

    def before(self, universe: str, name: str) -> tuple[str, int] | None:
        """(universe above, the tick up to which it is its past); None: nobody knew that name."""
        if self._histories.begins(universe) is None:
            return None
        passed, at = list[tuple[str, str]](), universe
        while (at, name) not in self._found:
            passed.append((at, name))
            found, next = self._nearest(at, name)
            if next is None:
                break
            at = next
        else:
            found = self._found[at, name]
        self._found.update(dict.fromkeys(passed, found))
        return found

    def _nearest(self, universe: str, name: str) -> tuple[tuple[str, int] | None, str | None]:
        """Or from where to go on: what that one did not tell by then, it has from above too."""
        line = self._line(universe)
        known = self._tellers.get(name, 0) & line.above
        while known:
            nearest = known.bit_length() - 1
            at, tick = self._universes[nearest], line.until[nearest]
            if self._first[at, name] <= tick:
                return (at, tick), None
            begun = self._histories.begins(at)
            if begun is not None and begun[1] <= tick:
                return None, at
            known ^= 1 << nearest  # it was set back: less of what lies above is the past
        return None, None

    def _line(self, universe: str) -> _Line:
        if universe not in self._lines:
            until, at, above, least = dict[int, int](), universe, 0, TICK_MAX
            while (begun := self._histories.begins(at)) is not None:
                at, least = begun[0], min(begun[1], least)
                number = self._numbers[at]
                until[number], above = least, above | 1 << number
            self._lines[universe] = _Line(above, until)
        return self._lines[universe]
