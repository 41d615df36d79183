"""Mallory: a device with valid keys and a real channel, who says whatever harms most."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from crdt.area import Area
from crdt.change import Signer, device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey
from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Frame, decode_frame, encode_frame
from p2p.protocol.grants import encode_area
from p2p.protocol.handshake import check_payload, make_payload
from p2p.transport.address import Address
from p2p.transport.stream import Binder, FrameStream, open_stream

EVERYTHING = encode_area(Area())
HEAR_S = 30.0  # for the node's next word; it may be busy with others


@dataclass(frozen=True, slots=True)
class Mallory:
    """Her keys: as many as she likes, they are free."""

    root: SigningKey = field(default_factory=lambda: SigningKey(os.urandom(32)))
    device: SigningKey = field(default_factory=lambda: SigningKey(os.urandom(32)))

    @property
    def signer(self) -> Signer:
        capabilities = device_capabilities(self.root, DeviceKey(self.device.public))
        return Signer(self.device, AuthorKey(self.root.public), capabilities)

    @asynccontextmanager
    async def calls(self, address: str) -> AsyncGenerator["Call"]:
        """A channel; nothing is said on it yet."""
        at = Address.parse(address)
        reader, writer = await asyncio.open_connection(at.host, at.port)
        binder = Binder(lambda static: make_payload(self.device, static), check_payload)
        async with asyncio.timeout(HEAR_S):
            stream = await open_stream(
                reader, writer, static_private=os.urandom(32), is_initiator=True, binder=binder
            )
        try:
            yield Call(self, stream)
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def meets(self, address: str) -> AsyncGenerator["Call"]:
        """A session that is open: greeted, and both want everything."""
        async with self.calls(address) as call:
            await call.say(call.hello(), frames.Present(()), call.wish())
            for _ in range(3):
                await call.hear()
            yield call


@dataclass(slots=True)
class Call:
    """One connection of hers."""

    mallory: Mallory
    stream: FrameStream

    def hello(self) -> frames.Hello:
        """An honest one."""
        return frames.Hello(
            version=1,
            agent="mallory",
            author=self.mallory.root.public,
            capability=self.mallory.signer.capabilities["pub"],
            challenge=os.urandom(32),
            addresses=(),
            wall_us=0,
            overlap=(),
        )

    def wish(self) -> frames.Interests:
        return frames.Interests((frames.Interest(COMMONS, EVERYTHING),))

    async def say(self, *said: Frame) -> None:
        await self.stream.write([encode_frame(frame) for frame in said])

    async def hear(self) -> Frame:
        """The node's next frame. Raises `PeerLeft` where it hung up."""
        async with asyncio.timeout(HEAR_S):
            frame = decode_frame(await self.stream.read())
        assert frame is not None
        return frame

    async def hear_until(self, kind: type[Frame]) -> Frame:
        while not isinstance(frame := await self.hear(), kind):
            pass
        return frame

    async def last_words(self) -> str:
        """Why the node hung up; empty where it did not say."""
        code = ""
        try:
            while True:
                frame = await self.hear()
                if isinstance(frame, frames.Bye):
                    code = frame.code
        except PeerLeft:
            return code

    async def offers(self, entries: Sequence[frames.SentEntry], ids: Sequence[bytes]) -> None:
        """Announces `ids`, and answers what is asked with `entries`, in the same places."""
        by_id = dict(zip(ids, entries, strict=True))
        capability = self.mallory.signer.capabilities["pub"]
        await self.say(frames.Have(COMMONS, b"".join(ids), False))
        while by_id:
            want = await self.hear_until(frames.Want)
            assert isinstance(want, frames.Want)
            asked = [want.ids[at : at + 16] for at in range(0, len(want.ids), 16)]
            given = tuple(replace_nothing(by_id.pop(id)) for id in asked if id in by_id)
            await self.say(frames.Entries(want.number, (capability,), given, b""))


def replace_nothing(entry: frames.SentEntry) -> frames.SentEntry:
    return entry


_ = replace
