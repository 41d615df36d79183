"""A socket read straight into an `Inflow`, in the callbacks of the loop: no task runs for a piece.

What is read at once lies in one buffer of the loop, and stays there for no longer than its turn: a
channel on which nothing comes holds less than a message.
"""

import asyncio
from weakref import WeakKeyDictionary

from p2p.transport.inflow import Inflow
from p2p.transport.noise import MESSAGE_BYTES_MAX

READ_BYTES_MAX = 256 << 10  # at once

_BUFFERS: "WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview]" = WeakKeyDictionary()


class Pouring(asyncio.BufferedProtocol):
    """Takes `transport` over from the streams that were made with it, for what it reads.

    They hear of everything else as before: a writer waits and closes as it did.
    """

    def __init__(self, inflow: Inflow, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        self._inflow = inflow
        self._transport = transport
        self._streams = transport.get_protocol()
        self._buffer = _BUFFERS.setdefault(loop, memoryview(b""))
        if not self._buffer:
            room = READ_BYTES_MAX + 2 + MESSAGE_BYTES_MAX
            self._buffer = _BUFFERS[loop] = memoryview(bytearray(room))
        self._rest_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = transport.is_closing()
        self._is_paused = not self._is_over
        if self._is_paused:
            transport.pause_reading()  # of a new protocol uvloop asks for a buffer when it resumes
        transport.set_protocol(self)

    async def until_ready(self) -> bool:
        """Whether `Inflow.next` has something to say; else the socket has come to its end."""
        while not self._inflow.is_ready and not self._is_over:
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._inflow.is_ready

    def get_buffer(self, sizehint: int) -> memoryview:
        """For the loop: where to read to. What was not taken goes before it."""
        rest = self._inflow.rest
        self._rest_bytes = len(rest)
        self._buffer[: len(rest)] = rest
        return self._buffer[len(rest) : len(rest) + min(READ_BYTES_MAX, self._inflow.read_bytes)]

    def buffer_updated(self, nbytes: int) -> None:
        """For the loop: so much was read."""
        self._inflow.take(self._buffer[: self._rest_bytes + nbytes])
        if self._inflow.is_full:
            self._is_paused = True
            self._transport.pause_reading()
        if self._inflow.is_ready:
            self._wake()

    def eof_received(self) -> bool | None:
        """For the loop."""
        self._end()
        return self._streams_hear().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """For the loop."""
        self._end()
        self._streams.connection_lost(exc)

    def pause_writing(self) -> None:
        """For the loop."""
        self._streams.pause_writing()

    def resume_writing(self) -> None:
        """For the loop."""
        self._streams.resume_writing()

    def _streams_hear(self) -> asyncio.Protocol:
        assert isinstance(self._streams, asyncio.Protocol), "streams are made with a protocol"
        return self._streams

    def _end(self) -> None:
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
