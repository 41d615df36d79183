import math
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crdt.cbor import DEPTH_MAX, decode, encode
from crdt.encoding import U64_MAX
from crdt.errors import Malformed
from tests.crdt.strategies import flipped

BYTES_MAX = 1 << 20

scalars = st.one_of(
    st.integers(-(1 << 64), U64_MAX),
    st.integers(-300, 300),
    st.binary(max_size=300),
    st.text(max_size=60),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.floats(width=16, allow_nan=False),
)
keys = (st.text(max_size=30), st.binary(max_size=30), st.integers(0, U64_MAX))
plain: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=30),
        *(st.dictionaries(kind, inner, max_size=30) for kind in keys),
    ),
    max_leaves=40,
)


@given(plain)
def test_decoding_undoes_encoding(value: Any) -> None:  # noqa: ANN401 - any plain value
    assert decode(encode(value), bytes_max=BYTES_MAX) == value


@given(plain)
def test_another_library_reads_what_we_write(value: Any) -> None:  # noqa: ANN401 - any plain value
    assert cbor2.loads(encode(value)) == value


@given(st.binary(max_size=60))
@example(b"\x9f\xff")
@example(b"\xa2\x01\x00\x01\x00")
def test_whatever_is_accepted_is_the_one_encoding(data: bytes) -> None:
    with suppress(Malformed):
        assert encode(decode(data, bytes_max=BYTES_MAX)) == data


@given(plain, st.data())
def test_a_flipped_bit_is_refused_or_means_something_else(
    value: Any,  # noqa: ANN401 - any plain value
    data: st.DataObject,
) -> None:
    encoded = encode(value)
    changed = flipped(encoded, data.draw(st.integers(0, 8 * len(encoded) - 1)))
    with suppress(Malformed):
        assert encode(decode(changed, bytes_max=BYTES_MAX)) == changed != encoded


@given(plain, st.data())
def test_a_truncated_value_is_refused(value: Any, data: st.DataObject) -> None:  # noqa: ANN401 - any plain value
    encoded = encode(value)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    with pytest.raises(Malformed):
        decode(cut, bytes_max=BYTES_MAX)


# RFC 8949, appendix A
@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (23, "17"),
        (24, "1818"),
        (1000000000000, "1b000000e8d4a51000"),
        (U64_MAX, "1bffffffffffffffff"),
        (-(1 << 64), "3bffffffffffffffff"),
        (-1000, "3903e7"),
        (0.0, "f90000"),
        (-0.0, "f98000"),
        (1.5, "f93e00"),
        (65504.0, "f97bff"),
        (100000.0, "fa47c35000"),
        (3.4028234663852886e38, "fa7f7fffff"),
        (1.0e300, "fb7e37e43c8800759c"),
        (5.960464477539063e-8, "f90001"),
        (math.inf, "f97c00"),
        (-math.inf, "f9fc00"),
        (False, "f4"),
        (None, "f6"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("IETF", "6449455446"),
        ("\U00010151", "64f0908591"),
        ([1, [2, 3], [4, 5]], "8301820203820405"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
        (["a", {"b": "c"}], "826161a161626163"),
    ],
)
def test_the_examples_of_the_rfc(value: Any, encoded: str) -> None:  # noqa: ANN401 - any plain value
    assert encode(value).hex() == encoded
    again = decode(bytes.fromhex(encoded), bytes_max=100)
    assert (type(again), repr(again)) == (type(value), repr(value))  # repr: -0.0 is not 0.0


def test_there_is_one_nan() -> None:
    assert encode(math.nan).hex() == "f97e00"
    assert math.isnan(decode(b"\xf9\x7e\x00", bytes_max=3))


def test_keys_are_sorted_by_their_encoding() -> None:
    for value, order in (
        ({"z": 1, "aa": 2, "": 0}, ["", "z", "aa"]),
        ({256: 0, 100: 1, 10: 2}, [10, 100, 256]),
        ({b"z": 1, b"aa": 2}, [b"z", b"aa"]),
    ):
        assert list(decode(encode(value), bytes_max=100)) == order


@pytest.mark.parametrize(
    "value", [{"a": 1, 1: 2}, {b"a": 1, "a": 2}, {-1: 0}, {None: 0}, {1 << 64: 0}]
)
def test_keys_of_several_kinds_have_no_order_and_no_place(value: Any) -> None:  # noqa: ANN401 - any plain value
    with pytest.raises((TypeError, ValueError)):
        encode(value)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("truncated", ""),
        ("truncated", "5bffffffffffffffff"),  # 2^64 - 1 bytes
        ("truncated", "7b7fffffffffffffff00"),
        ("truncated", "9bffffffffffffffff"),
        ("truncated", "9a00100000" + "00" * 99),  # a million items in 99 bytes
        ("truncated", "bb7fffffffffffffff00"),  # twice this overflows 64 bits elsewhere
        ("truncated", "a1"),
        ("truncated", "19ff"),
        ("truncated", "fb00"),
        ("trailing-bytes", "0000"),
        ("too-deep", "81" * (DEPTH_MAX + 1) + "80"),
        ("too-deep", "81" * 100_000 + "80"),
        ("too-deep", "a100" * 5_000 + "00"),
        ("too-many-items", "9a00010000" + "80" * 65_536),
        ("too-many-items", "b98000" + "0000" * 32_768),
        ("tag", "c000"),
        ("tag", "c249010000000000000000"),  # a bignum
        ("tag", "d81c80"),  # a shared value, which could then contain itself
        ("tag", "d9d9f700"),  # self-described
        ("indefinite", "5f41004100ff"),
        ("indefinite", "7f6161ff"),
        ("indefinite", "9fff"),
        ("indefinite", "bfff"),
        ("indefinite", "1c"),
        ("indefinite", "5e"),
        ("simple", "ff"),
        ("simple", "f7"),  # undefined
        ("simple", "e0"),
        ("simple", "f820"),
        ("not-shortest", "1817"),
        ("not-shortest", "190018"),
        ("not-shortest", "1900ff"),
        ("not-shortest", "1a0000ffff"),
        ("not-shortest", "1b00000000ffffffff"),
        ("not-shortest", "3817"),
        ("not-shortest", "580141"),
        ("not-shortest", "780161"),
        ("not-shortest", "980100"),
        ("not-shortest", "b8010000"),
        ("not-shortest", "fa3fc00000"),  # 1.5
        ("not-shortest", "fb3ff8000000000000"),
        ("not-shortest", "f97e01"),  # another NaN
        ("not-shortest", "fa7fc00000"),
        ("not-utf8", "61ff"),
        ("not-utf8", "63eda080"),  # half a surrogate pair
        ("not-utf8", "62c080"),  # an overlong NUL
        ("key-order", "a200000000"),  # 0 twice
        ("key-order", "a201000000"),
        ("key-order", "a2626161006162 00"),
        ("key", "a1f400"),
        ("key", "a18000"),
        ("key", "a1f93e0000"),
        ("key", "a1c00000"),
    ],
)
def test_bombs_and_second_spellings_are_refused(code: str, data: str) -> None:
    with pytest.raises(Malformed, match="CBOR") as refusal:
        decode(bytes.fromhex(data), bytes_max=BYTES_MAX, items_max=65_535)
    assert refusal.value.code == f"cbor-{code}"


def test_more_bytes_than_allowed_are_not_read_at_all() -> None:
    with pytest.raises(Malformed) as refusal:
        decode(b"\xff" * 11, bytes_max=10)
    assert refusal.value.code == "cbor-too-long"


def test_limits_are_reached_exactly() -> None:
    nested: Any = []
    for _ in range(DEPTH_MAX - 1):
        nested = [nested]
    assert decode(encode(nested), bytes_max=DEPTH_MAX, items_max=DEPTH_MAX) == nested
    with pytest.raises(ValueError, match="deep"):
        encode([nested])


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, {1.5: 0}, {True: 0}, {None: 0}, [{()}]])
def test_what_is_not_plain_is_our_own_mistake(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("number", [1 << 64, -(1 << 64) - 1])
def test_larger_numbers_are_our_own_mistake(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        encode(number)
