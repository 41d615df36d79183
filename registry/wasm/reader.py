"""A cursor over a module's bytes that never leaves its slice."""

from registry.errors import quoted
from registry.wasm.errors import Refused
from registry.wasm.limits import NAME_BYTES_MAX
from registry.wasm.names import unsafe

NUMBERS = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
PACKED = {0x78: "i8", 0x77: "i16"}
HEAPS = {
    0x69: "exn", 0x6A: "array", 0x6B: "struct", 0x6C: "i31", 0x6D: "eq", 0x6E: "any",
    0x6F: "extern", 0x70: "func", 0x71: "none", 0x72: "noextern", 0x73: "nofunc", 0x74: "noexn",
}  # fmt: skip
REFERENCE_NULL, REFERENCE = 0x63, 0x64


class Reader:
    """Reads forward from `start`, at most to `end`; offsets are those of the whole file."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data, self.at, self.end = data, start, end

    def byte(self) -> int:
        if self.at >= self.end:
            raise Refused("truncated", "ends in the middle of a value", at=self.at)
        self.at += 1
        return self.data[self.at - 1]

    def uint(self, bits: int = 32) -> int:
        """An unsigned LEB128 number of at most `bits` bits."""
        byte = self.byte()
        if byte < 0x80:
            return byte
        start, value, shift = self.at - 1, byte & 0x7F, 7
        while byte >= 0x80:
            if shift >= bits:
                raise Refused("malformed", f"a number of over {bits} bits", at=start)
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
        if value >> bits:
            raise Refused("malformed", f"a number of over {bits} bits", at=start)
        return value

    def skip(self, size: int) -> None:
        if size > self.end - self.at:
            left = self.end - self.at
            raise Refused("truncated", f"{size:,} bytes claimed, {left:,} left", at=self.at)
        self.at += size

    def take(self, size: int) -> bytes:
        self.skip(size)
        return self.data[self.at - size : self.at]

    def name(self, *, plain: bool) -> str:
        """UTF-8 text; where `plain`, without anything that would show as something else."""
        start = self.at
        size = self.uint()
        if size > NAME_BYTES_MAX:
            detail = f"a name of {size:,} bytes, at most {NAME_BYTES_MAX:,}"
            raise Refused("over-limit", detail, at=start)
        try:
            text = self.take(size).decode()
        except UnicodeDecodeError as error:
            raise Refused("malformed", "a name is not UTF-8", at=start) from error
        if plain and (reason := unsafe(text)):
            raise Refused("unsafe-name", f"the name {quoted(text)} {reason}", at=start)
        return text

    def value_type(self) -> str:
        """As the text format writes it: `i32`, `funcref`, `(ref null 3)`."""
        byte = self.byte()
        if byte in NUMBERS:
            return NUMBERS[byte]
        if byte in HEAPS:
            return f"{HEAPS[byte]}ref"
        if byte in (REFERENCE_NULL, REFERENCE):
            null = "null " if byte == REFERENCE_NULL else ""
            return f"(ref {null}{self.heap_type()})"
        raise Refused("malformed", f"unknown value type 0x{byte:02x}", at=self.at - 1)

    def heap_type(self) -> str:
        if self.at < self.end and self.data[self.at] in HEAPS:
            return HEAPS[self.byte()]
        return str(self.uint(33))

    def field_type(self) -> None:
        """A field of a struct or an array; only its length matters here."""
        if self.at < self.end and self.data[self.at] in PACKED:
            self.byte()
        else:
            self.value_type()
        self.byte()  # mutability

    def range(self) -> tuple[int, int | None, bool]:
        """Least and most, and whether shared, of a memory (pages) or a table (elements)."""
        flags = self.byte()  # 1 = has a most, 2 = shared, 4 = 64-bit, 8 = has a page size
        bits = 64 if flags & 4 else 32
        least = self.uint(bits)
        most = self.uint(bits) if flags & 1 else None
        if flags & 8:
            self.uint()
        return least, most, bool(flags & 2)
