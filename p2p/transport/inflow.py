"""From what a carrier brings to frames: messages are decrypted and frames cut as they come.

    wire ──▸ whole messages ──decrypt──▸ pieces of a frame ──▸ frames that wait for their reader
      └ less than a message waits for the rest of it

On the wire: Noise messages, each behind its length (u16, big-endian). Inside: frames, each behind
its length (u32, big-endian), cut wherever a message is full. It runs ahead of the reader, but not
far: what comes after that stays as it came, and whoever brings it is not read on (`is_full`). How
far goes by the longest frame that the reader takes, so a stranger and a relay's client, who may
send short ones alone, hold less here than a peer does.

A message costs some microseconds, whatever it says: a peer that cuts a megabyte into single bytes
has 52,000 messages decrypted for it. Whoever writes as this node does fills each message but the
last of what it has to say, so short ones come as often as it has something new to say.
"""

import time
from collections import deque
from collections.abc import Callable

from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.limits import TokenBucket
from p2p.transport.noise import MESSAGE_BYTES_MAX, TAG_BYTES, NoiseCipher

LENGTH_BYTES = 4  # of a frame
AHEAD_FRAMES = 32  # cut at once: a message may hold thousands
AHEAD_PART = 2  # of frames that nobody has read yet: so many bytes are one of the longest frame's
READ_PART = 4  # the same of what is read of the wire at once
READ_BYTES_MIN = 16 << 10  # whatever may come, a read should be worth its while
# Messages that say less than SHORT_BYTES, on the average: two hundredths of a core. A node that
# writes for each entry of its own, or for each question, writes half as often at the most. At once:
# as many as a link keeps (`p2p.protocol.limits.KEPT_BYTES_MAX`) where each says 64 bytes.
SHORT_BYTES = 1_024
SHORT_MESSAGES_PER_S = 8_000.0
SHORT_MESSAGES_BURST = 65_536.0
PIECE_BYTES_MIN = 16 << 10  # shorter ones are joined: a frame may come in messages of one byte


class Inflow:
    """One channel's: `take` is for who reads the carrier, `next` for who reads the frames."""

    def __init__(self, cipher: NoiseCipher, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._short = TokenBucket.full(SHORT_MESSAGES_PER_S, SHORT_MESSAGES_BURST, now_s=clock())
        self.received_bytes = 0
        self.rest = b""  # of the wire, not decrypted: less than a message, unless `is_full`
        self._cipher = cipher
        self._frames: deque[bytes] = deque()
        self._frames_bytes = 0
        self._pieces: list[memoryview] = []  # what follows the last frame
        self._pieces_bytes = 0
        self._size: int | None = None  # of the next frame, once its length is there
        self._longest = 0  # that the reader takes; none before it asked
        self._fault: RemoteProtocolError | None = None

    @property
    def is_ready(self) -> bool:
        """Whether `next` has something to say."""
        return bool(self._frames) or self._fault is not None or self._is_too_long

    @property
    def is_full(self) -> bool:
        """Nothing more is taken before `next` was asked."""
        return (  # asked ten times for a chunk of a blob
            len(self._frames) >= AHEAD_FRAMES
            or self._frames_bytes * AHEAD_PART >= (self._longest or 1)
            or self._fault is not None
            or (self._size is not None and self._size > self._longest)
        )

    @property
    def read_bytes(self) -> int:
        """How much of the wire should be read at once."""
        return max(READ_BYTES_MIN, self._longest // READ_PART)

    def take(self, wire: memoryview) -> None:
        """The bytes of `rest`, and those that came after them; nothing of `wire` is kept."""
        at, short, is_wanted = 0, 0, not self.is_full
        try:
            while is_wanted and len(wire) - at >= 2:
                size = wire[at] << 8 | wire[at + 1]
                if size <= TAG_BYTES:  # it says nothing
                    check_length(size, size_min=TAG_BYTES + 1)
                end = at + 2 + size
                if end > len(wire):
                    break
                plain = self._cipher.decrypt(wire[at + 2 : end])
                at = end
                short += len(plain) < SHORT_BYTES
                is_wanted = self._add(plain)
            if short and not self._short.take(now_s=self._clock(), tokens=short):
                raise RemoteProtocolError("noise-flood", "the peer cuts what it says too small")
        except RemoteProtocolError as fault:
            self._fault = fault
        self.received_bytes += at
        self.rest = bytes(wire[at:])

    def next(self, longest: int) -> bytes | None:
        """The next frame, if it is here.

        Raises `RemoteProtocolError` for a lie, also for a frame of more than `longest` bytes,
        before anything of it is waited for.
        """
        self._longest = longest
        if not self._frames:
            self._go_on()
        if self._frames:
            frame = self._frames.popleft()
            self._frames_bytes -= len(frame)
            if not self._frames:
                self._go_on()  # so that `is_ready` tells of what was here already
            return frame
        if self._fault is not None:
            raise self._fault
        if self._size is not None and self._is_too_long:
            raise _wrong_length(self._size)
        return None

    @property
    def _is_too_long(self) -> bool:
        return self._size is not None and self._size > self._longest

    def _go_on(self) -> None:
        """What it was too full for."""
        try:
            self._cut()
        except RemoteProtocolError as fault:
            self._fault = fault
        if len(self.rest) > 2:
            self.take(memoryview(self.rest))

    def _add(self, plain: bytes) -> bool:
        """What one message said; gives whether another one is wanted."""
        self._pieces_bytes += len(plain)
        if self._pieces and len(self._pieces[-1]) < PIECE_BYTES_MIN:
            plain = b"".join((self._pieces.pop(), plain))
        self._pieces.append(memoryview(plain))
        if self._size is not None and self._pieces_bytes < self._size:
            return True  # as it is for most of a large frame
        self._cut()
        return not self.is_full

    def _cut(self) -> None:
        """The frames that are whole, as far as they are wanted."""
        while not self.is_full:
            if self._size is None:
                if self._pieces_bytes < LENGTH_BYTES:
                    return
                self._size = int.from_bytes(self._remove(LENGTH_BYTES), "big")
                if self._size == 0:
                    raise _wrong_length(0)
            elif self._pieces_bytes < self._size:
                return
            else:
                frame = self._remove(self._size)
                self._size = None
                self._frames.append(frame)
                self._frames_bytes += len(frame)

    def _remove(self, size: int) -> bytes:
        """So many bytes of what is there, copied once."""
        self._pieces_bytes -= size
        taken: list[memoryview] = []
        while size:
            piece = self._pieces[0]
            if size < len(piece):
                self._pieces[0] = piece[size:]
                piece = piece[:size]
            else:
                del self._pieces[0]
            taken.append(piece)
            size -= len(piece)
        return b"".join(taken)


def check_length(size: int, size_max: int = MESSAGE_BYTES_MAX, *, size_min: int = 1) -> int:
    """`size`, where a message can be so long; else raises `RemoteProtocolError`."""
    if not size_min <= size <= size_max:
        raise RemoteProtocolError("noise-length", f"a message of {size} bytes is announced")
    return size


def _wrong_length(size: int) -> RemoteProtocolError:
    return RemoteProtocolError("frame-length", f"a frame of {size} bytes is announced")
