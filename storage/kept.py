"""Blobs that this node fetches by itself because records name them, and may let go again.

    begun for no person ─▸ kept ─┬─▸ asked for, installed, added or published here: the person's
                                 ├─▸ no record that counts names it: the next `gc` takes it
                                 └─▸ others need its room: let go

Which they are, `node.keeping` decides. It is noted with the blob itself, in one transaction, so
that a process which is killed leaves none that belongs to nobody. What is not noted here is a
person's.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Final

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from storage.blob_rows import IS_MISSING
from storage.collecting import IS_NEEDED, Collecting
from storage.database import Reading, Writing
from storage.folding import IS_FOLDED
from storage.vault_room import given_back, stored_alone

_DROP_EMPTY: Final = (
    "DELETE FROM blob AS b WHERE b.id = ? AND NOT b.is_complete"
    f" AND b.number IN (SELECT blob FROM kept) AND NOT {IS_NEEDED}"
    " AND NOT EXISTS (SELECT 1 FROM blob_page r JOIN page_chunk c ON c.page = r.page"
    f" WHERE r.blob = b.number AND NOT ({IS_MISSING}))"
)
_NAMED: Final = "UPDATE kept SET is_named = ? WHERE blob = (SELECT number FROM blob WHERE id = ?)"
# Of blobs in turn (?1: their numbers), chunks that no other blob has; each becomes free with the
# last of them that has it.
_GIVEN_BACK: Final = """
    WITH going (blob, turn) AS (SELECT value, key FROM json_each(?1)),
    lone (turn, size, last) AS (
        SELECT n.turn, {size}, max(n.turn) OVER (PARTITION BY n.hash) FROM (
            SELECT DISTINCT g.turn, c.hash FROM going g JOIN blob_page b ON b.blob = g.blob
            JOIN page_chunk c ON c.page = b.page) n
        JOIN {table} p ON p.hash = n.hash WHERE NOT EXISTS (
            SELECT 1 FROM page_chunk c JOIN blob_page b ON b.page = c.page
            WHERE c.hash = n.hash AND b.blob NOT IN (SELECT blob FROM going)))
    SELECT turn, sum(size), sum(CASE WHEN turn = last THEN size ELSE 0 END) FROM lone
    GROUP BY turn"""


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

    async def adopt_whole(self, blobs: Iterable[BlobId]) -> set[BlobId]:
        """Those of them of which all is here; as `adopt_blob` of each.

        It is looked at in the turn of who writes: what was waited for before (`asking`) is here
        from then on until that ends, which no `gc` that is under way changes.
        """
        each = sorted(set(blobs))

        async def adopted(write: Writing) -> set[BlobId]:
            await adopt(write, each)
            sql = "SELECT id FROM blob WHERE is_complete AND id IN (*)"
            return {BlobId(id) for (id,) in await write.rows_in(sql, each)}

        return await self._database.transact(adopted)

    async def note_unnamed(self, blobs: Collection[BlobId]) -> None:
        """Of these nobody who counts says anything any more, of all others somebody does."""
        async with self._database.reading() as view:
            moved = await _newly_named(view, blobs)
        if moved:
            async with self._database.transaction() as write:
                await write.run_many(_NAMED, moved)

    async def let_go(self, blobs: Iterable[BlobId]) -> int:
        """As `drop_kept`, and gives their room back. Raises `OverQuota` as `gc`; the blobs are gone
        then."""
        gone = await self.drop_kept(blobs)
        if gone:
            await self.compact()
        return gone

    async def drop_kept(self, blobs: Iterable[BlobId]) -> int:
        """As far as they are kept, for nothing else, and not being fetched; gives how many went.

        Whoever needs their room gives it back: `compact`, `reclaim`.
        """
        async with self._database.transaction() as write:
            found = await _that_may_go(write, {*blobs} - {*self._wishes.blobs})
            going = [(number,) for _, number, is_needed in found if not is_needed]
            await write.run_many("DELETE FROM blob WHERE number = ?", going)
            # A frontier, say, that a record had named first: it is here for its own sake now.
            needed = ((number,) for _, number, is_needed in found if is_needed)
            await write.run_many("DELETE FROM kept WHERE blob = ?", needed)
        if going:
            self._may_be_dead = True
            self._held.forget_all()
        return len(going)

    async def drop_empty(self, blob: BlobId) -> None:
        """Where it is kept, and not a byte of it is here: it would count as all that it names."""
        async with self._database.transaction() as write:
            if blob in self._wishes.blobs:
                return
            gone = await write.run(_DROP_EMPTY, (blob,))
        if gone:
            self._may_be_dead = True
            self._held.forget(blob)
            await self._drop_lone_pages()

    async def kept_gives(self, *, in_rows: bool) -> int:
        """Bytes that all of it gives back at the most; as `to_give_back`."""
        async with self._database.reading() as view:
            rows = await view.rows("SELECT blob FROM kept")
            given = await _given_back(view, [number for (number,) in rows], in_rows=in_rows)
        return sum(one.so_far for one in given.values())

    async def to_give_back(
        self, blobs: Sequence[BlobId], size: int, *, in_rows: bool = False
    ) -> list[BlobId]:
        """Of what may go, the first that give back so many bytes together, but for what is not
        needed for that; nothing, where all of them give less.

        Only what is here counts, and what no other blob has too. The bytes of small blobs lie in
        the database, whose file does not shrink: they count for what goes there too (`in_rows`).
        """
        async with self._database.reading() as view:
            found = await _that_may_go(view, {*blobs} - {*self._wishes.blobs})
            numbers = {id: number for id, number, is_needed in found if not is_needed}
            going = [(one, numbers[one]) for one in blobs if one in numbers]
            given = await _given_back(view, [number for _, number in going], in_rows=in_rows)
            sums = accumulate(given[turn].so_far for turn in range(len(going)))
            count = next((turn + 1 for turn, each in enumerate(sums) if each >= size), 0)
            going = going[:count]
            given = await _given_back(view, [number for _, number in going], in_rows=in_rows)
        over = sum(one.so_far for one in given.values()) - size
        stay: set[BlobId] = set()
        for turn, (one, _) in reversed([*enumerate(going)]):
            if given[turn].shared <= over:  # without it the others still make it
                over -= given[turn].shared
                stay.add(one)
        return [one for one, _ in going if one not in stay]


async def note_unnamed_in(write: Writing, blobs: Collection[BlobId]) -> None:
    """As `KeptBlobs.note_unnamed`."""
    await write.run_many(_NAMED, await _newly_named(write, blobs))


async def _newly_named(view: Reading, blobs: Collection[BlobId]) -> list[tuple[int, bytes]]:
    """Those of which something else is noted than that of `blobs` alone nobody says anything:
    whether somebody does, and which."""
    rows = await view.rows(
        "SELECT b.id FROM kept k JOIN blob b ON b.number = k.blob WHERE NOT k.is_named"
    )
    before = {id for (id,) in rows}
    moved: list[tuple[int, bytes]] = [(0, one) for one in blobs if one not in before]
    return [*moved, *((1, one) for one in before if one not in blobs)]


@dataclass(slots=True)
class _Given:
    """Bytes that are free when blobs go in turn."""

    shared: int = 0
    """That this one has, alone or with others of them."""
    so_far: int = 0
    """That become free with it: the last that had them."""


async def _that_may_go(view: Reading, blobs: Collection[BlobId]) -> list[tuple[BlobId, int, bool]]:
    """Of those that are kept: also the number, and whether something else needs it."""
    rows = await view.rows_in(
        f"SELECT b.id, b.number, {IS_NEEDED} FROM blob b JOIN kept k ON k.blob = b.number"
        " WHERE b.id IN (*)",
        list(blobs),
    )
    return [(BlobId(id), number, bool(is_needed)) for id, number, is_needed in rows]


async def _given_back(
    view: Reading, numbers: Sequence[int], *, in_rows: bool
) -> Mapping[int, _Given]:
    """By turn, of blobs by their numbers."""
    given = await _given_by_rows(view, numbers, in_rows=in_rows)
    rows = await view.rows(f"SELECT number, id, root FROM blob WHERE {IS_FOLDED}")
    turns = {number: turn for turn, number in enumerate(numbers)}
    going = [(turns[number], (id, root)) for number, id, root in rows if number in turns]
    if going:
        others = [(id, root) for number, id, root in rows if number not in turns]
        found = await view.vault.read(partial(given_back, going=going, others=others))
        for turn, (shared, so_far) in found.items():
            given[turn].shared += shared
            given[turn].so_far += so_far
    return given


async def _given_by_rows(
    view: Reading, numbers: Sequence[int], *, in_rows: bool
) -> defaultdict[int, _Given]:
    """The same, of what does not lie in the vault."""
    given = defaultdict[int, _Given](_Given)
    for table, size in (("packed", "p.size"), *([("chunk", "length(p.data)")] if in_rows else ())):
        sql = _GIVEN_BACK.format(table=table, size=size)
        for turn, shared, so_far in await view.rows(sql, (json.dumps(numbers),)):
            given[turn].shared += shared
            given[turn].so_far += so_far
    return given


async def bytes_alone(view: Reading, numbers: Collection[int]) -> int:
    """Of what these blobs have and no other does: about what goes back with all of them."""
    given = await _given_by_rows(view, [*numbers], in_rows=True)
    rows = await view.rows(f"SELECT number, id, root FROM blob WHERE {IS_FOLDED}")
    going = [(id, root) for number, id, root in rows if number in numbers]
    others = [(id, root) for number, id, root in rows if number not in numbers]
    in_vault = await view.vault.read(partial(stored_alone, going=going, others=others))
    return sum(one.so_far for one in given.values()) + in_vault


async def adopt(write: Writing, blobs: Iterable[BlobId]) -> None:
    """As `KeptBlobs.adopt_blob`, with what else is written."""
    await write.run_many(
        "DELETE FROM kept WHERE blob = (SELECT number FROM blob WHERE id = ?)",
        ((one,) for one in blobs),
    )
