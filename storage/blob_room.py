"""Room on the disk for blobs that are fetched, and what gives way where there is none.

What was promised to a person's blob no other takes. What is only kept (`storage.kept`) leaves its
room to a person's, also what it was promised itself, and makes more where that is too little.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from crdt.blob import BlobId
from storage.blob_pages import BlobPages
from storage.database import Database
from storage.disk_room import refusal
from storage.errors import OverQuota
from storage.held import HeldMap, count_held
from storage.promised import Promised, missing_bytes

ROW_BYTES = 256  # that the database takes for a chunk


@dataclass(frozen=True, slots=True)
class BlobState:
    """What is known of a blob whose root is here."""

    id: BlobId
    size: int
    chunk_count: int
    is_complete: bool


class BlobRoom(BlobPages):
    """The part of `Blobs` that looks at the disk."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._promised = Promised()
        self._give_way: Callable[[int], Awaitable[object]] = _nothing_gives_way

    def on_lack_of_room(self, give_way: Callable[[int], Awaitable[object]]) -> None:
        """`give_way` makes room of so many bytes for what a person waits for or adds, if it can."""
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
        state, held = await self.blob_state(blob), await self._held_map(blob)
        if state is None or not held.left:
            return
        size, left, promised = await self._need(blob, state, held)
        if size > left - promised and self._wishes.is_asked(blob):
            await self._ask_for_room(size - (left - promised))
            size, left, promised = await self._need(blob, state, held)
        if size > left - promised:
            raise refusal(size, left, promised)
        if held.is_named:
            self._promised.promise(blob, size)

    async def _need(self, blob: BlobId, state: BlobState, held: HeldMap) -> tuple[int, int, int]:
        """Bytes that it still takes, and `_room_for`."""
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
        return size, left, promised

    async def kept_room(self, enough: int) -> int:
        """Bytes that all blobs which are only kept may have together, beside all the rest.

        Where that is `enough` in any case, no more is counted.
        """
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        left -= sum(self._promised_to_persons().values())
        if left >= enough:
            return left
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
            if size > left - promised:
                raise refusal(size, left, promised)

    async def _room_for(self, blob: BlobId, size: int) -> tuple[int, int]:
        """What blobs may take of the disk now, and how much of it others were promised: to a
        person's blob what is only kept leaves its room.

        Until the caller waits for anything, it is so: who looks later sees what it promises.
        """
        before = self._promised.others_than(blob, size)
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        # What came meanwhile may have come after the look: it is still to take its room then.
        after = self._promised.others_than(blob, size)
        others = before.keys() | after.keys()
        if self._wishes.author_of(blob) is None:
            others &= self._promised_to_persons().keys()
        return left, sum(max(before.get(one, 0), after.get(one, 0)) for one in others)

    def release_room(self, blob: BlobId) -> None:
        """It is fetched no more: what it was promised is for others."""
        self._promised.release(blob)

    async def _make_room(self, size: int) -> None:
        """For what is added, if it can be had."""
        left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        if size > left:
            await self._ask_for_room(size - left)

    async def _ask_for_room(self, size: int) -> None:
        with suppress(OverQuota):  # a pack that cannot be written anew: it is looked at once more
            await self._give_way(size)

    async def _held_map(self, blob: BlobId) -> HeldMap:
        return await self._held.find(blob, self._count_held)

    async def _count_held(self, blob: BlobId) -> HeldMap:
        await self._database.settle()
        async with self._database.reading() as view:
            return await count_held(view, blob)


async def _nothing_gives_way(_: int) -> None:
    """Nobody keeps anything for others."""
