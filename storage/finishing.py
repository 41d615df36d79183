"""When a blob is said to be whole: all of it is on the disk, and a record says so.

version 1: rows of its pages and chunks, packs on the disk ─▸ is_complete
version 2: chunks and pages in the vault, on the disk ─▸ is_complete and in_vault, no rows
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from crdt.blob import BlobId, BlobRoot, Chunking, Manifest, ManifestBuilder
from crdt.chunking import Cutter
from storage.blob_room import BlobRoom
from storage.blob_rows import IS_CONTENT, IS_WHOLE
from storage.collecting import note_synced
from storage.database import Database, Writing
from storage.disk_room import MOMENT_BYTES
from storage.errors import NotHeld
from storage.folding import IS_FOLDED
from storage.gathering import GATHERED_BYTES, Gathering, Step
from storage.into_vault import (
    ELSEWHERE,
    MOVED,
    gone_of,
    lacks,
    move_chunks,
    move_pages,
    prepared,
)
from storage.kept import adopt
from storage.namers import note_namers
from storage.vault.keeping import keep_objects
from storage.vault.lost import LAST_LOSS, last_loss
from storage.vault.rows import encode

# The log of the vault, and as much again for what it is copied to (`storage.vault.keeping`): it
# ends with the step in which it has grown long enough.
PUT_MOMENT_BYTES = 2 * (MOMENT_BYTES + GATHERED_BYTES)
LOOKS = 4  # at all that a blob names, where others lose something meanwhile
LOST = "A part of the blob was lost while it was being stored: store it again."


@dataclass(slots=True)
class Came:
    """How much of a blob that is added has come."""

    bytes: int = 0


class Finishing(BlobRoom):
    """The end of an upload and of a fetch."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self.gathering = Gathering()
        """What comes as a blob of our own, and whose turn it is to be stored."""

    async def _put_in_vault(
        self, data: bytes | Iterable[bytes] | AsyncIterable[bytes], came: Came
    ) -> Manifest:
        """A blob of version 2 of our own, whole. Raises `OverQuota`, `Malformed`, `NotHeld`."""
        cutter, builder = Cutter(Chunking.CONTENT), ManifestBuilder(Chunking.CONTENT)
        vault = self._database.vault
        async with aclosing(self.gathering.gathered(data)) as steps:
            async for step in steps:
                came.bytes += sum(map(len, step.pieces))
                await self._keep_objects(cutter, builder, step)
        manifest = await asyncio.to_thread(builder.finish)
        root = manifest.parsed
        pages = zip(root.page_hashes, manifest.pages, strict=True)
        objects = await asyncio.to_thread(encode, pages)
        packs = self._database.packs
        keep = partial(keep_objects, packs=packs, objects=objects, promote=True)
        await self._database.lazily(keep)
        await asyncio.to_thread(vault.sync)
        had_rows: int | None = None
        for _ in range(LOOKS):
            losses = await vault.read(partial(_losses_or_none, root=root, pages=manifest.pages))
            if losses is None:
                break
            had_rows = await self._say_put(root, losses)
            if had_rows is not None:
                break
        if had_rows is None:
            raise NotHeld(LOST)
        self._held.forget(root.id)
        if had_rows:
            await self._drop_lone_pages()
        return manifest

    async def _say_put(self, root: BlobRoot, losses: int) -> int | None:
        """As `_note_put`, where nothing was lost since; else None."""
        async with self._database.transaction() as write:
            if losses != await write.number(LAST_LOSS):
                return None
            self._note_named()
            write.after_commit(self._note_named)
            had_rows = await _note_put(write, root, self._clock_us())
            await adopt(write, [root.id])
        return had_rows

    async def _keep_objects(self, cutter: Cutter, builder: ManifestBuilder, step: Step) -> None:
        prepare = partial(prepared, cutter=cutter, builder=builder, step=step)
        packs = self._database.packs
        async with self.gathering.turn:
            new, known = await self._database.vault.read(prepare)
            while new or known:
                await self._database.lazily(
                    partial(keep_objects, packs=packs, objects=new, promote=True)
                )
                # What went after it was looked at; from here on nothing goes while this lasts.
                gone = await self._database.lazily(partial(gone_of, objects=known))
                new, known = await asyncio.to_thread(encode, gone), []

    async def _finish(self, blob: BlobId, *, is_fetched: bool) -> bool:
        """Whether it is whole: all of it is on the disk then, and it is said so.

        Of bytes that came from elsewhere it is noted who had named them. What few bytes name can be
        millions of rows. So they are looked at beside whoever writes, and in the transaction only
        whether anything was lost since.
        """
        is_whole: bool | None = None
        for look in range(LOOKS):
            is_last = look == LOOKS - 1
            is_whole = await self._finish_once(blob, is_fetched=is_fetched, is_last=is_last)
            if is_whole is not None:
                break
        return bool(is_whole)

    async def _finish_once(self, blob: BlobId, *, is_fetched: bool, is_last: bool) -> bool | None:
        """None where something was lost while it was looked at; `is_last` looks once more then."""
        packs = self._database.packs
        forgotten = self._forgotten
        await self._database.settle()
        async with self._database.reading() as view:
            row = await view.row(
                f"SELECT number, {IS_FOLDED}, {IS_CONTENT} FROM blob WHERE id = ?", (blob,)
            )
            losses = await view.number(LAST_LOSS)
            if row is None or not (row[1] or await view.number(IS_WHOLE, (row[0],))):
                return False
        number, is_folded, is_content = row
        if is_content and not is_folded and not await self._fold(number):
            return False
        synced = await asyncio.to_thread(packs.sync)
        async with self._database.transaction() as write:
            if forgotten != self._forgotten or losses != await write.number(LAST_LOSS):
                if not is_last:
                    return None
                is_whole = await write.number(IS_WHOLE, (number,))
                is_folded = await write.number(
                    f"SELECT {IS_FOLDED} FROM blob WHERE id = ?", (blob,)
                )
                if not is_folded and not is_whole:
                    return False
                if not is_folded and is_content and await write.rows(ELSEWHERE, (number,)):
                    return False
            await note_synced(write, synced)
            is_there = await write.run(
                f"UPDATE blob SET is_complete = 1, in_vault = {IS_CONTENT}"
                " WHERE number = ? AND id = ?",
                (number, blob),
            )
            if is_content:
                self._note_named()
                write.after_commit(self._note_named)
                await write.run("DELETE FROM blob_page WHERE blob = ?", (number,))
            if is_fetched:
                await note_namers(write, [blob])
            else:
                await adopt(write, [blob])
        if is_content and not is_folded:
            await self._drop_lone_pages()
        return bool(is_there)

    async def _fold(self, number: int) -> bool:
        """Whether all of a blob is in the vault, and on the disk there. Raises `OverQuota`."""
        packs = self._database.packs
        moved = 1
        while chunks := await self._database.rows(ELSEWHERE, (number,)):
            if not moved:  # what is left was damaged where it lay
                return False
            moved = 0
            for some in (chunks[at : at + MOVED] for at in range(0, len(chunks), MOVED)):
                move = partial(move_chunks, packs=packs, chunks=[(one[0], one[1]) for one in some])
                moved += await self._database.lazily(move)
        after: int | None = 0
        while after is not None:
            after = await self._database.lazily(
                partial(move_pages, packs=packs, number=number, after=after)
            )
        await asyncio.to_thread(self._database.vault.sync)
        return True


def _losses_or_none(
    vault: sqlite3.Connection, *, root: BlobRoot, pages: Sequence[bytes]
) -> int | None:
    """None where anything of a blob is not in the vault; else the last loss until then."""
    return None if lacks(vault, root, pages) else last_loss(vault)


async def _note_put(write: Writing, root: BlobRoot, now_us: int) -> int:
    """It is whole; gives how many rows of its pages went, where it had been fetched in part."""
    await write.run(
        "INSERT INTO blob"
        " (id, size, chunk_count, root, is_complete, begun_us, page_count, in_vault)"
        " VALUES (?, ?, ?, ?, 1, ?, ?, 1) ON CONFLICT (id) DO UPDATE"
        " SET is_complete = 1, in_vault = 1, begun_us = excluded.begun_us",
        (root.id, root.size, root.chunk_count, root.encoded, now_us, root.page_count),
    )
    return await write.run(
        "DELETE FROM blob_page WHERE blob = (SELECT number FROM blob WHERE id = ?)", (root.id,)
    )
