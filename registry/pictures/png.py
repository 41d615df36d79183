"""PNG files with a palette: a signature and four chunks (W3C PNG, third edition).

```
89 50 4e 47 0d 0a 1a 0a
length | type | data | CRC-32 of type and data       IHDR, PLTE, IDAT (deflated rows), IEND
```
Every row begins with its filter, here always 0. The deflated bytes are those of one level and one
zlib; another zlib may pack the same picture in other bytes.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence

Colour = tuple[int, int, int]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS_MAX = 256
_BITS, _PALETTE = 8, 3
_LEVEL = 9


def write_png(rows: Iterable[bytes], width: int, height: int, palette: Sequence[Colour]) -> bytes:
    """`rows`: `height` of them, a byte with its place in the palette for each of `width` points."""
    assert 0 < len(palette) <= COLOURS_MAX
    deflater = zlib.compressobj(_LEVEL)
    packed = [deflater.compress(b"\0" + row) for row in rows]
    header = struct.pack(">IIBBBBB", width, height, _BITS, _PALETTE, 0, 0, 0)
    colours = bytes(part for colour in palette for part in colour)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", colours),
            _chunk(b"IDAT", b"".join((*packed, deflater.flush()))),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(type: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(type + data)
    return b"".join((struct.pack(">I", len(data)), type, data, struct.pack(">I", crc)))
