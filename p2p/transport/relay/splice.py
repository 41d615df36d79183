"""Two ends of a circuit, tied together: what one sends is written to the other, and nothing kept.

    one end ──bytes──▸ pace ──▸ the other end      and the same way back
                        │
                        └ the other end is full, or a bucket is empty: this one is not read

What is read at once is as little as the rates want, so that all circuits that share one get their
turn. Nothing that was read is ever dropped: an end is only not read for a while. An end that is
done sending is half-closed at the other; an end that is lost takes the other with it, once that
has what was sent to it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from p2p.protocol.errors import PeerLeft, SyncError
from p2p.protocol.relay import limits
from p2p.protocol.relay.pacing import Pacer, piece, spend
from p2p.protocol.trickle import Trickle
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.unsent import unsent_bytes

JOINED = b"\x01"
READ_BYTES_MAX = 256 << 10
CARRIED_BYTES_MAX = 64 << 10  # that are read of a carrier, and wait for their turn


class End(Protocol):
    """One end, as the splice sees it; `gone` once nothing is left of it."""

    gone: asyncio.Event

    @property
    def taken_bytes(self) -> int:
        """Of what was sent to it, how much it has by now, as far as is known here."""
        ...

    def send(self, data: bytes) -> None:
        """Writes, without waiting; the splice hears when it is too much."""
        ...

    def read(self, *, is_wanted: bool) -> None:
        """Whether what comes from here is read on."""
        ...

    def finish(self) -> None:
        """Nothing more is sent to it."""
        ...

    def close(self) -> None:
        """Closes it once it has what was sent to it."""
        ...

    def cut(self) -> None:
        """At once."""
        ...


class Splice:
    """One circuit's bytes. Sides are 0 and 1; made when the first of them has joined."""

    def __init__(
        self,
        pacers: Sequence[Pacer],
        buffer: memoryview,
        *,
        clock: Callable[[], float],
        passed: Callable[[int], None],
    ) -> None:
        """`pacers`: buckets of bytes, each of which may slow it; `passed` hears of all bytes.

        `buffer`, of `READ_BYTES_MAX`, may be that of all circuits of one loop: nothing stays in it.
        """
        self.buffer = buffer
        self.ended = asyncio.Event()
        self.bytes = [0, 0]  # by the side they came from
        self.is_full = [False, False]  # by the side that does not take what is sent to it
        self._pacers = pacers
        self._clock = clock
        self._passed = passed
        self._ends: list[End | None] = [None, None]
        self._is_resting = [False, False]
        self._is_finished = [False, False]
        self._taking = [Trickle(clock()), Trickle(clock())]  # by the side that is full
        self._moved_s = clock()

    @property
    def is_open(self) -> bool:
        return None not in self._ends and not self.ended.is_set()

    def taken_bytes(self, side: int) -> int:
        """Of what was sent to that side, how much it has."""
        return self._end(side).taken_bytes

    def join(self, side: int, end: End) -> None:
        """`end` is there; once both are, each hears a byte and the bytes flow."""
        self._ends[side] = end
        end.read(is_wanted=False)
        if None not in self._ends:
            self._moved_s = self._clock()
            for one in (0, 1):
                self._end(one).send(JOINED)
                self._turn(one)

    def piece_bytes(self) -> int:
        """How much may be read at once now."""
        return piece(self._pacers, READ_BYTES_MAX, now_s=self._clock())

    def received(self, side: int, data: bytes) -> None:
        """From that side. Passed on whatever happens; only the next read may wait."""
        if self.ended.is_set():
            return
        now_s = self._clock()
        self._moved_s = now_s
        self.bytes[side] += len(data)
        self._passed(len(data))
        self._end(1 - side).send(data)
        rest_s = spend(self._pacers, len(data), now_s=now_s)
        if rest_s > 0.0 and not self._is_resting[side]:
            self._is_resting[side] = True
            self._count_rest(1)
            self._turn(side)
            asyncio.get_running_loop().call_later(rest_s, self._rested, side)

    def filled(self, side: int, *, is_full: bool) -> None:
        """So much waits to be written to that side that the other is not read, or no more."""
        if is_full and not self.is_full[side]:
            self._taking[side].begin(now_s=self._clock())
        self.is_full[side] = is_full
        self._turn(1 - side)

    def finished(self, side: int) -> None:
        """That side has said all."""
        self._is_finished[side] = True
        other = self._ends[1 - side]
        if other is None or all(self._is_finished):
            self.end()
        else:
            other.finish()

    def lost(self, side: int) -> None:
        """That side is gone: the other one gets what is on its way, then it is closed."""
        self._ends[side] = None
        self.end()

    def end(self) -> None:
        """Closes what is there."""
        if not self.ended.is_set():
            self.ended.set()
            for one in self._ends:
                if one is not None:
                    one.close()

    def cut(self) -> None:
        """Ends it without waiting for anybody."""
        self.ended.set()
        for one in self._ends:
            if one is not None:
                one.cut()

    def check(self, *, now_s: float) -> None:
        """Cuts it where an end takes next to nothing for too long, or nothing moves at all."""
        for side in (0, 1):
            if self.is_full[side]:
                if self._taking[side].look(self.taken_bytes(side), now_s=now_s) >= limits.STALLED_S:
                    return self.cut()
                self._moved_s = now_s  # the other one is not read
        if any(self._is_resting):  # it would move, if the rates let it
            self._moved_s = now_s
        if now_s - self._moved_s >= limits.IDLE_S:
            self.cut()

    def _end(self, side: int) -> End:
        end = self._ends[side]
        assert end is not None, "both are there while bytes flow"
        return end

    def _rested(self, side: int) -> None:
        self._is_resting[side] = False
        self._count_rest(-1)
        self._turn(side)

    def _count_rest(self, change: int) -> None:
        for pacer in self._pacers:
            pacer.resting += change

    def _turn(self, side: int) -> None:
        end = self._ends[side]
        if end is not None and None not in self._ends and not self.ended.is_set():
            end.read(is_wanted=not self.is_full[1 - side] and not self._is_resting[side])


class SocketEnd(asyncio.BufferedProtocol):
    """An end that is a socket: the loop calls, no task runs. Its streams hear when it is lost."""

    def __init__(self, splice: Splice, side: int, carrier: StreamCarrier) -> None:
        """Takes the socket over from the streams of `carrier`."""
        self._splice = splice
        self._side = side
        self._carrier = carrier  # from Python 3.12 on a writer that nobody holds closes its socket
        self._transport = transport = carrier.transport
        self._lost_by = transport.get_protocol()
        self._is_read = False
        self._sent_bytes = 0
        self.gone = asyncio.Event()
        transport.set_write_buffer_limits(high=limits.CIRCUIT_BUFFER_BYTES_MAX)
        if not transport.is_closing():
            transport.pause_reading()  # uvloop asks a new protocol for its buffer once it resumes
        transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        # Filled and taken in one turn of the loop, so it serves all ends.
        return self._splice.buffer[: self._splice.piece_bytes()]

    def buffer_updated(self, nbytes: int) -> None:
        self._splice.received(self._side, bytes(self._splice.buffer[:nbytes]))

    def eof_received(self) -> bool:
        self._splice.finished(self._side)
        return True  # the other way goes on

    def pause_writing(self) -> None:
        self._splice.filled(self._side, is_full=True)

    def resume_writing(self) -> None:
        self._splice.filled(self._side, is_full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._lost_by.connection_lost(exc)
        self._splice.lost(self._side)

    @property
    def taken_bytes(self) -> int:
        return self._sent_bytes - unsent_bytes(self._transport)

    def send(self, data: bytes) -> None:
        self._sent_bytes += len(data)
        self._transport.write(data)

    def read(self, *, is_wanted: bool) -> None:
        if is_wanted != self._is_read and not self._transport.is_closing():
            self._is_read = is_wanted
            self._transport.resume_reading() if is_wanted else self._transport.pause_reading()

    def finish(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        self._transport.close()

    def cut(self) -> None:
        self._transport.abort()


class SomeCarrier(Carrier, Protocol):
    """One that gives what is there."""

    async def read_some(self, size_max: int) -> bytes: ...


class CarrierEnd:
    """An end inside of another carrier, such as a WebSocket: two tasks, and the same rules."""

    def __init__(
        self, splice: Splice, side: int, carrier: SomeCarrier, tasks: asyncio.TaskGroup
    ) -> None:
        self._splice = splice
        self._side = side
        self._carrier = carrier
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._is_closing = False
        self.gone = asyncio.Event()
        self._may_read = asyncio.Event()
        self._has_more = asyncio.Event()
        self._works = [
            tasks.create_task(self._guarded(self._read()), name="read a circuit's end"),
            tasks.create_task(self._guarded(self._write()), name="write a circuit's end"),
        ]

    @property
    def taken_bytes(self) -> int:
        return self._carrier.taken_bytes

    def send(self, data: bytes) -> None:
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        self._has_more.set()
        if self._unsent_bytes > limits.CIRCUIT_BUFFER_BYTES_MAX:
            self._splice.filled(self._side, is_full=True)

    def read(self, *, is_wanted: bool) -> None:
        self._may_read.set() if is_wanted else self._may_read.clear()

    def finish(self) -> None:
        self.close()  # messages have no half-close

    def close(self) -> None:
        self._is_closing = True
        self._has_more.set()

    def cut(self) -> None:
        self._carrier.abort()
        for work in self._works:
            work.cancel()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SyncError:
            self._splice.lost(self._side)
        finally:
            self.gone.set()

    async def _read(self) -> None:
        while True:
            await self._may_read.wait()
            data = memoryview(await self._carrier.read_some(CARRIED_BYTES_MAX))
            while data:
                await self._may_read.wait()
                size = self._splice.piece_bytes()
                self._splice.received(self._side, bytes(data[:size]))
                data = data[size:]

    async def _write(self) -> None:
        while self._unsent or not self._is_closing:
            await self._has_more.wait()
            self._has_more.clear()
            data, self._unsent = b"".join(self._unsent), []
            if data:
                await self._carrier.write(data)
                self._unsent_bytes -= len(data)
                if self._unsent_bytes <= limits.CIRCUIT_BUFFER_BYTES_MAX:
                    self._splice.filled(self._side, is_full=False)
        self._carrier.abort()
        raise PeerLeft("closed", "The circuit has ended.")
