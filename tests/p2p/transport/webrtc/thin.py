"""A data channel on a thin line: messages come whole, at so many bytes a second.

It is to a `DataChannelCarrier` what a `Leg` is: the real one needs sockets, and they real time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from p2p.protocol.errors import SyncError
from p2p.transport.address import Address


@dataclass(eq=False)
class ThinChannel:
    """One end of `RTCDataChannel`, as far as it is used."""

    rate: float
    other: "ThinLeg"
    readyState: str = "open"
    bufferedAmount: int = 0
    bufferedAmountLowThreshold: int = 0
    free_s: float = 0.0  # when all that was sent has passed
    heard: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])

    def on(self, event: str, hear: Callable[[], None]) -> None:
        self.heard[event] = hear

    def send(self, message: bytes | str) -> None:
        loop, size = asyncio.get_running_loop(), len(message)
        self.bufferedAmount += size
        self.free_s = max(self.free_s, loop.time()) + size / self.rate
        loop.call_at(self.free_s, self._pass_on, message, size)

    def _pass_on(self, message: bytes | str, size: int) -> None:
        self.bufferedAmount -= size
        self.heard["bufferedamountlow"]()
        if not self.other.ended.is_set():
            self.other.hear(message)

    def close(self) -> None:
        self.other.end()


class ThinLeg:
    """One end; `channel` leads to the other one."""

    channel: ThinChannel
    hear: Callable[[bytes | str], None]

    def __init__(self) -> None:
        self.remote = Address("alice.example", 4747)
        self.fault: SyncError | None = None
        self.ended, self.stopped = asyncio.Event(), asyncio.Event()
        self._on_end: Callable[[], None] | None = None

    def listen(self, hear: Callable[[bytes | str], None]) -> None:
        self.hear = hear

    def on_end(self, told: Callable[[], None]) -> None:
        self._on_end = told

    def end(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            self.stopped.set()
            self.channel.readyState = "closed"
            self.channel.other.end()
            if self._on_end is not None:
                self._on_end()


def thin_legs(rate: float) -> tuple[ThinLeg, ThinLeg]:
    """Both ends of one, each way as thin."""
    first, second = ThinLeg(), ThinLeg()
    first.channel, second.channel = ThinChannel(rate, second), ThinChannel(rate, first)
    return first, second
