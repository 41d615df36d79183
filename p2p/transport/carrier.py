"""What carries a channel: bytes both ways, in order, to whoever is at the other end.

A carrier is never trusted: Noise inside of it says who is there. All of them look the same to a
`FrameStream`; what differs is how fast they are, and where they lead.
"""

import asyncio
from contextlib import suppress
from typing import Literal, Protocol, cast

from p2p.protocol.errors import PeerLeft, PeerTimeout
from p2p.protocol.limits import ANSWER_S
from p2p.protocol.trickle import Trickle
from p2p.transport.inflow import Inflow
from p2p.transport.pouring import Pouring
from p2p.transport.unsent import unsent_bytes

SEND_BYTES_MAX = 1 << 20  # not yet taken by the kernel; above it a writer waits
SOON_S = 1.0  # a line that needs longer than that is looked at more closely
CLOSE_S = 1.0  # for what is still to be sent

CarrierName = Literal["tcp", "relay", "websocket", "webrtc"]


class Carrier(Protocol):
    """One way to a peer."""

    @property
    def name(self) -> CarrierName:
        """For `panspermia peers`."""
        ...

    @property
    def is_bulk(self) -> bool:
        """Whether megabytes go over it; else a large transfer asks for another one first."""
        ...

    @property
    def taken_bytes(self) -> int:
        """Of what was written, how much the other end has, as far as is known here."""
        ...

    @property
    def unread_bytes(self) -> int:
        """What came and was not read yet, also of a message that is not whole: signs of life."""
        ...

    async def read_exactly(self, size: int) -> bytes:
        """The next `size` bytes. Raises `PeerLeft` where it ends before."""
        ...

    async def read_some(self, size_max: int) -> bytes:
        """What is there, one byte at least and `size_max` at most. Raises `PeerLeft` at the end."""
        ...

    async def write(self, data: bytes | bytearray) -> None:
        """Sends; returns once all but `SEND_BYTES_MAX` are under way. `data` changes no more.

        Raises `PeerLeft`; `PeerTimeout` where less than `SLOWEST_BYTES` is taken in `ANSWER_S`.
        """
        ...

    async def close(self) -> None:
        """Ends it; what is not sent within `CLOSE_S` is lost."""
        ...

    def abort(self) -> None:
        """Ends it at once, from wherever."""
        ...


class StreamCarrier:
    """A pair of asyncio streams: TCP, and what is spliced onto it."""

    is_bulk = True

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        name: CarrierName = "tcp",
    ) -> None:
        """Raises `PeerLeft` where the peer is gone already."""
        self.name: CarrierName = name
        self._reader = reader
        self._writer = writer
        self._unread = b""
        self._pouring: Pouring | None = None
        self.written_bytes = 0
        self._waiting_bytes_max = SEND_BYTES_MAX
        try:
            writer.transport.set_write_buffer_limits(high=SEND_BYTES_MAX)
        except RuntimeError as error:  # uvloop, where the peer is gone already
            raise gone() from error

    @property
    def taken_bytes(self) -> int:
        """As `Carrier.taken_bytes`."""
        return self.written_bytes - unsent_bytes(self._writer.transport)

    @property
    def unread_bytes(self) -> int:
        """As `Carrier.unread_bytes`: what was put back; an `Inflow` tells of what it is given."""
        return len(self._unread)

    @property
    def transport(self) -> asyncio.Transport:
        """The socket itself, for whoever pipes bytes from one to another."""
        return cast(asyncio.Transport, self._writer.transport)

    def buffer_at_most(self, size: int) -> None:
        """From now on a writer waits above so many bytes, instead of `SEND_BYTES_MAX`."""
        self._waiting_bytes_max = size
        with suppress(RuntimeError):  # uvloop, where the peer is gone already
            self._writer.transport.set_write_buffer_limits(high=size)

    def unread(self, data: bytes) -> None:
        """Puts back what was read: it is read again first."""
        self._unread = data + self._unread

    async def read_some(self, size_max: int) -> bytes:
        """What is there, one byte at least. Raises `PeerLeft` at the end."""
        if self._unread:
            data, self._unread = self._unread[:size_max], self._unread[size_max:]
            return data
        try:
            data = await self._reader.read(size_max)
        except OSError as error:
            raise gone() from error
        if not data:
            raise gone()
        return data

    async def read_exactly(self, size: int) -> bytes:
        if self._unread:
            head, self._unread = self._unread[:size], self._unread[size:]
            return head + await self.read_exactly(size - len(head)) if len(head) < size else head
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise gone() from error

    async def pour(self, inflow: Inflow) -> None:
        """All that comes from now on goes to `inflow`; until it is ready. Nothing else may read.

        Raises `PeerLeft` where it ends before.
        """
        if self._pouring is None:
            self._reader.feed_eof()
            try:
                came = self._unread + await self._reader.read()  # without waiting: it has ended
            except OSError as error:  # the peer was reset before anybody read
                raise gone() from error
            self._unread = b""
            self._pouring = Pouring(inflow, self.transport)
            inflow.take(memoryview(came))
        if not await self._pouring.until_ready():
            raise gone()

    async def write(self, data: bytes | bytearray) -> None:
        try:
            # Where the peer was reset, asyncio drops what is written, and uvloop raises
            # RuntimeError.
            self._writer.write(data)
            self.written_bytes += len(data)
            transport = self.transport
            is_short = transport.get_write_buffer_size() <= self._waiting_bytes_max
            if is_short and not transport.is_closing():
                return  # without a timer, as mostly
            with suppress(TimeoutError):
                async with asyncio.timeout(SOON_S):
                    return await self._writer.drain()
            await self._drain_slowly()
        except TimeoutError as error:  # it is an OSError too
            raise PeerTimeout("unread", "the peer does not read what it is sent") from error
        except (OSError, RuntimeError) as error:
            raise gone() from error

    async def _drain_slowly(self) -> None:
        """Raises `TimeoutError` where it stands still."""
        now_s = asyncio.get_running_loop().time
        trickle = Trickle(now_s())
        while trickle.look(self.taken_bytes, now_s=now_s()) < ANSWER_S - SOON_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(SOON_S):
                    return await self._writer.drain()
        raise TimeoutError

    def write_soon(self, data: bytes) -> None:
        """Sends without waiting: for a last word before `close`."""
        with suppress(OSError, RuntimeError):
            self._writer.write(data)

    async def close(self) -> None:
        await close_quietly(self._writer)

    def abort(self) -> None:
        self._writer.transport.abort()


def gone() -> PeerLeft:
    """The other end hung up."""
    return PeerLeft("connection-lost", "the peer closed the connection")


async def close_quietly(writer: asyncio.StreamWriter) -> None:
    """Closes without waiting for a peer that no longer reads."""
    writer.transport.abort() if writer.transport.is_closing() else writer.close()
    try:
        async with asyncio.timeout(CLOSE_S):
            await writer.wait_closed()
    except OSError:  # a timeout is one
        pass
    finally:  # also where this is cancelled: what is unsent would keep the socket for ever
        writer.transport.abort()
