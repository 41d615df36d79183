"""What the Willow'25 encodings are built from: a bounded reader, and compact 64-bit numbers.

A compact number of tag width w is a tag of w bits, put wherever the encoding has room for it, and
the bytes that follow. The tags 2^w-4 … 2^w-1 say that 1, 2, 4 or 8 big-endian bytes follow; any
smaller tag is the number itself. Source: willowprotocol.org, "CompactU64".
"""

from crdt.errors import Malformed

U64_MAX = (1 << 64) - 1


class Reader:
    """Bytes and how far they have been read."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def take(self, size: int) -> bytes:
        """The next `size` bytes; `Malformed` where fewer are left, before anything is copied."""
        start, end = self.at, self.at + size
        if end > len(self.data):
            left = len(self.data) - start
            raise Malformed("truncated", f"{size} bytes wanted at byte {start}, {left} left")
        self.at = end
        return self.data[start:end]

    def byte(self) -> int:
        """The next byte, as a number."""
        at = self.at
        if at >= len(self.data):
            raise Malformed("truncated", f"1 byte wanted at byte {at}, 0 left")
        self.at = at + 1
        return self.data[at]

    def finish(self) -> None:
        """`Malformed` where anything is left."""
        left = len(self.data) - self.at
        if left:
            raise Malformed("trailing-bytes", f"{left} bytes left over at byte {self.at}")


def c64(number: int, tag_bits: int) -> tuple[int, bytes]:
    """The smallest tag for a number below 2^64, and the bytes that follow it."""
    most = 1 << tag_bits
    if 0 <= number <= most - 5:
        return number, b""
    for size in (1, 2, 4, 8):
        if 0 <= number < 1 << 8 * size:
            return most - 5 + size.bit_length(), number.to_bytes(size, "big")
    raise ValueError(f"{number} is not an unsigned number of 64 bits")


def read_c64(reader: Reader, tag: int, tag_bits: int) -> int:
    """The number that `tag` and the bytes that follow it stand for, canonical or not."""
    size_bits = tag - ((1 << tag_bits) - 4)
    return tag if size_bits < 0 else int.from_bytes(reader.take(1 << size_bits), "big")
