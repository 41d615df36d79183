"""A blob of any size passes through a few MiB of memory."""

import tracemalloc
from collections.abc import Iterator

import pytest
from blake3 import blake3

from crdt.blob import Chunking
from storage.store import Store

MIB = 1 << 20
MORE_BYTES_MAX = 6 * MIB  # the 4 that are gathered may meet the 1 that is cut, or not; and names


def pieces(size: int) -> Iterator[bytes]:
    for at in range(0, size, MIB):
        yield blake3(b"a large world").digest(length=min(MIB, size - at), seek=at)


@pytest.mark.parametrize("chunking", Chunking)
async def test_one_eight_times_as_large_takes_no_more_memory(
    store: Store, chunking: Chunking
) -> None:
    peaks: list[int] = []
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
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < MORE_BYTES_MAX
