"""Blobs that this person keeps, whether or not any record names them."""

from dataclasses import dataclass

from crdt.blob import BlobId, Chunking, parse_root
from storage.blob_rows import not_held
from storage.database import Row
from storage.kept import adopt
from storage.part import Part, in_bounds

PINNED_MAX = 1_000  # listed at once
_LISTED = (
    "SELECT b.number, b.id, p.name, b.size, b.root, b.chunk_count, p.added_us, b.is_complete"
    " FROM pinned p JOIN blob b ON b.number = p.blob"
)


@dataclass(frozen=True, slots=True)
class PinnedBlob:
    """One of them. `number`: where to go on listing; `added_us` in Unix microseconds."""

    number: int
    id: BlobId
    name: str
    size: int
    chunking: Chunking
    chunk_count: int
    added_us: int
    is_complete: bool


class Pinned(Part):
    """What `gc` leaves alone for a person's sake."""

    async def pin_blob(self, blob: BlobId, name: str) -> None:
        """Keeps it, under a name for people. Raises `NotHeld` where nothing of it is here."""
        async with self._database.transaction() as write:
            is_there = await write.run(
                "INSERT INTO pinned SELECT number, ?, ? FROM blob WHERE id = ?"
                " ON CONFLICT (blob) DO UPDATE SET name = excluded.name",
                (name, self._clock_us(), blob),
            )
            if not is_there:
                raise not_held(blob)
            await adopt(write, [blob])

    async def unpin_blob(self, blob: BlobId) -> bool:
        """Where nothing else names it, the next `gc` takes it. False where it was not kept."""
        async with self._database.transaction() as write:
            was_kept = await write.run(
                "DELETE FROM pinned WHERE blob = (SELECT number FROM blob WHERE id = ?)", (blob,)
            )
            if was_kept:  # no time of grace: nobody is about to name it
                await write.run("UPDATE blob SET begun_us = 0 WHERE id = ?", (blob,))
        return bool(was_kept)

    async def pinned_blob(self, blob: BlobId) -> PinnedBlob | None:
        """None where it is not kept."""
        rows = await self._database.rows(f"{_LISTED} WHERE b.id = ?", (blob,))
        return _pinned(rows[0]) if rows else None

    async def pinned_blobs(self, *, after: int = 0, limit: int = PINNED_MAX) -> list[PinnedBlob]:
        """In the order in which they came here first."""
        rows = await self._database.rows(
            f"{_LISTED} WHERE b.number > ? ORDER BY b.number LIMIT ?",
            (after, in_bounds(limit, PINNED_MAX)),
        )
        return [_pinned(row) for row in rows]


def _pinned(row: Row) -> PinnedBlob:
    number, id, name, size, encoded, chunk_count, added_us, is_complete = row
    chunking = parse_root(encoded, id).chunking
    is_whole = bool(is_complete)
    return PinnedBlob(number, id, name, size, chunking, chunk_count, added_us, is_whole)
