"""Bytes as what they differ in from other bytes: a zstd frame with those as its dictionary.

    delta = one zstd frame (RFC 8878) that names its content's size; no checksum, no dictionary id
    base  = a dictionary of raw content: bytes that are there already, of which the frame copies

Nothing in a delta says which base it is of, and with a wrong one other bytes may come out. So who
decodes holds what comes out against a hash.
"""

from collections.abc import Sequence
from typing import Final

import zstandard

from crdt.blob import CONTENT_CHUNK_BYTES_MAX
from crdt.errors import Malformed

DATA_BYTES_MAX: Final = CONTENT_CHUNK_BYTES_MAX
"""Of what is written as a delta: a chunk, or a page, which is shorter."""
BASE_BYTES_MAX: Final = 524_288
"""Eight of the longest chunks."""
BLOCK_BYTES_MAX: Final = 131_072
"""Of a frame's blocks: RFC 8878, 3.1.1.2."""
_PLAIN_HEAD: Final = b"\x28\xb5\x2f\xfd\xa0"  # one segment, 4 bytes of size, no checksum
_LAST_BLOCK: Final = b"\x01\x00\x00"  # of no bytes
_REPEATED: Final = 1  # a block of one byte, as often as its size says
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
    """As `Decoder.decode`, once."""
    return Decoder().decode(encoded, [base], size)


class Decoder:
    """Decodes many, for one thread: what zstd needs for it is made once.

    A decompressor with a dictionary takes ten times as long to make as a delta to decode. So the
    base is handed over as a frame of its own, of blocks that are not packed, which the delta's
    frame follows in a chain: each frame has what came out before it as its dictionary.
    """

    def __init__(self) -> None:
        self._unpacker = zstandard.ZstdDecompressor()

    def decode(self, encoded: bytes, pieces: Sequence[bytes], size: int) -> bytes:
        """The `size` bytes that `encoded` stands for against a base, which is `pieces`, joined.

        Raises `Malformed` where it stands for more, for less, or for nothing. Whether they are the
        right bytes their hash tells, not this. At most `size` bytes are allocated for them.
        """
        base_bytes = sum(map(len, pieces))
        if not 0 <= size <= DATA_BYTES_MAX or base_bytes > BASE_BYTES_MAX:
            raise _bad(f"{size} bytes against a base of {base_bytes}")
        try:
            # The library ignores `max_output_size` where the frame itself names a size.
            header = zstandard.get_frame_parameters(encoded)
            if header.content_size != size:
                raise _bad(f"it names another size than the {size} bytes it should have")
            if header.window_size > BASE_BYTES_MAX or header.dict_id or header.has_checksum:
                raise _bad("a frame of another kind")
            if _frame_end(encoded) != len(encoded):  # which the chain does not look at
                raise _bad("more, or less, than one frame")
            if base_bytes and size:
                base = _plain_frame(pieces, base_bytes)
                data = self._unpacker.decompress_content_dict_chain([base, encoded])
            else:
                data = self._unpacker.decompress(encoded, allow_extra_data=False)
        except (zstandard.ZstdError, ValueError) as error:
            raise _bad(str(error)) from error
        if len(data) != size:
            raise _bad(f"{len(data)} bytes instead of {size}")
        return data


def _plain_frame(pieces: Sequence[bytes], size: int) -> bytes:
    """A zstd frame of these bytes, `size` together, as they are: RFC 8878, 3.1.1."""
    frame = [_PLAIN_HEAD, size.to_bytes(4, "little")]
    for piece in pieces:
        for at in range(0, len(piece), BLOCK_BYTES_MAX):
            block = piece[at : at + BLOCK_BYTES_MAX]  # mostly the piece itself
            frame += ((len(block) << 3).to_bytes(3, "little"), block)
    frame.append(_LAST_BLOCK)
    return b"".join(frame)


def _frame_end(encoded: bytes) -> int:
    """Where the first frame ends, one without a checksum; beyond the end of what is cut short."""
    at = zstandard.frame_header_size(encoded)
    is_last = False
    while not is_last and at < len(encoded):
        block = int.from_bytes(encoded[at : at + 3], "little")
        is_last = bool(block & 1)
        at += 3 + (1 if block >> 1 & 3 == _REPEATED else block >> 3)
    return at if is_last else at + 1


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict | None:
    if not base:
        return None
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _bad(what: str) -> Malformed:
    return Malformed("blob-delta", f"a delta that cannot be read: {what}")
