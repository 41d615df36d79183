"""The blobs of a backup: fifty states of a world take little more room in it than one.

version 2   a chunk that stands there already     nothing: who reads has it then
            a new one                             packed, against what lies at its place in a
                                                  state of that universe that stands there
version 1   each chunk as it is

What is not here, since the disk damaged it or it has not come yet, is left out, and said behind the
blob: nothing else goes for that. Snapshots of one's own of which nothing is here at all are said
behind all blobs.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import Final

from crdt.blob import BlobId, BlobRoot, Chunking, ChunkName, parse_page, parse_root
from crdt.covering import covering
from crdt.delta import BASE_BYTES_MAX, encode
from node.drops import (
    BLOB,
    CHUNK,
    LACKING,
    PACKED,
    PAGE,
    ChunkFrame,
    LackingFrame,
    PackedFrame,
    PageFrame,
    packed,
)
from node.lacking import SHOWN_MAX
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
_LookedUp = tuple[BlobId, int, Sequence[ChunkName] | None]
"""A page by its number, and what it names; None where it is not here."""


class BlobFrames:
    """Of one backup: it knows what stands there already."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blobs: set[BlobId] = set()
        self._chunks: OrderedDict[bytes, None] = OrderedDict()  # the last one met with at the end
        self._looked_up: _LookedUp = BlobId(b""), 0, None

    async def of(self, blob: BlobId) -> AsyncIterator[tuple[_Kind, bytes]]:
        """The frames of a blob, as far as it is here; none where it was collected since it was
        listed."""
        encoded = await self._store.blob_root(blob)
        if encoded is None:
            return
        yield BLOB, encoded
        root = parse_root(encoded, blob)
        is_content = root.chunking is Chunking.CONTENT
        names: list[ChunkName] = []  # of the small ones, to be compared
        here = await self._here(root)
        is_new = bytearray(here)
        lost = [not is_content and 0 in here]
        for number in range(root.page_count):  # one after another: all of a large blob's are many
            page = await self._page_here(root, number)
            run = range(root.page_starts[number], root.page_starts[number + 1])
            if page is None:
                lost[0] = True
                is_new[run.start : run.stop] = bytes(len(run))
                continue
            yield PAGE, packed(PageFrame(number, page))
            if is_content:
                named = parse_page(page, root, number)
                for index, one in zip(run, named, strict=True):
                    if here[index]:
                        is_new[index] = self._is_new(one.hash)
                    else:  # another blob may have brought it before
                        lost[0] |= one.hash not in self._chunks
                names += named if root.chunk_count <= CHUNKS_MAX else ()
        base = await self._base(blob) if len(names) == root.chunk_count else None
        covers = await self._covers(names, base) if base else {}
        index = 0
        while (index := is_new.find(1, index)) >= 0:
            end = min(index + RUN[root.chunking], root.chunk_count)
            end = known if (known := is_new.find(0, index, end)) >= 0 else end
            chunks = await self._chunks_here(root, index, end - index)
            lost[0] |= len(chunks) < end - index
            if not is_content:
                for at, chunk in chunks.items():
                    yield CHUNK, packed(ChunkFrame(at, chunk))
            elif chunks:
                pieces = await self._pieces(base, [covers.get(at) for at in chunks])
                frames = partial(_frames, chunks, base, pieces)
                for frame in await asyncio.to_thread(frames):
                    yield frame
            index = end
        if lost[0]:
            yield LACKING, packed(await self._lacking(blob))
        elif is_content:  # others are compared only with what stands there whole
            self._blobs.add(blob)

    async def _page_here(self, root: BlobRoot, number: int) -> bytes | None:
        with suppress(NotHeld):
            return await self._store.blob_page(root.id, number)
        return None

    async def _here(self, root: BlobRoot) -> bytes:
        """Of each chunk whether it is here: what is missing is not asked for one by one."""
        if await self._store.has_blob(root.id):
            return b"\1" * root.chunk_count
        with suppress(NotHeld):
            return await self._store.chunks_here(root.id)
        return bytes(root.chunk_count)  # it was collected

    async def _chunks_here(self, root: BlobRoot, first: int, count: int) -> dict[int, bytes]:
        """Those of so many from `first` on that are here, and are what they should be."""
        with suppress(NotHeld):
            return dict(enumerate(await self._store.read_chunks(root.id, first, count), first))
        found: dict[int, bytes] = {}
        for index in range(first, first + count):
            try:
                found[index] = await self._store.read_chunk(root.id, index)
            except NotHeld:
                await self._stands_not(root, index)
        return found

    async def _stands_not(self, root: BlobRoot, index: int) -> None:
        """A chunk that was counted among those that do: another blob may bring it yet."""
        if root.chunking is not Chunking.CONTENT:  # of such none is passed over
            return
        number = root.page_of(index)
        if self._looked_up[:2] != (root.id, number):  # those beside it are asked for next
            page = await self._page_here(root, number)
            names = parse_page(page, root, number) if page is not None else None
            self._looked_up = root.id, number, names
        if (named := self._looked_up[2]) is None:  # which one it is nobody knows any more
            self._chunks.clear()
        else:
            self._chunks.pop(named[index - root.page_starts[number]].hash, None)

    async def absent(self) -> AsyncIterator[tuple[_Kind, bytes]]:
        """One frame for each blob of this person's snapshots of which nothing is here."""
        for number, (blob, snapshots) in enumerate(await self._store.absent_snapshots()):
            of = await self._belongs_to(blob) if number < SHOWN_MAX else ()
            yield LACKING, packed(LackingFrame(blob, snapshots, of, is_absent=True))

    async def _lacking(self, blob: BlobId) -> LackingFrame:
        snapshots = await self._store.snapshots_of_blob(blob)
        return LackingFrame(blob, snapshots, await self._belongs_to(blob))

    async def _belongs_to(self, blob: BlobId) -> tuple[str, ...]:
        """In words; the first ones."""
        uses = await self._store.uses_of_blob(blob)
        of = [
            f"{use.kind} {use.name}" + ("" if use.tick is None else f" at tick {use.tick:,}")
            for use in uses
        ]
        return tuple(of)

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
    chunks: Mapping[int, bytes],
    base: BlobRoot | None,
    pieces: Sequence[tuple[range, bytes]],
) -> list[tuple[_Kind, bytes]]:
    found: list[tuple[_Kind, bytes]] = []
    for (at, chunk), (run, plain) in zip(chunks.items(), pieces, strict=True):
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
