"""Room on the disk for blobs that are fetched, and what gives way where there is none.

What was promised to a person's blob no other takes. What is only kept (`storage.kept`) leaves its
room to a person's, also what it was promised itself, and makes more where that is too little.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from crdt.blob import CHUNK_BYTES, BlobId
from storage.blob_pages import BlobPages
from storage.blob_rows import FREE_BYTES, PACKED_BYTES_MIN
from storage.database import Database
from storage.disk_room import refusal
from storage.errors import OverQuota
from storage.held import HeldMap, count_held
from storage.promised import Promised, missing_bytes

ROW_BYTES = 256  # that the database takes for a chunk
ROWS_OF_CHUNK = 384  # before it comes: `storage.blob_rows` asks for so much for its name
DEAD_PARTS = 16  # where one of so many is dead of a pack, that is taken before anything goes
TIMES = 2  # what lacks is let go at most, where others take it, or the disk tells of it late
GiveWay: TypeAlias = Callable[[int, bool], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class BlobState:
    """What is known of a blob whose root is here."""

    id: BlobId
    size: int
    chunk_count: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class _Need:
    """What a blob still takes, of what blobs may take of the disk, and others were promised."""

    blob: BlobId
    size: int = 0
    left: int = 0
    promised: int = 0
    chunks_left: int = 0
    is_named: bool = False
    """All of its pages are here: it takes just so much."""
    is_small: bool = False

    @property
    def lacking(self) -> int:
        return self.size - (self.left - self.promised) if self.size else 0

    @property
    def refusal(self) -> OverQuota:
        return refusal(self.size, self.left, self.promised)


class BlobRoom(BlobPages):
    """The part of `Blobs` that looks at the disk."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._promised = Promised()
        self._give_way: GiveWay = _nothing_gives_way
        self._making = asyncio.Lock()  # of two at once each would let the same go

    def on_lack_of_room(self, give_way: GiveWay) -> None:
        """`give_way` lets go what gives back so many bytes, for what a person waits for or adds,
        of rows too where these are wanted (`in_rows`); gives how many blobs went. Whoever asks
        gives back their room."""
        self._give_way = give_way

    async def blob_state(self, blob: BlobId) -> BlobState | None:
        """None where it was never begun."""
        row = await self._database.row(
            "SELECT size, chunk_count, is_complete FROM blob WHERE id = ?", (blob,)
        )
        return BlobState(blob, row[0], row[1], bool(row[2])) if row else None

    async def check_room(self, blob: BlobId) -> None:
        """Raises `OverQuota` where the disk has no room for what is missing of a blob, beside what
        is missing of others that are fetched. Where all of its pages are here, others leave it
        that room until `release_room`. What is kept for others gives way to what a person asked
        for."""
        need = await self._need(blob)
        if need.lacking > 0 and self._wishes.is_asked(blob):
            async with self._making:  # until it is promised: another would take it
                if not need.is_named:
                    return await self._make_room_for_pages(need)
                await self._gain(partial(self._lacks, blob), in_rows=need.is_small)
                need = await self._need(blob)
                self._promise(need)
        else:
            self._promise(need)

    async def _make_room_for_pages(self, need: "_Need") -> None:
        """How much it takes they tell: before, it is known what it takes at least, if it has all
        that is here. So no more goes for it, and nothing, where not even that can be had."""
        if need.lacking > await self._dead() + await self.kept_gives(in_rows=need.is_small):
            raise need.refusal
        await self._make_room(need.chunks_left * ROWS_OF_CHUNK, in_rows=True)

    def _promise(self, need: "_Need") -> None:
        if need.lacking > 0:
            raise need.refusal
        if need.is_named:
            self._promised.promise(need.blob, need.size)

    async def _lacks(self, blob: BlobId) -> int:
        """0 where nobody waits for it any more."""
        return (await self._need(blob)).lacking if self._wishes.is_asked(blob) else 0

    async def _need(self, blob: BlobId) -> "_Need":
        state, held = await self.blob_state(blob), await self._held_map(blob)
        if state is None or not held.left:
            return _Need(blob)
        rows = held.left * ROW_BYTES
        size = rows + held.left * (state.size // state.chunk_count + 1)
        left, promised = await self._room_for(blob, state.size)
        if size > left - promised:
            # About, and too much where a chunk stands in many places: now each is looked at once.
            async with self._database.reading() as view:
                size = rows + await missing_bytes(view, blob)
                for other in self._promised.others_than(blob, state.size):
                    self._promised.correct(other, await missing_bytes(view, other))
            left, promised = await self._room_for(blob, state.size)
        is_small = state.size < PACKED_BYTES_MIN
        return _Need(
            blob, size, left, promised, held.left, is_named=held.is_named, is_small=is_small
        )

    async def kept_room(self, enough: int) -> int:
        """Bytes that all blobs which are only kept may have together, beside all the rest.

        Where that is `enough` in any case, no more is counted.
        """
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        left -= sum(self._promised_to_persons().values())
        if left >= enough:
            return left
        left += await self._free_rows()  # of small ones that went, others may take the rows
        async with self._database.reading() as view:
            kept = await view.rows(
                "SELECT b.id, b.size, b.is_complete FROM kept k JOIN blob b ON b.number = k.blob"
            )
            missing = [await missing_bytes(view, BlobId(id)) for id, _, whole in kept if not whole]
        return max(0, left + sum(int(size) for _, size, _ in kept) - sum(missing))

    def _promised_to_persons(self) -> dict[BlobId, int]:
        return {
            blob: size
            for blob, size in self._promised.others_than(None).items()
            if self._wishes.author_of(blob) is None
        }

    async def _leave_room(self, blob: BlobId, size: int) -> None:
        """Raises `OverQuota` where so many bytes of what is only kept would take what a person's
        was promised since."""
        if promised := sum(self._promised_to_persons().values()):
            left = await asyncio.to_thread(self._database.packs.room.left_bytes)
            is_asked = self._wishes.author_of(blob) is None  # since
            if size > left - promised and not is_asked:
                raise refusal(size, left, promised)

    async def _room_for(self, blob: BlobId, size: int) -> tuple[int, int]:
        """What blobs may take of the disk now, and how much of it others were promised: to a
        person's blob what is only kept leaves its room.

        Until the caller waits for anything, it is so: who looks later sees what it promises.
        """
        in_rows = await self._free_rows() if size < PACKED_BYTES_MIN else 0
        before = self._promised.others_than(blob, size)
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        # What came meanwhile may have come after the look: it is still to take its room then.
        after = self._promised.others_than(blob, size)
        others = before.keys() | after.keys()
        if self._wishes.author_of(blob) is None:
            others &= self._promised_to_persons().keys()
        left = max(left, 0) + in_rows if in_rows else left
        return left, sum(max(before.get(one, 0), after.get(one, 0)) for one in others)

    def release_room(self, blob: BlobId) -> None:
        """It is fetched no more: what it was promised is for others."""
        self._promised.release(blob)

    async def _free_rows(self) -> int:
        """Bytes that rows may take without a larger file."""
        async with self._database.reading() as view:
            return await view.number(FREE_BYTES)

    async def make_room(self, size: int) -> None:
        """For a blob of so many bytes that is added, if it can be had."""
        in_rows = size < PACKED_BYTES_MIN
        needed = size + ROW_BYTES * (size // CHUNK_BYTES + 1)
        if await self._lacking(needed, in_rows=in_rows) > 0:  # else it waits for nobody who lacks
            async with self._making:
                await self._make_room(needed, in_rows=in_rows)

    async def _lacking(self, size: int, *, in_rows: bool) -> int:
        free = await self._free_rows() if in_rows else 0
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        return size - free - left if size > free else 0

    async def _make_room(self, size: int, *, in_rows: bool) -> None:
        await self._gain(partial(self._lacking, size, in_rows=in_rows), in_rows=in_rows)

    async def _gain(self, lacks: Callable[[], Awaitable[int]], *, in_rows: bool) -> None:
        """Until nothing lacks, or nothing more can be had. First what nobody has any more."""
        if (size := await lacks()) <= 0:
            return
        asked_max = size * TIMES
        with suppress(OverQuota):  # a pack that cannot be written anew: what lacks is told then
            await self.reclaim(size, dead_parts=DEAD_PARTS)
            while 0 < (size := await lacks()) <= asked_max:
                asked_max -= size
                async with self._putting_turn:
                    # Of what is added no chunk is named until its end: so none goes meanwhile.
                    if self._putting or not await self._give_way(size, in_rows):
                        return
                    await self._drop_lone()
                if (size := await lacks()) > 0:
                    await self.reclaim(size)

    async def _held_map(self, blob: BlobId) -> HeldMap:
        return await self._held.find(blob, self._count_held)

    async def _count_held(self, blob: BlobId) -> HeldMap:
        await self._database.settle()
        async with self._database.reading() as view:
            return await count_held(view, blob)


async def _nothing_gives_way(_size: int, _in_rows: bool) -> int:
    """Nobody keeps anything for others."""
    return 0
