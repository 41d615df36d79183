"""A blob of any size passes through a few MiB of memory."""

import tracemalloc
from collections.abc import Iterator

import pytest
from blake3 import blake3

from crdt.blob import (
    CHUNK_BYTES,
    Chunking,
    ChunkName,
    build_content_manifest,
    build_manifest,
)
from crdt.digest import payload_digest
from storage.store import Store

MIB = 1 << 20
# 4 MiB are gathered while the 4 before are cut and the 4 before those are written, or none of that
# at the same time: threads meet as they do.
PEAK_BYTES_MAX = 24 * MIB


def pieces(size: int) -> Iterator[bytes]:
    for at in range(0, size, MIB):
        yield blake3(b"a large world").digest(length=min(MIB, size - at), seek=at)


@pytest.mark.parametrize("chunking", Chunking)
async def test_one_eight_times_as_large_takes_no_more_memory(
    store: Store, chunking: Chunking
) -> None:
    for size in (12 * MIB, 96 * MIB):
        tracemalloc.start()
        try:
            blob = await store.put_blob(pieces(size), chunking=chunking)
            read = 0
            async for piece in store.stream_blob(blob):
                read += len(piece)
            assert read == size
            runs = await store.held_runs(blob, 0)
            assert len(runs) == 2
            assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES_MAX
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("chunking", Chunking)
async def test_many_who_read_at_once_share_what_is_read_for_them(
    store: Store, chunking: Chunking
) -> None:
    size = 24 * MIB
    blob = await store.put_blob(pieces(size), chunking=chunking)
    streams = [store.stream_blob(blob) for _ in range(64)]
    first = [await anext(one) for one in streams]  # as many more came, it was less and less
    waiting = [await anext(one) for one in streams]
    assert sum(map(len, waiting)) < PEAK_BYTES_MAX
    rest = [piece async for piece in streams[0]]
    assert b"".join([first[0], waiting[0], *rest]) == b"".join(pieces(size))
    for one in streams:
        await one.aclose()
    alone = [len(piece) async for piece in store.stream_blob(blob)]
    assert (max(alone) >= MIB, sum(alone)) == (True, size), "nobody else is on the way any more"


async def test_one_chunk_in_more_places_than_are_listed_at_once_is_found_in_all(
    store: Store,
) -> None:
    """17 GiB of zeros: a root of 2 KB, one page, one chunk."""
    chunk = bytes(CHUNK_BYTES)
    manifest = build_manifest([payload_digest(chunk)] * 66_560, 66_560 * CHUNK_BYTES)
    await store.begin_blob(manifest.id, manifest.root)
    for place, page in enumerate(manifest.pages):
        await store.add_page(manifest.id, place, page)
    tracemalloc.start()
    try:
        assert not await store.add_chunks(manifest.id, [(0, chunk)])
        assert await store.missing_chunks(manifest.id) == []
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert await store.has_blob(manifest.id)


async def test_a_manifest_is_read_by_pages(store: Store) -> None:
    names = [ChunkName(payload_digest(index.to_bytes(4, "big")), 4_096) for index in range(3_000)]
    manifest = build_content_manifest(names)
    await store.begin_blob(manifest.id, manifest.root)
    assert await store.blob_manifest(manifest.id, 0, 1) is None
    await store.add_page(manifest.id, 1, manifest.pages[1])
    part = await store.blob_manifest(manifest.id, 1, 1)
    assert part is not None
    assert part.pages == manifest.pages[1:2]
    first = manifest.parsed.page_starts[1]
    assert part.chunk_end == manifest.parsed.page_starts[2]
    assert part.chunk_hash(first) == names[first].hash
    assert part.chunk_at(part.chunk_offset(first + 5)) == first + 5
    with pytest.raises(IndexError):
        part.chunk_hash(first - 1)
    with pytest.raises(IndexError):
        part.chunk_size(part.chunk_end)
