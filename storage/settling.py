"""Snapshots that another one follows are written anew, in the background: what only they have.

    queued (on the disk) ─▸ some objects at a time: read, packed, put in place ─▸ room given back

Whoever writes or reads meanwhile waits for no more than one such step. What was queued when the
process ended goes on after the next start, and behind it what was never queued
(`storage.unsettled`).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from crdt.blob import BlobId, BlobRoot, parse_root
from storage.database import Database
from storage.errors import OverQuota, StorageError
from storage.finishing import Finishing
from storage.folding import IS_FOLDED
from storage.unsettled import NOTE, Unsettled
from storage.vault.attached import let_go
from storage.vault.keeping import free
from storage.vault.kinds import content
from storage.vault.settling import Cover, Rewrite, covers_of, replace, rewrites_of
from storage.vault.unpacking import PlainCache

AGAIN_S = 60.0
CHUNKS_MAX = 300_000  # of a blob, some 5 GB: each takes memory while it is looked at
TO_QUEUE_MAX = 1_024  # of more the disk takes none meanwhile
PASSING = (OverQuota, StorageError)  # no kinds of it: those say more than that it cannot be now
_NEXT = (
    f"SELECT number, {content('older')}, {content('newer')} FROM vault.todo ORDER BY number LIMIT 1"
)


class _Pair(NamedTuple):
    """As it is queued."""

    number: int
    older: bytes
    newer: bytes


class Settling(Finishing):
    """What makes many snapshots small."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._queued = asyncio.Event()
        self._queued.set()  # what the last process left
        self._settling = asyncio.Lock()
        self._to_queue: dict[tuple[BlobId, BlobId], None] = {}  # the disk has not taken them yet
        self._unsettled = Unsettled(database)
        self._found = deque[tuple[BlobId, BlobId]]()  # by it, and not queued yet

    async def settle_snapshot(self, older: BlobId, newer: BlobId) -> None:
        """What only `older` has is to be written anew against `newer`, which followed it.

        Queued when this returns, or with the next one where the disk is full or busy: the snapshots
        are here, so that fails nobody. Of blobs that are not whole here, or not of version 2,
        nothing is done. Whoever runs the store does it: `keep_settling`.
        """
        await self.settle_snapshots([(older, newer)])

    async def settle_snapshots(self, pairs: Sequence[tuple[BlobId, BlobId]]) -> None:
        """The same of each (older, newer), queued together."""
        is_any = False
        for older, newer in pairs:
            if older != newer:
                is_any = True
                if len(self._to_queue) < TO_QUEUE_MAX:
                    self._to_queue[older, newer] = None
        if is_any:
            with suppress(StorageError):
                await self._queue()
            self._queued.set()

    async def _queue(self) -> None:
        if pairs := [*self._to_queue]:
            await self._database.lazily(partial(_queue, pairs=pairs))
            for pair in pairs:
                self._to_queue.pop(pair, None)

    async def keep_settling(
        self, on_fault: Callable[[Exception], None], *, again_s: float = AGAIN_S
    ) -> None:
        """Does what is queued, and what never was though it is here, until it is cancelled.

        A disk that is full or busy is waited out: it is tried again after `again_s`, or with the
        next that is queued. Two snapshots of which one cannot be read or written anew stay as they
        are. `on_fault` is told of each of these.
        """
        while True:
            await self._queued.wait()
            self._queued.clear()
            try:
                async with self._settling:
                    while pair := await self._next() or await self._next_left():
                        await self._settle_or_leave(pair, on_fault)
            except Exception as error:  # a snapshot that takes more room, but not the node
                on_fault(error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await self._queued.wait()
                self._queued.set()

    async def settled(self) -> int:
        """Does all that is queued; gives how many objects were written anew. Raises `OverQuota`,
        and whatever else befell one of them, which stays queued."""
        count = 0
        async with self._settling:
            while pair := await self._next():
                count += await self._settle_pair(pair)
                await self._unqueue(pair)
        return count

    async def _settle_or_leave(self, pair: _Pair, on_fault: Callable[[Exception], None]) -> None:
        """Raises what may be over in a while."""
        try:
            await self._settle_pair(pair)
        except Exception as error:  # the same would befall it after each start
            if type(error) in PASSING:
                raise
            on_fault(error)
        await self._unqueue(pair)

    async def _next(self) -> _Pair | None:
        await self._queue()
        rows = await self._database.rows(_NEXT)
        return _Pair(*rows[0]) if rows else None

    async def _next_left(self) -> _Pair | None:
        """Of what was here before this process: once there is nothing else to do. What comes
        meanwhile waits for one of them, and not for all."""
        while self._found or await self._find():
            first = self._found[0][0]
            while self._found and self._found[0][0] == first:
                self._to_queue[self._found.popleft()] = None  # until the disk takes them
            if pair := await self._next():
                return pair
        return None

    async def _find(self) -> bool:
        self._found.extend(await self._unsettled.some())
        return bool(self._found)

    async def _unqueue(self, pair: _Pair) -> None:
        # Two transactions, as of each file its own: where the second is missing, it is done again.
        note = partial(_note, older=pair.older, newer=pair.newer, is_written=False)
        await self._database.lazily(note)
        await self._database.lazily(partial(_unqueue, number=pair.number))

    async def _settle_pair(self, pair: _Pair) -> int:
        async with self._sweeping:  # nothing goes that is being leaned on
            older = await self._root_in_vault(BlobId(pair.older))
            newer = await self._root_in_vault(BlobId(pair.newer))
            if older is None or newer is None:
                return 0
            if max(older.chunk_count, newer.chunk_count) > CHUNKS_MAX:
                return 0
            return await self._settle_one(older, newer)

    async def _root_in_vault(self, blob: BlobId) -> BlobRoot | None:
        row = await self._database.row(
            f"SELECT root FROM blob WHERE id = ? AND {IS_FOLDED}", (blob,)
        )
        return parse_root(row[0], blob) if row else None

    async def _settle_one(self, older: BlobRoot, newer: BlobRoot) -> int:
        count = 0
        step = _Step(older, newer)
        vault, packs = self._database.vault, self._database.packs
        note = partial(_note, older=older.id, newer=newer.id, is_written=True)
        ahead = vault.read_soon(step)
        try:
            while (rewrites := await ahead) is not None:
                ahead = vault.read_soon(step)  # is packed while these are put in place
                if rewrites:
                    if not count:  # before it is: it is known wherever this ends
                        await self._database.lazily(note)
                    packs.room.check_smaller(sum(len(one.data) for one in rewrites))
                    count += await self._database.lazily(partial(replace, rewrites=rewrites))
        finally:
            let_go(ahead)
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


def _queue(database: sqlite3.Connection, *, pairs: Sequence[tuple[BlobId, BlobId]]) -> None:
    database.executemany("INSERT OR IGNORE INTO vault.todo (older, newer) VALUES (?, ?)", pairs)


def _unqueue(database: sqlite3.Connection, *, number: int) -> None:
    database.execute("DELETE FROM vault.todo WHERE number = ?", (number,))


def _note(database: sqlite3.Connection, *, older: bytes, newer: bytes, is_written: bool) -> None:
    database.execute(NOTE, (is_written, older, newer))
