import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.encoding import U64_MAX, Reader, c64, read_c64
from crdt.errors import Malformed


@pytest.mark.parametrize(
    ("number", "tag_bits", "tag", "rest"),
    [
        (0, 2, 0, "00"),  # each of the four tags of two bits says that bytes follow
        (1, 2, 0, "01"),
        (11, 4, 11, ""),
        (12, 4, 12, "0c"),
        (251, 8, 251, ""),
        (252, 8, 252, "fc"),
        (256, 8, 253, "0100"),
        (1 << 16, 8, 254, "00010000"),
        (1 << 32, 8, 255, "0000000100000000"),
        (U64_MAX, 8, 255, "ff" * 8),
    ],
)
def test_compact_numbers_take_the_smallest_tag(
    number: int, tag_bits: int, tag: int, rest: str
) -> None:
    assert c64(number, tag_bits) == (tag, bytes.fromhex(rest))


@given(st.integers(0, U64_MAX), st.sampled_from([2, 4, 6, 8]))
def test_reading_a_compact_number_undoes_writing_it(number: int, tag_bits: int) -> None:
    tag, rest = c64(number, tag_bits)
    reader = Reader(rest)

    assert tag < 1 << tag_bits
    assert read_c64(reader, tag, tag_bits) == number
    reader.finish()


@pytest.mark.parametrize("number", [-1, U64_MAX + 1])
def test_a_number_that_is_no_u64_is_our_own_mistake(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        c64(number, 8)


def test_a_reader_says_where_the_bytes_ended() -> None:
    reader = Reader(b"abc", 1)
    assert reader.take(1) == b"b"

    with pytest.raises(Malformed, match="2 bytes wanted at byte 2, 1 left") as refusal:
        reader.take(2)
    assert refusal.value.code == "truncated"
    assert reader.byte() == ord("c")
    with pytest.raises(Malformed, match="truncated"):
        reader.byte()


def test_a_reader_refuses_what_is_left_over() -> None:
    with pytest.raises(Malformed, match="2 bytes left over at byte 0") as refusal:
        Reader(b"ab").finish()
    assert refusal.value.code == "trailing-bytes"


def test_a_huge_claim_allocates_nothing() -> None:
    with pytest.raises(Malformed):
        Reader(b"ab").take(1 << 62)
