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
        tellers, passed, at = self._tellers.get(name, 0), list[tuple[str, str]](), universe
        while True:
            if (at, name) in self._found:
                found = self._found[at, name]
                break
            passed.append((at, name))
            line = self._line(at)
            if not (known := tellers & line.above):
                found = None
                break
            nearest = known.bit_length() - 1
            at, tick = self._universes[nearest], line.until[nearest]
            if self._first[at, name] <= tick:
                found = at, tick
                break
            # What that one did not tell by then, it goes on with too, if anybody knew it.
        self._found.update(dict.fromkeys(passed, found))
        return found

    def _line(self, universe: str) -> _Line:
        if universe not in self._lines:
            until, at, above = dict[int, int](), universe, 0
            while (begun := self._histories.begins(at)) is not None:
                at, tick = begun
                number = self._numbers[at]
                until[number], above = tick, above | 1 << number
            self._lines[universe] = _Line(above, until)
        return self._lines[universe]
