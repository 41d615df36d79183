"""The channels of one session: the shell around `p2p.protocol.link`.

    a channel ──> reader ──> Link.hear ──> the session
    the session ──> Link.put ──> writer ──> the channel that the link is on

A reader for each channel that the link speaks of, one writer. What the link speaks of no more is
closed. No rule of the protocol is here.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from crdt.keys import DeviceKey
from p2p.protocol.config import Role
from p2p.protocol.errors import PeerLeft, PeerTimeout, SyncError
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.protocol.limits import RESUME_S, UNSENT_BYTES_AIM
from p2p.protocol.link import Link
from p2p.protocol.link_frames import Resume
from p2p.protocol.session import Session
from p2p.protocol.states import State
from p2p.protocol.trickle import Trickle
from p2p.transport.stream import FrameStream

LAST_WORDS_S = 1.0  # for the frame that says why we close
# Until somebody said who it is: a Hello has 14 KiB at most, and strangers' buffers add up.
STRANGER_FRAME_BYTES_MAX = 64 << 10
# What whoever carries a channel can bring about, without either end having lied: it ends the
# channel, and nobody is to blame.
OF_THE_CARRIER = frozenset({"noise-message", "noise-length", "websocket"})

Spawn: TypeAlias = Callable[[Callable[[], Coroutine[Any, Any, None]], str], "asyncio.Task[None]"]


@dataclass(eq=False, slots=True)
class Line:
    """One channel of the session, and where it leads."""

    stream: FrameStream
    address: str
    first: bytes | None = None  # a frame that was read already
    received_bytes: int = 0  # those that the session's report has
    heard_bytes: int = 0  # and those that were a sign of life
    reader: "asyncio.Task[None] | None" = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Linked:
    """Reads and writes what a session says, on whatever channel it is."""

    def __init__(
        self,
        line: Line,
        session: Session,
        role: Role,
        *,
        own: DeviceKey,
        clock: Callable[[], float],
        heard: Callable[[bytes], None],
        changed: Callable[[], None],
        agreed: Callable[[], None],
    ) -> None:
        """`heard` gets the frames of the session; `changed` is called when its channel is another
        one, or none, and `agreed` when it may be."""
        self.link = Link(0, role, is_smaller=own < line.stream.device, now_s=clock())
        self.line = line  # where the session is, or was last
        self.has_room = asyncio.Event()  # fewer than UNSENT_BYTES_AIM wait to be written
        self.has_room.set()
        self._session = session
        self._clock = clock
        self._heard = heard
        self._changed = changed
        self._agreed = agreed
        self._lines = {0: line}
        self._count = 1
        self._shown: int | None = 0
        self._urgent: list[bytes] = []  # frames of the link itself, for the present channel
        self._writing_bytes = 0  # of a write that has not ended
        self._is_writing = False
        self._taking = Trickle(clock())  # what the carrier was given
        self._taking_by: Line | None = None  # each counts for itself
        self._wake = asyncio.Event()
        self._news = asyncio.Event()  # set once, when the link has changed; then there is a new one
        self._spawn: Spawn | None = None

    @property
    def unsent_bytes(self) -> int:
        """Those that wait, and those that the kernel has not taken."""
        return self.link.unsent_bytes + self._writing_bytes

    def start(self, spawn: Spawn) -> None:
        """Reads and writes from now on, in tasks of `spawn`."""
        self._spawn = spawn
        for number, line in self._lines.items():
            self._read_on(number, line)
        spawn(self._write, "write frames")

    def stop(self) -> None:
        """Reads no more."""
        for line in self._lines.values():
            if line.reader is not None:
                line.reader.cancel()

    def put(self, frame: bytes) -> None:
        """The session sends `frame`."""
        self.link.put(frame)
        self._look_for_room()
        self._wake.set()

    def tick(self) -> None:
        """About a second has passed."""
        now_s = self._clock()
        for number, line in self._lines.items():
            if (more := line.stream.heard_bytes - line.heard_bytes) > 0:
                line.heard_bytes += more
                self._count_bytes(line)
                self.link.hear_part(number, now_s=now_s)
                self._session.hear_part(more, now_s=now_s)
        self._look_what_is_taken(now_s)
        if (ack := self.link.tick(now_s=now_s)) is not None:
            self._urgent.append(ack)
        self._follow()

    def _look_what_is_taken(self, now_s: float) -> None:
        if self.link.kept_bytes and self._taking_by is self.line:
            # Also where nobody waits: a megabyte lies in the carrier before a writer does.
            if not self._taking.look(self.line.stream.carrier.taken_bytes, now_s=now_s):
                self.link.took_some(now_s=now_s)
                # What it owes may be behind that, or about it.
                self._session.liveness.hear_useful(now_s=now_s)
        else:
            self._taking.begin(now_s=now_s)
            self._taking_by = self.line

    # --- moves -------------------------------------------------------------------------------

    async def move(self, line: Line) -> bool:
        """Moves the session to a new channel of the same device; whether it is there now."""
        number = self._add(line)
        try:
            resume = self.link.resume_on(number, line.stream.handshake_hash, now_s=self._clock())
        except SyncError:
            self._drop(number)
            raise
        self._follow()
        try:
            async with asyncio.timeout(RESUME_S):
                await line.stream.write([resume])
        except (PeerLeft, TimeoutError) as error:
            self._lose(number, PeerLeft("connection-lost", str(error)))
        else:
            self._read_on(number, line)
        while self.link.moving == number and self.link.ended is None:
            await self._news.wait()
        return self.link.current == number

    def follow(self, line: Line, frame: Resume) -> None:
        """The other side moves the session to a channel that it opened.

        Raises `Refused`, and `RemoteProtocolError` for a lie; the channel is the caller's then.
        """
        number = self._add(line)
        try:
            answer = self.link.hear_resume(
                number, line.stream.handshake_hash, frame, now_s=self._clock()
            )
        except SyncError:
            del self._lines[number]
            self._follow()
            raise
        self._follow()
        self._urgent.insert(0, answer)
        self._read_on(number, line)

    # --- the end -----------------------------------------------------------------------------

    async def say_the_rest(self) -> None:
        """The frames that were due before the close, if the peer still takes them.

        After half a frame they would be read as its other half, and count as our fault.
        """
        if self._is_writing:
            return
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._write_some()
        except (SyncError, TimeoutError):
            return

    async def close(self) -> None:
        """Ends all channels."""
        for number in [one for one in self._lines if one != self.link.current]:
            self._drop(number)
        for line in self._lines.values():
            try:
                await line.stream.close()
            finally:
                line.gone.set()

    # --- inside ------------------------------------------------------------------------------

    def _add(self, line: Line) -> int:
        number, self._count = self._count, self._count + 1
        self._lines[number] = line
        return number

    def _read_on(self, number: int, line: Line) -> None:
        if self._spawn is not None and number in self._lines:
            line.reader = self._spawn(lambda: self._read(number, line), f"read channel {number}")

    async def _read(self, number: int, line: Line) -> None:
        frame, line.first = line.first, None
        while number in self._lines:
            if frame is None:
                is_known = self._session.author is not None
                longest = FRAME_BYTES_MAX if is_known else STRANGER_FRAME_BYTES_MAX
                try:
                    frame = await line.stream.read(longest)
                except SyncError as error:
                    if isinstance(error, PeerLeft) or error.code in OF_THE_CARRIER:
                        self._lose(number, error)
                        return
                    raise
            while number == self.link.current and self.link.moving is not None:
                await self._news.wait()  # its count is told: nothing is read before the answer
            self._count_bytes(line)
            self._hear(number, frame)
            frame = None
            if line.stream.is_ready:  # one message may hold thousands: others have a turn
                await asyncio.sleep(0)

    def _hear(self, number: int, frame: bytes) -> None:
        data = self.link.hear(number, frame, now_s=self._clock())
        if data is None:
            self._follow()
            return
        self._heard(data)
        if self._session.state is State.OPEN and not self.link.is_resumable:
            assert self._session.secret is not None
            self.link.agree(self._session.secret)
            self._agreed()
        if self.link.owes_ack:
            self._wake.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            await self._write_some()

    async def _write_some(self) -> None:
        self._wake.clear()
        number = self.link.current
        if number is None or self.link.moving is not None:
            return
        frames, self._urgent = [*self._urgent, *self.link.take()], []
        if not frames:
            return
        stream = self._lines[number].stream
        self._writing_bytes, self._is_writing = sum(map(len, frames)), True
        before = stream.sent_bytes
        try:
            await stream.write(frames)
        except PeerLeft as error:
            if isinstance(error, PeerTimeout) and number == self.link.current:
                raise  # it reads nothing, and would not on another channel
            self._lose(number, error)
        self._writing_bytes, self._is_writing = 0, False
        self._session.count_bytes(received=0, sent=stream.sent_bytes - before)
        self._look_for_room()

    def _look_for_room(self) -> None:
        if self.unsent_bytes < UNSENT_BYTES_AIM:
            self.has_room.set()
        else:
            self.has_room.clear()

    def _lose(self, number: int, why: SyncError) -> None:
        self.link.lost(number, why, now_s=self._clock())
        self._follow()

    def _follow(self) -> None:
        """What the link does not speak of is closed; whoever waits for a change looks again."""
        link = self.link
        for number in [one for one in self._lines if one not in (link.current, link.moving)]:
            self._drop(number)
        if link.current != self._shown:
            self._shown = link.current
            self._urgent.clear()
            if link.current is not None:
                self.line = self._lines[link.current]
            self._session.report.moves = link.moves
            self._session.report.resent_bytes = link.resent_bytes
            self._look_for_room()
            self._changed()
        elif link.ended is not None:
            self._changed()
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._wake.set()

    def _drop(self, number: int) -> None:
        line = self._lines.pop(number)
        if line.reader is not None and line.reader is not asyncio.current_task():
            line.reader.cancel()
        line.stream.carrier.abort()
        line.gone.set()

    def _count_bytes(self, line: Line) -> None:
        received = line.stream.received_bytes
        self._session.count_bytes(received=received - line.received_bytes, sent=0)
        line.received_bytes = received
