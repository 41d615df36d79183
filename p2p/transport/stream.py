"""One encrypted stream of frames over a carrier: handshake, then frames.

On the wire: Noise messages, each behind its length (u16, big-endian). Inside, once the channel
stands: frames, each behind its length (u32, big-endian), cut wherever a message is full.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.transport.carrier import Carrier
from p2p.transport.noise import (
    MESSAGE_BYTES_MAX,
    PLAINTEXT_BYTES_MAX,
    NoiseCipher,
    NoiseHandshake,
)

HANDSHAKE_BYTES_MAX = 4_096  # a payload has a key and a signature; anything longer is no handshake
READ_BYTES = 256 << 10  # at once, of what has come
WRITTEN_TOGETHER = 8  # messages: half a MiB


@dataclass(frozen=True, slots=True)
class Binder:
    """How a handshake payload is made and judged; `p2p.protocol.handshake` has the rules."""

    make: Callable[[bytes], bytes]  # our Noise static key -> payload
    check: Callable[[bytes, bytes], DeviceKey]  # payload, the peer's static key -> its device key


class FrameStream:
    """Reads and writes whole frames; made by `open_stream`."""

    def __init__(self, carrier: Carrier, cipher: NoiseCipher, device: DeviceKey) -> None:
        self.carrier = carrier
        self._cipher = cipher
        self._wire = bytearray()  # less than a message and what is read at once
        self._plain = bytearray()
        self.device = device
        self.handshake_hash = cipher.handshake_hash
        self.received_bytes = 0
        self.sent_bytes = 0

    @property
    def heard_bytes(self) -> int:
        """All that came, also of a message that is not whole yet."""
        return self.received_bytes + len(self._wire)

    async def read(self, size_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        """The next frame. Raises `PeerLeft` at the end, `RemoteProtocolError` on a lie."""
        await self._fill(4)
        size = int.from_bytes(self._plain[:4], "big")
        if not 0 < size <= size_bytes_max:  # before anything of that size is waited for
            raise RemoteProtocolError("frame-length", f"a frame of {size} bytes is announced")
        await self._fill(4 + size)
        frame = bytes(memoryview(self._plain)[4 : 4 + size])  # copied once
        del self._plain[: 4 + size]
        return frame

    async def write(self, frames: list[bytes]) -> None:
        """Sends `frames` in order; returns, and raises, as `Carrier.write`."""
        plain = memoryview(
            b"".join(piece for frame in frames for piece in (len(frame).to_bytes(4, "big"), frame))
        )
        together = WRITTEN_TOGETHER * PLAINTEXT_BYTES_MAX
        for start in range(0, len(plain), together):
            data = b"".join(self._messages(plain[start : start + together]))
            await self.carrier.write(data)
            self.sent_bytes += len(data)

    async def close(self) -> None:
        """Ends the carrier; what is not sent yet may be lost."""
        await self.carrier.close()

    def _messages(self, plain: memoryview) -> Iterator[bytes]:
        """Each behind its length."""
        for start in range(0, len(plain), PLAINTEXT_BYTES_MAX):
            message = self._cipher.encrypt(plain[start : start + PLAINTEXT_BYTES_MAX])
            yield len(message).to_bytes(2, "big")
            yield message

    async def _fill(self, size: int) -> None:
        while len(self._plain) < size:
            while not self._take_messages(size):
                self._wire += await self.carrier.read_some(READ_BYTES)

    def _take_messages(self, size: int) -> int:
        """Decrypts what has come whole, as far as it is needed; how many bytes of the wire."""
        at = 0
        with memoryview(self._wire) as wire:
            while len(self._plain) < size and len(wire) - at >= 2:
                end = at + 2 + check_length(int.from_bytes(wire[at : at + 2], "big"))
                if end > len(wire):
                    break
                self._plain += self._cipher.decrypt(wire[at + 2 : end])
                at = end
        del self._wire[:at]
        self.received_bytes += at
        return at


async def open_stream(
    carrier: Carrier, *, static_private: bytes, is_initiator: bool, binder: Binder
) -> FrameStream:
    """The handshake. The initiator may believe it only when the responder's first frame arrives.

    Raises `SyncError`, and what `binder` raises.
    """
    noise = NoiseHandshake(static_private, is_initiator=is_initiator)
    ours = binder.make(noise.static_public)
    if is_initiator:
        await _send(carrier, noise.write())
        theirs = noise.read(await read_message(carrier, HANDSHAKE_BYTES_MAX))
        device = binder.check(theirs, noise.remote_static)
        await _send(carrier, noise.write(ours))
    else:
        noise.read(await read_message(carrier, HANDSHAKE_BYTES_MAX))
        await _send(carrier, noise.write(ours))
        theirs = noise.read(await read_message(carrier, HANDSHAKE_BYTES_MAX))
        device = binder.check(theirs, noise.remote_static)
    return FrameStream(carrier, noise.cipher(), device)


async def read_message(carrier: Carrier, size_max: int = MESSAGE_BYTES_MAX) -> bytes:
    """One length-prefixed Noise message; raises `PeerLeft` where the carrier ends."""
    size = int.from_bytes(await carrier.read_exactly(2), "big")
    return await carrier.read_exactly(check_length(size, size_max))


def check_length(size: int, size_max: int = MESSAGE_BYTES_MAX) -> int:
    """`size`, where a message can be so long; else raises `RemoteProtocolError`."""
    if not 0 < size <= size_max:
        raise RemoteProtocolError("noise-length", f"a message of {size} bytes is announced")
    return size


async def _send(carrier: Carrier, message: bytes) -> None:
    await carrier.write(len(message).to_bytes(2, "big") + message)
