"""A sealed box opens for its receiver and for nobody else; a bad key or box is our own refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.boxes import SEALED_MORE_BYTES, open_sealed, seal_to, sealing_key
from crdt.errors import CrdtError, Malformed, Unauthorised

ALICE, BOB = bytes(range(32)), bytes(range(32, 64))
LOW_ORDER = (bytes(32), b"\1" + bytes(31), bytes.fromhex("ec" + "ff" * 30 + "7f"))


@given(st.binary(max_size=200))
def test_its_receiver_reads_it(data: bytes) -> None:
    box = seal_to(sealing_key(ALICE), data)
    assert len(box) == len(data) + SEALED_MORE_BYTES
    assert open_sealed(ALICE, box) == data


def test_two_boxes_of_the_same_are_not_alike() -> None:
    assert seal_to(sealing_key(ALICE), b"hello") != seal_to(sealing_key(ALICE), b"hello")


def test_nobody_else_reads_it_and_no_byte_can_be_altered() -> None:
    box = seal_to(sealing_key(ALICE), b"hello")
    with pytest.raises(Unauthorised):
        open_sealed(BOB, box)
    for at in range(len(box)):
        altered = box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]
        with pytest.raises(Unauthorised):
            open_sealed(ALICE, altered)


@pytest.mark.parametrize("key", [*LOW_ORDER, b"", bytes(31), bytes(33)])
def test_nothing_is_sealed_to_a_key_that_is_none(key: bytes) -> None:
    with pytest.raises(Malformed, match="sealing"):
        seal_to(key, b"hello")


@given(st.binary(max_size=120))
def test_any_bytes_are_refused_in_our_own_words(box: bytes) -> None:
    with pytest.raises(CrdtError):
        open_sealed(ALICE, box)
