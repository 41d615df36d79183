"""One encrypted stream of frames over a pair of asyncio streams: handshake, then frames.

On the wire: Noise messages, each behind its length (u16, big-endian). Inside, once the channel
stands: frames, each behind its length (u32, big-endian), cut wherever a message is full.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from crdt.keys import DeviceKey
from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.protocol.limits import ANSWER_S
from p2p.transport.noise import PLAINTEXT_BYTES_MAX, NoiseCipher, NoiseHandshake

HANDSHAKE_BYTES_MAX = 4_096  # a payload has a key and a signature; anything longer is no handshake
SEND_BYTES_MAX = 1 << 20  # not yet taken by the kernel; above it a writer waits


@dataclass(frozen=True, slots=True)
class Binder:
    """How a handshake payload is made and judged; `p2p.protocol.handshake` has the rules."""

    make: Callable[[bytes], bytes]  # our Noise static key -> payload
    check: Callable[[bytes, bytes], DeviceKey]  # payload, the peer's static key -> its device key


class FrameStream:
    """Reads and writes whole frames; made by `open_stream`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cipher: NoiseCipher,
        device: DeviceKey,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._cipher = cipher
        self._plain = bytearray()
        self.device = device
        self.handshake_hash = cipher.handshake_hash
        self.received_bytes = 0
        self.sent_bytes = 0

    async def read(self, size_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        """The next frame. Raises `PeerLeft` at the end, `RemoteProtocolError` on a lie."""
        await self._fill(4)
        size = int.from_bytes(self._plain[:4], "big")
        if not 0 < size <= size_bytes_max:  # before anything of that size is waited for
            raise RemoteProtocolError("frame-length", f"a frame of {size} bytes is announced")
        await self._fill(4 + size)
        frame = bytes(self._plain[4 : 4 + size])
        del self._plain[: 4 + size]
        return frame

    async def write(self, frames: list[bytes]) -> None:
        """Sends `frames` in order; returns once the kernel has taken all but `SEND_BYTES_MAX`.

        Raises `PeerLeft`; `PeerTimeout` where the peer takes nothing for `ANSWER_S`.
        """
        plain = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
        for start in range(0, len(plain), PLAINTEXT_BYTES_MAX):
            message = self._cipher.encrypt(plain[start : start + PLAINTEXT_BYTES_MAX])
            await _send(self._writer, message)
            self.sent_bytes += 2 + len(message)

    async def close(self) -> None:
        """Ends the connection; what the kernel has not sent yet may be lost."""
        await close_quietly(self._writer)

    async def _fill(self, size: int) -> None:
        while len(self._plain) < size:
            message = await read_message(self._reader)
            self.received_bytes += 2 + len(message)
            self._plain += self._cipher.decrypt(message)


async def open_stream(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    static_private: bytes,
    is_initiator: bool,
    binder: Binder,
) -> FrameStream:
    """The handshake. The initiator may believe it only when the responder's first frame arrives.

    Raises `SyncError`, and what `binder` raises.
    """
    try:
        writer.transport.set_write_buffer_limits(high=SEND_BYTES_MAX)
    except RuntimeError as error:  # uvloop, where the peer is gone already
        raise PeerLeft("connection-lost", "the peer closed the connection") from error
    noise = NoiseHandshake(static_private, is_initiator=is_initiator)
    ours = binder.make(noise.static_public)
    if is_initiator:
        await _send(writer, noise.write())
        theirs = noise.read(await read_message(reader, HANDSHAKE_BYTES_MAX))
        device = binder.check(theirs, noise.remote_static)
        await _send(writer, noise.write(ours))
    else:
        noise.read(await read_message(reader, HANDSHAKE_BYTES_MAX))
        await _send(writer, noise.write(ours))
        theirs = noise.read(await read_message(reader, HANDSHAKE_BYTES_MAX))
        device = binder.check(theirs, noise.remote_static)
    return FrameStream(reader, writer, noise.cipher(), device)


async def read_message(reader: asyncio.StreamReader, size_max: int = 65_535) -> bytes:
    """One length-prefixed Noise message; raises `PeerLeft` where the stream ends."""
    try:
        size = int.from_bytes(await reader.readexactly(2), "big")
        if not 0 < size <= size_max:
            raise RemoteProtocolError("noise-length", f"a message of {size} bytes is announced")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise PeerLeft("connection-lost", "the peer closed the connection") from error


async def close_quietly(writer: asyncio.StreamWriter) -> None:
    """Closes without waiting for a peer that no longer reads."""
    writer.transport.abort() if writer.transport.is_closing() else writer.close()
    try:
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    except OSError:  # a timeout is one
        pass
    finally:  # also where this is cancelled: what is unsent would keep the socket for ever
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, message: bytes) -> None:
    """Raises `PeerLeft`; `PeerTimeout` where the peer takes nothing for `ANSWER_S`."""
    try:
        # Where the peer was reset, asyncio drops what is written, and uvloop raises RuntimeError.
        writer.write(len(message).to_bytes(2, "big") + message)
        async with asyncio.timeout(ANSWER_S):
            await writer.drain()
    except TimeoutError as error:  # it is an OSError too
        raise PeerTimeout("unread", "the peer does not read what it is sent") from error
    except (OSError, RuntimeError) as error:
        raise PeerLeft("connection-lost", "the peer closed the connection") from error
