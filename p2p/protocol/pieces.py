"""The pieces of a blob in frames: as they are, packed by zstd where that saves a tenth, or as what
they differ in from other pieces.

    delta = one zstd frame, with those pieces, joined, as its dictionary of raw content

Who packs looks at the first 16 KiB. Who unpacks knows how long the piece will be before anything is
allocated for it, and that it is no longer than a piece may be.
"""

from enum import IntEnum
from typing import Final

import zstandard

from crdt.blob import Manifest
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Delta, Part
from p2p.protocol.limits import RUN_BYTES_MAX

ROOT, PAGE, CHUNK = 0, 1, 2  # the pieces a Get can name
LEVEL: Final = 1  # some 400 MB/s
DELTA_LEVEL: Final = 3  # a fourteenth of what level 1 makes of a world of JSON, as fast
PROBE_BYTES: Final = 16 << 10
SAVES_MIN: Final = 0.1
WINDOW_BYTES_MAX: Final = RUN_BYTES_MAX  # of a zstd frame: as long as a piece


class Rank(IntEnum):
    """What goes first, of all blobs that are wanted."""

    AUTHORITY = 0  # a frontier: until it is here a revocation cuts off everything
    METADATA = 1  # roots and pages
    SMALL = 2  # chunks of blobs of at most 1 MiB
    LARGE = 3
    KEPT = 4  # whatever it is of: nobody waits for it. No peer is told so


class Urgency(IntEnum):
    """Why a blob is wanted. Of two reasons the more urgent counts."""

    AUTHORITY = 0  # it is a frontier
    ASKED = 1  # somebody waits for it
    KEPT = 2  # this node keeps what records name


def is_packing_worth(data: bytes) -> bool:
    """Whether the beginning shrinks by a tenth."""
    probe = data[:PROBE_BYTES]
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(probe)
    return len(packed) <= (1 - SAVES_MIN) * len(probe)


def pack(data: bytes) -> tuple[bytes, int]:
    """What a Part carries: its `data` and `plain_bytes`."""
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(data)
    if len(packed) > (1 - SAVES_MIN) * len(data):
        return data, 0
    return packed, len(data)


def pack_against(data: bytes, base: bytes) -> bytes:
    """The data of a Delta against `base`."""
    packer = zstandard.ZstdCompressor(
        level=DELTA_LEVEL, dict_data=_dictionary(base), write_dict_id=False
    )
    return packer.compress(data)


class _Unsound(Exception):
    """Bytes that do not unpack to what they say."""


def unpack(part: Part) -> bytes:
    """The piece. Raises `RemoteProtocolError` where the bytes are not what the frame says."""
    if not part.plain_bytes:
        return part.data
    try:
        return _unpack(part, None)
    except _Unsound as error:
        raise RemoteProtocolError("part-packed", f"a piece {error}") from error


def unpack_against(delta: Delta, base: bytes) -> bytes:
    """The same of a Delta; what comes out of a wrong base only its hash tells."""
    try:
        return _unpack(delta, _dictionary(base))
    except _Unsound as error:
        raise RemoteProtocolError("delta-packed", f"a delta {error}") from error


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _unpack(piece: Part | Delta, dictionary: zstandard.ZstdCompressionDict | None) -> bytes:
    try:
        # The library ignores `max_output_size` where the bytes themselves name a size.
        parameters = zstandard.get_frame_parameters(piece.data)
        if (
            parameters.content_size != piece.plain_bytes
            or parameters.window_size > WINDOW_BYTES_MAX
            or parameters.dict_id
        ):
            raise _Unsound("is of another size than it says")
        unpacker = zstandard.ZstdDecompressor(dict_data=dictionary)
        data = unpacker.decompress(piece.data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _Unsound(f"does not unpack: {error}") from error
    if len(data) != piece.plain_bytes:
        raise _Unsound("is of another size than it says")
    return data


def split(data: bytes, manifest: Manifest, first: int, most: int) -> tuple[bytes, ...]:
    """The chunks from `first` on that are `data`. Raises `RemoteProtocolError` where none are."""
    chunks: list[bytes] = []
    at = 0
    while at < len(data) and len(chunks) < most:
        size = manifest.chunk_size(first + len(chunks))
        chunks.append(data[at : at + size])
        at += size
    if at != len(data) or not chunks:
        raise RemoteProtocolError("blob-chunk", "a run of chunks has another length")
    return tuple(chunks)
