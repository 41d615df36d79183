"""One encrypted stream of frames over a carrier: handshake, then frames.

On the wire: Noise messages, each behind its length (u16, big-endian). Inside, once the channel
stands: frames, each behind its length (u32, big-endian), cut wherever a message is full.
"""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.transport.carrier import Carrier
from p2p.transport.noise import PLAINTEXT_BYTES_MAX, NoiseCipher, NoiseHandshake

HANDSHAKE_BYTES_MAX = 4_096  # a payload has a key and a signature; anything longer is no handshake


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
        frame = bytes(memoryview(self._plain)[4 : 4 + size])  # copied once
        del self._plain[: 4 + size]
        return frame

    async def write(self, frames: list[bytes]) -> None:
        """Sends `frames` in order; returns, and raises, as `Carrier.write`."""
        plain = b"".join(
            piece for frame in frames for piece in (len(frame).to_bytes(4, "big"), frame)
        )
        for start in range(0, len(plain), PLAINTEXT_BYTES_MAX):
            message = self._cipher.encrypt(plain[start : start + PLAINTEXT_BYTES_MAX])
            await _send(self.carrier, message)
            self.sent_bytes += 2 + len(message)

    async def close(self) -> None:
        """Ends the carrier; what is not sent yet may be lost."""
        await self.carrier.close()

    async def _fill(self, size: int) -> None:
        while len(self._plain) < size:
            message = await read_message(self.carrier)
            self.received_bytes += 2 + len(message)
            self._plain += self._cipher.decrypt(message)


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


async def read_message(carrier: Carrier, size_max: int = 65_535) -> bytes:
    """One length-prefixed Noise message; raises `PeerLeft` where the carrier ends."""
    size = int.from_bytes(await carrier.read_exactly(2), "big")
    if not 0 < size <= size_max:
        raise RemoteProtocolError("noise-length", f"a message of {size} bytes is announced")
    return await carrier.read_exactly(size)


async def _send(carrier: Carrier, message: bytes) -> None:
    await carrier.write(len(message).to_bytes(2, "big") + message)
