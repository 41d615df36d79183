"""The pieces Automerge bytes are made of: LEB128 numbers, byte strings, hashes.

Readers take (data, place) and give (value, place after it). They raise `Malformed`, except that a
number cut short raises `IndexError`: the door that was given the bytes turns it into `Malformed`
once, which keeps a check out of the innermost loop.
"""

from crdt.errors import Malformed


def uleb(number: int) -> bytes:
    """`number` as unsigned LEB128, shortest form."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def unsigned(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of at most 64 bits."""
    number = data[at]
    if number < 0x80:  # nearly always: worth the early return
        return number, at + 1
    number, shift, at = _leb128(data, at)
    if shift > 63 and number >> 64:
        raise bad("number over 64 bits", at)
    return number, at


def signed(data: bytes, at: int) -> tuple[int, int]:
    """A signed number, two's complement in as many groups of 7 bits as it takes."""
    number, shift, at = _leb128(data, at)
    return (number - (1 << shift) if data[at - 1] & 0x40 else number), at


def _leb128(data: bytes, at: int) -> tuple[int, int, int]:
    number = shift = 0
    while True:
        if shift > 63:
            raise bad("number over 64 bits", at)
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, shift, at


def bounded(data: bytes, at: int, most: int, name: str) -> tuple[int, int]:
    """An unsigned number of at most `most`; `name` says in the error what it counts."""
    number, at = unsigned(data, at)
    if number > most:
        raise over(name, most, number)
    return number, at


def take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    """Just `size` bytes."""
    end = at + size
    if end > len(data):
        raise bad(f"{size} bytes announced, {len(data) - at} left", at)
    return data[at:end], end


def hashes(data: bytes, at: int, most: int) -> tuple[tuple[bytes, ...], int]:
    """A count of at most `most`, then as many distinct hashes of 32 bytes."""
    count, at = bounded(data, at, most, "hashes")
    joined, at = take(data, at, 32 * count)
    hashes = tuple([joined[place : place + 32] for place in range(0, len(joined), 32)])
    if count > 1 and len(set(hashes)) != count:
        raise bad("a hash named twice", at)
    return hashes, at


def bad(what: str, at: int | None = None) -> Malformed:
    """The error for bytes that are no Automerge."""
    return Malformed("bad-automerge", what if at is None else f"{what}, at byte {at}")


def over(what: str, most: int, found: int | None = None) -> Malformed:
    """The error for a claim above a limit."""
    claim = "more" if found is None else str(found)
    return Malformed("automerge-limit", f"{what}: {claim}, at most {most}")
