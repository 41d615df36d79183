"""Finding each other in a public table (a DHT) under names that only those who know them compute.

    slot key = BLAKE3 derive_key("panspermia 2026-11 discovery slot")(name 32 ‖ day u32 ‖ slot u8)
               64 bytes: the seed of an Ed25519 key pair ‖ the key of a secretbox
    value    = nonce 24 ‖ secretbox(length u16 ‖ card ‖ zeros), always 942 bytes

`name` is the key of a namespace, or a well-known one for relays. To whoever does not know it, the
public keys of the slots are random, differ from slot to slot and day to day, and the values are
noise of one length. Everybody who knows the name can write every slot: what is found is worth what
the card in it is worth. docs/protocol/discovery.md is the specification.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3
from nacl.bindings import crypto_secretbox, crypto_secretbox_open
from nacl.exceptions import CryptoError

from crdt.ed25519 import SEED_BYTES, SigningKey
from p2p.protocol.card import Card
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError

SLOT_CONTEXT = "panspermia 2026-11 discovery slot"
SALT = b"panspermia"  # BEP 44 keeps items of one key apart by it
RELAYS = blake3(b"panspermia relays").digest()
"""The name under which relays that serve anybody are found."""
SLOTS = 8  # enough to meet somebody; whoever meets one is told of others by peer exchange
DAY_US = 86_400_000_000
CLOCKS_APART_US = 3_600_000_000  # around midnight both days are looked at
NONCE_BYTES = 24
SEALED_CARD_BYTES_MAX = 900
VALUE_BYTES = NONCE_BYTES + 16 + 2 + SEALED_CARD_BYTES_MAX  # BEP 44 takes 1,000, bencoded
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of the table: who knows the name writes and reads it."""

    number: int
    key: SigningKey
    secret: bytes

    @property
    def public(self) -> bytes:
        return self.key.public


def days(now_us: int) -> tuple[int, ...]:
    """The day, since 1970 and in UTC; around midnight both of them."""
    around = (now_us - CLOCKS_APART_US, now_us + CLOCKS_APART_US)
    return tuple(sorted({max(0, at_us) // DAY_US for at_us in around}))


def slots(name: bytes, day: int) -> tuple[Slot, ...]:
    """The places where those who know `name` leave their cards on this day."""
    found: list[Slot] = []
    for number in range(SLOTS):
        told = name + day.to_bytes(4, "big") + bytes([number])
        derived = blake3(told, derive_key_context=SLOT_CONTEXT).digest(length=64)
        found.append(Slot(number, SigningKey(derived[:SEED_BYTES]), derived[SEED_BYTES:]))
    return tuple(found)


def seal_card(slot: Slot, card: bytes, *, nonce: bytes) -> bytes:
    """What is put into the slot; `nonce` is random and used once.

    Raises `LocalProtocolError` for a card that is too long: sign one with fewer places.
    """
    if len(card) > SEALED_CARD_BYTES_MAX:
        raise LocalProtocolError("card-long", f"a card of {len(card)} bytes fits no slot")
    padded = len(card).to_bytes(_LENGTH_BYTES, "big") + card.ljust(SEALED_CARD_BYTES_MAX, b"\0")
    return nonce + crypto_secretbox(padded, nonce, slot.secret)


def open_card(slot: Slot, value: bytes) -> bytes:
    """The bytes of a card, which are to be checked yet. Raises `RemoteProtocolError`."""
    if len(value) != VALUE_BYTES:
        raise RemoteProtocolError("record-bytes", f"a record of {len(value)} bytes was found")
    try:
        padded = crypto_secretbox_open(value[NONCE_BYTES:], value[:NONCE_BYTES], slot.secret)
    except CryptoError as error:
        raise RemoteProtocolError("record-bytes", "a record does not open") from error
    length = int.from_bytes(padded[:_LENGTH_BYTES], "big")
    card, rest = padded[_LENGTH_BYTES:][:length], padded[_LENGTH_BYTES + length :]
    if length > SEALED_CARD_BYTES_MAX or any(rest):
        raise RemoteProtocolError("record-bytes", "a record is not padded by zeros")
    return card


def choose_slot(found: Mapping[int, Card], device: bytes, *, day: int) -> int | None:
    """Which slot this device writes: its own of before, else a free one, else none.

    `found`: the slots in which there is a valid card. Where all are full there are peers to be met.
    """
    mine = [number for number, card in sorted(found.items()) if card.device == device]
    if mine:
        return mine[0]
    first = blake3(device + day.to_bytes(4, "big")).digest()[0] % SLOTS
    order: Sequence[int] = [(first + step) % SLOTS for step in range(SLOTS)]
    return next((number for number in order if number not in found), None)
