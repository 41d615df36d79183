"""Reading blobs, each chunk checked by its hash every time.

Disks lose bits, and a loss of power what was not waited for. A chunk that is not what its name says
is not held any more: no blob that has it is whole, and it is fetched again like any other.
"""

import asyncio
import sqlite3
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate

from crdt.blob import BlobId, BlobRoot, Chunking, parse_root
from crdt.digest import payload_digest
from storage.blob_rows import not_held
from storage.database import Database, Reading, Row, Writing
from storage.errors import NotHeld, StorageError
from storage.kept import KeptBlobs
from storage.mending import forget_chunk
from storage.packs import Place

READ_CHUNKS_MAX = 128  # read at once: 512 KiB even of the smallest, 32 MiB of the largest
AHEAD_CHUNKS = 512  # are looked up at once where runs are read, one after another
AHEAD_BLOBS = 16  # of which that is known: some 2 MB in all
AHEAD_US = 1_000_000  # it is known so long: what was dropped meanwhile is given no longer
DAMAGED_MAX = 64  # blobs, remembered and told of
_NOT_WHOLE = "SELECT id FROM blob WHERE NOT is_complete"
_WHOLE_WITH = (
    "SELECT DISTINCT w.id FROM page_chunk c JOIN blob_page b ON b.page = c.page"
    " JOIN blob w ON w.number = b.blob WHERE c.hash = ? AND w.is_complete LIMIT ?"
)
RUN = {Chunking.FIXED: 4, Chunking.CONTENT: 64}  # chunks read ahead in a stream: about 1 MiB
_ROWS = (
    "SELECT b.first + c.place, c.hash, c.size, k.pack, k.at, s.data FROM blob_page b"
    " JOIN page_chunk c ON c.page = b.page AND c.place BETWEEN ?2 - b.first AND ?3 - b.first"
    " LEFT JOIN packed k ON k.hash = c.hash AND k.size = c.size"
    # A page may name a chunk of another length, which is none of this blob.
    " LEFT JOIN chunk s ON k.hash IS NULL AND s.hash = c.hash AND length(s.data) = c.size"
    " AND b.first + c.place <= ?4"
    " WHERE b.blob = (SELECT number FROM blob WHERE id = ?1) AND b.first BETWEEN ?2 - 1023 AND ?3"
    " ORDER BY b.first, c.place"
)


@dataclass(frozen=True, slots=True)
class _Located:
    """A chunk, and where its bytes are: in a pack, in the row, or nowhere."""

    index: int
    hash: bytes
    size: int
    place: Place | None
    data: bytes | None

    @property
    def is_missing(self) -> bool:
        return self.place is None and self.data is None


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Chunks of a blob from `first` on, none of which is missing, as they lay a moment ago."""

    first: int
    located: Sequence[_Located]
    at_us: int

    def run(self, first: int, count: int, now_us: int) -> Sequence[_Located]:
        """So many of them from `first` on; none where not all are known, or no longer."""
        start = first - self.first
        is_known = start >= 0 and start + count <= len(self.located)
        is_fresh = 0 <= now_us - self.at_us < AHEAD_US
        return self.located[start : start + count] if is_known and is_fresh else ()


class BlobReading(KeptBlobs):
    """Whole blobs, parts and runs of chunks."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._forgotten = 0  # chunks that were found damaged
        self._damaged: dict[BlobId, None] = {}  # of which those were, the last ones
        self._ahead: dict[BlobId, _Ahead] = {}  # whoever asks for a run asks for the next one

    async def read_chunk(self, blob: BlobId, index: int) -> bytes:
        """One chunk, also of a partial blob. Raises `NotHeld`."""
        return (await self.read_chunks(blob, index, 1))[0]

    async def read_chunks(self, blob: BlobId, first: int, count: int) -> list[bytes]:
        """So many chunks from `first` on, also of a partial blob.

        Raises `NotHeld` where one of them is not here, or `count` is not 1…`READ_CHUNKS_MAX`.
        """
        if not (1 <= count <= READ_CHUNKS_MAX and 0 <= first < 1 << 40):
            raise NotHeld(f"{count} chunks at once, at most {READ_CHUNKS_MAX}.")
        damaged: list[_Located] = []
        for _ in range(2):  # a pack may be written anew between the two reads
            located = await self._locate(blob, first, count)
            chunks = await asyncio.to_thread(_read, self._database.packs.read, located)
            damaged = [one for one, data in zip(located, chunks, strict=True) if data is None]
            if not damaged:
                return [bytes(data) for data in chunks if data is not None]
        await self._forget(blob, damaged)
        raise NotHeld(
            f"Chunk {damaged[0].index} of blob {blob.hex()} was damaged on the disk; it is not held"
            " any more: fetch the blob again."
        )

    async def read_run(
        self, blob: BlobId, first: int, count: int, *, size_bytes_max: int
    ) -> Sequence[bytes | memoryview]:
        """Of so many chunks from `first` on those that are here, up to the first that is not, or
        that would make more bytes than these. Raises `NotHeld` where one was damaged on the disk.
        """
        count = min(count, READ_CHUNKS_MAX)
        ahead = self._ahead.get(blob)
        found = ahead.run(first, count, self._clock_us()) if ahead is not None else ()
        located = _up_to(found or await self._look_ahead(blob, first, count), size_bytes_max)
        if not located:
            return []
        packs = self._database.packs
        try:
            chunks = _read(packs.read_cached, located)  # half a MiB: a tenth of a millisecond
        except BlockingIOError:
            chunks = await asyncio.to_thread(_read, packs.read, located)
        held = [data for data in chunks if data is not None]
        is_sound = len(held) == len(located)  # else a pack was written anew, or is damaged
        return held if is_sound else await self.read_chunks(blob, first, len(located))

    async def read_blob(self, blob: BlobId) -> bytes:
        """All of it, in memory: for modules, not for snapshots. Raises `NotHeld`."""
        return b"".join([piece async for piece in self.stream_blob(blob)])

    async def stream_blob(
        self, blob: BlobId, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Its bytes from `start` to before `end`, in pieces of about 1 MiB.

        Raises `NotHeld`, before the first piece where the blob is not whole.
        """
        row = await self._database.row("SELECT root, is_complete FROM blob WHERE id = ?", (blob,))
        if row is None:
            raise not_held(blob)
        if not row[1]:
            raise NotHeld(f"Blob {blob.hex()} is only partly here.")
        root = parse_root(row[0], blob)
        end = root.size if end is None else min(end, root.size)
        if start >= end:
            return
        index, at = await self._chunk_at(root, start)
        while at < end:
            count = min(RUN[root.chunking], root.chunk_count - index)
            piece = b"".join(await self.read_chunks(blob, index, count))
            index, before, at = index + count, at, at + len(piece)
            if before < start or at > end:
                piece = piece[max(0, start - before) : end - before]
            yield piece

    async def _chunk_at(self, root: BlobRoot, offset: int) -> tuple[int, int]:
        """The number of the chunk that holds a byte, and the place of its first byte."""
        page = bisect_right(root.page_offsets, offset) - 1
        rows = await self._database.rows(
            "SELECT c.size FROM blob b JOIN blob_page r ON r.blob = b.number AND r.place = ?"
            " JOIN page_chunk c ON c.page = r.page WHERE b.id = ? ORDER BY c.place",
            (page, root.id),
        )
        starts = list(accumulate((size for (size,) in rows), initial=root.page_offsets[page]))
        place = bisect_right(starts, offset) - 1
        return root.page_starts[page] + place, starts[place]

    async def _locate(self, blob: BlobId, first: int, count: int) -> list[_Located]:
        last = first + count - 1
        rows = await self._database.rows(_ROWS, (blob, first, last, last))
        located = [_located(row) for row in rows]
        if any(one.is_missing for one in located) and await self._database.settle():
            rows = await self._database.rows(_ROWS, (blob, first, last, last))
            located = [_located(row) for row in rows]
        for index in range(first, first + count):
            place = index - first
            one = located[place] if place < len(located) else None
            if one is None or one.index != index or one.is_missing:
                raise NotHeld(f"Chunk {index} of blob {blob.hex()} is not here.")
        return located

    async def _look_ahead(self, blob: BlobId, first: int, count: int) -> list[_Located]:
        """Of so many chunks from `first` on those up to the first that is not here.

        Where the ones after them lie is kept for a moment, if they lie in packs.
        """
        last = first + count - 1
        rows = await self._database.rows(_ROWS, (blob, first, first + AHEAD_CHUNKS - 1, last))
        located: list[_Located] = []
        for index, row in enumerate(rows, first):
            one = _located(row)
            if one.index != index or one.is_missing:
                break
            located.append(one)
        self._ahead.pop(blob, None)
        if len(located) > count:
            if len(self._ahead) >= AHEAD_BLOBS:
                del self._ahead[next(iter(self._ahead))]  # the one looked at longest ago
            known = [one for one in located if one.data is None]
            if len(known) == len(located):
                self._ahead[blob] = _Ahead(first, known, self._clock_us())
        return located[:count]

    async def damaged_blobs(self) -> Sequence[BlobId]:
        """Those that the disk did not give back as they were written and that are not whole again.

        Found since the start, the last ones; and all that this person keeps, whenever it was.
        """
        if self._damaged:
            with suppress(StorageError):  # a full disk, say: what is known is told all the same
                await self._database.settle()
        found: dict[BlobId, None] = {}
        for blob in list(self._damaged):
            if await self._database.rows(f"{_NOT_WHOLE} AND id = ?", (blob,)):
                found[blob] = None
            else:
                self._damaged.pop(blob, None)
        kept = f"{_NOT_WHOLE} AND number IN (SELECT blob FROM pinned) ORDER BY number LIMIT ?"
        for (id,) in await self._database.rows(kept, (DAMAGED_MAX,)):
            found[BlobId(id)] = None
        return list(found)

    async def _forget(self, blob: BlobId, damaged: Sequence[_Located]) -> None:
        def forget(database: sqlite3.Connection) -> list[BlobId]:
            hit = [
                BlobId(id)
                for one in damaged
                for (id,) in database.execute(_WHOLE_WITH, (one.hash, DAMAGED_MAX))
            ]
            for one in damaged:
                forget_chunk(database, one.hash, one.place)
            return hit

        self._forgotten += 1
        # Noted when it is no longer called whole: a look at them before that would take it back.
        for one in (*await self._database.lazily(forget), blob):
            self._damaged.pop(one, None)
            self._damaged[one] = None
        while len(self._damaged) > DAMAGED_MAX:
            del self._damaged[next(iter(self._damaged))]
        self._held.forget_all()


async def whole_blob(view: Reading, blob: BlobId, *, bytes_max: int) -> bytes | None:
    """All of a blob that is here, undamaged and no larger, else None."""
    row = await view.row(
        "SELECT chunk_count FROM blob WHERE id = ? AND is_complete AND size <= ?", (blob, bytes_max)
    )
    if row is None:
        return None
    pieces: list[bytes] = []
    for first in range(0, row[0], READ_CHUNKS_MAX):
        last = min(first + READ_CHUNKS_MAX, row[0]) - 1
        located = [_located(each) for each in await view.rows(_ROWS, (blob, first, last, last))]
        for data in await asyncio.to_thread(_read, view.packs.read, located):
            if data is None:
                if isinstance(view, Writing):  # so that it is fetched again
                    await view.run("UPDATE blob SET is_complete = 0 WHERE id = ?", (blob,))
                return None
            pieces.append(bytes(data))
    return b"".join(pieces)


def _located(row: Row) -> _Located:
    index, hash, size, pack, at, data = row
    return _Located(index, hash, size, None if pack is None else Place(pack, at, size), data)


def _up_to(located: Sequence[_Located], size_bytes_max: int) -> list[_Located]:
    """The first of them that have no more bytes together."""
    taken: list[_Located] = []
    for one in located:
        size_bytes_max -= one.size
        if size_bytes_max < 0:
            break
        taken.append(one)
    return taken


def _read(
    read: Callable[[Place], bytes], located: Sequence[_Located]
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


def _run(located: Sequence[_Located], at: int) -> int:
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
