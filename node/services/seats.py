"""Places of one node for tries that may never give anything, shared among all who try.

    async with seats.one(who, give_way):      # waits for its turn
        ...                                    # until it ends, or is told to give way

A place that is free goes to whoever has the fewest, first come first. Where somebody waits, one is
given up: of whoever has the most, the one held longest, once that was `try_s`. So whoever makes
a hundred tries keeps nobody from one, and whoever gives way comes again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from node.services.tries import PACE

SEATS_MAX: Final = 16
"""Of the 64 blobs that are fetched at once: modules and what is asked for by name have the rest."""


@dataclass(eq=False, slots=True)
class Seat:
    """One try, which waits until it is `given` a place."""

    who: Hashable
    give_way: Callable[[], None]
    given: asyncio.Event = field(default_factory=asyncio.Event)
    since_s: float = 0.0
    is_leaving: bool = False


class Seats:
    """At most `most` at once; `give_way` of a seat is called once, to have it end soon."""

    def __init__(self, most: int = SEATS_MAX, try_s: float = PACE.try_s) -> None:
        self._most = most
        self._try_s = try_s
        self._held: list[Seat] = []
        """In the order in which they were given."""
        self._waiting: list[Seat] = []

    @asynccontextmanager
    async def one(self, who: Hashable, give_way: Callable[[], None]) -> AsyncGenerator[None]:
        """A place of `who`, told apart by `==`, for as long as the block runs."""
        clock_s = asyncio.get_running_loop().time
        seat = Seat(who, give_way)
        self.ask(seat)
        try:
            while not seat.given.is_set():
                wait_s = self.turn(clock_s())
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await seat.given.wait()
            yield
        finally:
            self.leave(seat)
            self.turn(clock_s())

    def ask(self, seat: Seat) -> None:
        self._waiting.append(seat)

    def leave(self, seat: Seat) -> None:
        """It holds no place any more, and waits for none."""
        for seats in (self._held, self._waiting):
            if seat in seats:
                seats.remove(seat)

    def turn(self, now_s: float) -> float:
        """Gives what is free, and asks for room. How long until it is to be called again."""
        while self._waiting and len(self._held) < self._most:
            had = Counter(seat.who for seat in self._held)
            seat = min(self._waiting, key=lambda one: had[one.who])
            self._waiting.remove(seat)
            self._held.append(seat)
            seat.since_s = now_s
            seat.given.set()
        stay = [seat for seat in self._held if not seat.is_leaving]
        while stay and len(self._held) - len(stay) < len(self._waiting):
            had = Counter(seat.who for seat in stay)
            eldest = max(stay, key=lambda one: had[one.who])  # the first of these
            if now_s < eldest.since_s + self._try_s:
                return eldest.since_s + self._try_s - now_s
            stay.remove(eldest)
            eldest.is_leaving = True
            eldest.give_way()
        return self._try_s
