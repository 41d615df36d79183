"""Numbers of Automerge bytes, as the Rust library reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.errors import Malformed
from crdt.leb128 import hashes, signed, take, uleb, unsigned
from tests.crdt.bombs import sleb


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3))
def test_unsigned_numbers_come_back(number: int, rest: bytes) -> None:
    encoded = uleb(number)
    assert unsigned(encoded + rest, 0) == (number, len(encoded))


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3))
def test_signed_numbers_come_back(number: int, rest: bytes) -> None:
    encoded = sleb(number)
    assert signed(encoded + rest, 0) == (number, len(encoded))


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"])
def test_numbers_over_64_bits_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        unsigned(data, 0)


def test_a_number_cut_short_is_an_index_error() -> None:
    for data in (b"", b"\x80", b"\xff\xff"):
        with pytest.raises(IndexError):
            unsigned(data, 0)


def test_pieces_are_as_long_as_they_say() -> None:
    assert take(b"abc", 1, 2) == (b"bc", 3)
    with pytest.raises(Malformed):
        take(b"abc", 2, 2)
    assert hashes(b"\x01" + b"h" * 32, 0, 1) == ((b"h" * 32,), 33)
    for data in (b"\x02" + b"h" * 64, b"\x01" + b"h" * 31, b"\x03" + bytes(96)):
        with pytest.raises(Malformed):
            hashes(data, 0, 2)
