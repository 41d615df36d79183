"""Blobs of which a part was damaged and has come again are whole again, though nobody fetches them.

A chunk or a page is a part of many snapshots: where it turns out damaged none of them is whole, and
it comes again with one of them.
"""

import sqlite3
from contextlib import suppress
from functools import partial

from crdt.blob import BlobId
from storage.blob_rows import IS_CONTENT, unfold
from storage.errors import StorageError
from storage.scrubbing import Scrubbing

TOGETHER = 64  # blobs


class WholeAgain(Scrubbing):
    """Of version 2."""

    async def make_whole_again(self) -> int:
        """All that lack nothing; gives how many. Once after a start, which does not know what was
        damaged before. Raises `StorageError`."""
        asked = (
            f"SELECT number, id FROM blob WHERE number > ? AND NOT is_complete AND {IS_CONTENT}"
            f" ORDER BY number LIMIT {TOGETHER}"
        )
        count = number = 0
        while rows := await self._database.rows(asked, (number,)):
            number = rows[-1][0]
            for _, id in rows:
                count += await self._is_whole_again(BlobId(id))
        return count

    async def _finish_with_others(self, blob: BlobId) -> bool:
        """As `_finish` of what is fetched; then also those that were damaged, maybe as it was."""
        is_whole = await self._finish(blob, is_fetched=True)
        if is_whole and blob in self._damaged:
            await self._finish_others(blob)
        return is_whole

    async def _finish_others(self, blob: BlobId) -> None:
        """`blob` is whole: those that were damaged may be so too."""
        self._damaged.pop(blob, None)
        with suppress(StorageError):  # a full disk: they are looked at again after the next start
            for other in list(self._damaged):
                if await self._is_whole_again(other):
                    self._damaged.pop(other, None)

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
