"""Cards: what a device says of itself, signed, for others to pass on: where it can be called.

    card = CBOR [body, signature 64]      signature by the device key over "panspermia-card:" ‖ body
    body = CBOR [1, device 32, author 32, capability, [place …], [relay …], sealing key 32,
                 issued_us, until_us]

A card is a hint. Its signature says that the device once gave these places and this sealing key;
who is there now, only a handshake shows. Of two cards of one device the later issued counts.
docs/protocol/cards.md is the specification.
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from crdt.boxes import seal_to
from crdt.capability import CapabilityCache
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError, Malformed
from crdt.keys import AuthorKey, DeviceKey
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.protocol.frames import CapabilityBytes, Count, Key
from p2p.protocol.greeting import speaks_for
from p2p.protocol.limits import CARD_BYTES_MAX
from p2p.protocol.signed import SignedBody, read_body, sign_body

CARD_PREFIX = b"panspermia-card:"
CARD_VERSION = 1
CARD_ITEMS_MAX = 64  # CBOR items: the fullest has 36
CARD_PLACES_MAX = 16
CARD_RELAYS_MAX = 8
CARD_PLACE_CHARACTERS_MAX = 256
CARD_LIFE_S_MAX = 7 * 86_400  # whoever moved is not called at the old place for longer
CARD_AHEAD_S_MAX = 3_600  # by which the clock of whoever issued it may be ahead of ours

SECOND_US = 1_000_000

# Printable, without spaces and without "?": what follows a question mark may be a relay's token.
PlaceText: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=CARD_PLACE_CHARACTERS_MAX, pattern=r"^[!->@-~]+\Z")
]


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    device: Key
    author: Key
    capability: CapabilityBytes
    places: Annotated[tuple[PlaceText, ...], Meta(max_length=CARD_PLACES_MAX)]
    relays: Annotated[tuple[PlaceText, ...], Meta(max_length=CARD_RELAYS_MAX)]
    sealing: Key
    issued_us: Count
    until_us: Count


@dataclass(frozen=True, slots=True)
class Card:
    """A card that was checked, and the bytes that say it."""

    device: DeviceKey
    author: AuthorKey
    places: tuple[str, ...]  # as text, the likeliest first; p2p.transport.place reads them
    relays: tuple[str, ...]
    sealing: bytes  # the X25519 key to which others seal letters for this device
    issued_us: int  # Unix time
    until_us: int
    encoded: bytes

    def is_fresh(self, *, now_us: int) -> bool:
        """Whether it may still be used and passed on."""
        return now_us < self.until_us


def sign_card(
    device: SigningKey,
    *,
    author: AuthorKey,
    capability: bytes,
    places: tuple[str, ...],
    relays: tuple[str, ...],
    sealing: bytes,
    issued_us: int,
    until_us: int,
) -> bytes:
    """The card of this device. `capability` lets it write a class of the author's subspace.

    Raises `LocalProtocolError` for what no reader would take.
    """
    body = _Body(
        CARD_VERSION, device.public, author, capability, places, relays, sealing,
        issued_us, until_us,
    )  # fmt: skip
    card = sign_body(body, device, CARD_PREFIX)
    try:
        check_card(card, CapabilityCache(), now_us=issued_us)
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.code, f"Not a card: {error.sentence}") from error
    return card


def check_card(data: bytes, cache: CapabilityCache, *, now_us: int) -> Card:
    """The card, where every rule holds at `now_us` (Unix time).

    Raises `RemoteProtocolError` for any other bytes. The cheap checks come first: a stranger's
    bytes cost one signature, and those of a capability not seen before.
    """
    signed = _decode(data)
    body = signed.body
    _check_times(body, now_us)
    if not signed.is_signed_by(body.device, CARD_PREFIX):
        raise RemoteProtocolError("card-signature", "a card is not signed by its device")
    try:
        capability = cache.get(body.capability)
        seal_to(body.sealing, b"")
    except CrdtError as error:
        raise RemoteProtocolError(error.code, f"a card is refused: {error.detail}") from error
    if not speaks_for(capability, body.author) or capability.receiver != body.device:
        raise RemoteProtocolError("card-author", "a card names an author who gave it no right")
    return Card(
        DeviceKey(body.device),
        AuthorKey(body.author),
        body.places,
        body.relays,
        body.sealing,
        body.issued_us,
        body.until_us,
        data,
    )


def _decode(data: bytes) -> SignedBody[_Body]:
    try:
        signed = read_body(
            data, _Body, bytes_max=CARD_BYTES_MAX, items_max=CARD_ITEMS_MAX, depth_max=2
        )
    except (Malformed, msgspec.ValidationError) as error:
        raise RemoteProtocolError("card-bytes", f"a card cannot be read: {error}") from error
    if signed.body.version != CARD_VERSION:
        raise RemoteProtocolError("card-version", f"a card is of version {signed.body.version}")
    return signed


def _check_times(body: _Body, now_us: int) -> None:
    life_us = body.until_us - body.issued_us
    if not 0 < life_us <= CARD_LIFE_S_MAX * SECOND_US:
        raise RemoteProtocolError("card-life", "a card lasts no time at all, or too long")
    if body.issued_us > now_us + CARD_AHEAD_S_MAX * SECOND_US:
        raise RemoteProtocolError("card-ahead", "a card was issued in the future")
    if now_us >= body.until_us:
        raise RemoteProtocolError("card-over", "a card has run out")
