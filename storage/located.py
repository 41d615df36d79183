"""Where the bytes of chunks lie, and reading them there, each checked by its hash every time."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from crdt.blob import BlobRoot
from crdt.digest import payload_digest
from storage.database import Database, Reading, Row
from storage.packs import Place

ROWS = (
    "SELECT b.first + c.place, c.hash, c.size, k.pack, k.at, s.data, v.key IS NOT NULL"
    " FROM blob_page b"
    " JOIN page_chunk c ON c.page = b.page AND c.place BETWEEN ?2 - b.first AND ?3 - b.first"
    " LEFT JOIN packed k ON k.hash = c.hash AND k.size = c.size"
    # A page may name a chunk of another length, which is none of this blob.
    " LEFT JOIN chunk s ON k.hash IS NULL AND s.hash = c.hash AND length(s.data) = c.size"
    " AND b.first + c.place <= ?4"
    " LEFT JOIN vault.name v ON k.hash IS NULL AND v.key = c.hash AND v.size = c.size"
    " AND (SELECT g.chunking FROM page g WHERE g.number = b.page) = 2"
    " WHERE b.blob = (SELECT number FROM blob WHERE id = ?1) AND b.first BETWEEN ?2 - 1023 AND ?3"
    " ORDER BY b.first, c.place"
)


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk, and where its bytes are: in a pack, in the row, in the vault, or nowhere."""

    index: int
    hash: bytes
    size: int
    place: Place | None
    data: bytes | None
    in_vault: bool = False

    @property
    def is_missing(self) -> bool:
        return self.place is None and self.data is None and not self.in_vault


def located_by(row: Row) -> Located:
    index, hash, size, pack, at, data, is_named = row
    place = None if pack is None else Place(pack, at, size)
    return Located(index, hash, size, place, data, in_vault=data is None and bool(is_named))


def chunk_in_page(root: BlobRoot, page: int, sizes: Sequence[int], offset: int) -> tuple[int, int]:
    starts = list(accumulate(sizes, initial=root.page_offsets[page]))
    place = bisect_right(starts, offset) - 1
    return root.page_starts[page] + place, starts[place]


async def bytes_of(
    held: Database | Reading, located: Sequence[Located]
) -> Sequence[bytes | memoryview | None]:
    """As `read_packed`, also of what lies in the vault."""
    if not any(one.in_vault for one in located):
        return await asyncio.to_thread(read_packed, held.packs.read, located)
    if all(one.in_vault for one in located):
        return await held.vault.objects([one.hash for one in located])
    found: dict[bytes, bytes | memoryview | None] = {}
    for is_there in (True, False):  # a blob whose parts others brought elsewhere
        some = [one for one in located if one.in_vault is is_there]
        found |= zip((one.hash for one in some), await bytes_of(held, some), strict=True)
    return [found[one.hash] for one in located]


def up_to(located: Sequence[Located], size_bytes_max: int) -> list[Located]:
    """The first of them that have no more bytes together."""
    taken: list[Located] = []
    for one in located:
        size_bytes_max -= one.size
        if size_bytes_max < 0:
            break
        taken.append(one)
    return taken


def read_packed(
    read: Callable[[Place], bytes], located: Sequence[Located]
) -> list[bytes | memoryview | None]:
    """The bytes of each; None where they are not what they should be."""
    found: list[bytes | memoryview | None] = []
    at = 0
    while at < len(located):
        run = _run(located, at)
        place = located[at].place
        if place is None:
            pieces: list[bytes | memoryview] = [located[at].data or b""]
        else:  # neighbours are read together
            last = located[at + run - 1].place
            assert last is not None, "a run lies in one pack"
            data = read(Place(place.pack, place.at, last.at + last.size - place.at))
            view = memoryview(data) if run > 1 else data  # of one it is all
            pieces = [
                view[one.at - place.at : one.at - place.at + one.size]
                for one in (each.place for each in located[at : at + run])
                if one is not None
            ]
        for one, piece in zip(located[at : at + run], pieces, strict=True):
            found.append(piece if payload_digest(piece) == one.hash else None)
        at += run
    return found


def _run(located: Sequence[Located], at: int) -> int:
    """How many, from this one on, lie one after another in one pack."""
    count = 1
    place = located[at].place
    while place is not None and at + count < len(located):
        following = located[at + count].place
        if following is None or (following.pack, following.at) != (
            place.pack,
            place.at + place.size,
        ):
            break
        place, count = following, count + 1
    return count
