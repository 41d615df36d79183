"""What both sides derive from the secret of an invite, and what each proves with it.

    key        = argon2id(secret, 3 passes, 64 MiB)          so that sixty bits are not guessed
    sign       = BLAKE3 keyed (key, "panspermia-invite-sign:")    what the LAN hears: 12 bytes
    tag        = … "panspermia-invite-tag:"                       which invite is meant: 16 bytes
    meeting    = … "panspermia-invite-meeting:"                   the place at a relay: 32 bytes
    proofs     = … "panspermia-invite-accepter:" or "…-inviter:" ‖ handshake hash ‖ device

None of them can be computed from another, and a proof holds on one channel, from one device only.
Whoever is called by mistake gets a proof from which to guess the secret, one argon2id for each of
2^60: that is why the key is slow.
"""

import hmac
from dataclasses import dataclass, field
from typing import Annotated, Final

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct
from nacl.bindings import (
    crypto_pwhash_alg,
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_secretbox,
    crypto_secretbox_open,
)
from nacl.exceptions import CryptoError

from crdt import cbor
from crdt.errors import Malformed
from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Key
from p2p.protocol.invites.link import LINK_PLACE_CHARACTERS_MAX, LINK_PLACES_MAX, LINK_RELAYS_MAX

KEY_BYTES: Final = 32
SIGN_BYTES: Final = 12
TAG_BYTES: Final = 16
MEETING_BYTES: Final = 32
PROOF_BYTES: Final = 32
STRETCH_PASSES: Final = 3
STRETCH_MEMORY_BYTES: Final = 64 << 20
"""About 0.15 s of a core for one who types a code, and as much for each guess."""

SALT: Final = b"panspermia-invite-salt:"
SIGN: Final = b"panspermia-invite-sign:"
TAG: Final = b"panspermia-invite-tag:"
MEETING: Final = b"panspermia-invite-meeting:"
SEALING: Final = b"panspermia-invite-sealing:"
ACCEPTER: Final = b"panspermia-invite-accepter:"
INVITER: Final = b"panspermia-invite-inviter:"

WHEREABOUTS_BYTES_MAX = 4 << 10
"""As much as a relay keeps under one tag."""
WHEREABOUTS_VERSION: Final = 1
NONCE_BYTES: Final = 24

_Text = Annotated[
    str, Meta(min_length=1, max_length=LINK_PLACE_CHARACTERS_MAX, pattern=r"^[!-~]+\Z")
]


class _Whereabouts(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    device: Key
    places: Annotated[tuple[_Text, ...], Meta(max_length=LINK_PLACES_MAX)]
    relays: Annotated[tuple[_Text, ...], Meta(max_length=LINK_RELAYS_MAX)]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the maker of an invite can be called, as it told those who know the secret."""

    device: DeviceKey | None
    """None where nobody said: then only the proofs tell."""
    places: tuple[str, ...]
    relays: tuple[str, ...] = field(default=(), repr=False)
    """Of a link perhaps with tokens, which are secrets."""


def stretch(secret: bytes) -> bytes:
    """The key of an invite. Takes a while and 64 MiB: not for the event loop."""
    salt = blake3(SALT).digest()[:16]
    return crypto_pwhash_alg(
        KEY_BYTES, secret, salt, STRETCH_PASSES, STRETCH_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13
    )


def sign_of(key: bytes) -> bytes:
    """What mDNS announces among fillers."""
    return _derived(key, SIGN)[:SIGN_BYTES]


def tag_of(key: bytes) -> bytes:
    """By which whoever made the invite finds it."""
    return _derived(key, TAG)[:TAG_BYTES]


def meeting_of(key: bytes) -> bytes:
    """Under which a relay keeps the whereabouts."""
    return _derived(key, MEETING)


def accepters_proof(key: bytes, *, handshake_hash: bytes, device: bytes) -> bytes:
    """That `device`, which accepts, knows the secret."""
    return _derived(key, ACCEPTER + handshake_hash + device)


def inviters_proof(key: bytes, *, handshake_hash: bytes, device: bytes) -> bytes:
    """That `device`, which invites, knows the secret."""
    return _derived(key, INVITER + handshake_hash + device)


def is_same(one: bytes, other: bytes) -> bool:
    """In the same time, whatever they are."""
    return hmac.compare_digest(one, other)


def seal_whereabouts(key: bytes, whereabouts: Whereabouts, *, nonce: bytes) -> bytes:
    """At most `WHEREABOUTS_BYTES_MAX`: the last places are left out where there is no room."""
    assert whereabouts.device is not None
    places, relays = (
        list(whereabouts.places[:LINK_PLACES_MAX]),
        list(whereabouts.relays[:LINK_RELAYS_MAX]),
    )
    body = cbor.encode([WHEREABOUTS_VERSION, whereabouts.device, places, relays])
    sealed = nonce + crypto_secretbox(body, nonce, _derived(key, SEALING))
    assert len(sealed) <= WHEREABOUTS_BYTES_MAX
    return sealed


def open_whereabouts(key: bytes, sealed: bytes) -> Whereabouts:
    """What a relay gave. Raises `RemoteProtocolError` where no inviter of this secret made it."""
    try:
        if not NONCE_BYTES < len(sealed) <= WHEREABOUTS_BYTES_MAX:
            raise Malformed("truncated", "of a length that none has")
        nonce, box = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        body = crypto_secretbox_open(box, nonce, _derived(key, SEALING))
        plain: object = cbor.decode(
            body, bytes_max=WHEREABOUTS_BYTES_MAX, items_max=64, depth_max=2
        )
        said = msgspec.convert(plain, _Whereabouts, builtin_types=(bytes,))
    except (CryptoError, Malformed, msgspec.ValidationError) as error:
        sentence = "what a relay kept for this invite is not from who made it"
        raise RemoteProtocolError("invite-whereabouts", sentence) from error
    if said.version != WHEREABOUTS_VERSION:
        sentence = "who made the invite speaks another version"
        raise RemoteProtocolError("invite-whereabouts", sentence)
    return Whereabouts(DeviceKey(said.device), said.places, said.relays)


def _derived(key: bytes, what: bytes) -> bytes:
    return blake3(what, key=key).digest()
