"""Reading blobs, each chunk checked by its hash every time.

Disks lose bits, and a loss of power what was not waited for. A chunk that is not what its name says
is not held any more: no blob that has it is whole, and it is fetched again like any other.
"""

import asyncio
import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from crdt.blob import BlobId, BlobRoot, Chunking, parse_root
from storage.blob_rows import not_held, unfold
from storage.connection import whole
from storage.database import Database, Reading, Writing
from storage.errors import NotHeld, StorageError
from storage.folding import IS_FOLDED, FoldedPages, Lost, blobs_with, lost_of_vault, whole_of_vault
from storage.kept import KeptBlobs
from storage.located import (
    ROWS,
    Located,
    bytes_of,
    chunk_in_page,
    located_by,
    read_packed,
    up_to,
)
from storage.mending import forget_chunk
from storage.vault.attached import READERS, let_go
from storage.vault.scrubbing import drop_lost

T = TypeVar("T")

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
RUN = {Chunking.FIXED: 4, Chunking.CONTENT: 128}  # chunks of a stream read at once: 1 or 2 MiB
RUNS = 4  # of all streams together: what was read waits for whoever asked for it


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Chunks of a blob from `first` on, none of which is missing, as they lay a moment ago."""

    first: int
    located: Sequence[Located]
    at_us: int

    def run(self, first: int, count: int, now_us: int) -> Sequence[Located]:
        """So many of them from `first` on; none where not all are known, or no longer."""
        start = first - self.first
        is_known = start >= 0 and start + count <= len(self.located)
        is_fresh = 0 <= now_us - self.at_us < AHEAD_US
        return self.located[start : start + count] if is_known and is_fresh else ()


@dataclass(frozen=True, slots=True)
class _Begun:
    """Chunks of a stream, and who reads them already."""

    first: int
    count: int
    reading: "asyncio.Future[bytes | None] | None"

    def let_go(self) -> None:
        """Nobody wants to know any more."""
        if self.reading is not None:
            let_go(self.reading)


class BlobReading(KeptBlobs):
    """Whole blobs, parts and runs of chunks."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._forgotten = 0  # chunks that were found damaged
        self._damaged: dict[BlobId, None] = {}  # of which those were, the last ones
        self._ahead: dict[BlobId, _Ahead] = {}  # whoever asks for a run asks for the next one
        self._folded_pages = FoldedPages(database.vault)
        self._folded_root: BlobRoot | None = None  # the last one
        self._streams = 0  # that somebody reads just now

    async def read_chunk(self, blob: BlobId, index: int) -> bytes:
        """One chunk, also of a partial blob. Raises `NotHeld`."""
        return (await self.read_chunks(blob, index, 1))[0]

    async def read_chunks(self, blob: BlobId, first: int, count: int) -> list[bytes]:
        """So many chunks from `first` on, also of a partial blob.

        Raises `NotHeld` where one of them is not here, or `count` is not 1…`READ_CHUNKS_MAX`.
        """
        if not (1 <= count <= READ_CHUNKS_MAX and 0 <= first < 1 << 40):
            raise NotHeld(f"{count} chunks at once, at most {READ_CHUNKS_MAX}.")
        damaged: list[Located] = []
        for _ in range(2):  # a pack may be written anew between the two reads
            located = await self._locate(blob, first, count)
            chunks = await bytes_of(self._database, located)
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
        located = up_to(found or await self._look_ahead(blob, first, count), size_bytes_max)
        if not located:
            return []
        packs = self._database.packs
        chunks: Sequence[bytes | memoryview | None]
        try:
            if any(one.in_vault for one in located):
                raise BlockingIOError  # to unpack takes longer than to read
            chunks = read_packed(packs.read_cached, located)  # half a MiB: a tenth of a millisecond
        except BlockingIOError:
            chunks = await bytes_of(self._database, located)
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

        Raises `NotHeld`, before the first piece where the blob is not whole, else behind the last
        good one; `StorageError` where the store was closed meanwhile.
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
        ahead: deque[_Begun] = deque()
        failed: NotHeld | None = None
        at_once = 1  # many want no more than a part
        self._streams += 1
        try:
            while at < end:
                while not failed and len(ahead) < at_once and index < root.chunk_count:
                    count = min(self._run_of(root), root.chunk_count - index)
                    try:
                        ahead.append(await self._begin(root, index, count))
                    except NotHeld as error:  # what is read already is given first
                        failed = error
                    index += count
                if failed and not ahead:
                    raise failed
                piece = await self._ended(blob, ahead.popleft())
                before, at = at, at + len(piece)
                at_once = READERS if self._streams <= READERS else 1
                if before < start or at > end:
                    piece = piece[max(0, start - before) : end - before]
                yield piece
        finally:
            self._streams -= 1
            for one in ahead:
                one.let_go()

    def _run_of(self, root: BlobRoot) -> int:
        """Chunks that a stream reads at once: fewer where many are on their way."""
        chunks = RUN[root.chunking]
        return max(1, min(chunks, chunks * RUNS // self._streams))

    async def _begin(self, root: BlobRoot, first: int, count: int) -> "_Begun":
        """Reads these chunks, where they lie in the vault; what is in packs is read in turn."""
        if await self._folded(root.id) is None:
            return _Begun(first, count, None)
        names = await self._known(self._folded_pages.chunks(root, first, count))
        reading = self._database.vault.run_soon([name.hash for name in names])
        return _Begun(first, count, reading)

    async def _ended(self, blob: BlobId, begun: "_Begun") -> bytes:
        """The chunks, joined. Raises as `read_chunks`."""
        if begun.reading is not None and (run := await begun.reading) is not None:
            return run
        return b"".join(await self.read_chunks(blob, begun.first, begun.count))

    async def _chunk_at(self, root: BlobRoot, offset: int) -> tuple[int, int]:
        """The number of the chunk that holds a byte, and the place of its first byte."""
        page = bisect_right(root.page_offsets, offset) - 1
        if await self._folded(root.id) is not None:
            names = await self._known(self._folded_pages.names(root, page))
            return chunk_in_page(root, page, [name.size for name in names], offset)
        rows = await self._database.rows(
            "SELECT c.size FROM blob b JOIN blob_page r ON r.blob = b.number AND r.place = ?"
            " JOIN page_chunk c ON c.page = r.page WHERE b.id = ? ORDER BY c.place",
            (page, root.id),
        )
        return chunk_in_page(root, page, [size for (size,) in rows], offset)

    async def _folded(self, blob: BlobId) -> BlobRoot | None:
        """Its root, where it is whole and lies in the vault."""
        rows = await self._database.few_rows(
            f"SELECT 1 FROM blob WHERE id = ? AND {IS_FOLDED}", (blob,)
        )
        if not rows:
            return None
        if self._folded_root is None or self._folded_root.id != blob:
            row = await self._database.row("SELECT root FROM blob WHERE id = ?", (blob,))
            if row is None:
                return None
            self._folded_root = parse_root(row[0], blob)
        return self._folded_root

    async def _in_vault(self, root: BlobRoot, first: int, count: int) -> list[Located]:
        names = await self._known(self._folded_pages.chunks(root, first, count))
        return [
            Located(index, name.hash, name.size, None, None, in_vault=True)
            for index, name in enumerate(names, first)
        ]

    async def _known(self, told: Awaitable[T]) -> T:
        """What pages in the vault say; one that is damaged is held no more. Raises `NotHeld`."""
        try:
            return await told
        except Lost as error:
            await self._forget_objects([error.hash], error.blob)
            raise

    async def _locate(self, blob: BlobId, first: int, count: int) -> list[Located]:
        if (root := await self._folded(blob)) is not None:
            located = await self._in_vault(root, first, count)
            if len(located) < count:
                raise NotHeld(f"Chunk {root.chunk_count} of blob {blob.hex()} is not here.")
            return located
        last = first + count - 1
        rows = await self._database.rows(ROWS, (blob, first, last, last))
        located = [located_by(row) for row in rows]
        if any(one.is_missing for one in located) and await self._database.settle():
            rows = await self._database.rows(ROWS, (blob, first, last, last))
            located = [located_by(row) for row in rows]
        for index in range(first, first + count):
            place = index - first
            one = located[place] if place < len(located) else None
            if one is None or one.index != index or one.is_missing:
                raise NotHeld(f"Chunk {index} of blob {blob.hex()} is not here.")
        return located

    async def _look_ahead(self, blob: BlobId, first: int, count: int) -> list[Located]:
        """Of so many chunks from `first` on those up to the first that is not here.

        Where the ones after them lie is kept for a moment, if they lie in packs.
        """
        if (root := await self._folded(blob)) is not None:
            return await self._in_vault(root, first, count)
        last = first + count - 1
        rows = await self._database.rows(ROWS, (blob, first, first + AHEAD_CHUNKS - 1, last))
        located: list[Located] = []
        for index, row in enumerate(rows, first):
            one = located_by(row)
            if one.index != index or one.is_missing:
                break
            located.append(one)
        self._ahead.pop(blob, None)
        if len(located) > count:
            if len(self._ahead) >= AHEAD_BLOBS:
                del self._ahead[next(iter(self._ahead))]  # the one looked at longest ago
            known = [one for one in located if one.place is not None]
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

    async def _forget(self, blob: BlobId, damaged: Sequence[Located]) -> None:
        def forget(database: sqlite3.Connection) -> list[BlobId]:
            hit = [
                BlobId(id)
                for one in damaged
                for (id,) in database.execute(_WHOLE_WITH, (one.hash, DAMAGED_MAX))
            ]
            for one in damaged:
                if not one.in_vault:
                    forget_chunk(database, one.hash, one.place)
            return hit

        self._forgotten += 1
        if lost := [one.hash for one in damaged if one.in_vault]:
            await self._forget_objects(lost, blob)
        # Noted when it is no longer called whole: a look at them before that would take it back.
        self._note_damaged([*await self._database.lazily(forget), blob])

    async def _forget_objects(
        self, hashes: Sequence[bytes], blob: BlobId | None = None
    ) -> Sequence[BlobId]:
        """These, by their hashes, were not what they should be. Of those of which that is so yet
        none is held, and no blob that has one is whole.

        Gives those that were. `blob`: one that has them, also where it was not. Whoever is
        cancelled meanwhile is so at its end; where the process ends, the next start goes on.
        """
        return await whole(self._forget_now(hashes, blob))

    async def _forget_now(self, hashes: Sequence[bytes], blob: BlobId | None) -> Sequence[BlobId]:
        self._forgotten += 1
        self._note_named()
        self._may_be_dead = True
        lost = await self._database.lazily(partial(drop_lost, hashes=hashes))
        if not lost:
            return []
        self._forgotten += 1  # who looked before they went looks again
        return await self._unfold_with(lost, blob)

    async def _unfold_with(
        self, lost: Sequence[bytes], blob: BlobId | None = None
    ) -> Sequence[BlobId]:
        """No blob that has one of these is whole; gives those that were."""
        rows = await self._database.rows(f"SELECT id, root FROM blob WHERE {IS_FOLDED}")
        hit = await self._database.vault.read(partial(blobs_with, rows=rows, hashes=lost))
        for one in hit:
            await self._database.lazily(partial(unfold, blob=one))
        self._note_damaged([*hit, *([blob] if blob is not None else [])])
        return hit

    def _note_damaged(self, blobs: Sequence[BlobId]) -> None:
        for one in blobs:
            self._damaged.pop(one, None)
            self._damaged[one] = None
        while len(self._damaged) > DAMAGED_MAX:
            del self._damaged[next(iter(self._damaged))]
        self._held.forget_all()


async def whole_blob(view: Reading, blob: BlobId, *, bytes_max: int) -> bytes | None:
    """All of a blob that is here, undamaged and no larger, else None."""
    row = await view.row(
        "SELECT chunk_count, root, in_vault FROM blob WHERE id = ? AND is_complete AND size <= ?",
        (blob, bytes_max),
    )
    if row is None:
        return None
    if row[2]:
        root = parse_root(row[1], blob)
        found = await view.vault.read(partial(whole_of_vault, root=root))
        if found is None and isinstance(view, Writing):  # so that it is fetched again
            lost = await view.vault.read(partial(lost_of_vault, root=root))
            await view.at_once(partial(drop_lost, hashes=lost))
            await view.at_once(partial(unfold, blob=blob))
            view.after_commit(view.vault.on_loss)
        return found
    pieces: list[bytes] = []
    for first in range(0, row[0], READ_CHUNKS_MAX):
        last = min(first + READ_CHUNKS_MAX, row[0]) - 1
        located = [located_by(each) for each in await view.rows(ROWS, (blob, first, last, last))]
        for data in await bytes_of(view, located):
            if data is None:
                if isinstance(view, Writing):  # so that it is fetched again
                    await view.run("UPDATE blob SET is_complete = 0 WHERE id = ?", (blob,))
                return None
            pieces.append(bytes(data))
    return b"".join(pieces)
