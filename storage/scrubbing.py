"""Everything kept of blobs is read, so that what the disk forgot is told before it is missed.

    the vault, some objects at a time ─┐
    packs, some chunks at a time ──────┼──> what is other bytes ──> looked at again, dropped
    rows, some chunks at a time ───────┘

Each step is one of many that wait for a thread: whoever reads or writes meanwhile comes between.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from crdt.blob import BlobId, parse_root
from crdt.digest import payload_digest
from crdt.keys import AuthorKey
from storage.database import Database
from storage.folding import IS_FOLDED, blobs_with, unnamed_of
from storage.mending import forget_chunk
from storage.packs import Packs, Place
from storage.settling import Settling
from storage.vault.lost import all_lost, lost_of
from storage.vault.rows import held
from storage.vault.scrubbing import Scrub, damaged_of

CHUNKS_READ: Final = 16
"""In one step: 4 MiB at the most."""
PAGES_READ: Final = 16
"""In one step: of up to 16,384 chunks."""
USES_MAX: Final = 16
"""Told of one blob."""
_IN_PACKS: Final = (
    "SELECT hash, pack, at, size FROM packed WHERE (pack, at) > (?, ?) ORDER BY pack, at LIMIT ?"
)
_IN_ROWS: Final = "SELECT number, hash, data FROM chunk WHERE number > ? ORDER BY number LIMIT ?"
_BYTES: Final = (
    "SELECT (SELECT coalesce(sum(size), 0) FROM packed)"
    " + (SELECT coalesce(sum(length(data)), 0) FROM chunk)"
)
_PLACE: Final = "SELECT 1 FROM packed WHERE hash = ? AND pack = ? AND at = ?"
_WHOLE_WITH: Final = (
    "SELECT DISTINCT w.id FROM page_chunk c JOIN blob_page b ON b.page = c.page"
    " JOIN blob w ON w.number = b.blob WHERE c.hash = ? AND w.is_complete"
)
# Begun, not whole, and named by this person's own records: those came from here.
_OWN_NOT_WHOLE: Final = (
    "SELECT DISTINCT b.id FROM blob b JOIN blob_use u ON u.blob = b.id"
    " JOIN document d ON d.number = u.document"
    " JOIN followed f ON f.author = d.author AND f.is_own WHERE NOT b.is_complete"
)
# Of one that is in the vault, whose pages are here. That is known also after the next start.
_LOST_CHUNK: Final = (
    "SELECT 1 FROM vault.lost WHERE NOT is_back AND key IN (SELECT c.hash FROM blob b"
    " JOIN blob_page p ON p.blob = b.number JOIN page_chunk c ON c.page = p.page WHERE b.id = ?)"
    " LIMIT 1"
)
_USES: Final = (
    "SELECT DISTINCT l.kind, l.target, s.tick FROM blob_use u"
    " JOIN listing l ON l.document = u.document"
    " LEFT JOIN snapshot s ON s.document = u.document AND s.blob = u.blob WHERE u.blob = ?1"
    " UNION SELECT 'installed', module || '@' || version, NULL FROM installed WHERE blob = ?1"
    " UNION SELECT 'file', p.name, NULL FROM pinned p JOIN blob b ON b.number = p.blob"
    " WHERE b.id = ?1 ORDER BY 1, 2, 3 LIMIT ?2"
)
_SNAPSHOTS: Final = (
    "SELECT count(*) FROM blob_use u JOIN snapshot s ON s.document = u.document"
    " AND s.blob = u.blob WHERE u.blob = ?"
)
_Chunk = tuple[bytes, Place | None]
"""Its hash, and where in a pack it lies; None: in a row."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was read, and what of it is not what it was."""

    bytes: int
    """That were read, unpacked."""
    parts: int
    """Chunks and pages that are damaged, of those that were read, or cannot be found."""
    blobs: Sequence[BlobId]
    """Those that were whole and have such a part, or one that was found damaged before."""


@dataclass(frozen=True, slots=True)
class BlobUse:
    """What a blob belongs to: `kind` of record (or `installed`, `file`), what it is called, and the
    tick of a snapshot."""

    kind: str
    name: str
    tick: int | None


def _nobody(done: int, total: int) -> None:
    """Hears of progress that nobody waits for."""


class Scrubbing(Settling):
    """Of every blob, wherever its parts lie."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self.is_scrubbing = False
        """Whether there is one, in its `one_scrub`."""

    @contextmanager
    def one_scrub(self) -> Generator[None]:
        """For all of one, with what it fetches: a second one would read all there is once more."""
        assert not self.is_scrubbing, "looked at before"
        self.is_scrubbing = True
        try:
            yield
        finally:
            self.is_scrubbing = False

    async def scrub(
        self, told: Callable[[int, int], None] = _nobody, *, is_dry_run: bool = False
    ) -> Scrubbed:
        """Holds each chunk and page here against its hash, and drops what is damaged.

        The blobs that had it are not whole then, and can be fetched again: only that part comes.
        `is_dry_run`: nothing is dropped. `told` hears how many bytes of how many are read. Raises
        `Corrupt` where a file cannot be read at all.
        """
        await self._database.settle()
        await self._database.vault.check()
        ((chunks_bytes,),) = await self._database.rows(_BYTES)
        with await self._database.vault.read(Scrub) as scrub:
            total = scrub.bytes + chunks_bytes
            hashes: list[bytes] = []
            while (some := await self._database.vault.read(scrub.step)) is not None:
                hashes += some
                told(scrub.done_bytes, total)
        chunks, done = await self._damaged_chunks(
            lambda size: told(min(total, scrub.bytes + size), total)
        )
        hashes = (
            await self._database.vault.read(partial(damaged_of, hashes=hashes)) if hashes else []
        )
        hashes += await self._unnamed_objects()
        hit = dict.fromkeys(await self._blobs_of_objects(hashes, is_dry_run=is_dry_run))
        parts = len(hashes)
        if chunks:
            packs = self._database.packs
            drop = partial(_drop, packs=packs, chunks=chunks, is_dry_run=is_dry_run)
            count, blobs = await self._database.lazily(drop)
            parts += count
            hit |= dict.fromkeys(blobs)
            if not is_dry_run:
                self._note_damaged(blobs)
        return Scrubbed(scrub.bytes + done, parts, list(hit))

    async def blobs_to_mend(self) -> Sequence[BlobId]:
        """Those that were damaged before, and are not whole yet: known since the start, what this
        person keeps, and what this person's own records name."""
        rows = await self._database.rows(_OWN_NOT_WHOLE)
        return [*dict.fromkeys([*await self.damaged_blobs(), *(BlobId(id) for (id,) in rows)])]

    async def is_damaged(self, blob: BlobId) -> bool:
        """Whether the disk lost some of it that did not come again; not where some never came."""
        row = await self._database.row(
            "SELECT root FROM blob WHERE id = ? AND NOT is_complete", (blob,)
        )
        if row is None:
            return False
        if blob in await self.damaged_blobs() or await self._database.rows(_LOST_CHUNK, (blob,)):
            return True
        pages = parse_root(row[0], blob).page_hashes
        return bool(await self._database.vault.read(partial(lost_of, hashes=pages)))

    async def uses_of_blob(self, blob: BlobId) -> Sequence[BlobUse]:
        """What it belongs to, as far as what is listed says; at most `USES_MAX`."""
        return [BlobUse(*row) for row in await self._database.rows(_USES, (blob, USES_MAX))]

    async def snapshots_of_blob(self, blob: BlobId) -> int:
        """How many snapshots it is, of all universes."""
        row = await self._database.row(_SNAPSHOTS, (blob,))
        assert row is not None, "a count has one row"
        return int(row[0])

    async def kept_for(self, blob: BlobId) -> AuthorKey | None:
        """Whose record was the reason to fetch it; None of what is a person's."""
        row = await self._database.row(
            "SELECT k.author FROM kept k JOIN blob b ON b.number = k.blob WHERE b.id = ?", (blob,)
        )
        return None if row is None else AuthorKey(row[0])

    async def _blobs_of_objects(
        self, hashes: Sequence[bytes], *, is_dry_run: bool
    ) -> Sequence[BlobId]:
        """Also those of what was found damaged before: it has no name any more, and where the
        process ended then, they are called whole all the same."""
        wanted = [*hashes, *await self._database.vault.read(all_lost)]
        if not wanted:
            return []
        if not is_dry_run:
            return await self._forget_objects(wanted)
        rows = await self._database.rows(f"SELECT id, root FROM blob WHERE {IS_FOLDED}")
        return await self._database.vault.read(partial(blobs_with, rows=rows, hashes=wanted))

    async def _unnamed_objects(self) -> Sequence[bytes]:
        """The hashes of what whole blobs have and the vault has no name of: its names rot too, and
        what has none is not read."""
        asked = f"SELECT id, root FROM blob WHERE {IS_FOLDED}"
        seen: set[bytes] = set()  # pages, of which each is looked at once
        found: dict[bytes, None] = {}
        for id, encoded in await self._database.rows(asked):
            root = parse_root(encoded, BlobId(id))
            new = [at for at, hash in enumerate(root.page_hashes) if hash not in seen]
            seen.update(root.page_hashes)
            for at in range(0, len(new), PAGES_READ):
                unnamed = partial(unnamed_of, root=root, places=new[at : at + PAGES_READ])
                found |= dict.fromkeys(await self._database.vault.read(unnamed))
        lost = await self._database.vault.read(all_lost)
        wanted = [hash for hash in found if hash not in lost]
        # Looked at again: a blob may have gone meanwhile, and what only it had.
        rows = await self._database.rows(asked) if wanted else []
        if not await self._database.vault.read(partial(blobs_with, rows=rows, hashes=wanted)):
            return []
        here = await self._database.vault.read(partial(held, hashes=wanted))
        return [hash for hash in wanted if hash not in here]

    async def _damaged_chunks(self, told: Callable[[int], None]) -> tuple[list[_Chunk], int]:
        """Of those in packs and rows, and how many bytes were read."""
        found: list[_Chunk] = []
        done = 0
        last = (-1, -1)
        while rows := await self._database.rows(_IN_PACKS, (*last, CHUNKS_READ)):
            some = [(hash, Place(*place)) for hash, *place in rows]
            last = (rows[-1][1], rows[-1][2])
            found += await asyncio.to_thread(_wrong, self._database.packs, some)
            done += sum(place.size for _, place in some)
            told(done)
        number = 0
        while rows := await self._database.rows(_IN_ROWS, (number, CHUNKS_READ)):
            number = rows[-1][0]
            datas = [(hash, data) for _, hash, data in rows]
            found += await asyncio.to_thread(_others, datas)
            done += sum(len(data) for _, data in datas)
            told(done)
        return found, done


def _wrong(packs: Packs, chunks: Sequence[tuple[bytes, Place]]) -> list[_Chunk]:
    return [one for one in chunks if payload_digest(packs.read(one[1])) != one[0]]


def _others(chunks: Sequence[tuple[bytes, bytes]]) -> list[_Chunk]:
    return [(hash, None) for hash, data in chunks if payload_digest(data) != hash]


def _drop(
    database: sqlite3.Connection, *, packs: Packs, chunks: Sequence[_Chunk], is_dry_run: bool
) -> tuple[int, list[BlobId]]:
    """How many of them are damaged still, and the whole blobs that have those."""
    count = 0
    hit: dict[BlobId, None] = {}
    for hash, place in chunks:
        if not _is_damaged(database, packs, hash, place):
            continue
        count += 1
        hit |= dict.fromkeys(BlobId(id) for (id,) in database.execute(_WHOLE_WITH, (hash,)))
        if not is_dry_run:
            forget_chunk(database, hash, place)
    return count, list(hit)


def _is_damaged(
    database: sqlite3.Connection, packs: Packs, hash: bytes, place: Place | None
) -> bool:
    """A pack may have been written anew, and a chunk may have come again."""
    if place is not None:
        is_there = database.execute(_PLACE, (hash, place.pack, place.at)).fetchone() is not None
        return is_there and payload_digest(packs.read(place)) != hash
    row = database.execute("SELECT data FROM chunk WHERE hash = ?", (hash,)).fetchone()
    return row is not None and payload_digest(row[0]) != hash
