"""Listening to what one session tells, from the side: `connect`, `sync`, `fetch` wait this way."""

import asyncio
from collections import deque

from p2p.protocol.effects import SessionEvent
from p2p.protocol.errors import SyncError

# A watcher that is slower than its session loses the oldest events, which are progress; the
# outcome that it waits for is always among the last.
EVENTS_MAX = 1_024


class Watch:
    """The events of one session since the watch began; made by `Connection.watch`."""

    def __init__(self) -> None:
        self._events: deque[SessionEvent] = deque(maxlen=EVENTS_MAX)
        self._ended: SyncError | None = None
        self._news = asyncio.Event()

    def hear(self, event: SessionEvent) -> None:
        self._events.append(event)
        self._news.set()

    def end(self, reason: SyncError) -> None:
        self._ended = reason
        self._news.set()

    async def next(self) -> SessionEvent:
        """The next event; raises why the session ended, once nothing is left to hear."""
        while not self._events:
            if self._ended is not None:
                raise self._ended
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()
