"""The doors of a relay and of its clients: frames either way, letters, and how a relay is named."""

import functools
from collections.abc import Sequence

from crdt import cbor
from crdt.boxes import seal_to, sealing_key
from crdt.capability import CapabilityCache
from p2p.protocol.frames import Ping, Pong
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.client import RelayTalk
from p2p.protocol.relay.frames import RelayFrame, decode_relay_frame, encode_relay_frame
from p2p.protocol.relay.letter import LETTER_PREFIX, open_letter, seal_letter
from p2p.transport.relay.url import RelayUrl
from tests.fuzz.mutation import join_frames, split_frames
from tests.p2p.protocol.relay.clients import ALICE as ALICES_DEVICE
from tests.p2p.protocol.relay.clients import BOB as BOBS_DEVICE
from tests.p2p.protocol.relay.clients import DAY_US, Office
from tests.simulation.people import ALICE, BOB

KEY, ID = bytes(32), bytes(16)
SEALING = bytes([9]) * 32
LETTER_US = 1_700_000_000_000_000

FROM_CLIENT: tuple[RelayFrame, ...] = (
    frames.Register(ALICES_DEVICE, b"token"),
    Ping(1),
    frames.Lookup(1, True, BOBS_DEVICE),
    frames.Call(2, BOBS_DEVICE),
    frames.Signal(3, BOBS_DEVICE, b"offer"),
    frames.Post(4, KEY, b"sealed", DAY_US),
    frames.Fetch(5, KEY),
    frames.Letter(6, BOBS_DEVICE, ID, b"sealed", DAY_US),
    frames.Collect(),
    frames.Taken(ID),
)
FROM_RELAY: tuple[RelayFrame, ...] = (
    frames.Registered(3_600, "192.0.2.1", True),
    frames.Cards(1, (b"card",)),
    frames.Circuit(2, KEY, BOBS_DEVICE),
    frames.Circuit(0, KEY, BOBS_DEVICE),
    frames.Fetched(3, b"sealed"),
    frames.Done(4, "not-here", "Not here."),
    frames.Signal(0, BOBS_DEVICE, b"offer"),
    frames.Delivered(ID, b"sealed"),
    frames.Draining(30),
    Pong(1),
)


def read_frame(data: bytes) -> None:
    frame = decode_relay_frame(data)
    assert frame is None or decode_relay_frame(encode_relay_frame(frame)) == frame


def frame_seeds() -> Sequence[bytes]:
    return [encode_relay_frame(frame) for frame in (*FROM_CLIENT, *FROM_RELAY)]


def talk_to_relay(data: bytes) -> None:
    """A client says whatever it likes; bob, who is registered too, is not harmed by it."""
    office = Office.made()
    bob = office.come(BOBS_DEVICE, host="192.0.2.2")
    one = office.relay.open(ALICES_DEVICE, "192.0.2.1", now_s=0.0)
    for part in split_frames(data):
        if (frame := decode_relay_frame(part)) is not None:
            office.say(one, frame)
    assert office.relay.is_registered(BOBS_DEVICE) or id(bob) in office.ended
    assert office.relay.circuits.count <= limits.CIRCUITS_OF_PAIR_MAX
    assert office.relay.registered_count <= 2


def relay_talk_seeds() -> Sequence[bytes]:
    whole = [encode_relay_frame(frame) for frame in FROM_CLIENT]
    return [join_frames(whole), join_frames([whole[0], *whole[3:5] * 3])]


def hear_relay(data: bytes) -> None:
    """A relay says whatever it likes to a client that has asked a few questions."""
    talk = RelayTalk(token=b"", now_s=0.0)
    talk.register(b"card")
    talk.ask(lambda number: frames.Lookup(number, True, KEY), now_s=1.0)
    talk.ask(lambda number: frames.Call(number, BOBS_DEVICE), now_s=1.0)
    talk.ask(lambda number: frames.Fetch(number, KEY), now_s=1.0)
    talk.ask(lambda number: frames.Call(number, KEY), now_s=1.0)
    for part in split_frames(data):
        talk.receive(decode_relay_frame(part), now_s=1.0)
    talk.tick(now_s=2.0)


def heard_seeds() -> Sequence[bytes]:
    return [join_frames([encode_relay_frame(frame) for frame in FROM_RELAY])]


def read_letter(data: bytes) -> None:
    letter = open_letter(data, SEALING, ALICE.device.public, id=ID, cache=CapabilityCache())
    assert data in letter_seeds(), "a forged letter passes"
    assert (letter.device, letter.author) == (BOB.device_key, BOB.author)


@functools.cache
def letter_seeds() -> Sequence[bytes]:
    return [
        seal_letter(
            BOB.device,
            author=BOB.author,
            capability=BOB.config().capability,
            to=ALICE.device.public,
            sealing=sealing_key(SEALING),
            id=ID,
            kind=kind,
            text="dear alice",
            sent_us=LETTER_US,
        )
        for kind in ("text", "code")
    ]


def read_signed_letter(data: bytes) -> None:
    """The body alone: whoever attacks signs and seals what they like."""
    signed = cbor.encode([data, BOB.device.sign(LETTER_PREFIX + data)])
    sealed = seal_to(sealing_key(SEALING), signed)
    letter = open_letter(sealed, SEALING, ALICE.device.public, id=ID, cache=CapabilityCache())
    assert (letter.device, letter.author) == (BOB.device_key, BOB.author)


def letter_body_seeds() -> Sequence[bytes]:
    capability = BOB.config().capability
    head = [1, ALICE.device.public, ID, BOB.device.public, BOB.author, capability]
    return [cbor.encode([*head, kind, "dear alice", LETTER_US]) for kind in ("text", "code")]


def read_url(data: bytes) -> None:
    url = RelayUrl.parse(data.decode(errors="replace"))
    assert RelayUrl.parse(url.secret_text) == url


def url_seeds() -> Sequence[bytes]:
    return [
        b"relay://relay.example:4747?token=only%20friends",
        b"wss://z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp@relay.example/path",
        b"ws://[2001:db8::7]:80/",
    ]
