"""Blobs: bytes too large for an entry, in chunks kept once whoever refers to them.

A blob begins with its root, then come its pages (the hashes of its chunks), then its chunks, each
checked before it is stored, in any order and over any number of sittings. A chunk that another blob
already brought is there at once. What nothing refers to is collected by `gc`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crdt.blob import (
    CHUNK_BYTES,
    PAGE_CHUNKS_MAX,
    BlobId,
    BlobRoot,
    Chunking,
    Manifest,
    build_manifest,
    chunks_of,
    parse_page,
    parse_root,
)
from crdt.digest import payload_digest
from storage.database import Reading, Row, Writing
from storage.errors import Mismatch, NotHeld, OverQuota
from storage.namers import note_namers
from storage.part import Part, in_bounds

SIZE_BYTES_MAX = 4 << 30  # of one blob in SQLite; larger ones want an object store
CHUNKS_MAX = 65_536  # missing ones listed in one answer: 16 GiB
WRITE_CHUNKS = 16  # 4 MiB in one transaction, so that other writers get their turn
GRACE_US = 3_600_000_000  # an hour between the blob and the record that names it


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` gave back."""

    blobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BlobState:
    """How much of a blob is here. `chunks_held` of `chunk_count`; pages may still be missing."""

    id: BlobId
    size: int
    chunk_count: int
    chunks_held: int
    is_complete: bool


class Blobs(Part):
    """Whole and partial blobs."""

    async def put_blob(self, data: bytes | Iterable[bytes]) -> BlobId:
        """Stores a blob of our own, given whole or in pieces of any size; gives its name.

        Nothing names it yet: `gc` leaves it alone for `GRACE_US`.
        """
        chunks = iter(_rechunked(data))
        hashes: list[bytes] = []
        size = 0
        while batch := await asyncio.to_thread(_next_hashed, chunks):
            async with self._database.transaction() as write:
                await _add_chunks(write, batch)
            hashes += [hash for hash, _ in batch]
            size += sum(len(chunk) for _, chunk in batch)
            _check_size(size)
        manifest = await asyncio.to_thread(build_manifest, hashes, size)
        root = parse_root(manifest.root, manifest.id)
        async with self._database.transaction() as write:
            number = await _begin(write, root, manifest.root, self._clock_us())
            for page in range(len(manifest.pages)):
                await _add_page(write, number, root, page, manifest.pages[page])
            await _finish_if_whole(write, number)
            # Another blob's `gc` may have run between the chunks and here.
            if not (await _state(write, manifest.id)).is_complete:
                raise NotHeld("The blob's chunks were collected while it was being stored.")
        return manifest.id

    async def begin_blob(self, blob: BlobId, root: bytes) -> BlobState:
        """Makes room for a blob whose root is here, or goes on with it.

        Raises `Malformed`, or `OverQuota` where it is larger than this store takes.
        """
        parsed = parse_root(root, blob)
        _check_size(parsed.size)
        if parsed.chunking is not Chunking.FIXED:
            raise OverQuota("This store takes blobs with chunks of one size only.")
        async with self._database.transaction() as write:
            number = await _begin(write, parsed, root, self._clock_us())
            await _finish_fetched(write, number, blob)
            return await _state(write, blob)

    async def add_page(self, blob: BlobId, page: int, data: bytes) -> None:
        """One page of the manifest. Raises `Malformed`, or `NotHeld` before `begin_blob`."""
        async with self._database.transaction() as write:
            number, root, _, _ = await _known(write, blob)
            await _add_page(write, number, parse_root(root, blob), page, data)
            await _finish_fetched(write, number, blob)

    async def add_chunk(self, blob: BlobId, index: int, data: bytes) -> bool:
        """One chunk, checked against its page. Gives whether the blob is now whole.

        Raises `Mismatch`, or `NotHeld` while its page is not here.
        """
        if len(data) > CHUNK_BYTES:
            raise Mismatch(f"Chunk {index} of blob {blob.hex()} has {len(data):,} bytes.")
        hash = await asyncio.to_thread(payload_digest, data)
        async with self._database.transaction() as write:
            number, _, _, size = await _known(write, blob)
            named = await write.row(
                "SELECT hash FROM blob_chunk WHERE blob = ? AND place = ?", (number, index)
            )
            if named is None:
                raise NotHeld(f"Chunk {index} of blob {blob.hex()} is not announced by any page.")
            if named[0] != hash or len(data) != min(CHUNK_BYTES, size - index * CHUNK_BYTES):
                raise Mismatch(f"Chunk {index} of blob {blob.hex()} has other bytes than named.")
            await _add_chunks(write, [(hash, data)])
            return await _finish_fetched(write, number, blob)

    async def has_blob(self, blob: BlobId) -> bool:
        """Whether all of it is here."""
        row = await self._database.row("SELECT is_complete FROM blob WHERE id = ?", (blob,))
        return bool(row and row[0])

    async def blob_state(self, blob: BlobId) -> BlobState | None:
        """How much of it is here; None where it was never begun."""
        async with self._database.reading() as view:
            if await view.row("SELECT 1 FROM blob WHERE id = ?", (blob,)) is None:
                return None
            return await _state(view, blob)

    async def blob_root(self, blob: BlobId) -> bytes | None:
        """The root's bytes, for a peer."""
        row = await self._database.row("SELECT root FROM blob WHERE id = ?", (blob,))
        return row[0] if row else None

    async def blob_page(self, blob: BlobId, page: int) -> bytes | None:
        """One page's bytes, for a peer."""
        row = await self._database.row(
            "SELECT p.data FROM blob_page p JOIN blob b ON b.number = p.blob"
            " WHERE b.id = ? AND p.page = ?",
            (blob, page),
        )
        return row[0] if row else None

    async def blob_manifest(self, blob: BlobId) -> Manifest | None:
        """Root and pages, once all of them are here."""
        async with self._database.reading() as view:
            row = await view.row("SELECT root, number FROM blob WHERE id = ?", (blob,))
            if row is None:
                return None
            pages = await view.rows(
                "SELECT data FROM blob_page WHERE blob = ? ORDER BY page", (row[1],)
            )
        root = parse_root(row[0], blob)
        is_whole = len(pages) == root.page_count
        return Manifest(root, tuple(page[0] for page in pages)) if is_whole else None

    async def missing_pages(self, blob: BlobId) -> list[int]:
        """Pages still to be fetched. Raises `NotHeld` before `begin_blob`."""
        async with self._database.reading() as view:
            number, root, _, _ = await _known(view, blob)
            rows = await view.rows("SELECT page FROM blob_page WHERE blob = ?", (number,))
        held = {row[0] for row in rows}
        count = parse_root(root, blob).page_count
        return [page for page in range(count) if page not in held]

    async def missing_chunks(self, blob: BlobId, limit: int = CHUNKS_MAX) -> list[int]:
        """Chunks still to be fetched, of the pages that are here, in order."""
        async with self._database.reading() as view:
            number, _, _, _ = await _known(view, blob)
            rows = await view.rows(
                "SELECT b.place FROM blob_chunk b JOIN blob ON blob.number = b.blob"
                f" WHERE b.blob = ? AND {_IS_MISSING} ORDER BY b.place LIMIT ?",
                (number, in_bounds(limit, CHUNKS_MAX)),
            )
        return [row[0] for row in rows]

    async def read_chunk(self, blob: BlobId, index: int) -> bytes:
        """One chunk, also of a partial blob. Raises `NotHeld`."""
        row = await self._database.row(
            "SELECT c.data FROM blob b JOIN blob_chunk p ON p.blob = b.number"
            " JOIN chunk c ON c.hash = p.hash WHERE b.id = ? AND p.place = ?"
            # A page may name a chunk of another length, which is none of this blob.
            f" AND length(c.data) = min({CHUNK_BYTES}, b.size - p.place * {CHUNK_BYTES})",
            (blob, index),
        )
        if row is None:
            raise NotHeld(f"Chunk {index} of blob {blob.hex()} is not here.")
        data: bytes = row[0]
        return data

    async def read_blob(self, blob: BlobId) -> bytes:
        """All of it, in memory: for modules, not for snapshots. Raises `NotHeld`."""
        async with self._database.reading() as view:
            await _known(view, blob)
            data = await whole_blob(view, blob)
        if data is None:
            raise NotHeld(f"Blob {blob.hex()} is only partly here.")
        return data

    async def gc(self, grace_us: int = GRACE_US) -> Collected:
        """Drops blobs that no record, statement or installed module names, and lone chunks."""
        async with self._database.transaction() as write:
            before = await write.number("SELECT sum(length(data)) FROM chunk")
            blobs = await write.run(
                "DELETE FROM blob WHERE begun_us < ?"
                " AND id NOT IN (SELECT blob FROM blob_use)"
                " AND id NOT IN (SELECT blob FROM installed)"
                " AND id NOT IN (SELECT frontier FROM statement WHERE frontier IS NOT NULL)",
                (self._clock_us() - grace_us,),
            )
            await write.run("DELETE FROM chunk WHERE hash NOT IN (SELECT hash FROM blob_chunk)")
            after = await write.number("SELECT sum(length(data)) FROM chunk")
        return Collected(blobs, before - after)


async def whole_blob(
    view: Reading, blob: BlobId, *, bytes_max: int = SIZE_BYTES_MAX
) -> bytes | None:
    """All of a blob that is here and no larger, else None."""
    row = await view.row(
        "SELECT number FROM blob WHERE id = ? AND is_complete AND size <= ?", (blob, bytes_max)
    )
    if row is None:
        return None
    rows = await view.rows(
        "SELECT c.data FROM blob_chunk p JOIN chunk c ON c.hash = p.hash"
        " WHERE p.blob = ? ORDER BY p.place",
        (row[0],),
    )
    return b"".join(data for (data,) in rows)


def _check_size(size: int) -> None:
    if size > SIZE_BYTES_MAX:
        raise OverQuota(f"A blob of {size:,} bytes; this store takes {SIZE_BYTES_MAX:,}.")


def _rechunked(data: bytes | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield from chunks_of(data)
        return
    rest = bytearray()
    for piece in data:
        rest += piece
        while len(rest) >= CHUNK_BYTES:
            yield bytes(rest[:CHUNK_BYTES])
            del rest[:CHUNK_BYTES]
    if rest:
        yield bytes(rest)


def _next_hashed(chunks: Iterator[bytes]) -> list[tuple[bytes, bytes]]:
    batch: list[tuple[bytes, bytes]] = []
    for chunk in chunks:
        batch.append((payload_digest(chunk), chunk))
        if len(batch) == WRITE_CHUNKS:
            break
    return batch


async def _begin(write: Writing, root: BlobRoot, encoded: bytes, now_us: int) -> int:
    """The number of the blob. Beginning it again starts its time of grace anew."""
    await write.run(
        "INSERT INTO blob (id, size, chunk_count, root, is_complete, begun_us)"
        " VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (id) DO UPDATE SET begun_us = excluded.begun_us",
        (root.id, root.size, root.chunk_count, encoded, now_us),
    )
    return await write.number("SELECT number FROM blob WHERE id = ?", (root.id,))


async def _add_page(write: Writing, number: int, root: BlobRoot, page: int, data: bytes) -> None:
    hashes = parse_page(data, root, page)
    await write.run("INSERT OR IGNORE INTO blob_page VALUES (?, ?, ?)", (number, page, data))
    first = page * PAGE_CHUNKS_MAX
    await write.run_many(
        "INSERT OR IGNORE INTO blob_chunk VALUES (?, ?, ?)",
        ((number, first + place, hash) for place, (hash, _) in enumerate(hashes)),
    )


async def _add_chunks(write: Writing, chunks: Sequence[tuple[bytes, bytes]]) -> None:
    await write.run_many("INSERT OR IGNORE INTO chunk (hash, data) VALUES (?, ?)", chunks)


# A chunk that another blob brought, of another length than belongs there, is none of this blob.
_IS_MISSING = f"""NOT EXISTS (SELECT 1 FROM chunk c WHERE c.hash = b.hash
    AND length(c.data) = min({CHUNK_BYTES}, blob.size - b.place * {CHUNK_BYTES}))"""


async def _finish_fetched(write: Writing, number: int, blob: BlobId) -> bool:
    """As `_finish_if_whole`, of bytes that came from elsewhere: who had named them is noted."""
    is_whole = await _finish_if_whole(write, number)
    if is_whole:
        await note_namers(write, [blob])
    return is_whole


async def _finish_if_whole(write: Writing, number: int) -> bool:
    # Chunks come in order, so looking for a missing one from the end is one step, not thousands.
    return bool(
        await write.run(
            f"""UPDATE blob SET is_complete = 1 WHERE number = ? AND chunk_count <=
                    ? * (SELECT count(*) FROM blob_page p WHERE p.blob = blob.number)
                AND (SELECT b.place FROM blob_chunk b WHERE b.blob = blob.number AND {_IS_MISSING}
                     ORDER BY b.place DESC LIMIT 1) IS NULL""",
            (number, PAGE_CHUNKS_MAX),
        )
    )


async def _known(view: Reading, blob: BlobId) -> Row:
    row = await view.row("SELECT number, root, is_complete, size FROM blob WHERE id = ?", (blob,))
    if row is None:
        raise NotHeld(f"Blob {blob.hex()} is not here.")
    return row


async def _state(view: Reading, blob: BlobId) -> BlobState:
    row = await view.row(
        """SELECT size, chunk_count, is_complete,
                  (SELECT count(*) FROM blob_chunk p JOIN chunk c ON c.hash = p.hash
                   WHERE p.blob = b.number)
           FROM blob b WHERE id = ?""",
        (blob,),
    )
    assert row is not None, "begun in this transaction"
    size, chunk_count, is_complete, held = row
    return BlobState(blob, size, chunk_count, held, bool(is_complete))
