"""A thin line between two carriers, in a loop whose clock leaps to whatever is due next.

Everything on it is production code but the line itself: minutes on it take no time, and nothing
depends on how busy the machine is.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from p2p.transport.carrier import StreamCarrier

T = TypeVar("T")
STEP_S = 0.05  # so often a line passes something on
HIGH_BYTES = 64 << 10


class _Leap(selectors.DefaultSelector):
    """Waits for nothing: what would be a wait is added to the clock of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(timeout)
        self.now_s += max(0.0, timeout)
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """`time` goes on only where all would wait."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now_s


def leap(story: Coroutine[Any, Any, T]) -> T:
    """Runs `story` to its end."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(story)


class ThinEnd(asyncio.Transport):
    """One end: what is written to it comes out of `other` at `rate` bytes a second."""

    other: "ThinEnd"

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.passed_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.BaseProtocol | None = None
        self._high = HIGH_BYTES
        self._waiting = bytearray()
        self._came: deque[bytes] = deque()  # while the protocol does not read
        self._is_full = self._is_due = self._is_paused = self._is_closing = self._is_over = False

    # --- of a transport ----------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_BYTES if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing:
            return
        self._waiting += data
        if len(self._waiting) > self._high and not self._is_full:
            self._is_full = True
            cast(asyncio.BaseProtocol, self._protocol).pause_writing()
        self._be_due()

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._give)

    def close(self) -> None:
        self._is_closing = True
        self._be_due()

    def abort(self) -> None:
        self._is_closing = True
        self._waiting.clear()
        self._be_due()

    # --- the line ----------------------------------------------------------------------------

    def _be_due(self) -> None:
        if not self._is_due and not self._is_over:
            self._is_due = True
            self._loop.call_later(STEP_S, self._pass_on)

    def _pass_on(self) -> None:
        self._is_due = False
        size = int(self.rate * STEP_S)
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        if piece:
            self.passed_bytes += len(piece)
            self.other._came.append(piece)
            self.other._give()
        if self._is_full and len(self._waiting) <= self._high // 4:
            self._is_full = False
            cast(asyncio.BaseProtocol, self._protocol).resume_writing()
        if self._waiting:
            self._be_due()
        elif self._is_closing:
            self._end()
            self.other._end()

    def _give(self) -> None:
        while self._came and not self._is_paused and not self._is_over:
            data = self._came.popleft()
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                while data:
                    room = cast(memoryview, self._protocol.get_buffer(-1))
                    size = min(len(room), len(data))
                    room[:size] = data[:size]
                    data = data[size:]
                    self._protocol.buffer_updated(size)
            else:
                cast(asyncio.Protocol, self._protocol).data_received(data)

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = self._is_closing = True
            self._loop.call_soon(cast(asyncio.BaseProtocol, self._protocol).connection_lost, None)


def thin_line(rate: float) -> tuple[StreamCarrier, StreamCarrier]:
    """Both ends of one, each way as thin."""
    first, second = ThinEnd(rate), ThinEnd(rate)
    first.other, second.other = second, first
    return _carrier(first), _carrier(second)


def _carrier(end: ThinEnd) -> StreamCarrier:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    protocol.connection_made(end)
    end.set_protocol(protocol)
    return StreamCarrier(reader, asyncio.StreamWriter(end, protocol, reader, loop))


async def until(is_so: Callable[[], bool], *, within_s: float) -> None:
    """Of the loop's time."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(1.0)
