"""Pieces in frames: packed where it helps, and no bomb gets through."""

from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Part
from p2p.protocol.limits import RUN_BYTES_MAX
from p2p.protocol.pieces import is_packing_worth, pack, unpack

NOISE = Random(1).randbytes(100_000)
TEXT = b"a module is some text and some code, " * 3_000


def test_what_shrinks_is_packed_and_what_does_not_is_not() -> None:
    assert is_packing_worth(TEXT)
    data, plain_bytes = pack(TEXT)
    assert len(data) < len(TEXT) / 10
    assert unpack(Part(1, data, plain_bytes)) == TEXT
    assert not is_packing_worth(NOISE)
    assert pack(NOISE) == (NOISE, 0)
    assert unpack(Part(1, NOISE, 0)) == NOISE


def test_a_beginning_that_shrinks_of_something_that_does_not() -> None:
    data = TEXT[:16_384] + Random(2).randbytes(500_000)
    assert is_packing_worth(data)
    assert pack(data) == (data, 0)


def frame_of(data: bytes, *, is_sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=is_sized).compress(data)


@pytest.mark.parametrize(
    ("data", "plain_bytes"),
    [
        (frame_of(bytes(200_000_000)), RUN_BYTES_MAX),  # 18 KB that would be 200 MB
        (frame_of(bytes(200_000)), 100_000),
        (frame_of(bytes(100_000)), 200_000),
        (frame_of(bytes(100_000), is_sized=False), 100_000),
        (frame_of(TEXT)[:-3], len(TEXT)),
        (frame_of(TEXT) + b"more", len(TEXT)),
        (b"", 5),
        (b"no zstd at all", 5),
    ],
)
def test_what_is_not_what_it_says_is_the_peers_fault(data: bytes, plain_bytes: int) -> None:
    with pytest.raises(RemoteProtocolError, match="part-packed"):
        unpack(Part(1, data, plain_bytes))


def code_of(part: Part) -> str:
    """Why it is refused; empty where it unpacks to what it says."""
    try:
        assert len(unpack(part)) == part.plain_bytes
    except RemoteProtocolError as error:
        return error.code
    return ""


@given(st.binary(max_size=200), st.integers(1, RUN_BYTES_MAX))
def test_any_bytes_unpack_to_what_they_say_or_are_refused(data: bytes, plain_bytes: int) -> None:
    assert code_of(Part(1, data, plain_bytes)) in ("", "part-packed")


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8))
def test_bytes_laid_over_an_honest_frame(at: int, over: bytes) -> None:
    honest = frame_of(TEXT)
    data = honest[:at] + over + honest[at + len(over) :]
    assert code_of(Part(1, data, len(TEXT))) in ("", "part-packed")
