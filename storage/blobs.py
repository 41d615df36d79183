"""Blobs: bytes too large for an entry, in chunks kept once whoever refers to them.

A blob begins with its root, then come its pages (the names of its chunks), then its chunks, each
checked before it is stored, in any order and over any number of sittings. A page or a chunk that
another blob already brought is there at once.

    chunks come ─▸ survive the process ─▸ all here: on the disk ─▸ whole, and said so

Every chunk is checked again whenever it is read (`storage.reading_blobs`). What nothing refers to
is collected by `gc` (`storage.collecting`).
"""

import asyncio
from collections.abc import AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from functools import partial

from crdt.blob import (
    CHUNK_BYTES,
    BlobId,
    Chunking,
    Manifest,
    ManifestBuilder,
    parse_root,
)
from crdt.chunking import Cutter
from storage import blob_rows
from storage.blob_room import ROW_BYTES, BlobState
from storage.blob_rows import PACKED_BYTES_MIN
from storage.disk_room import MIB, refusal_of_all
from storage.errors import Mismatch, NotHeld, OverQuota
from storage.finishing import LOST, PUT_MOMENT_BYTES, Came
from storage.gathering import Step, cut_hashed
from storage.held import LOOK_AGAIN, MISSING, HeldMap
from storage.part import in_bounds
from storage.whole_again import WholeAgain

CHUNKS_MAX = 65_536  # missing ones listed in one answer: 16 GiB, or 1 GiB of small ones
PACKED_CHUNKS_MIN = PACKED_BYTES_MIN // CHUNK_BYTES + 1  # of whole ones: surely so many bytes
TOUCHED_US = 60_000_000  # a minute: what is being fetched is not collected
RUNS_MAX = 1_024  # told in one answer
PAGES_TOGETHER = 16  # in one transaction: 16,384 rows


class Blobs(WholeAgain):
    """Whole and partial blobs."""

    async def put_blob(
        self,
        data: bytes | Iterable[bytes] | AsyncIterable[bytes],
        *,
        chunking: Chunking = Chunking.FIXED,
        size_bytes: int | None = None,
    ) -> BlobId:
        """Stores a blob of our own, given whole or in pieces of any size; gives its name.

        `size_bytes`, where it is known before the pieces come: what is kept for others gives way.
        Keeps a few MiB of it in memory. Nothing names it yet: `gc` leaves it alone for `GRACE_US`.
        Raises `OverQuota` where the disk is full, which says how much all of it takes, and gives
        the room back, of version 2 with the next `give_back` (`until_left_over`), at the latest
        before the next one comes; `Malformed` where it is too large for its chunks.
        """
        size = len(data) if isinstance(data, bytes) else size_bytes
        if size:  # before its chunks come: meanwhile no room is given back
            await self.make_room(size)
        if self._lacked_room:  # or whoever tries again and again would leave no room to anybody
            self._lacked_room = False
            await self.give_back()
        left, came = 0, Came()
        if size is None or size >= MIB:  # of less it is not told, and nobody waits for the look
            left = await asyncio.to_thread(self._database.packs.room.left_bytes)
        async with self._putting_turn:
            self._putting += 1  # its chunks are nobody's until the end
        try:
            manifest = await self._put(data, chunking, size, came)
        except Exception as error:
            self._putting -= 1
            self._lacked_room |= isinstance(error, OverQuota)
            if chunking is Chunking.CONTENT:  # whoever hears of the error does not wait for that
                self._may_be_dead = True
                self._left_over.set()
            else:
                await self.give_back()
            if isinstance(error, OverQuota):
                moment = PUT_MOMENT_BYTES if chunking is Chunking.CONTENT else 0
                raise refusal_of_all(error, size, came.bytes, left, moment) from error
            raise
        except BaseException:
            self._may_be_dead = True
            self._putting -= 1  # what is cancelled is collected by the next `gc`
            raise
        self._putting -= 1
        is_whole = chunking is Chunking.CONTENT or await self._finish(manifest.id, is_fetched=False)
        if not is_whole:
            raise NotHeld(LOST)
        if chunking is Chunking.CONTENT:
            await self._finish_others(manifest.id)
        return manifest.id

    async def _put(
        self,
        data: bytes | Iterable[bytes] | AsyncIterable[bytes],
        chunking: Chunking,
        size_bytes: int | None,
        came: Came,
    ) -> Manifest:
        """Its chunks, its pages and its root."""
        if chunking is Chunking.CONTENT:
            return await self._put_in_vault(data, came)
        cutter, builder = Cutter(chunking), ManifestBuilder(chunking)
        said = size_bytes or 0
        async with aclosing(self.gathering.gathered(data)) as steps:
            async for step in steps:
                came.bytes += sum(map(len, step.pieces))
                is_packed = max(said, came.bytes) >= PACKED_BYTES_MIN
                await self._keep(cutter, builder, step, is_packed=is_packed)
        manifest = await asyncio.to_thread(builder.finish)
        begin = partial(
            blob_rows.begin, root=manifest.parsed, now_us=self._clock_us(), is_ours=True
        )
        await self._database.lazily(begin)
        pages = list(enumerate(manifest.pages))
        for at in range(0, len(pages), PAGES_TOGETHER):
            some = pages[at : at + PAGES_TOGETHER]
            await self._database.lazily(
                partial(
                    blob_rows.add_pages,
                    packs=self._database.packs,
                    root=manifest.parsed,
                    pages=some,
                )
            )
        return manifest

    async def begin_blob(self, blob: BlobId, root: bytes) -> BlobState:
        """Makes room for a blob whose root is here, or goes on with it. Raises `Malformed`."""
        parsed = parse_root(root, blob)
        self._note_named()
        begin = partial(
            blob_rows.begin,
            root=parsed,
            now_us=self._clock_us(),
            author_of=self._wishes.author_of,
        )
        await self._database.lazily(begin)
        self._root = parsed
        is_whole = await self._finish_with_others(blob)
        return BlobState(blob, parsed.size, parsed.chunk_count, is_whole)

    async def add_page(self, blob: BlobId, page: int, data: bytes) -> None:
        """One page of the manifest. Raises `Malformed`, or `NotHeld` before `begin_blob`."""
        root = await self._parsed_root(blob)
        self._note_named()
        packs = self._database.packs
        add = partial(blob_rows.add_pages, packs=packs, root=root, pages=[(page, data)])
        await self._database.lazily(add)
        self._held.forget(blob)  # what is missing is counted anew
        await self._finish_with_others(blob)

    async def add_chunks(
        self,
        blob: BlobId,
        chunks: Sequence[tuple[int, bytes]],
        *,
        hashes: Sequence[bytes] | None = None,
    ) -> bool:
        """Chunks by their numbers, all of them or none; gives whether the blob is now whole.

        They survive the process when this returns, and a loss of power once the blob is whole.
        Each is checked against its page here, off the event loop; `hashes`, where whoever brings
        them has computed those of these very bytes already. Raises `Mismatch`, `OverQuota` where
        the disk is full, or `NotHeld` while a page is not here.
        """
        for index, data in chunks:
            if len(data) > CHUNK_BYTES:
                raise Mismatch(f"Chunk {index} of blob {blob.hex()} has {len(data):,} bytes.")
        held = self._held.get(blob) or await self._held_map(blob)
        touched_us = self._to_touch(held)
        if self._wishes.author_of(blob) is not None:
            await self._leave_room(blob, sum(len(data) for _, data in chunks))
        if touched_us is None and hashes and await self._is_plain(blob, held, chunks, hashes):
            datas = (data for _, data in chunks)
            await self._database.append(list(zip(hashes, datas, strict=True)))
        else:
            add = partial(
                blob_rows.add_chunks,
                packs=self._database.packs,
                blob=blob,
                chunks=chunks,
                hashes=hashes,
                touched_us=touched_us,
            )
            held.fill(await self._database.lazily(add))
        held.fill(index for index, _ in chunks)  # also what another blob had brought
        self._promised.came(blob, sum(len(data) + ROW_BYTES for _, data in chunks))
        if held.left > 0:
            return False
        self._held.forget(blob)
        return await self._finish_with_others(blob)

    def add_at_once(
        self, blob: BlobId, first: int, chunks: Sequence[bytes], hashes: Sequence[bytes]
    ) -> bool:
        """As `add_chunks` of chunks one behind another, where nobody has to be waited for.

        Gives whether they survive the process now; else nothing was done, and nothing is said about
        them. It is for whoever asks for the next chunks when these are safe: a thread and back
        takes as long as the chunks do. Raises `OverQuota` where the disk is full, `StorageError`.
        """
        held = self._held.get(blob)
        if held is None or held.left <= len(chunks) or self._is_to_touch(held):
            return False
        if len(held.chunks) < PACKED_CHUNKS_MIN or len(chunks) != len(hashes):
            return False
        if self._wishes.author_of(blob) is not None and self._promised_to_persons():
            return False  # a look at the disk
        for index, (data, hash) in enumerate(zip(chunks, hashes, strict=True), first):
            if not 0 <= index < len(held.chunks) or held.chunks[index] != MISSING:
                return False
            if self._held.name_of(blob, index) != (hash, CHUNK_BYTES) or len(data) != CHUNK_BYTES:
                return False
        if not self._database.append_at_once(list(zip(hashes, chunks, strict=True))):
            return False
        held.fill(range(first, first + len(chunks)))
        self._promised.came(blob, len(chunks) * (CHUNK_BYTES + ROW_BYTES))
        return True

    async def has_blob(self, blob: BlobId) -> bool:
        """Whether all of it is here."""
        row = await self._database.row("SELECT is_complete FROM blob WHERE id = ?", (blob,))
        return bool(row and row[0])

    async def missing_chunks(self, blob: BlobId, limit: int = CHUNKS_MAX) -> list[int]:
        """Chunks still to be fetched, of the pages that are here, in order.

        None are, and no page is missing: then the blob is whole. Raises `NotHeld`.
        """
        limit = in_bounds(limit, CHUNKS_MAX)
        await self._database.settle()
        if await self.has_blob(blob):  # asked of every blob that is given
            return []
        held = await self._held_map(blob)
        start = held.first_missing
        rows = await self._database.rows(LOOK_AGAIN, (blob, start, limit))
        missing = [place for (place,) in rows]
        held.correct(start, missing, is_all=len(missing) < limit)
        if not missing:  # another blob brought the last of them
            self._held.forget(blob)
            await self._finish_with_others(blob)
        return missing

    async def chunks_here(self, blob: BlobId) -> bytes:
        """Of each chunk 1 where it is here, else 0: all are looked at now. Raises `NotHeld`."""
        return (await self._count_held(blob)).here()

    async def held_runs(self, blob: BlobId, first: int, limit: int = RUNS_MAX) -> list[int]:
        """Runs of chunks that are here: first chunk and count, in turn. The one that goes beyond
        `first` and those after it, then those before. Raises `NotHeld`."""
        await self._database.settle()  # what is told of is asked for next
        return (await self._held_map(blob)).runs(first, in_bounds(limit, RUNS_MAX))

    async def _keep(
        self, cutter: Cutter, builder: ManifestBuilder, step: Step, *, is_packed: bool
    ) -> None:
        async with self.gathering.turn:
            chunks = await asyncio.to_thread(cut_hashed, cutter, builder, step)
            if chunks:
                keep = partial(
                    blob_rows.keep_chunks,
                    packs=self._database.packs,
                    chunks=chunks,
                    is_packed=is_packed,
                )
                await self._database.lazily(keep)

    async def _is_plain(
        self,
        blob: BlobId,
        held: HeldMap,
        chunks: Sequence[tuple[int, bytes]],
        hashes: Sequence[bytes],
    ) -> bool:
        """Whether all of these are whole chunks that a page names so, of a large blob, and new."""
        if len(chunks) != len(hashes):
            return False
        for (index, data), hash in zip(chunks, hashes, strict=True):
            if not 0 <= index < len(held.chunks) or held.chunks[index] != MISSING:
                return False
            name = self._held.name_of(blob, index) or await self._look_up(blob, index)
            if name != (hash, CHUNK_BYTES) or len(data) != CHUNK_BYTES:
                return False
        return len(held.chunks) >= PACKED_CHUNKS_MIN

    def _to_touch(self, held: HeldMap) -> int | None:
        """The time to note, now and then."""
        if not self._is_to_touch(held):
            return None
        held.touched_us = self._clock_us()
        return held.touched_us

    def _is_to_touch(self, held: HeldMap) -> bool:
        return self._clock_us() - held.touched_us >= TOUCHED_US
