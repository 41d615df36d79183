"""The doors of `universe`: statements and names that strangers wrote."""

from collections.abc import Sequence

from crdt import cbor
from registry.plain import as_map
from tests.registry.people import ALICE_LAPTOP
from tests.universe.passengers import (
    FOX,
    GATES,
    MEADOW,
    NO_ROOM,
    REEF,
    answered,
    key_of,
    sent,
)
from tests.universe.test_passage import PROPOSED, document, value
from tests.universe.worlds import FULL, PLAIN
from universe.gatebook import gatebook_of
from universe.gates import decode_hand_over, sign_hand_over
from universe.lines import Lines
from universe.names import parse_full_name, parse_universe_id
from universe.passage import half_of
from universe.receipts import decode_receipt, encode_receipt
from universe.snapshot import (
    decode_signed,
    decode_snapshot,
    encode_signed,
    encode_snapshot,
    sign_snapshot,
)


def read_snapshot(data: bytes) -> None:
    assert encode_snapshot(decode_snapshot(data)) == data


def snapshot_seeds() -> Sequence[bytes]:
    return [encode_snapshot(one) for one in (PLAIN, FULL)]


def read_signed_snapshot(data: bytes) -> None:
    signed = decode_signed(data)
    assert encode_signed(signed) == data
    decode_snapshot(signed.statement)


def signed_snapshot_seeds() -> Sequence[bytes]:
    return [encode_signed(sign_snapshot(one, ALICE_LAPTOP)) for one in (PLAIN, FULL)]


def read_universe_name(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    (parse_full_name if "/" in text else parse_universe_id)(text)


def universe_name_seeds() -> Sequence[bytes]:
    return [b"universe:main", PLAIN.universe.encode()]


def read_receipt(data: bytes) -> None:
    assert encode_receipt(decode_receipt(data)) == data


def receipt_seeds() -> Sequence[bytes]:
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    return [encode_receipt(one.receipt) for one in (left, refused)]


def read_hand_over(data: bytes) -> None:
    hand_over = decode_hand_over(data)
    assert hand_over.epoch >= 1


def hand_over_seeds() -> Sequence[bytes]:
    return [sign_hand_over(GATES[0].hand_over, key_of(101)).statement]


def read_passage(data: bytes) -> None:
    """The record of a passage, and the gate's book of a universe that says the same."""
    fields = as_map(cbor.decode(data, bytes_max=1 << 16)) or {}
    book = gatebook_of(document(PROPOSED), fields)
    assert not Lines(book.receipts, book.hand_overs)[MEADOW].receipts
    half = half_of(document(PROPOSED), fields)
    assert 0 <= half.stability <= 100


def passage_seeds() -> Sequence[bytes]:
    recall = {f"recall-{'00' * 32}": True, "00000001-0000000000000000": b"\x82\x40\x40"}
    return [cbor.encode(value(PROPOSED)), cbor.encode(value(PROPOSED) | {"gate": recall})]
