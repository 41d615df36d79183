"""Snapshots that another one follows are written anew, in the background: what only they have.

    queued (on the disk) ─▸ some objects at a time: read, packed, put in place ─▸ room given back

Whoever writes or reads meanwhile waits for no more than one such step. What was queued when the
process ended goes on after the next start.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from crdt.blob import BlobId, BlobRoot, parse_root
from storage.database import Database
from storage.errors import OverQuota
from storage.finishing import Finishing
from storage.folding import IS_FOLDED
from storage.vault.keeping import free
from storage.vault.settling import Cover, Rewrite, covers_of, replace, rewrites_of
from storage.vault.unpacking import PlainCache

_NEXT = "SELECT number, older, newer FROM vault.todo ORDER BY number LIMIT 1"


class Settling(Finishing):
    """What makes many snapshots small."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._queued = asyncio.Event()
        self._queued.set()  # what the last process left
        self._settling = asyncio.Lock()

    async def settle_snapshot(self, older: BlobId, newer: BlobId) -> None:
        """What only `older` has is to be written anew against `newer`, which followed it.

        Queued when this returns. Of blobs that are not whole here, or not of version 2, nothing is
        done. Whoever runs the store does it: `keep_settling`.
        """
        if older != newer:
            await self._database.lazily(partial(_queue, older=older, newer=newer))
            self._queued.set()

    async def keep_settling(self) -> None:
        """Does what is queued, until it is cancelled. A full disk is waited out."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            try:
                await self.settled()
            except OverQuota:
                continue  # it goes on with the next one that is queued, or start

    async def settled(self) -> int:
        """Does all that is queued; gives how many objects were written anew. Raises `OverQuota`."""
        count = 0
        async with self._settling:
            while rows := await self._database.rows(_NEXT):
                ((number, older, newer),) = rows
                async with self._sweeping:  # nothing goes that is being leaned on
                    first = await self._root_in_vault(BlobId(older))
                    second = await self._root_in_vault(BlobId(newer))
                    if first is not None and second is not None:
                        count += await self._settle_one(first, second)
                await self._database.lazily(partial(_unqueue, number=number))
        return count

    async def _root_in_vault(self, blob: BlobId) -> BlobRoot | None:
        row = await self._database.row(
            f"SELECT root FROM blob WHERE id = ? AND {IS_FOLDED}", (blob,)
        )
        return parse_root(row[0], blob) if row else None

    async def _settle_one(self, older: BlobRoot, newer: BlobRoot) -> int:
        count = 0
        step = _Step(older, newer)
        packs = self._database.packs
        while (rewrites := await self._database.vault.read_cached(step)) is not None:
            if rewrites:
                packs.room.check(sum(len(one.data) for one in rewrites))
                count += await self._database.lazily(partial(replace, rewrites=rewrites))
        has_more = count > 0
        while has_more:
            has_more = await self._database.lazily(free)
        return count


class _Step:
    """What is to be written next, in a thread; None at the end."""

    def __init__(self, older: BlobRoot, newer: BlobRoot) -> None:
        self._roots = older, newer
        self._covers: Iterator[Sequence[Cover]] | None = None

    def __call__(self, vault: sqlite3.Connection, cache: PlainCache) -> list[Rewrite] | None:
        if self._covers is None:
            self._covers = covers_of(vault, *self._roots)
        some = next(self._covers, None)
        return None if some is None else rewrites_of(vault, some, cache)


def _queue(database: sqlite3.Connection, *, older: BlobId, newer: BlobId) -> None:
    database.execute(
        "INSERT OR IGNORE INTO vault.todo (older, newer) VALUES (?, ?)", (older, newer)
    )


def _unqueue(database: sqlite3.Connection, *, number: int) -> None:
    database.execute("DELETE FROM vault.todo WHERE number = ?", (number,))
