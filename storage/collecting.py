"""Giving back the room of blobs that nothing names any more.

Rows go first, then the files that no row names: what is killed between them is made good by the
next collection or start (`storage.mending`). A pack of which less than half is still wanted is
written anew: its chunks are copied, are on the disk, are named there, and only then the old goes.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from crdt.digest import payload_digest
from storage.database import Database, Reading, Writing
from storage.errors import StorageError
from storage.held import HeldMaps
from storage.mending import forget_chunk
from storage.pack_ends import ENDS
from storage.packs import Packs, Place
from storage.vault.attached import used_bytes
from storage.vault_collecting import GivenBack, VaultCollecting
from storage.wishes import Wishes

GRACE_US = 3_600_000_000  # an hour between the blob and the record that names it
COPIED_BYTES = 4 << 20  # at a time, so that other writers get their turn
HELD_BYTES = (
    "SELECT coalesce((SELECT sum(length(data)) FROM chunk), 0)"
    " + coalesce((SELECT sum(live) FROM pack), 0)"
)
_Copied = tuple[bytes, Place, Place]
# At once: some tenths of a second. Fewer would write each page of the indexes more often, since
# hashes lie everywhere in them: steps of 2,048 chunks wrote 4 GB to drop 10 GB.
PAGES_DROPPED = 64  # with up to 1,024 rows each
SWEPT = 32_768  # chunks looked at, whose bytes lie in packs
IN_ROWS = 16  # times fewer of those whose bytes lie in the database
_END = b"\xff" * 33  # after every hash
_EMPTY = "NOT EXISTS (SELECT 1 FROM packed k WHERE k.pack = pack.number)"
LONE = (  # of one table, between two hashes
    "FROM {table} WHERE hash > ?1 AND hash <= ?2"
    " AND NOT EXISTS (SELECT 1 FROM page_chunk c WHERE c.hash = {table}.hash)"
)
IS_NEEDED = (  # a blob b, whoever names it in a record: what is installed needs it, …
    "(b.id IN (SELECT blob FROM installed)"
    " OR b.id IN (SELECT frontier FROM statement WHERE frontier IS NOT NULL)"
    " OR b.number IN (SELECT blob FROM pinned))"
)
LONE_PAGES = (
    "SELECT number FROM page"
    " WHERE NOT EXISTS (SELECT 1 FROM blob_page b WHERE b.page = page.number) LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Collected:
    """What `gc` gave back."""

    blobs: int
    bytes: int
    young: int
    """Blobs that stay although nothing names them: they came within the time of grace."""
    damaged: tuple[str, ...] = ()
    """What is to be said of records that cannot be read: of them all stays."""


class Collecting(VaultCollecting):
    """The other half of `Blobs`."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._held = HeldMaps()
        self._wishes = Wishes()
        self._unlinking = asyncio.Lock()  # who collected is told when the files are gone
        self._rewriting = asyncio.Lock()  # of two at once, each would take the other's copies away
        self._left_over = asyncio.Event()  # parts of what came to nothing
        self._putting_turn = asyncio.Lock()  # none begins while rows go whose room is needed now

    async def gc(self, grace_us: int = GRACE_US) -> Collected:
        """Drops blobs that nobody pinned and no record, statement or installed module names, of
        those that are only kept what no record that counts names (`storage.kept`), and chunks that
        no blob has; nothing that is being fetched. Raises `OverQuota` where a pack is to be
        written anew and the disk is full; what was dropped before that is.
        """
        async with self._database.transaction() as write:
            before = await write.number(HELD_BYTES) + await write.vault.read(used_bytes)
            goes, values = self._nameless(grace_us)
            blobs = await write.run(f"DELETE FROM blob AS b WHERE {goes}", values)
            young = await self._young(write, grace_us)
        self._may_be_dead = True
        self._held.forget_all()
        await self.compact()
        async with self._database.reading() as view:
            after = await view.number(HELD_BYTES) + await view.vault.read(used_bytes)
        return Collected(blobs, max(0, before - after), young)

    def _nameless(self, grace_us: int) -> tuple[str, Sequence[object]]:
        """Which blobs `b` go: the condition, and its values."""
        fetched = sorted(self._wishes.blobs)
        goes = (
            "(b.begun_us < ? AND b.id NOT IN (SELECT blob FROM blob_use)"
            " OR b.number IN (SELECT blob FROM kept WHERE NOT is_named))"
            f" AND NOT {IS_NEEDED} AND b.id NOT IN ({','.join('?' * len(fetched))})"
        )
        return goes, (self._clock_us() - grace_us, *fetched)

    async def _young(self, view: Reading, grace_us: int) -> int:
        """How many stay although nothing names them."""
        return await view.number(
            "SELECT count(*) FROM blob AS b WHERE b.begun_us >= ?"
            " AND b.id NOT IN (SELECT blob FROM blob_use)"
            f" AND b.number NOT IN (SELECT blob FROM kept) AND NOT {IS_NEEDED}",
            (self._clock_us() - grace_us,),
        )

    async def compact(self) -> None:
        """Gives back the room of what was dropped. Raises `OverQuota`."""
        await self._drop_lone()
        async with self._rewriting:
            for pack in await asyncio.to_thread(self._sparse, await self._packs_live()):
                await self._rewrite(pack)

    async def reclaim(self, size: int, *, dead_parts: int | None = None) -> None:
        """Room of so many bytes on the disk, from what is dead in packs: what has most of it is
        written anew first, and no more than is needed; nothing, whose copy has no room beside it
        for a moment. `dead_parts`: only where one of so many parts of a pack is dead. Raises
        `OverQuota` where others took that room just then.
        """
        room = self._database.packs.room
        enough = await asyncio.to_thread(room.left_bytes) + size
        await self._drop_lone()
        async with self._rewriting:
            live = await self._packs_live()
            for pack in await asyncio.to_thread(self._deadest, live, dead_parts):
                if await asyncio.to_thread(room.left_bytes) >= enough:
                    return
                if live[pack] <= await asyncio.to_thread(room.available_bytes):
                    await self._rewrite(pack)

    async def give_back(self, *, pause_s: float = 0.0) -> GivenBack:
        """What was stored of a blob that came to nothing; as much as can be done of it now.

        Gives what went of snapshots; `has_left_over` where something may be left. `pause_s` between
        any two steps, where nobody waits for it.
        """
        before = self._given_back
        self._left_over.clear()
        with suppress(StorageError):
            await self._drop_lone(pause_s)
        return self._given_back - before

    async def until_left_over(self, seconds: float) -> None:
        """So long, or until a blob came to nothing that left something."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left_over.wait()
                self._left_over.clear()  # heard: who asks again waits for the next one

    async def _drop_lone(self, pause_s: float = 0.0) -> None:
        """Pages of no blob, chunks of no page, and then the packs in which nothing is left.

        In small steps: others write in between, and a disk that is full has no room for large ones.
        """
        await self._drop_lone_pages(pause_s)
        for table in ("packed", "chunk"):
            after: bytes | None = b""
            while after is not None:
                await asyncio.sleep(pause_s)
                after = await self._database.lazily(
                    partial(_drop_chunks, table=table, after=after, is_kept=self._is_putting)
                )
        await self._database.lazily(partial(_cut_pack, packs=self._database.packs))
        async with self._unlinking:
            async with self._database.transaction() as write:
                dead = [
                    pack for (pack,) in await write.rows(f"SELECT number FROM pack WHERE {_EMPTY}")
                ]
                await write.run(f"DELETE FROM pack WHERE {_EMPTY}")
                if self._database.packs.mark().pack in dead:
                    self._database.packs.close_pack()
            await asyncio.to_thread(self._database.packs.unlink, dead)
        await self._collect_vault(pause_s)

    async def _drop_lone_pages(self, pause_s: float = 0.0) -> None:
        dropped = 1
        while dropped:
            dropped = await self._database.lazily(_drop_pages)
            await asyncio.sleep(pause_s)

    def _is_putting(self) -> bool:
        return self._putting > 0

    async def _packs_live(self) -> dict[int, int]:
        return dict(await self._database.rows("SELECT number, live FROM pack"))

    def _sparse(self, live: dict[int, int]) -> list[int]:
        """Packs whose files are more than twice what is wanted of them."""
        sizes = self._file_sizes(live)
        return [pack for pack, size in sorted(sizes.items()) if 2 * live[pack] < size]

    def _deadest(self, live: dict[int, int], dead_parts: int | None) -> list[int]:
        """Packs of which not all is wanted: first those with the least to copy."""
        sizes = self._file_sizes(live)
        dead = {pack: size - live[pack] for pack, size in sizes.items() if size > live[pack]}
        worth = [one for one in dead if not dead_parts or dead_parts * dead[one] >= sizes[one]]
        return sorted(worth, key=lambda pack: (live[pack] / sizes[pack], pack))

    async def _dead(self) -> int:
        """Bytes of packs that nobody wants."""
        live = await self._packs_live()
        sizes = await asyncio.to_thread(self._file_sizes, live)
        return max(0, sum(size - live[pack] for pack, size in sizes.items()))

    def _file_sizes(self, live: dict[int, int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for pack in live:
            with suppress(OSError):
                found[pack] = os.stat(self._database.packs.path(pack)).st_size
        return found

    async def _rewrite(self, pack: int) -> None:
        packs = self._database.packs
        # What comes meanwhile lies elsewhere, so nothing is left here at the end.
        await self._database.lazily(partial(_close, packs=packs, pack=pack))
        rows = await self._database.rows(
            "SELECT hash, at, size FROM packed WHERE pack = ? ORDER BY at", (pack,)
        )
        todo = [(hash, Place(pack, at, size)) for hash, at, size in rows]
        copied: list[_Copied] = []
        try:
            while todo:
                part, todo = _up_to(todo, COPIED_BYTES)
                copied += await self._database.lazily(partial(_copy, packs=packs, wanted=part))
            synced = await asyncio.to_thread(packs.sync)
            async with self._database.transaction() as write:
                is_gone = await _move(write, pack, copied, synced)
            packs.copied_to.clear()
            if is_gone:
                await asyncio.to_thread(_drop_copied, packs, pack)
        finally:
            packs.copied_to.clear()
            packs.room.copies_bytes = 0


def _drop_pages(database: sqlite3.Connection) -> int:
    """Some that no blob has; gives how many."""
    return database.execute(
        f"DELETE FROM page WHERE number IN ({LONE_PAGES})", (PAGES_DROPPED,)
    ).rowcount


def _drop_chunks(
    database: sqlite3.Connection, *, table: str, after: bytes, is_kept: Callable[[], bool]
) -> bytes | None:
    """Those that no page names, of the next so many by their hashes; gives where to go on.

    `is_kept`: chunks come of which no page is here yet; asked in the turn of who writes.
    """
    if is_kept():
        return None
    most = SWEPT if table == "packed" else max(1, SWEPT // IN_ROWS)
    row = database.execute(
        f"SELECT hash FROM {table} WHERE hash > ? ORDER BY hash LIMIT 1 OFFSET ?",
        (after, most - 1),
    ).fetchone()
    until: bytes = row[0] if row else _END
    lone = LONE.format(table=table)
    if table == "packed":
        sizes = database.execute(f"SELECT sum(size), pack {lone} GROUP BY pack", (after, until))
        database.executemany("UPDATE pack SET live = live - ? WHERE number = ?", sizes.fetchall())
    database.execute(f"DELETE {lone}", (after, until))
    return until if row else None


def _cut_pack(database: sqlite3.Connection, *, packs: Packs) -> None:
    """The end of the newest pack, where an upload was that came to nothing.

    Not where copies lie, which have no rows yet either: these would name what is gone.
    """
    mark = packs.mark()
    if mark.pack in packs.copied_to:
        return
    row = database.execute(f"{ENDS} WHERE p.number = ?", (mark.pack,)).fetchone()
    end = row[1] if row else 0  # of copies that came to nothing the whole pack is named by no row
    if end < mark.at:
        packs.rewind(Place(mark.pack, end, 0))


def _up_to(
    places: Sequence[tuple[bytes, Place]], size: int
) -> tuple[list[tuple[bytes, Place]], list[tuple[bytes, Place]]]:
    """The first of them that have so many bytes together, and the rest."""
    count = 0
    while count < len(places) and size > 0:
        size -= places[count][1].size
        count += 1
    return list(places[:count]), list(places[count:])


def _close(_: sqlite3.Connection, *, packs: Packs, pack: int) -> None:
    if packs.mark().pack == pack:
        packs.close_pack()


def _copy(
    database: sqlite3.Connection, *, packs: Packs, wanted: Sequence[tuple[bytes, Place]]
) -> list[_Copied]:
    """To the end of another pack. What is damaged is no longer held."""
    good: list[tuple[bytes, Place, bytes]] = []
    for hash, place in wanted:
        data = packs.read(place)
        if payload_digest(data) == hash:
            good.append((hash, place, data))
        else:
            forget_chunk(database, hash, place)
    with packs.room.turn:
        places = packs.append([data for _, _, data in good]) if good else []
        packs.room.copies_bytes += sum(place.size for place in places)
    packs.copied_to.add(packs.mark().pack)
    return [(hash, old, new) for (hash, old, _), new in zip(good, places, strict=True)]


def _drop_copied(packs: Packs, pack: int) -> None:
    """It gives its room back in the moment in which the copies begin to take theirs."""
    with packs.room.turn:
        packs.unlink([pack])
        packs.room.copies_bytes = 0


async def _move(
    write: Writing, pack: int, copied: Sequence[_Copied], synced: dict[int, int]
) -> bool:
    """Names what was copied where it lies now; gives whether nothing is left in the old pack."""
    new = {place.pack for _, _, place in copied}
    await write.run_many("INSERT OR IGNORE INTO pack (number) VALUES (?)", ((one,) for one in new))
    await write.run_many(
        "UPDATE packed SET pack = ?, at = ? WHERE hash = ? AND pack = ? AND at = ?",
        ((now.pack, now.at, hash, old.pack, old.at) for hash, old, now in copied),
    )
    await note_synced(write, synced)
    await write.run_many(
        "UPDATE pack SET live = (SELECT coalesce(sum(p.size), 0) FROM packed p"
        " WHERE p.pack = pack.number) WHERE number = ?",
        ((one,) for one in {pack, *new}),
    )
    return bool(
        await write.run(
            "DELETE FROM pack WHERE number = ?1"
            " AND NOT EXISTS (SELECT 1 FROM packed WHERE pack = ?1)",
            (pack,),
        )
    )


async def note_synced(write: Writing, synced: dict[int, int]) -> None:
    """So much of each pack a loss of power leaves alone."""
    await write.run_many(
        "UPDATE pack SET synced = max(synced, ?2) WHERE number = ?1", synced.items()
    )
