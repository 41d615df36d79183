"""Which of several sources are tried now, where some may never give anything.

    tries = Tries(sources)
    turn = tries.turn(now_s)       # leave these, begin those, and ask again after so long
    tries.started(source, now_s)   # it has a place, and is being tried from now on
    tries.make_room(source)        # others need its place: the next turn leaves it
    tries.ended(source)            # it gave what it had, or failed

The first begins at once, each next one soon after, whether or not those before it get anywhere: a
source that stands still, or gives a little now and then, delays the others by no more than that.
Where as many as may run do, the one that ran longest makes room, and comes again after the others.
One that has begun and waits for a place keeps its turn.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at once, and when the next."""

    at_once: int
    next_s: float
    """After one began, until the next does, where none ended meanwhile."""
    try_s: float
    """For one, where all places are taken and others wait."""


# A hundred sources that stand still are through in 100 / 8 * 20 s; a fetch may take five minutes.
# On the slowest line that is good for one run of a blob, 4.4 KB/s, it takes 15 s: it is not lost.
PACE: Final = Pace(at_once=8, next_s=2.0, try_s=20.0)


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """What to do now. `wait_s` is None where only an end changes anything."""

    leave: tuple[T, ...]
    begin: tuple[T, ...]
    wait_s: float | None


class Tries(Generic[T]):
    """Tell it what ended; do what it answers. Sources are told apart by `==`."""

    def __init__(self, sources: Iterable[T], pace: Pace = PACE) -> None:
        self._pace = pace
        self._waiting = deque(dict.fromkeys(sources))
        self._began_s: dict[T, float | None] = {}
        """Of those that run, the one that began first is first; None: it waits for a place."""
        self._left: list[T] = []
        self._next_s: float | None = None
        """When another begins; None: at once."""

    @property
    def are_over(self) -> bool:
        return not self._waiting and not self._began_s

    def started(self, source: T, now_s: float) -> None:
        if source in self._began_s:
            del self._began_s[source]
            self._began_s[source] = now_s

    def make_room(self, source: T) -> None:
        """It comes again after the others."""
        if source in self._began_s:
            self._leave(source)
            self._left.append(source)

    def _leave(self, source: T) -> None:
        del self._began_s[source]
        self._waiting.append(source)

    def ended(self, source: T) -> None:
        """For good. Another may begin at once."""
        if source in self._waiting:  # it was to be left just then
            self._waiting.remove(source)
        if source in self._began_s:
            del self._began_s[source]
            self._next_s = None

    def turn(self, now_s: float) -> Turn[T]:
        leave, begin = self._left, list[T]()
        self._left = []
        while self._waiting and (self._next_s is None or now_s >= self._next_s):
            if len(self._began_s) >= self._pace.at_once:
                first, room_s = self._next_room()
                if room_s is None or now_s < room_s:
                    wait_s = None if room_s is None else room_s - now_s
                    return Turn(tuple(leave), tuple(begin), wait_s)
                self._leave(first)
                leave.append(first)
            source = self._waiting.popleft()
            self._began_s[source] = None
            self._next_s = now_s + self._pace.next_s
            begin.append(source)
        wait_s = self._next_s - now_s if self._waiting and self._next_s is not None else None
        return Turn(tuple(leave), tuple(begin), wait_s)

    def _next_room(self) -> tuple[T, float | None]:
        """Who makes room next, and when; None: only once one of them has a place."""
        for source, began_s in self._began_s.items():
            if began_s is not None:
                return source, began_s + self._pace.try_s
        return next(iter(self._began_s)), None
