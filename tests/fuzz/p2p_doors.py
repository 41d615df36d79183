"""The doors of `p2p`: frames, the session in each of its states, the channel, mDNS."""

import functools
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from nacl.bindings import crypto_secretbox
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncServiceInfo

from crdt import cbor
from crdt.area import Area
from crdt.blob import Chunking, manifest_of
from crdt.boxes import sealing_key
from crdt.capability import CapabilityCache
from crdt.change import SignedEntry
from crdt.chunking import content_manifest_of
from crdt.did import encode_did_key
from p2p.discovery.mdns import ADDRESSES_MAX, SERVICE, Announcement, Mdns, usable_addresses
from p2p.protocol import frames, rendezvous
from p2p.protocol.card import CARD_LIFE_S_MAX, CARD_PREFIX, check_card, sign_card
from p2p.protocol.config import Role
from p2p.protocol.effects import Close, Effect, Notify, Query, Send
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import FRAME_BYTES_MAX, Present, decode_frame, encode_frame
from p2p.protocol.grants import decode_area, encode_area
from p2p.protocol.handshake import check_payload, make_payload
from p2p.protocol.hint import Hint
from p2p.protocol.limits import CARD_BYTES_MAX, RUN_BYTES_MAX
from p2p.protocol.link import decode_link_frame
from p2p.protocol.link_frames import Ack, NotResumed, Resume, Resumed
from p2p.protocol.pieces import pack_against, unpack_against
from p2p.protocol.rendezvous import RELAYS
from p2p.protocol.states import State
from p2p.protocol.wanted import PeerNumber
from p2p.transport.address import Address
from p2p.transport.carrier import CarrierName, StreamCarrier, gone
from p2p.transport.noise import NoiseCipher, NoiseHandshake
from p2p.transport.place import RelayedPlace, parse_direct, parse_place
from p2p.transport.stream import FrameStream
from p2p.transport.websocket import accept_websocket
from tests.fuzz.mutation import join_frames, split_frames
from tests.p2p.protocol.conversation import (
    BOBS_CHALLENGE,
    EVERYTHING_WANTED,
    PEER,
    Line,
    Talk,
    asked,
    at_once,
    bobs_hello,
    entries_of,
    owned_namespace,
    readable_by,
    session_of,
    swarm_of,
    with_interest,
)
from tests.p2p.protocol.crowd import Giver
from tests.simulation.memory_store import MemoryStore
from tests.simulation.people import ALICE, BOB
from tests.simulation.swarms import SwarmOf

STATIC = {name: bytes([number]) * 32 for number, name in enumerate(("alice", "bob"), start=1)}
QUESTIONS_MAX = 4_096
ALICES_CONFIG = ALICE.config()
A_BLOB = b"alice wants it" * 1_000
A_WORLD = Random(1).randbytes(90_000)
A_TICK_LATER = A_WORLD[:40_000] + b"a tick later" + A_WORLD[40_000:]

# ── frames and areas ─────────────────────────────────────────────────────────────────────────────


def read_frame(data: bytes) -> None:
    frame = decode_frame(data)
    assert frame is None or decode_frame(encode_frame(frame)) == frame


def read_link_frame(data: bytes) -> None:
    frame = decode_link_frame(data)
    assert frame is None or decode_link_frame(encode_frame(frame)) == frame


def link_frame_seeds() -> Sequence[bytes]:
    said = (Ack(7), Resume(bytes(16), 300, bytes(32)), Resumed(2, bytes(32)), NotResumed("a", "b"))
    return [encode_frame(frame) for frame in said]


def frame_seeds() -> Sequence[bytes]:
    return list(dict.fromkeys(frame for talk in talks() for frame in split_frames(talk)))


def read_interest(data: bytes) -> None:
    assert encode_area(decode_area(data)) == data


def interest_seeds() -> Sequence[bytes]:
    return [encode_area(area) for area in (Area(), Area(ALICE.author, (b"pub", b"mod"), 1, 300))]


# ── cards ────────────────────────────────────────────────────────────────────────────────────────

CARD_ISSUED_US = 1_700_000_000_000_000


def read_card(data: bytes) -> None:
    card = check_card(data, CapabilityCache(), now_us=CARD_ISSUED_US)
    assert data in card_seeds(), "a forged card passes"
    assert card.encoded == data


def read_signed_card(data: bytes) -> None:
    """The body alone: whoever attacks signs what they like by a key of their own."""
    signed = cbor.encode([data, BOB.device.sign(CARD_PREFIX + data)])
    card = check_card(signed, CapabilityCache(), now_us=CARD_ISSUED_US)
    assert (card.device, card.author) == (BOB.device_key, BOB.author)
    assert card.is_fresh(now_us=CARD_ISSUED_US)
    again = sign_card(
        BOB.device,
        author=card.author,
        capability=BOB.config().capability,
        places=card.places,
        relays=card.relays,
        sealing=card.sealing,
        issued_us=card.issued_us,
        until_us=card.until_us,
    )
    assert again == card.encoded


@functools.cache
def card_seeds() -> Sequence[bytes]:
    return [
        sign_card(
            BOB.device,
            author=BOB.author,
            capability=BOB.config().capability,
            places=places,
            relays=("relay://relay.example:4747",) * len(places),
            sealing=sealing_key(bytes(32)),
            issued_us=CARD_ISSUED_US,
            until_us=CARD_ISSUED_US + seconds * 1_000_000,
        )
        for places, seconds in (
            ((), 1),
            (("192.0.2.7:4747", "wss://example.org/p"), CARD_LIFE_S_MAX),
        )
    ]


def card_body_seeds() -> Sequence[bytes]:
    return [cbor.decode(card, bytes_max=CARD_BYTES_MAX)[0] for card in card_seeds()]


def read_record(data: bytes) -> None:
    """The first byte says whether it is sealed as by somebody who knows the name."""
    slot = rendezvous.slots(RELAYS, 20_000)[0]
    sealed = data[1:]
    if data[:1] == b"\1":
        nonce = bytes(rendezvous.NONCE_BYTES)
        sealed = nonce + crypto_secretbox(data[1:], nonce, slot.secret)
    card = rendezvous.open_card(slot, sealed)
    assert rendezvous.seal_card(slot, card, nonce=bytes(24)) == sealed


def record_seeds() -> Sequence[bytes]:
    slot = rendezvous.slots(RELAYS, 20_000)[0]
    padded = [
        len(card).to_bytes(2, "big") + card.ljust(rendezvous.SEALED_CARD_BYTES_MAX, b"\0")
        for card in card_seeds()
    ]
    nonce = bytes(rendezvous.NONCE_BYTES)
    sealed = [rendezvous.seal_card(slot, card, nonce=nonce) for card in card_seeds()]
    return [*(b"\1" + one for one in padded), *(b"\0" + one for one in sealed)]


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def greeting() -> Sequence[bytes]:
    """What Bob says, frame by frame, until the session is open."""
    return [encode_frame(frame) for frame in (bobs_hello(), Present(()), EVERYTHING_WANTED)]


@functools.cache
def alices_entries() -> Sequence[SignedEntry]:
    return entries_of(1, 70)


class Listener:
    """Alice's session, her quick store behind it; it hears whatever comes."""

    def __init__(self, state: State) -> None:
        self.store = MemoryStore()
        self.store.add(alices_entries())
        self.session = session_of(ALICE, BOB, Role.RESPONDER, ALICES_CONFIG)
        self.questions: deque[Query] = deque()
        self.answered = 0
        self.swarm = swarm_of(self.session, self.store, self.do)
        self.do(self.session.open())
        for frame in greeting():
            if self.session.state is not state:
                self.hear(frame)
        if state is State.OPEN:
            self.swarm.want(manifest_of(A_BLOB).id)
            want_next_tick(self.store, self.swarm)
            self.do(self.session.exchange(lambda one: one.ask(), now_s=0.0))

    def hear(self, frame: bytes) -> None:
        self.do(self.session.receive(frame, now_s=0.0))
        while self.questions:
            query = self.questions.popleft()
            self.answered += 1
            assert self.answered < QUESTIONS_MAX, "the store is asked without end"
            self.do(self.session.answered(query.id, asked(self.store, query.question), now_s=0.0))

    def do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    encode_frame(frame)  # whatever is sent can be
                case Query():
                    self.questions.append(effect)
                case Close():
                    assert self.session.state is State.CLOSED
                    self.swarm.went(PEER)
                case Notify(event):
                    self.swarm.heard(PEER, event)


def converse(state: State) -> Callable[[bytes], None]:
    """A door: what Bob says to a session in `state`, each frame behind its length."""

    def run(data: bytes) -> None:
        listener = Listener(state)
        assert listener.session.state is state
        for frame in split_frames(data):
            listener.hear(frame)
        # Nothing that a peer says is our own fault, or leaves the session where it cannot end.
        listener.do(listener.session.tick(now_s=20.0))

    return run


def conversations(state: State) -> Callable[[], Sequence[bytes]]:
    """Seeds: what an honest Bob says from `state` on."""
    said = list(State).index(state)

    def seeds() -> Sequence[bytes]:
        return [join_frames(split_frames(talk)[said:]) for talk in talks()]

    return seeds


@functools.cache
def talks() -> Sequence[bytes]:
    """All that Bob said in a few honest sessions."""
    private = owned_namespace("garden")
    for_both = [readable_by(private, person.device_key) for person in (ALICE, BOB)]
    found = [
        Talk(alices_entries()[:20], entries_of(2, 30)).settle(),
        Talk((), entries_of(3, 3)).settle().wait(6.0),
        Talk(
            entries_of(4, 70),
            entries_of(5, 70),
            alices=with_interest(ALICE, private.public, for_both[0]),
            bobs=with_interest(BOB, private.public, for_both[1]),
        ).settle(),
    ]
    said = [[encode_frame(frame) for frame in talk.bob.sent] for talk in found]
    opened = [frame for frame in said[0] if frame not in greeting()]
    said.append([*greeting(), *_as_initiator(), *opened[-3:], *_blob_parts(), *_cards()])
    return [join_frames(each) for each in said]


def want_next_tick(store: MemoryStore, swarm: SwarmOf) -> None:
    """Alice holds a world, and asks what differs from it."""
    world = store.put_blob(A_WORLD, Chunking.CONTENT)
    swarm.want(content_manifest_of(A_TICK_LATER).id, relative_to=[world])


def _as_initiator() -> Sequence[bytes]:
    """Bob opened the connection, so he compares; what he holds, Alice lacks."""
    bob = session_of(BOB, ALICE, Role.INITIATOR, BOB.config(), challenge=BOBS_CHALLENGE)
    store = MemoryStore()
    store.add(entries_of(6, 8))
    said: list[bytes] = []
    arriving: deque[bytes] = deque()
    alice = Line(State.GREETING, entries=alices_entries())

    def do(effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    said.append(encode_frame(frame))
                    before = len(alice.sent)
                    alice.say(frame)
                    arriving.extend(encode_frame(one) for one in alice.sent[before:])
                case Query():
                    do(bob.answered(effect.id, asked(store, effect.question), now_s=0.0))
                case _:
                    pass

    do(bob.open())
    arriving.extendleft(encode_frame(frame) for frame in alice.sent[:1])
    while arriving:
        do(bob.receive(arriving.popleft(), now_s=0.0))
    return said[3:]


def _cards() -> Sequence[bytes]:
    """Bob's own card, his ask for others, and his answer to Alice's."""
    cards = tuple(card_seeds())
    told = (frames.OwnCard(cards[0]), frames.AskCards(1), frames.Cards(1, cards))
    return [encode_frame(frame) for frame in told]


def _blob_parts() -> Sequence[bytes]:
    """The answers to Alice's questions for a blob."""
    store = MemoryStore()
    blob = store.put_blob(A_BLOB)
    for data in (A_WORLD, A_TICK_LATER):
        store.put_blob(data, Chunking.CONTENT)
    alice = Line(State.OPEN, entries=alices_entries(), config=ALICES_CONFIG)
    parts: list[bytes] = []
    alice.swarm.want(blob)
    want_next_tick(alice.store, alice.swarm)
    answered = 0
    while gets := [frame for frame in alice.sent if isinstance(frame, frames.Get)][answered:]:
        answered += len(gets)
        for get in gets:
            part = Giver(PeerNumber(1), store).answer(get)
            parts.append(encode_frame(part))
            alice.say(part)
    return parts


def read_delta(data: bytes) -> None:
    """The first three bytes say of how many bytes it is a delta."""
    size = 1 + int.from_bytes(data[:3], "big") % RUN_BYTES_MAX
    piece = unpack_against(frames.Delta(1, data[3:], size), A_WORLD)
    assert len(piece) == size
    assert unpack_against(frames.Delta(1, pack_against(piece, A_WORLD), size), A_WORLD) == piece


def delta_seeds() -> Sequence[bytes]:
    pieces = (A_TICK_LATER, A_WORLD[:5_000], A_BLOB, b"x")
    return [(len(piece) - 1).to_bytes(3, "big") + pack_against(piece, A_WORLD) for piece in pieces]


# ── the channel ──────────────────────────────────────────────────────────────────────────────────


def read_handshake_payload(data: bytes) -> None:
    assert check_payload(data, STATIC["bob"]) == BOB.device_key, "a forged payload passes"


def handshake_payload_seeds() -> Sequence[bytes]:
    return [make_payload(BOB.device, STATIC["bob"])]


def shake_hands(data: bytes) -> None:
    """Bytes laid over the honest messages of a handshake; the first one says over which."""
    place, over = (data[0] % 3, data[1:]) if data else (0, b"")
    alice = NoiseHandshake(STATIC["alice"], is_initiator=True)
    bob = NoiseHandshake(STATIC["bob"], is_initiator=False)
    bob.read(_laid_over(alice.write(), over if place == 0 else b""))
    alice.read(_laid_over(bob.write(b"bob"), over if place == 1 else b""))
    bob.read(_laid_over(alice.write(b"alice"), over if place == 2 else b""))
    assert bob.cipher().handshake_hash == alice.cipher().handshake_hash


def _laid_over(message: bytes, over: bytes) -> bytes:
    """XOR, so that zeros leave it as it was; as long as `over` where that is longer."""
    size = max(len(message), len(over))
    pairs = zip(message.ljust(size, b"\0"), over.ljust(size, b"\0"), strict=True)
    return bytes(one ^ other for one, other in pairs)


def shake_hands_seeds() -> Sequence[bytes]:
    return [bytes([place]) + bytes(size) for place in range(3) for size in (1, 32, 100)]


def ciphers() -> tuple[NoiseCipher, NoiseCipher]:
    """Alice's and Bob's ends of one channel."""
    alice = NoiseHandshake(STATIC["alice"], is_initiator=True)
    bob = NoiseHandshake(STATIC["bob"], is_initiator=False)
    bob.read(alice.write())
    alice.read(bob.write())
    bob.read(alice.write())
    return alice.cipher(), bob.cipher()


def read_stream(data: bytes) -> None:
    """Frames from the wire. The first byte says whether Bob encrypts the bytes, or they are raw."""
    alice, bob = ciphers()
    wire = data[1:]
    if data and data[0] % 4:
        size = (16, 300, 65_000)[data[0] % 4 - 1]
        pieces = [bob.encrypt(wire[at : at + size]) for at in range(0, len(wire), size)]
        wire = b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)
    stream = FrameStream(Tape(wire), alice, BOB.device_key)
    while frame := at_once(stream.read()):
        assert 0 < len(frame) <= FRAME_BYTES_MAX
        decode_frame(frame)


class Tape:
    """A carrier that gives these bytes, and takes any."""

    name: CarrierName = "tcp"
    is_bulk = True
    taken_bytes = unread_bytes = 0
    piece_bytes = 1_000  # at once: messages end in the middle of what is read

    def __init__(self, data: bytes) -> None:
        self._rest = data

    async def read_exactly(self, size: int) -> bytes:
        taken, self._rest = self._rest[:size], self._rest[size:]
        if len(taken) < size:
            raise gone()
        return taken

    async def read_some(self, size_max: int) -> bytes:
        if not self._rest:
            raise gone()
        return await self.read_exactly(min(self.piece_bytes, size_max, len(self._rest)))

    async def write(self, data: bytes | bytearray) -> None:
        pass

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._rest = b""


class WebTape(StreamCarrier):
    """The same for what is inside of a WebSocket."""

    def __init__(self, data: bytes) -> None:  # pyright: ignore[reportMissingSuperCall] - no streams
        self._unread = data

    async def read_some(self, size_max: int) -> bytes:
        if not self._unread:
            raise gone()
        return await super().read_some(size_max)

    async def write(self, data: bytes | bytearray) -> None:
        assert len(data) <= 1 << 20, "an answer as long as the question"


UPGRADE = (
    b"GET /panspermia HTTP/1.1\r\nHost: alice\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def in_turns(work: Coroutine[Any, Any, bytes]) -> bytes:
    """What `work` returns, which waits for nothing but lets others have their turn."""
    while True:
        try:
            assert work.send(None) is None, "it waits"
        except StopIteration as done:
            result: bytes = done.value
            return result


def serve_websocket(data: bytes) -> None:
    carrier = at_once(accept_websocket(WebTape(data)))
    with suppress(PeerLeft):  # at the end of the tape
        while in_turns(carrier.read_exactly(1)):
            pass


def websocket_seeds() -> Sequence[bytes]:
    masked = [b"\x82\x83\0\0\0\0abc", b"\x02\x81\1\2\3\4a\x80\x80\1\2\3\4", b"\x89\x80\0\0\0\0"]
    long = b"\x82\xfe\1\0" + bytes(4 + 256)
    return [UPGRADE, b"".join((UPGRADE, *masked)), UPGRADE + long + b"\x88\x82\0\0\0\0\3\xe8"]


def stream_seeds() -> Sequence[bytes]:
    return [bytes([kind]) + talk for kind in range(4) for talk in talks()[1:2]]


# ── who is on the network ────────────────────────────────────────────────────────────────────────


def read_announcement(data: bytes) -> None:
    """The TXT record of a stranger, then after `ff 00` their addresses, a line for each."""
    text, _, addresses = data.partition(b"\xff\0")
    own = Announcement("did:key:z6MkAlice", "willow25+blake3", ("127.0.0.1",), 4747)
    found: list[Hint] = []
    info = AsyncServiceInfo(
        SERVICE, f"bob.{SERVICE}", port=4747, properties=text, addresses=[b"\x7f\0\0\1"]
    )
    assert isinstance(info, ServiceInfo)
    # Nobody else needs the reading of one answer by itself, so it is not public.
    hint = Mdns(own, found.append)._hint(info)  # pyright: ignore[reportPrivateUsage]
    assert hint is None or (len(hint.device_did) <= 128 and len(hint.addresses) <= ADDRESSES_MAX)
    lines = addresses.decode("utf-8", "surrogateescape").split("\n")
    assert len(usable_addresses(lines, 4747)) <= ADDRESSES_MAX


def announcement_seeds() -> Sequence[bytes]:
    texts = [b"device=did:key:z6MkBob", b"parameters=willow25+blake3", b"group="]
    text = b"".join(bytes([len(each)]) + each for each in texts)
    return [text + b"\xff\0" + b"127.0.0.1\n::1\nfe80::1%eth0\n0.0.0.0"]


def read_address(data: bytes) -> None:
    address = Address.parse(data.decode("utf-8", "surrogateescape"))
    assert Address.parse(str(address)) == address
    assert 0 < address.port < 1 << 16


def read_place(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    place = parse_place(text)
    assert parse_place(str(place)) == place
    assert str(place).isprintable()
    assert isinstance(place, RelayedPlace) or parse_direct(text) == place


def place_seeds() -> Sequence[bytes]:
    device = encode_did_key(BOB.device_key).removeprefix("did:key:").encode()
    relays = [b"192.0.2.1:4747", b"wss://relay.example/path", b"ws://[::1]:80/"]
    return [*relays, *(b"circuit:" + device + b"@" + relay for relay in relays)]


def address_seeds() -> Sequence[bytes]:
    return [b"192.0.2.1:4747", b"[2001:db8::1]:1", b"host.example", b"::1", b"[::1]"]
