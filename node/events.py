"""What happens in the node, numbered, for the page, `panspermia events` and programs.

Readers pull from one ring, so a slow one costs no memory: it finds a `gap` and reads the
collections anew. Numbers start anew with the process; a reader that comes back after a restart
with a higher number finds a `gap` too.

Types: ready, record, installed, uninstalled, peer, sync, refused, blob, index, relay, letter,
invite, attested, gap.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import Final

import msgspec

# A reader further behind than this reads the collections anew; at 300 bytes each under 1 MiB.
RING_EVENTS_MAX: Final = 2_048
# Well under the 60 s after which common proxies close a silent connection.
PING_S: Final = 15.0

TYPES: Final = (
    "ready", "record", "installed", "uninstalled", "peer", "sync", "refused", "blob", "index",
    "gap", "relay", "letter", "invite", "attested", "traveller",
)  # fmt: skip
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is a JSON object."""

    id: int
    type: str
    data: bytes


PING: Final = Event(0, "ping", b"{}")


class Events:
    """The ring. One writer task or many: publishing never waits."""

    def __init__(self) -> None:
        self._ring: deque[Event] = deque(maxlen=RING_EVENTS_MAX)
        self._last = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    @property
    def last(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self._last

    def publish(self, type: str, body: object) -> None:
        """Tell every reader. `body` becomes a JSON object."""
        assert type in TYPES
        self._last += 1
        self._ring.append(Event(self._last, type, _ENCODER.encode(body)))
        self._wake()

    def close(self) -> None:
        """End every stream; open ones would hold up the server's shutdown."""
        self._is_closed = True
        self._wake()

    async def follow(
        self, after: int | None, types: Collection[str] = ()
    ) -> AsyncGenerator[Event, None]:
        """Events past `after` (None: only new ones) of these types (none: all), then what comes.

        `PING` comes where nothing else did for `PING_S`; `gap`, numbered as the last event that
        is lost, where `after` is no longer, or never was, in the ring.
        """
        at = self._last if after is None else after
        while not self._is_closed:
            changed = self._changed
            oldest = self._ring[0].id if self._ring else self._last + 1
            if not oldest - 1 <= at <= self._last:
                at = oldest - 1
                yield Event(at, "gap", b"{}")
            for event in self._past(at, oldest):
                at = event.id
                if not types or event.type in types:
                    yield event
            if at < self._last or self._is_closed:
                continue
            try:
                async with asyncio.timeout(PING_S):
                    await changed.wait()
            except TimeoutError:
                yield PING

    def _past(self, at: int, oldest: int) -> list[Event]:
        newer = self._last - at
        return list(self._ring)[-newer:] if newer and at >= oldest - 1 else []

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def encode_sse(event: Event) -> bytes:
    """As `text/event-stream`; a ping is a comment, so it moves no reader's Last-Event-ID."""
    if event is PING:
        return b": ping\n\n"
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.type.encode(), event.data)
