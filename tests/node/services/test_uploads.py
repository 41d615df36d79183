"""A body that is decoded as it comes: in pieces worth the work that each of them makes."""

import gzip
from collections.abc import AsyncGenerator, Callable

import pytest
import zstandard
from blake3 import blake3

from node.errors import Rejected
from node.services.uploads import STEP_BYTES, Gzip, Tally, Zstd, counted

ARRIVES_BYTES = 64 << 10
NOISE = blake3(b"a world in floats").digest(length=3 << 20)


async def arriving(body: bytes) -> AsyncGenerator[bytes]:
    for at in range(0, len(body), ARRIVES_BYTES):
        yield body[at : at + ARRIVES_BYTES]


def in_frames(data: bytes) -> bytes:
    """Each of them ends in the middle of what arrives at once."""
    size = 10_000
    return b"".join(zstandard.compress(data[at : at + size]) for at in range(0, len(data), size))


def in_members(data: bytes) -> bytes:
    """Each of a few bytes, and most of it nothing but their heads."""
    return b"".join(gzip.compress(data[at : at + 2], 1) for at in range(0, 20_000, 2))


async def test_gzip_of_many_members_is_no_more_pieces_than_came() -> None:
    body = in_members(NOISE)
    plain = [one async for one in counted(arriving(body), "gzip", Tally())]
    assert b"".join(plain) == NOISE[:20_000]
    assert len(plain) <= len(body) // ARRIVES_BYTES + 1


async def test_gzip_that_swells_comes_in_steps_and_whole() -> None:
    state = NOISE[:1_000] * 700
    body = gzip.compress(state) + gzip.compress(state[:5]) + gzip.compress(state)
    plain = [one async for one in counted(arriving(body), "gzip", Tally())]
    assert b"".join(plain) == state + state[:5] + state
    assert max(map(len, plain)) == STEP_BYTES
    assert len(plain) == 2 * len(state) // STEP_BYTES + 1


@pytest.mark.parametrize(
    ("encoding", "whole"), [("gzip", gzip.compress(NOISE)), ("zstd", zstandard.compress(NOISE))]
)
async def test_what_raised_holds_no_window_and_no_body(encoding: str, whole: bytes) -> None:
    """An error holds all that it went through, for as long as it is told."""
    closed = list[str]()

    async def breaks() -> AsyncGenerator[bytes]:
        try:
            yield whole[:1_000_000]
            yield b"nothing of the kind" * 10_000
        finally:
            closed.append("the body")

    came = breaks()
    with pytest.raises(Rejected) as raised:
        [one async for one in counted(came, encoding, Tally())]
    assert closed == ["the body"]
    inside = [each.frame.f_locals.get("inflater") for each in raised.traceback]
    (inflater,) = [one for one in inside if isinstance(one, Gzip | Zstd)]
    assert b"".join(inflater.push(whole)) == NOISE, "as if it had never been given anything"


@pytest.mark.parametrize("pack", [zstandard.compress, in_frames])
async def test_zstd_of_what_cannot_be_packed_is_no_more_pieces_than_came(
    pack: Callable[[bytes], bytes],
) -> None:
    """It holds such bytes as they are, and gives of them what it is given, a little at a time."""
    body, tally = pack(NOISE), Tally()
    plain = [one async for one in counted(arriving(body), "zstd", tally)]
    assert b"".join(plain) == NOISE
    assert len(plain) <= len(body) // ARRIVES_BYTES + 1
    assert tally.checksum == blake3(NOISE).digest()


async def test_of_what_swells_no_piece_is_large() -> None:
    state = b"".join(bytes(50_000) + NOISE[at : at + 500] for at in range(0, 200_000, 500))
    body = zstandard.compress(state)
    assert len(body) < STEP_BYTES < len(state)
    plain = [one async for one in counted(arriving(body), "zstd", Tally())]
    assert b"".join(plain) == state
    assert max(map(len, plain)) <= STEP_BYTES


async def test_zstd_of_a_larger_window_than_http_allows_is_refused_with_what_to_do() -> None:
    packer = zstandard.ZstdCompressor(level=20).compressobj()
    wide = packer.compress(NOISE) + packer.flush()
    with pytest.raises(Rejected, match="level 19 or below"):
        [one async for one in counted(arriving(wide), "zstd", Tally())]
    packer = zstandard.ZstdCompressor(level=19).compressobj()
    allowed = packer.compress(NOISE) + packer.flush()
    plain = [one async for one in counted(arriving(allowed), "zstd", Tally())]
    assert b"".join(plain) == NOISE
