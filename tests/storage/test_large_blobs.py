"""A blob of any size passes through a few MiB of memory."""

import tracemalloc
from collections.abc import Iterator

import pytest
from blake3 import blake3

from crdt.blob import Chunking
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
