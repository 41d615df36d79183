"""A carrier over a data channel: a stream of bytes in messages, with a window of its own.

binary message   the next bytes of the stream, 1 to 16,384
text message     "read N": so many bytes of the stream were read so far, in decimal

WebRTC tells a sender nothing of a reader that is slow, and buffers for it. So at most
`WINDOW_BYTES` are on the way or unread; whoever sends more broke a rule.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from p2p.protocol.errors import PeerTimeout, RemoteProtocolError, SyncError
from p2p.protocol.limits import ANSWER_S
from p2p.protocol.message_length import MessageLength
from p2p.protocol.webrtc.sdp import MESSAGE_BYTES_MAX
from p2p.transport.carrier import CLOSE_S, CarrierName, gone

if TYPE_CHECKING:  # importing it costs 0.3 s
    from p2p.transport.webrtc.stack import Leg

WINDOW_BYTES = 1 << 20  # sent and not yet read: 0.2 s of what a data channel carries
TELL_BYTES = WINDOW_BYTES // 4  # read since the peer was last told
# On a thin line so much takes minutes, in which its end would seem to read nothing.
TELL_S = 1.0
TELL_BYTES_LEAST = 4 << 10
BUFFERED_BYTES_MAX = 128 << 10  # of our own, not yet handed to SCTP; above it a writer waits
TOLD_CHARACTERS_MAX = 32

STOP_S = 5.0  # for closing sockets, which waits for nobody


class DataChannelCarrier:
    """The channel of `leg`, which is connected and kept by `keep_leg`."""

    def __init__(self, leg: "Leg") -> None:
        self.name: CarrierName = "webrtc"
        self.is_bulk = False
        self.remote = leg.remote
        self._leg = leg
        self._inbox = bytearray()
        self._read = self._told = 0  # bytes since the beginning: read here, and said so
        self._told_s = 0.0  # when
        self._sent = self._taken = 0  # sent from here, and read there
        self._length = MessageLength(MESSAGE_BYTES_MAX)
        self._news = asyncio.Event()  # something to read, room to write, or the end
        self._fault: SyncError | None = None
        channel = leg.channel
        channel.bufferedAmountLowThreshold = BUFFERED_BYTES_MAX // 2
        channel.on("bufferedamountlow", self._news.set)
        channel.on("close", self._news.set)
        leg.on_end(self._news.set)
        leg.listen(self._hear)

    @property
    def unread_bytes(self) -> int:
        """As `Carrier.unread_bytes`; messages come whole."""
        return len(self._inbox)

    # --- reading ------------------------------------------------------------------------------

    @property
    def taken_bytes(self) -> int:
        """As `Carrier.taken_bytes`: what the peer said that it read."""
        return self._taken

    async def read_exactly(self, size: int) -> bytes:
        """As `Carrier.read_exactly`; `RemoteProtocolError` where the peer broke a rule."""
        data = bytearray()
        while len(data) < size:
            data += await self.read_some(size - len(data))
        return bytes(data)

    async def read_some(self, size_max: int) -> bytes:
        """As `Carrier.read_some`, and `RemoteProtocolError`."""
        await self._until(lambda: bool(self._inbox))
        piece = bytes(self._inbox[:size_max])
        del self._inbox[: len(piece)]
        self._read += len(piece)
        self._tell()
        return piece

    def _hear(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self._hear_read(message)
        elif (
            not 0 < len(message) <= MESSAGE_BYTES_MAX
            or len(self._inbox) + len(message) > WINDOW_BYTES
        ):
            self._break("more than the window, or a message of a wrong size")
        else:
            self._inbox += message
        self._news.set()

    def _hear_read(self, text: str) -> None:
        word, _, number = text[:TOLD_CHARACTERS_MAX].partition(" ")
        is_number = number.isascii() and number.isdigit() and len(text) <= TOLD_CHARACTERS_MAX
        if word != "read" or not is_number or not self._taken < int(number) <= self._sent:
            self._break("a text that is not how much was read")
            return
        self._taken = int(number)

    def _tell(self) -> None:
        more, now_s = self._read - self._told, asyncio.get_running_loop().time()
        is_late = more >= TELL_BYTES_LEAST and now_s - self._told_s >= TELL_S
        if (more >= TELL_BYTES or is_late) and self._leg.channel.readyState == "open":
            self._told, self._told_s = self._read, now_s
            self._leg.channel.send(f"read {self._read}")

    # --- writing ------------------------------------------------------------------------------

    async def write(self, data: bytes | bytearray) -> None:
        start = 0
        while start < len(data):
            length = self._look_how_long()
            piece = bytes(data[start : start + length])
            start += len(piece)
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._until(partial(self._has_room, len(piece)), writing=True)
            except TimeoutError as error:
                raise PeerTimeout("unread", "the peer does not read what it is sent") from error
            self._sent += len(piece)
            self._leg.channel.send(piece)

    def _look_how_long(self) -> int:
        """The next message may be, as far as what SCTP took of the last ones tells."""
        now_s = asyncio.get_running_loop().time()
        passed = self._sent - self._leg.channel.bufferedAmount
        return self._length.look(self._sent, passed, now_s=now_s)

    def _has_room(self, size: int) -> bool:
        is_within = self._sent + size - self._taken <= WINDOW_BYTES
        return is_within and self._leg.channel.bufferedAmount <= BUFFERED_BYTES_MAX

    # --- ending -------------------------------------------------------------------------------

    async def close(self) -> None:
        """As `Carrier.close`."""
        try:
            async with asyncio.timeout(CLOSE_S):
                # The peer closes too once it has all that was sent before.
                self._leg.channel.close()
                await self._leg.ended.wait()
        except TimeoutError:
            pass
        finally:  # also where this is cancelled
            self.abort()
        await self._leg.stopped.wait()

    def abort(self) -> None:
        """As `Carrier.abort`; sockets close with the next turn of the loop."""
        self._leg.end()

    def _break(self, what: str) -> None:
        self._fault = RemoteProtocolError("webrtc-message", f"over the data channel came {what}")
        self.abort()

    async def _until(self, is_so: Callable[[], bool], *, writing: bool = False) -> None:
        """Waits; raises where the channel has ended and it cannot become so any more."""
        while True:
            if fault := self._fault or self._leg.fault:
                raise fault
            has_ended = self._leg.ended.is_set() or self._leg.channel.readyState != "open"
            if writing and has_ended:
                raise gone()
            if is_so():
                return
            if has_ended:
                raise gone()
            self._news.clear()
            await self._news.wait()


async def keep_leg(leg: "Leg", began: asyncio.Event) -> None:
    """Waits for the end of `leg`, or of the node, and closes what it opened.

    It must have begun before there is anything to close: a task that is cancelled before its first
    step never takes it. A stop that is cut off in the middle would leave sockets and tasks behind,
    so it is in no group's hands, but waited for here, also where this is cancelled meanwhile.
    """
    began.set()
    try:
        await leg.ended.wait()
    finally:
        leg.end()
        stopping = asyncio.ensure_future(leg.stop())
        end_s = asyncio.get_running_loop().time() + STOP_S
        was_cancelled = False
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0 and not stopping.done():
            try:
                await asyncio.wait([stopping], timeout=left_s)
            except asyncio.CancelledError:
                was_cancelled = True
        stopping.cancel()
        leg.stopped.set()
        if was_cancelled:
            raise asyncio.CancelledError
