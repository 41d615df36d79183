"""Deltas: what was written comes out again, and nothing else costs more than it may."""

from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crdt.delta import (
    BASE_BYTES_MAX,
    BLOCK_BYTES_MAX,
    DATA_BYTES_MAX,
    Decoder,
    decode,
    encode,
)
from crdt.errors import Malformed

OLD = Random(1).randbytes(40_000)
NEW = OLD[:9_000] + b"a death, and then a birth" + OLD[9_430:]
DICTIONARY_MAGIC = bytes.fromhex("37a430ec")  # a base may begin like a dictionary with tables


def noise(seed: int, size: int) -> bytes:
    return Random(seed).randbytes(size)


data = st.binary(max_size=2_000) | st.builds(noise, st.integers(), st.integers(0, 30_000))


def refused(encoded: bytes, base: bytes, size: int) -> bool:
    """Whether it is; what is not has the size that was asked for."""
    try:
        taken = decode(encoded, base, size)
    except Malformed as refusal:
        return refusal.code == "blob-delta"
    assert len(taken) == size
    return False


@given(data, data)
def test_decode_undoes_encode(data: bytes, base: bytes) -> None:
    assert decode(encode(data, base), base, len(data)) == data
    assert decode(encode(data, base + data), base + data, len(data)) == data
    magic = DICTIONARY_MAGIC + base
    assert decode(encode(data, magic), magic, len(data)) == data


@given(st.lists(data, max_size=6), data)
def test_a_base_may_come_in_pieces(pieces: list[bytes], data: bytes) -> None:
    decoder = Decoder()  # one for all of them, as whoever reads a snapshot has it
    base = b"".join([*pieces, data])
    for what in (data, base[-DATA_BYTES_MAX:], data):
        assert decoder.decode(encode(what, base), [*pieces, data], len(what)) == what


def test_a_base_may_be_longer_than_a_block_of_a_frame() -> None:
    base = Random(3).randbytes(3 * BLOCK_BYTES_MAX)
    for size in (BLOCK_BYTES_MAX - 1, BLOCK_BYTES_MAX, BLOCK_BYTES_MAX + 1, len(base)):
        data = base[size - 20_000 : size]
        encoded = encode(data, base[:size])
        assert len(encoded) < 50
        assert decode(encoded, base[:size], len(data)) == data


def test_what_follows_a_delta_is_refused() -> None:
    encoded = encode(NEW[:20_000], OLD)
    assert not refused(encoded, OLD, 20_000)
    for more in (b"\0", encoded, zstandard.ZstdCompressor().compress(b"")):
        assert refused(encoded + more, OLD, 20_000)
    for size in range(len(encoded)):
        assert refused(encoded[:size], OLD, 20_000)


def test_what_changed_little_takes_little() -> None:
    assert len(encode(NEW[5_000:25_000], OLD)) < 100
    assert len(encode(OLD[5_000:25_000], NEW)) < 500  # with the 430 bytes that are gone
    assert len(encode(OLD, b"")) > len(OLD)


def test_it_reaches_over_the_longest_base() -> None:
    """The frame's window is as long as what is in it: the base is reached all the same."""
    base = Random(2).randbytes(BASE_BYTES_MAX)
    data = base[:300] + base[-300:] + base[BASE_BYTES_MAX // 2 :][:300]

    encoded = encode(data, base)

    assert len(encoded) < 100
    assert decode(encoded, base, len(data)) == data


def test_with_another_base_it_is_other_bytes_or_refused() -> None:
    data = OLD[5_000:25_000]
    encoded = encode(data, NEW)

    assert refused(encoded, OLD[::-1], len(data)) or decode(encoded, OLD[::-1], len(data)) != data
    with pytest.raises(Malformed, match="blob-delta"):
        decode(encoded, b"", len(data))


@given(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 10_000))
def test_damage_never_costs_more_than_the_size(at: int, mask: int, size: int) -> None:
    data = OLD[5_000:25_000]
    encoded = bytearray(encode(data, NEW))
    encoded[at % len(encoded)] ^= mask

    refused(bytes(encoded), NEW, len(data))  # or as many bytes as were asked for
    refused(bytes(encoded), NEW, size)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(encoded: bytes) -> None:
    with pytest.raises(Malformed, match="blob-delta"):
        decode(encoded, OLD, 20_000)


def packed(data: bytes, *, names_size: bool = True, **parameters: int) -> bytes:
    chosen = zstandard.ZstdCompressionParameters(
        compression_level=3, write_content_size=names_size, **parameters
    )
    return zstandard.ZstdCompressor(compression_params=chosen).compress(data)


@pytest.mark.parametrize(
    ("encoded", "size"),
    [
        (packed(bytes(50_000_000)), 16_384),  # a bomb that says what it is
        (packed(bytes(50_000_000), names_size=False), 16_384),
        (packed(OLD), len(OLD) - 1),
        (packed(OLD), len(OLD) + 1),
        (packed(OLD) + b"\0", len(OLD)),
        (packed(OLD) + packed(OLD), 2 * len(OLD)),
        (packed(OLD)[:-1], len(OLD)),
        (b"", 0),
        (packed(bytes(DATA_BYTES_MAX + 1)), DATA_BYTES_MAX + 1),
        (packed(OLD), -1),
    ],
    ids=[
        "bomb",
        "bomb that names no size",
        "longer",
        "shorter",
        "something after it",
        "two frames",
        "cut short",
        "nothing",
        "longer than any",
        "a negative size",
    ],
)
def test_what_is_not_what_it_says_is_refused(encoded: bytes, size: int) -> None:
    with pytest.raises(Malformed, match="blob-delta"):
        decode(encoded, b"", size)


def test_a_wide_window_and_a_named_dictionary_are_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(compression_level=3, window_log=27)
    streamed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    sizeless = streamed.compress(OLD) + streamed.flush()
    # Magic, descriptor, window; the content's size is put in behind them.
    says_size = bytes([sizeless[4] | 0x80])
    wide = sizeless[:4] + says_size + sizeless[5:6] + len(OLD).to_bytes(4, "little") + sizeless[6:]
    assert zstandard.get_frame_parameters(wide).window_size == 1 << 27
    assert zstandard.get_frame_parameters(wide).content_size == len(OLD)
    named = zstandard.ZstdCompressionDict(
        zstandard.train_dictionary(
            1024, [OLD[at : at + 300] for at in range(0, 9_000, 100)]
        ).as_bytes()
    )
    dictionary = zstandard.ZstdCompressor(dict_data=named).compress(OLD)

    for encoded in (wide, dictionary):
        with pytest.raises(Malformed, match="another kind"):
            decode(encoded, b"", len(OLD))


def test_beyond_its_bounds_nothing_is_written_or_read() -> None:
    with pytest.raises(ValueError, match="a delta of"):
        encode(bytes(DATA_BYTES_MAX + 1), b"")
    with pytest.raises(ValueError, match="a delta of"):
        encode(b"", bytes(BASE_BYTES_MAX + 1))
    with pytest.raises(Malformed, match="blob-delta"):
        decode(encode(b"", b""), bytes(BASE_BYTES_MAX + 1), 0)
