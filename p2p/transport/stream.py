"""One encrypted stream of frames over a carrier: handshake, then frames.

What is on the wire then, `p2p.transport.inflow` says, which reads it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from crdt.keys import DeviceKey
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.inflow import Inflow, check_length
from p2p.transport.noise import (
    MESSAGE_BYTES_MAX,
    PLAINTEXT_BYTES_MAX,
    TAG_BYTES,
    NoiseCipher,
    NoiseHandshake,
)

HANDSHAKE_BYTES_MAX = 4_096  # a payload has a key and a signature; anything longer is no handshake
WRITTEN_TOGETHER = 9  # messages: a run of a blob, of half a MiB


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
        self._inflow = Inflow(cipher)
        self.device = device
        self.handshake_hash = cipher.handshake_hash
        self.sent_bytes = 0

    @property
    def received_bytes(self) -> int:
        """Those of the wire that were decrypted."""
        return self._inflow.received_bytes

    @property
    def is_ready(self) -> bool:
        """Whether the next frame is here, or what is wrong with it."""
        return self._inflow.is_ready

    @property
    def heard_bytes(self) -> int:
        """All that came, also of a message that is not whole yet."""
        inflow = self._inflow
        return inflow.received_bytes + len(inflow.rest) + self.carrier.unread_bytes

    async def read(self, size_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        """The next frame. Raises `PeerLeft` at the end, `RemoteProtocolError` on a lie."""
        inflow = self._inflow
        while (frame := inflow.next(size_bytes_max)) is None:
            if isinstance(self.carrier, StreamCarrier):
                await self.carrier.pour(inflow)
            else:
                came = await self.carrier.read_some(inflow.read_bytes)
                inflow.take(memoryview(inflow.rest + came))
        return frame

    async def write(self, frames: list[bytes]) -> None:
        """Sends `frames` in order; returns, and raises, as `Carrier.write`."""
        plains = _cut(frames)
        while some := list(islice(plains, WRITTEN_TOGETHER)):
            data = self._seal(some)
            await self.carrier.write(data)
            self.sent_bytes += len(data)

    async def close(self) -> None:
        """Ends the carrier; what is not sent yet may be lost."""
        await self.carrier.close()

    def _seal(self, plains: Sequence[memoryview]) -> bytearray:
        """A message of each, behind its length."""
        data = bytearray(sum(map(len, plains)) + len(plains) * (2 + TAG_BYTES))
        view, at = memoryview(data), 0
        for plain in plains:
            size = len(plain) + TAG_BYTES
            view[at : at + 2] = size.to_bytes(2, "big")
            self._cipher.encrypt_into(plain, view[at + 2 : at + 2 + size])
            at += 2 + size
        return data


def _cut(frames: Sequence[bytes]) -> Iterator[memoryview]:
    """Frames behind their lengths, as pieces that each fill a message, but for the last one."""
    waiting: list[memoryview] = []
    room = PLAINTEXT_BYTES_MAX
    for part in (part for frame in frames for part in (len(frame).to_bytes(4, "big"), frame)):
        rest = memoryview(part)
        while len(rest) >= room:
            waiting.append(rest[:room])
            yield waiting[0] if len(waiting) == 1 else memoryview(b"".join(waiting))
            rest, room = rest[room:], PLAINTEXT_BYTES_MAX
            waiting.clear()
        waiting.append(rest)
        room -= len(rest)
    if room < PLAINTEXT_BYTES_MAX:
        yield memoryview(b"".join(waiting))


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


async def _send(carrier: Carrier, message: bytes) -> None:
    await carrier.write(len(message).to_bytes(2, "big") + message)
