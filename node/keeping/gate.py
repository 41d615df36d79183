"""Before anything is asked for, what members share is compared: until then it is not known who
else names a blob, and so who may have it from here (`storage.namers`).

    a peer is here ─▸ agreed what both share ─┬─▸ commons alone: it holds up nothing
                                              └─▸ more: until all was compared, or for 30 s

A device holds it up once an hour, and all of them together twenty times: a session that ends and
comes again, or never compares to its end, stops nothing for long.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

COMPARING_S: Final = 30.0
EVERY_S: Final = 3_600.0
WAITS_MAX: Final = 20
"""In so long: ten minutes of an hour at most."""


@dataclass(slots=True)
class _Wait:
    until_s: float
    device: Hashable
    is_private: Callable[[], bool]
    counts: bool = False


class Gate:
    """By the caller's clock, in seconds."""

    def __init__(self) -> None:
        self._sessions: set[Hashable] = set()
        self._waits: dict[Hashable, _Wait] = {}
        self._held_up: deque[tuple[float, Hashable]] = deque()
        """When, and by which device; of the last hour."""

    def came(
        self,
        session: Hashable,
        device: Hashable,
        is_private: Callable[[], bool],
        *,
        now_s: float,
    ) -> None:
        """`is_private`: whether it shares more than what is everybody's, or may, for all that is
        known yet."""
        self._sessions.add(session)
        self._waits[session] = _Wait(now_s + COMPARING_S, device, is_private)

    def synced(self, session: Hashable) -> bool:
        """Everything was compared with it; gives whether that was waited for."""
        return self._waits.pop(session, None) is not None

    def went(self, session: Hashable) -> None:
        self._sessions.discard(session)
        self._waits.pop(session, None)

    @property
    def is_anybody_here(self) -> bool:
        return bool(self._sessions)

    def is_open(self, *, now_s: float) -> bool:
        """Whether somebody is here, and nobody is to be compared with first."""
        held_up = [self._holds_up(one, now_s) for one in [*self._waits]]
        return bool(self._sessions) and not any(held_up)

    def wait_s(self, *, now_s: float) -> float | None:
        """Until the next of them is waited for no more."""
        ends = [one.until_s - now_s for one in self._waits.values() if one.until_s > now_s]
        return min(ends, default=None)

    def _holds_up(self, session: Hashable, now_s: float) -> bool:
        wait = self._waits[session]
        if wait.until_s <= now_s:
            del self._waits[session]
            return False
        if not wait.is_private():
            return False
        if not wait.counts:
            while self._held_up and self._held_up[0][0] <= now_s - EVERY_S:
                self._held_up.popleft()
            has_had_its_turn = any(device == wait.device for _, device in self._held_up)
            if has_had_its_turn or len(self._held_up) >= WAITS_MAX:
                del self._waits[session]
                return False
            wait.counts = True
            self._held_up.append((now_s, wait.device))
        return True
