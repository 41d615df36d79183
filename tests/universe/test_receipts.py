from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.blob import BlobId
from registry.errors import InvalidStatement
from tests.registry.people import ALICE_DID
from tests.universe.passengers import FOX, GATES, MEADOW, PASSAGE, REEF, key_of, sent
from universe.gates import HandOver, Last, check_hand_over, decode_hand_over, sign_hand_over
from universe.receipts import (
    INLINE_BYTES_MAX,
    Receipt,
    Signed,
    Traveller,
    Who,
    check_receipt,
    decode_receipt,
    decode_signed,
    encode_receipt,
    encode_signed,
    id_of,
    sign_receipt,
)

LEFT = sent(FOX, MEADOW, REEF).receipt


def test_a_receipt_is_read_back_as_it_was_signed() -> None:
    key = key_of(101)
    signed = sign_receipt(LEFT, key)
    assert decode_receipt(signed.statement) == LEFT
    again = decode_signed(encode_signed(signed))
    assert again == signed
    assert check_receipt(again).receipt == LEFT
    assert check_receipt(again).id == id_of(LEFT)


def test_a_hand_over_has_one_statement_for_good() -> None:
    id = "095cd149bb256ea7359d85c979937fb59bdc077a6ae19f62331aad1663fd0d74"
    assert GATES[0].id.hex() == id  # what was signed before is still what is named


def test_what_another_key_signed_is_no_receipt_of_the_gate() -> None:
    said = encode_receipt(LEFT)
    with pytest.raises(InvalidStatement, match="signature"):
        check_receipt(Signed(said, key_of(99).sign(said)))


ANSWER = replace(LEFT, kind="arrival", traveller=FOX.told, answers=id_of(LEFT))


@pytest.mark.parametrize(
    "receipt",
    [
        replace(LEFT, kind="birth"),
        replace(LEFT, tick=-1),
        replace(LEFT, at_us=1 << 62),
        replace(LEFT, seq=0),
        replace(LEFT, seq=2),  # the first has none before it, any other has
        replace(LEFT, prev=bytes([1]) * 32),
        replace(LEFT, epoch=0),
        replace(LEFT, gate=b"short"),
        replace(LEFT, migration=b"short"),
        replace(LEFT, other=MEADOW),
        replace(LEFT, other="universe:reef"),
        replace(LEFT, passage="passage:1"),
        replace(LEFT, answers=bytes(32)),
        replace(LEFT, reason="because"),
        replace(LEFT, traveller=FOX.told),
        replace(LEFT, traveller=replace(FOX, inline=b"another")),
        replace(LEFT, traveller=replace(FOX, size=0)),
        replace(LEFT, traveller=replace(FOX, blob=BlobId(bytes(32)))),
        replace(LEFT, traveller=replace(FOX, format="JSON")),
        replace(LEFT, traveller=replace(FOX, who=Who(MEADOW, " "))),
        replace(LEFT, traveller=replace(FOX, who=Who(MEADOW, "a\nb"))),
        replace(LEFT, traveller=replace(FOX, who=Who("meadow", "fox"))),
        replace(LEFT, traveller=Traveller.of(FOX.who, b"x" * (INLINE_BYTES_MAX + 1), "json")),
        replace(ANSWER, answers=None),
        replace(ANSWER, traveller=FOX),
        replace(ANSWER, kind="refusal", reason="x" * 201),
    ],
)
def test_what_nobody_would_read_is_not_signed(receipt: Receipt) -> None:
    with pytest.raises(InvalidStatement):
        encode_receipt(receipt)


def test_a_receipt_has_one_encoding() -> None:
    said = cbor.decode(encode_receipt(ANSWER), bytes_max=1 << 16)
    for spelled in ({"reason": ""}, {"more": 1}, {"tick": "1"}, {"type": "panspermia.receipt/2"}):
        with pytest.raises(InvalidStatement):
            decode_receipt(cbor.encode(said | spelled))


def test_the_largest_traveller_fits_one_change() -> None:
    big = Traveller.of(
        Who(f"{ALICE_DID}/{'u' * 128}", "s" * 128), b"x" * INLINE_BYTES_MAX, "f" * 32
    )
    receipt = replace(LEFT, other=f"{ALICE_DID}/{'v' * 128}", traveller=big, tick=(1 << 63) - 1)
    assert decode_receipt(encode_receipt(receipt)) == receipt


@given(st.binary(max_size=200))
def test_any_bytes_are_a_receipt_or_refused(data: bytes) -> None:
    for read in (decode_receipt, decode_hand_over, decode_signed):
        with pytest.raises(InvalidStatement):
            read(data)


def test_a_hand_over_is_read_back_and_is_its_devices() -> None:
    key = key_of(5)
    first = GATES[0]
    last = Last(3, bytes([7]) * 32)
    said = HandOver(MEADOW, 2, key_of(6).public, key.public, first.id, last, at_us=5)
    signed = sign_hand_over(said, key)
    assert check_hand_over(signed).hand_over == said
    with pytest.raises(InvalidStatement):
        check_hand_over(Signed(signed.statement, key_of(6).sign(signed.statement)))
    for wrong in (
        replace(said, epoch=0),
        replace(said, epoch=1),
        replace(said, epoch=257),
        replace(said, last=Last(3)),
        replace(said, gate=b"x"),
        replace(said, universe=PASSAGE[:20]),
        replace(said, at_us=-1),
    ):
        with pytest.raises(InvalidStatement):
            sign_hand_over(wrong, key)
