"""The doors of live invites: what people type, what links and relays say, frames of strangers."""

from collections.abc import Sequence

from blake3 import blake3
from nacl.bindings import crypto_secretbox

from crdt import cbor
from crdt.capability import CapabilityCache
from crdt.keys import DeviceKey
from p2p.protocol.frames import Bye
from p2p.protocol.invites import frames, keys
from p2p.protocol.invites.accepting import Accepting
from p2p.protocol.invites.code import ALPHABET, read_code, write_code
from p2p.protocol.invites.link import LINK_PREFIX, Link, read_link, write_link
from tests.fuzz.p2p_doors import CARD_ISSUED_US, card_seeds
from tests.simulation.people import ALICE, BOB

SECRET = bytes.fromhex("0123456789abcdef")
KEY, HASH, NONCE = bytes(range(32)), bytes([7]) * 32, bytes(24)
ALICES = DeviceKey(ALICE.device.public)
BOBS = DeviceKey(BOB.device.public)
LINK = Link(SECRET, ALICES, ("10.0.0.7:4747", "wss://a.example/p"), ("relay://r.example:4747",))


def read_short_code(data: bytes) -> None:
    secret = read_code(data.decode("utf-8", "surrogateescape"))
    assert read_code(write_code(secret)) == secret


def code_seeds() -> Sequence[bytes]:
    return [write_code(SECRET).encode(), write_code(bytes(8)).lower().encode()]


def read_any_link(data: bytes) -> None:
    link = read_link(data.decode("utf-8", "surrogateescape"))
    assert read_link(write_link(link)) == link


def link_seeds() -> Sequence[bytes]:
    return [write_link(LINK).encode(), write_link(LINK).upper().encode()]


def read_body_of_link(data: bytes) -> None:
    """With the check before it, which a forger writes as well as we."""
    whole = blake3(data).digest()[:4] + data
    size = -(-8 * len(whole) // 5)
    number = int.from_bytes(whole, "big") << 5 * size - 8 * len(whole)
    text = "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(size)))
    link = read_link(LINK_PREFIX + text)
    assert read_link(write_link(link)) == link


def body_seeds() -> Sequence[bytes]:
    return [cbor.encode([1, SECRET, ALICES, list(LINK.places), list(LINK.relays)])]


def read_frame(data: bytes) -> None:
    frame = frames.decode_invite_frame(data)
    assert frames.decode_invite_frame(frames.encode_invite_frame(frame)) == frame


def frame_seeds() -> Sequence[bytes]:
    said: tuple[frames.InviteFrame, ...] = (
        frames.Redeem(bytes(16), bytes(32)),
        frames.Offer(bytes(32), b"card", b"terms"),
        frames.Confirm(b"card", bytes(32), "bob"),
        frames.Given((b"right",), None),
        frames.Given((), bytes(32)),
        Bye("taken", "It is kept."),
    )
    return [frames.encode_invite_frame(one) for one in said]


def hear_offer(data: bytes) -> None:
    """From somebody who knows the secret, and lies about all else."""
    alice = Accepting(KEY, HASH, ALICES, BOBS)
    offered = alice.hear_offer(data, CapabilityCache(), now_us=CARD_ISSUED_US)
    assert offered.card.device == BOBS


def offer_seeds() -> Sequence[bytes]:
    proof = keys.inviters_proof(KEY, handshake_hash=HASH, device=BOBS)
    offers = [frames.Offer(proof, card, b"terms") for card in card_seeds()]
    return [*map(frames.encode_invite_frame, offers), *frame_seeds()]


def read_whereabouts(data: bytes) -> None:
    """Sealed by somebody who knows the secret."""
    sealing = blake3(keys.SEALING, key=KEY).digest()
    found = keys.open_whereabouts(KEY, NONCE + crypto_secretbox(data, NONCE, sealing))
    assert len(found.places) <= 8


def whereabouts_seeds() -> Sequence[bytes]:
    return [cbor.encode([1, ALICES, list(LINK.places), list(LINK.relays)])]
