"""The blobs of a backup: fifty states of a world take little more room in it than one.

version 2   a chunk that stands there already     nothing: who reads has it then
            a new one                             packed, against what lies at its place in a
                                                  state of that universe that stands there
version 1   each chunk as it is
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import Final

from crdt.blob import BlobId, BlobRoot, Chunking, ChunkName, parse_page, parse_root
from crdt.covering import covering
from crdt.delta import BASE_BYTES_MAX, encode
from node.drops import BLOB, CHUNK, PACKED, PAGE, ChunkFrame, PackedFrame, PageFrame, packed
from storage.errors import NotHeld
from storage.reading_blobs import READ_CHUNKS_MAX, RUN
from storage.store import Store

WRITTEN_MAX: Final = 262_144
"""Chunks that are remembered as written, of some 4 GB: 30 MB."""
CHUNKS_MAX: Final = 300_000
"""Of a blob that is compared with another, some 5 GB: each takes memory while it is looked at."""
_Kind = int
_Covers = dict[int, range]
"""Of a chunk, which of another blob lie at its place."""


class BlobFrames:
    """Of one backup: it knows what stands there already."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blobs: set[BlobId] = set()
        self._chunks: OrderedDict[bytes, None] = OrderedDict()  # the last one met with at the end

    async def of(self, blob: BlobId) -> AsyncIterator[tuple[_Kind, bytes]]:
        """The frames of a blob; none where it was collected since it was listed.

        Raises `NotHeld` where a part of it is damaged, or goes meanwhile.
        """
        encoded = await self._store.blob_root(blob)
        if encoded is None or not await self._store.has_blob(blob):
            return
        yield BLOB, encoded
        root = parse_root(encoded, blob)
        is_content = root.chunking is Chunking.CONTENT
        names: list[ChunkName] = []  # of the small ones, to be compared
        is_new = bytearray(b"\1" * root.chunk_count)
        for number in range(root.page_count):  # one after another: all of a large blob's are many
            page = await self._page(root, number)
            yield PAGE, packed(PageFrame(number, page))
            if is_content:
                named = parse_page(page, root, number)
                for index, one in enumerate(named, root.page_starts[number]):
                    is_new[index] = self._is_new(one.hash)
                names += named if root.chunk_count <= CHUNKS_MAX else ()
        base = await self._base(blob) if names else None
        covers = await self._covers(names, base) if base else {}
        index = 0
        while (index := is_new.find(1, index)) >= 0:
            end = min(index + RUN[root.chunking], root.chunk_count)
            end = known if (known := is_new.find(0, index, end)) >= 0 else end
            chunks = await self._store.read_chunks(blob, index, end - index)
            if not is_content:
                for at, chunk in enumerate(chunks, index):
                    yield CHUNK, packed(ChunkFrame(at, chunk))
            else:
                pieces = await self._pieces(base, [covers.get(at) for at in range(index, end)])
                frames = partial(_frames, index, chunks, base, pieces)
                for frame in await asyncio.to_thread(frames):
                    yield frame
            index = end
        if is_content:
            self._blobs.add(blob)

    def _is_new(self, hash: bytes) -> bool:
        """Of very many the ones longest not met with are forgotten, and stand there once more."""
        is_new = hash not in self._chunks
        self._chunks[hash] = None
        self._chunks.move_to_end(hash)
        if len(self._chunks) > WRITTEN_MAX:
            self._chunks.popitem(last=False)
        return is_new

    async def _page(self, root: BlobRoot, number: int) -> bytes:
        page = await self._store.blob_page(root.id, number)
        if page is None:
            detail = "was dropped while it was being copied: try again."
            raise NotHeld(f"Blob {root.id.hex()} {detail}")
        return page

    async def _base(self, blob: BlobId) -> BlobRoot | None:
        """The state nearest to it that stands there."""
        for one in await self._store.beside(blob):
            encoded = await self._store.blob_root(one.blob) if one.blob in self._blobs else None
            if encoded is not None:
                base = parse_root(encoded, one.blob)
                return base if base.chunk_count <= CHUNKS_MAX else None
        return None

    async def _covers(self, names: Sequence[ChunkName], base: BlobRoot) -> _Covers:
        try:
            pages = [await self._page(base, number) for number in range(base.page_count)]
        except NotHeld:  # it went meanwhile
            return {}
        return await asyncio.to_thread(_covers, names, base, pages)

    async def _pieces(
        self, base: BlobRoot | None, runs: Sequence[range | None]
    ) -> list[tuple[range, bytes]]:
        """Of each run its bytes; of all together where one went meanwhile: nothing."""
        known: dict[int, bytes] = {}
        wanted = sorted({at for run in runs if run for at in run})
        with suppress(NotHeld):
            while base and wanted:
                first = wanted[0]
                count = min(wanted[-1] - first + 1, READ_CHUNKS_MAX)
                chunks = await self._store.read_chunks(base.id, first, count)
                known |= enumerate(chunks, first)
                wanted = [at for at in wanted if at not in known]
        return [
            (run, b"".join(known[at] for at in run))
            if run and known.keys() >= {*run}
            else (range(0), b"")
            for run in runs
        ]


def _frames(
    index: int,
    chunks: Sequence[bytes],
    base: BlobRoot | None,
    pieces: Sequence[tuple[range, bytes]],
) -> list[tuple[_Kind, bytes]]:
    found: list[tuple[_Kind, bytes]] = []
    for at, (chunk, (run, plain)) in enumerate(zip(chunks, pieces, strict=True), index):
        data = encode(chunk, plain)
        if len(data) < len(chunk):
            of = (base.id, run.start, len(run)) if base and run else (b"", 0, 0)
            found.append((PACKED, packed(PackedFrame(at, len(chunk), *of, data))))
        else:
            found.append((CHUNK, packed(ChunkFrame(at, chunk))))
    return found


def _covers(names: Sequence[ChunkName], base: BlobRoot, pages: Sequence[bytes]) -> _Covers:
    others = [one for number, page in enumerate(pages) for one in parse_page(page, base, number)]
    return {
        one.chunk: _fitting([others[at].size for at in one.others], one.others)
        for one in covering(names, others)
    }


def _fitting(sizes: Sequence[int], run: range) -> range:
    """The first of them, as many as a delta may be against."""
    return run[: sum(end <= BASE_BYTES_MAX for end in accumulate(sizes))]
