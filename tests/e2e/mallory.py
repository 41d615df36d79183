"""Mallory: a device with valid keys and a real channel, who says whatever harms most."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from crdt.area import Area
from crdt.change import DocumentId, SignedEntry, Signer, device_capabilities, sign_change
from crdt.digest import payload_digest
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.entry import Entry, encode_entry
from crdt.envelope import CHANGE as MAGIC
from crdt.keys import COMMONS, AuthorKey, DeviceKey
from crdt.order import ITEM_ID_BYTES
from crdt.path import ChangePath
from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Frame, SentEntry, decode_frame, encode_frame, peek_kind
from p2p.protocol.grants import encode_area
from p2p.protocol.handshake import check_payload, make_payload
from p2p.protocol.limits import ACK_BYTES
from p2p.protocol.link_frames import LINK_KINDS, Ack
from p2p.transport.address import Address
from p2p.transport.carrier import StreamCarrier
from p2p.transport.stream import Binder, FrameStream, open_stream

EVERYTHING = encode_area(Area())
HEAR_S = 60.0  # for the node's next word; it may be busy with others


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
        async with self.calls_over(StreamCarrier(reader, writer)) as call:
            yield call

    @asynccontextmanager
    async def calls_over(self, carrier: StreamCarrier) -> AsyncGenerator["Call"]:
        """The same over a connection that is there."""
        binder = Binder(lambda static: make_payload(self.device, static), check_payload)
        try:
            async with asyncio.timeout(HEAR_S):
                stream = await open_stream(
                    carrier, static_private=os.urandom(32), is_initiator=True, binder=binder
                )
            yield Call(self, stream)
        finally:
            carrier.abort()

    @asynccontextmanager
    async def meets(self, address: str) -> AsyncGenerator["Call"]:
        """A session that is open: greeted, and both want everything."""
        async with self.calls(address) as call:
            await call.opens()
            yield call

    @asynccontextmanager
    async def meets_over(self, carrier: StreamCarrier) -> AsyncGenerator["Call"]:
        """The same over a connection that is there."""
        async with self.calls_over(carrier) as call:
            await call.opens()
            yield call

    def publishes(self) -> SignedEntry:
        """A record of hers that nothing is wrong with, another one each time."""
        document = DocumentId(COMMONS, AuthorKey(self.root.public), "pub", "mod", os.urandom(8))
        draft = Document.open(document.cls, document.kind, self.device.public)
        raw = draft.change(lambda editor: editor.put(("head", "name"), "honest"))
        assert raw is not None, "it says something"
        return sign_change(raw, document, signer=self.signer, prev=None, timestamp=1)

    def forges(
        self,
        raw: bytes,
        *,
        author: bytes = b"",
        capability: bytes = b"",
        namespace: bytes = COMMONS,
        timestamp: int = 1,
        more_bytes: int = 0,
    ) -> SignedEntry:
        """An entry that her device signed, whatever it carries, in whoever's name."""
        payload = MAGIC + b"\0" + bytes(32) + payload_digest(raw) + raw
        digest = payload_digest(payload)
        subspace = AuthorKey(author or self.root.public)
        place = ChangePath("pub", "mod", b"bomb", 0, DeviceKey(self.device.public), 1, digest)
        size = len(payload) + more_bytes
        entry = Entry(type(COMMONS)(namespace), subspace, place.path(), timestamp, size, digest)
        signature = self.device.sign(encode_entry(entry))
        return SignedEntry(entry, capability or self.signer.capabilities["pub"], signature, payload)


@dataclass(slots=True)
class Call:
    """One connection of hers."""

    mallory: Mallory
    stream: FrameStream
    given: int = 0  # entries
    heard: int = 0  # frames of the session
    heard_bytes: int = 0  # not acknowledged

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

    async def opens(self) -> None:
        """Greets, and wants everything."""
        await self.say(self.hello(), frames.Present(()), self.wish())
        await self.hear_until(frames.Interests)

    def wish(self) -> frames.Interests:
        return frames.Interests((frames.Interest(COMMONS, EVERYTHING),))

    async def say(self, *said: Frame) -> None:
        await self.stream.write([encode_frame(frame) for frame in said])

    async def say_plain(self, data: bytes) -> None:
        """Encrypted, but no frame: its length is whatever it begins with."""
        stream = self.stream
        # Nobody honest needs this, so the stream has no name for it.
        message = stream._cipher.encrypt(data)  # pyright: ignore[reportPrivateUsage]
        await stream.carrier.write(len(message).to_bytes(2, "big") + message)

    async def hear(self) -> Frame:
        """The node's next frame, acknowledged in time. Raises `PeerLeft` where it hung up."""
        async with asyncio.timeout(HEAR_S):
            while peek_kind(data := await self.stream.read()) in LINK_KINDS:
                pass
        self.heard += 1
        self.heard_bytes += len(data)
        if self.heard_bytes >= ACK_BYTES:
            self.heard_bytes = 0
            await self.stream.write([encode_frame(Ack(self.heard))])
        frame = decode_frame(data)
        assert frame is not None
        return frame

    async def hear_until(self, *kinds: type[Frame]) -> Frame:
        while not isinstance(frame := await self.hear(), (*kinds, frames.Bye)):
            pass
        if isinstance(frame, frames.Bye):
            raise PeerLeft(frame.code, frame.sentence)
        return frame

    async def last_words(self) -> str:
        """Why the node hung up; empty where it did not say."""
        try:
            while True:
                await self.hear_until(frames.Bye)
        except PeerLeft as left:
            return "" if left.code == "connection-lost" else left.code

    async def offers(self, entries: Sequence[SignedEntry]) -> None:
        """Gives them, until the node has dealt with them all. Raises `PeerLeft` if it hangs up."""
        by_id = {signed.id[:ITEM_ID_BYTES]: signed for signed in entries}
        await self.say(frames.Have(COMMONS, b"".join(by_id), False))
        while by_id:
            want = await self.hear_until(frames.Want)
            assert isinstance(want, frames.Want)
            asked = [want.ids[at : at + 16] for at in range(0, len(want.ids), 16)]
            given = [by_id.pop(id) for id in asked]
            table = list(dict.fromkeys(signed.capability for signed in given))
            sent = tuple(_sent(signed, table) for signed in given)
            self.given += len(sent)
            await self.say(frames.Entries(want.number, tuple(table), sent, b""))
        owed = len({signed.id[:ITEM_ID_BYTES] for signed in entries})
        while owed:
            credit = await self.hear_until(frames.Credit)
            assert isinstance(credit, frames.Credit)
            owed -= credit.ids


def _sent(signed: SignedEntry, table: Sequence[bytes]) -> SentEntry:
    place = table.index(signed.capability)
    return SentEntry(place, encode_entry(signed.entry), signed.signature, signed.payload)
