"""Which chunks of a blob are here, counted once and kept in step: a byte for each chunk.

Of half a million chunks each has a row, and each of those is looked for in two more: seconds. So
that is done once for each blob of which chunks come or are asked for; after that nothing that is
asked of a blob that is partly here depends on how large it is, but for a search through its bytes.

    chunk   0 1 2 3 4 …
    byte    H H M H U        held, missing, unnamed (the page that names it is not here)

It may know less than there is, where another blob brings a chunk: `missing_chunks` looks again at
what it lists. Where chunks are lost it knows too much, so all of it is forgotten then.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from crdt.blob import PAGE_CHUNKS_MAX, BlobId, ChunkName
from storage.blob_rows import IS_MISSING, not_held
from storage.database import Reading
from storage.folding import IS_FOLDED

MAPS_BYTES_MAX = 32 << 20  # of all maps; the largest blob of all has one of 8 MiB
PAGES = 4  # looked at in one step, of at most 4,096 rows: the loop makes a list of them
# Whose names are kept, of all blobs together, some 140 KB each: chunks come in order, and so many
# blobs are fetched at once (`p2p.protocol.limits.BLOBS_MAX`).
PAGES_NAMED = 64
MISSING, HELD, UNNAMED = b"\x00\x01\x02"
_ALL_HELD = bytes.maketrans(bytes([MISSING]), bytes([HELD]))
_ONLY_HELD = bytes.maketrans(bytes([HELD, UNNAMED]), b"\1\0")
LOOK_AGAIN = (  # chunks of a blob from one on that are not here, and are named
    "SELECT b.first + c.place FROM blob_page b JOIN page_chunk c ON c.page = b.page"
    " AND c.place >= ?2 - b.first WHERE b.blob = (SELECT number FROM blob WHERE id = ?1)"
    f" AND b.first > ?2 - {PAGE_CHUNKS_MAX} AND {IS_MISSING} ORDER BY b.first, c.place LIMIT ?3"
)
MISSING_BYTES = (  # of chunks that are not here, each once
    "SELECT sum(size) FROM (SELECT DISTINCT c.hash, c.size FROM blob_page b"
    " JOIN page_chunk c ON c.page = b.page"
    f" WHERE b.blob = (SELECT number FROM blob WHERE id = ?) AND {IS_MISSING})"
)


@dataclass(slots=True)
class HeldMap:
    """One blob."""

    chunks: bytearray
    left: int
    """Chunks that are not here."""
    touched_us: int
    """When it was noted last that it is being fetched."""

    def fill(self, places: Iterable[int]) -> None:
        """These are here now."""
        for place in places:
            self.left -= self.chunks[place] != HELD
            self.chunks[place] = HELD

    @property
    def is_named(self) -> bool:
        """Whether all of its pages are here."""
        return UNNAMED not in self.chunks

    @property
    def first_missing(self) -> int:
        """The first chunk that is not here and is named, as far as is known; or how many are."""
        first = self.chunks.find(MISSING)
        return first if first >= 0 else len(self.chunks)

    def correct(self, start: int, missing: Sequence[int], *, is_all: bool) -> None:
        """Somebody looked again, from `start` on: these are missing, as far as the last of them,
        or to the end."""
        end = len(self.chunks) if is_all else missing[-1] + 1
        before = self.chunks.count(MISSING, start, end)
        self.chunks[start:end] = self.chunks[start:end].translate(_ALL_HELD)
        for place in missing:
            self.chunks[place] = MISSING
        self.left += len(missing) - before

    def here(self) -> bytes:
        """Of each chunk 1 where it is here, else 0."""
        return bytes(self.chunks.translate(_ONLY_HELD))

    def runs(self, first: int, limit: int) -> list[int]:
        """First chunk and count, in turn, of at most `limit` runs that are held: the one that goes
        beyond `first` and those after it, then those before."""
        turn = max(0, min(first, len(self.chunks)))
        if 0 < turn < len(self.chunks) and self.chunks[turn] == self.chunks[turn - 1] == HELD:
            turn = self._start_of(turn)
        found = [*islice(self._runs(turn, len(self.chunks)), limit)]
        found += islice(self._runs(0, turn), limit - len(found))
        return [number for run in found for number in run]

    def _start_of(self, place: int) -> int:
        """Where the run of what is held begins that `place` is in."""
        return 1 + max(self.chunks.rfind(MISSING, 0, place), self.chunks.rfind(UNNAMED, 0, place))

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        while (first := self.chunks.find(HELD, start, end)) >= 0:
            ends = (self.chunks.find(other, first, end) for other in (MISSING, UNNAMED))
            start = min((one for one in ends if one >= 0), default=end)
            yield first, start - first


class HeldMaps:
    """Of the blobs that were asked for last."""

    def __init__(self) -> None:
        self._maps: dict[BlobId, HeldMap] = {}
        self._names: OrderedDict[tuple[BlobId, int], Sequence[ChunkName]] = OrderedDict()
        self._lost = 0  # times that something was lost: what was counted before may be wrong

    def get(self, blob: BlobId) -> HeldMap | None:
        return self._maps.get(blob)

    def name_of(self, blob: BlobId, index: int) -> ChunkName | None:
        """What a page says of a chunk, if it is one of those that were looked at last."""
        for page in reversed(self._names):
            of, first = page
            if of == blob and first <= index < first + len(names := self._names[page]):
                self._names.move_to_end(page)
                return names[index - first]
        return None

    def keep_names(self, blob: BlobId, first: int, names: Sequence[ChunkName]) -> None:
        """What a page says, by its first chunk."""
        self._names[blob, first] = names
        if len(self._names) > PAGES_NAMED:
            self._names.popitem(last=False)

    def forget(self, blob: BlobId) -> None:
        """It is counted anew when it is asked for."""
        self._maps.pop(blob, None)
        for page in [one for one in self._names if one[0] == blob]:
            del self._names[page]

    def forget_all(self) -> None:
        """Chunks were lost, of whatever blobs."""
        self._lost += 1
        self._maps.clear()
        self._names.clear()

    async def find(self, blob: BlobId, counted: Callable[[BlobId], Awaitable[HeldMap]]) -> HeldMap:
        """The map, `counted` where there is none. Raises `NotHeld`."""
        while (known := self._maps.get(blob)) is None:
            lost = self._lost
            map = await counted(blob)
            if lost == self._lost:
                known = self._maps.setdefault(blob, map)
                self._make_room(blob)
                break
        return known

    def _make_room(self, blob: BlobId) -> None:
        size = sum(len(one.chunks) for one in self._maps.values())
        for other in list(self._maps):
            if size <= MAPS_BYTES_MAX or other == blob:
                continue
            size -= len(self._maps.pop(other).chunks)


_BEGUN = f"SELECT number, chunk_count, begun_us, {IS_FOLDED} FROM blob WHERE id = ?"
_PAGES = (
    "SELECT b.place, b.first, (SELECT count(*) FROM page_chunk c WHERE c.page = b.page)"
    " FROM blob_page b WHERE b.blob = (SELECT number FROM blob WHERE id = ?) ORDER BY b.place"
)


async def count_held(view: Reading, blob: BlobId) -> HeldMap:
    """Looks at each chunk that a page names. Raises `NotHeld` before the blob was begun."""
    found, pages = await view.each([(_BEGUN, (blob,)), (_PAGES, (blob,))])
    if not found:
        raise not_held(blob)
    ((number, total, begun_us, is_folded),) = found
    if is_folded:
        return HeldMap(bytearray([HELD]) * total, 0, begun_us)
    chunks = bytearray([UNNAMED]) * total
    left = total
    for at in range(0, len(pages), PAGES):
        some = pages[at : at + PAGES]
        for _, first, named in some:
            chunks[first : first + named] = bytes([HELD]) * named
            left -= named
        missing = await view.rows(
            "SELECT b.first + c.place FROM blob_page b JOIN page_chunk c ON c.page = b.page"
            f" WHERE b.blob = ? AND b.place BETWEEN ? AND ? AND {IS_MISSING}",
            (number, some[0][0], some[-1][0]),
        )
        for (place,) in missing:
            chunks[place] = MISSING
        left += len(missing)
    return HeldMap(chunks, left, begun_us)
