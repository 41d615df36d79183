"""Bytes as what they differ in from other bytes: a zstd frame with those as its dictionary.

    delta = one zstd frame (RFC 8878) that names its content's size; no checksum, no dictionary id
    base  = a dictionary of raw content: bytes that are there already, of which the frame copies

Nothing in a delta says which base it is of, and with a wrong one other bytes may come out. So who
decodes holds what comes out against a hash.
"""

from typing import Final

import zstandard

from crdt.blob import CONTENT_CHUNK_BYTES_MAX
from crdt.errors import Malformed

DATA_BYTES_MAX: Final = CONTENT_CHUNK_BYTES_MAX
"""Of what is written as a delta: a chunk, or a page, which is shorter."""
BASE_BYTES_MAX: Final = 524_288
"""Eight of the longest chunks."""
LEVEL: Final = 3
"""Of fifty snapshots level 1 makes 1.1 times as much (JSON) to 2.2 times (binary records)."""


def encode(data: bytes, base: bytes) -> bytes:
    """`data` against `base`; with one of no bytes, just packed.

    Raises `ValueError` beyond the bounds: what is written is our own.
    """
    if len(data) > DATA_BYTES_MAX or len(base) > BASE_BYTES_MAX:
        raise ValueError(f"a delta of {len(data)} bytes against {len(base)}")
    packer = zstandard.ZstdCompressor(
        level=LEVEL, dict_data=_dictionary(base), write_checksum=False, write_dict_id=False
    )
    return packer.compress(data)


def decode(encoded: bytes, base: bytes, size: int) -> bytes:
    """The `size` bytes that `encoded` stands for against `base`.

    Raises `Malformed` where it stands for more, for less, or for nothing. Whether they are the
    right bytes their hash tells, not this. At most `size` bytes are allocated for them.
    """
    if not 0 <= size <= DATA_BYTES_MAX or len(base) > BASE_BYTES_MAX:
        raise _bad(f"{size} bytes against a base of {len(base)}")
    try:
        # The library ignores `max_output_size` where the frame itself names a size.
        header = zstandard.get_frame_parameters(encoded)
        if header.content_size != size:
            raise _bad(f"it names another size than the {size} bytes it should have")
        if header.window_size > BASE_BYTES_MAX or header.dict_id:
            raise _bad("a frame of another kind")
        unpacker = zstandard.ZstdDecompressor(dict_data=_dictionary(base))
        data = unpacker.decompress(encoded, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _bad(str(error)) from error
    if len(data) != size:
        raise _bad(f"{len(data)} bytes instead of {size}")
    return data


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict | None:
    if not base:
        return None
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _bad(what: str) -> Malformed:
    return Malformed("blob-delta", f"a delta that cannot be read: {what}")
