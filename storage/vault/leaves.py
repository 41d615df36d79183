"""Rows of the objects in a file of SQLite whose pages are there, whatever leads to them.

    every page that is no free one ─leaf of a table─▸ its cells ─with what flows over─▸ rows

Where a page that leads to others is lost SQLite finds none of those. How they lie is the file
format of SQLite (https://www.sqlite.org/fileformat2.html, sections 1.4 to 2.1). All of it may be
rotten, also what is found: who uses it holds it against its hash.
"""

import os
from collections.abc import Iterator
from struct import iter_unpack
from typing import Final, NamedTuple

from crdt.delta import DATA_BYTES_MAX

ROW_BYTES_MAX: Final = 2 * DATA_BYTES_MAX
"""No row of ours is larger, packed as badly as can be."""
_LEAF: Final = b"\x0d"  # the first byte of a leaf of a table
_TRUNK_AT = 32  # of the header of the file


class Found(NamedTuple):
    """A cell of a leaf. `size`: of what it holds, which begins at `at`."""

    id: int
    size: int
    at: int


class _Pages:
    """Some of so many, a bit for each: of a file of many gigabytes nearly all may be free."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._bits = bytearray(count // 8 + 1)

    def __contains__(self, page: int) -> bool:
        return bool(self._bits[page >> 3] >> (page & 7) & 1)

    def add(self, page: int) -> None:
        """What says a page that there is none of is rotten."""
        if page <= self._count:
            self._bits[page >> 3] |= 1 << (page & 7)


class Leaves:
    """Of a file of SQLite, of pages of so many bytes; `file`: its descriptor."""

    def __init__(self, file: int, page_bytes: int) -> None:
        self._file = file
        self._page_bytes = page_bytes
        self._usable = page_bytes  # of ours nothing is reserved, whatever the header says
        self._pages = os.fstat(file).st_size // page_bytes

    def cells(self) -> Iterator[Found]:
        """All, in the order of their pages. What is on a free page was deleted."""
        free = self._free()
        for number in range(2, self._pages + 1):
            at = (number - 1) * self._page_bytes
            page = self._read(at, self._page_bytes)
            if page[:1] == _LEAF and number not in free:
                yield from self._cells(page, at)

    def columns(self, cell: Found) -> list[bytes | None] | None:
        """None for each that is no bytes; nothing at all where it cannot be read."""
        record = self._record(cell)
        if record is None:
            return None
        end, at = _number(record, 0)
        sizes: list[tuple[int, bool]] = []
        while at < end <= len(record):
            kind, at = _number(record, at)
            is_bytes = kind >= 12  # a text, too: one bit tells it from bytes
            sizes.append(((kind - 12) // 2 if is_bytes else _SIZES[min(kind, 9)], is_bytes))
        found: list[bytes | None] = []
        for size, is_bytes in sizes:
            found.append(record[end : end + size] if is_bytes else None)
            end += size
        return found if end == len(record) else None

    def _cells(self, page: bytes, at: int) -> Iterator[Found]:
        count = int.from_bytes(page[3:5], "big")
        for number in range(min(count, self._page_bytes // 4)):
            place = int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big")
            if 8 <= place <= self._usable - 4:
                size, place = _number(page, place)
                id, place = _number(page, place)
                if 0 < size <= ROW_BYTES_MAX and place < self._usable:
                    yield Found(id, size, at + place)

    def _record(self, cell: Found) -> bytes | None:
        usable, size = self._usable, cell.size
        local = size
        if size > usable - 35:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            if local > usable - 35:
                local = least
        record = bytearray(self._read(cell.at, local))
        page = self._integer(cell.at + local, 4) if local < size else 0
        while local <= len(record) < size and 1 < page <= self._pages:
            at = (page - 1) * self._page_bytes
            record += self._read(at + 4, min(usable - 4, size - len(record)))
            page = self._integer(at, 4)
        return bytes(record) if len(record) == size else None

    def _free(self) -> "_Pages":
        free = _Pages(self._pages)
        trunk = self._integer(_TRUNK_AT, 4)
        while 1 < trunk <= self._pages and trunk not in free:
            free.add(trunk)
            page = self._read((trunk - 1) * self._page_bytes, self._page_bytes)
            trunk, count = int.from_bytes(page[:4], "big"), int.from_bytes(page[4:8], "big")
            for (number,) in iter_unpack(">I", page[8 : 8 + 4 * min(count, self._usable // 4 - 2)]):
                free.add(number)
        return free

    def _integer(self, at: int, size: int) -> int:
        return int.from_bytes(self._read(at, size), "big")

    def _read(self, at: int, size: int) -> bytes:
        """Zeros where the disk cannot read it."""
        try:
            found = os.pread(self._file, size, at)
        except OSError:
            found = b""
        return found.ljust(size, b"\0")


_SIZES: Final = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Of numbers, by their kinds."""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """And where it ends; a longer one than there can be where the data end."""
    value = 0
    for place in range(at, min(at + 8, len(data))):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    if at + 8 >= len(data):
        return 1 << 62, len(data)
    return value << 8 | data[at + 8], at + 9
