"""Blobs of which a part was damaged and has come again are whole again, though nobody fetches them.

A chunk or a page is a part of many snapshots, and others lean on it: where it turns out damaged
none of them is whole, and it comes again with one of them.

    found damaged ─▸ not whole ─▸ came again with one ─▸ that one, the last that were found
                                                     └▸ in the background all others
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from crdt.blob import BlobId
from storage.blob_rows import IS_CONTENT, unfold
from storage.connection import whole
from storage.database import Database
from storage.errors import StorageError
from storage.scrubbing import Scrubbing
from storage.vault.lost import IS_ANY_BACK, all_lost, last_loss, name_again, note_back

TOGETHER = 64  # blobs


class WholeAgain(Scrubbing):
    """Of version 2."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._came_back = asyncio.Event()
        self._came_back.set()  # a start does not know
        self._unfolded = 0  # the last loss of which no whole blob has anything
        self._mended = 0  # that came again or were made whole with one, and nobody was told yet
        database.vault.on_loss = self._came_back.set

    async def keep_whole(
        self, on_whole: Callable[[int], None], on_fault: Callable[[Exception], None]
    ) -> None:
        """`make_whole_again` after a start, and each time that something damaged came again or was
        met with in a transaction, until it is cancelled. `on_whole` is told how many blobs are
        whole that were not, also of those that somebody fetched."""
        while True:
            await self._came_back.wait()
            self._came_back.clear()
            count = 0
            try:
                count = await self.make_whole_again()
            except Exception as error:  # a snapshot less, but not the node
                on_fault(error)
            count, self._mended = count + self._mended, 0
            if count:
                on_whole(count)

    async def make_whole_again(self) -> int:
        """All that lack nothing; gives how many. None is called whole any more that lacks what was
        lost. Raises `StorageError`."""
        await self._name_again()
        await self._unfold_lost()
        asked = (
            f"SELECT number, id FROM blob WHERE number > ? AND NOT is_complete AND {IS_CONTENT}"
            f" ORDER BY number LIMIT {TOGETHER}"
        )
        count = number = 0
        while rows := await self._database.rows(asked, (number,)):
            number = rows[-1][0]
            for _, id in rows:
                blob = BlobId(id)
                was_noted = blob in self._damaged
                if await self._is_whole_again(blob):
                    # What was noted, whoever fetched it beside this may have counted.
                    count += self._is_noted_no_more(blob) or not was_noted
        return count

    async def _unfold_lost(self) -> None:
        """The process may have ended between the two, and a transaction unfolds one blob alone."""
        losses = await self._database.vault.read(last_loss)
        if losses != self._unfolded:
            lost = await self._database.vault.read(all_lost)
            await whole(self._unfold_with([*lost]))
            self._unfolded = losses

    async def _finish_with_others(self, blob: BlobId) -> bool:
        """As `_finish` of what is fetched; then also those that were damaged, maybe as it was."""
        is_whole = await self._finish(blob, is_fetched=True)
        if is_whole and (blob in self._damaged or await self._database.rows(IS_ANY_BACK)):
            await self._finish_others(blob)
        return is_whole

    async def _finish_others(self, blob: BlobId) -> None:
        """`blob` is whole: those that were damaged may be so too."""
        self._note_mended(blob)
        with suppress(StorageError):  # a full disk: they are looked at again after the next start
            is_back = bool(await self._database.rows(IS_ANY_BACK))
            if is_back and await self._database.lazily(note_back):
                self._came_back.set()
                await self._name_again()
            for other in list(self._damaged):
                if await self._is_whole_again(other):
                    self._note_mended(other)

    def _note_mended(self, blob: BlobId) -> None:
        if self._is_noted_no_more(blob):
            self._mended += 1
            self._came_back.set()

    def _is_noted_no_more(self, blob: BlobId) -> bool:
        """Whether it was noted as damaged: true once, for whoever finds it whole first."""
        if blob not in self._damaged:
            return False
        del self._damaged[blob]
        return True

    async def _name_again(self) -> None:
        """What leaned on what is here again and can be read is not lost any more."""
        after: int | None = 0
        while after is not None:
            after, _ = await self._database.lazily(partial(name_again, after=after))

    async def _is_whole_again(self, blob: BlobId) -> bool:
        self._note_named()
        if not await self._database.lazily(partial(_find_pages, blob=blob)):
            return False
        is_whole = await self._finish(blob, is_fetched=True)
        self._held.forget(blob)
        return is_whole


def _find_pages(database: sqlite3.Connection, *, blob: BlobId) -> bool:
    """Those that came with another one; gives whether it is here, and not whole."""
    asked = f"SELECT 1 FROM blob WHERE id = ? AND NOT is_complete AND {IS_CONTENT}"
    is_begun = database.execute(asked, (blob,)).fetchone() is not None
    if is_begun:
        unfold(database, blob)
    return is_begun
