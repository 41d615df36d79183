"""Blobs that this node fetches by itself because records name them, and may let go again.

    begun for no person ─▸ kept ─┬─▸ asked for, installed, added or published here: the person's
                                 ├─▸ no record that counts names it: the next `gc` takes it
                                 └─▸ others need its room: let go

Which they are, `node.keeping` decides. It is noted with the blob itself, in one transaction, so
that a process which is killed leaves none that belongs to nobody. What is not noted here is a
person's.
"""

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from storage.collecting import IS_NEEDED, Collecting
from storage.database import Writing


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """One of them. `author`: who named it when it was begun; `size` of all of it."""

    number: int
    id: BlobId
    author: AuthorKey
    size: int
    is_whole: bool


@dataclass(frozen=True, slots=True)
class KeptSum:
    blobs: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class KeptOf:
    author: AuthorKey
    blobs: int
    bytes: int


class KeptBlobs(Collecting):
    """What is kept for others, beside what is a person's."""

    def keeping(self, blob: BlobId, author: AuthorKey) -> AbstractContextManager[None]:
        """What is begun of it meanwhile is begun for no person, unless one waits for it too
        (`asking`). `author`: who names it. Neither `gc` nor `let_go` takes it away meanwhile."""
        return self._wishes.keeping(blob, author)

    def asking(self, blob: BlobId) -> AbstractContextManager[None]:
        """A person waits for it: what is begun of it meanwhile is theirs, whoever else keeps it.
        What had been begun before is adopted apart."""
        return self._wishes.asking(blob)

    async def kept_blobs(self, *, after: int = 0, limit: int = 1 << 30) -> list[KeptBlob]:
        """In the order in which they came here first; `after` a number."""
        rows = await self._database.rows(
            "SELECT b.number, b.id, k.author, b.size, b.is_complete FROM kept k"
            " JOIN blob b ON b.number = k.blob WHERE k.blob > ? ORDER BY k.blob LIMIT ?",
            (after, limit),
        )
        return [
            KeptBlob(number, BlobId(id), AuthorKey(author), size, bool(whole))
            for number, id, author, size, whole in rows
        ]

    async def kept_sum(self, without: Collection[BlobId] = ()) -> KeptSum:
        """How much they are, each counted whole, also where only a part is here."""
        row = await self._database.row(
            "SELECT count(*), coalesce(sum(b.size), 0) FROM kept k JOIN blob b ON b.number = k.blob"
            f" WHERE b.id NOT IN ({','.join('?' * len(without))})",
            list(without),
        )
        return KeptSum(*row) if row else KeptSum()

    async def kept_by_authors(self) -> list[KeptOf]:
        """How much of whom, by who named it when it was begun."""
        rows = await self._database.rows(
            "SELECT k.author, count(*), sum(b.size) FROM kept k JOIN blob b ON b.number = k.blob"
            " GROUP BY k.author"
        )
        return [KeptOf(AuthorKey(author), blobs, size) for author, blobs, size in rows]

    async def adopt_blob(self, blob: BlobId) -> None:
        """It is this person's from now on, and counts against nobody."""
        if await self._database.few_rows(
            "SELECT 1 FROM kept k JOIN blob b ON b.number = k.blob WHERE b.id = ?", (blob,)
        ):
            async with self._database.transaction() as write:
                await adopt(write, [blob])

    async def note_unnamed(self, blobs: Collection[BlobId]) -> None:
        """Of these nobody who counts says anything any more, of all others somebody does."""
        async with self._database.reading() as view:
            rows = await view.rows(
                "SELECT b.id FROM kept k JOIN blob b ON b.number = k.blob WHERE NOT k.is_named"
            )
        before = {id for (id,) in rows}
        moved = [*((0, one) for one in blobs if one not in before)]
        moved += [(1, one) for one in before if one not in blobs]
        if moved:
            async with self._database.transaction() as write:
                await write.run_many(
                    "UPDATE kept SET is_named = ?"
                    " WHERE blob = (SELECT number FROM blob WHERE id = ?)",
                    moved,
                )

    async def let_go(self, blobs: Iterable[BlobId]) -> int:
        """As far as they are kept, for nothing else, and not being fetched; gives how many went,
        and their room back.

        Raises `OverQuota` as `gc`; the blobs are gone then.
        """
        numbers: list[int] = []
        async with self._database.transaction() as write:
            rows = await write.rows_in(
                f"SELECT b.number, {IS_NEEDED} FROM blob b JOIN kept k ON k.blob = b.number"
                " WHERE b.id IN (*)",
                list({*blobs} - {*self._wishes.blobs}),
            )
            numbers = [number for number, is_needed in rows if not is_needed]
            await write.run_many("DELETE FROM blob WHERE number = ?", ((n,) for n in numbers))
            # A frontier, say, that a record had named first: it is here for its own sake now.
            needed = ((number,) for number, is_needed in rows if is_needed)
            await write.run_many("DELETE FROM kept WHERE blob = ?", needed)
        if numbers:
            self._held.forget_all()
            await self.compact()
        return len(numbers)


async def adopt(write: Writing, blobs: Iterable[BlobId]) -> None:
    """As `KeptBlobs.adopt_blob`, with what else is written."""
    await write.run_many(
        "DELETE FROM kept WHERE blob = (SELECT number FROM blob WHERE id = ?)",
        ((one,) for one in blobs),
    )
