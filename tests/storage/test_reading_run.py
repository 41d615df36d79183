"""A run of chunks for a peer: what is here, one after another, and no more than asked."""

from random import Random

import pytest

from crdt.blob import CHUNK_BYTES, Chunking, chunks_of, manifest_of
from storage.store import Store

DATA = Random(1).randbytes(4 * CHUNK_BYTES + 5)
MANIFEST = manifest_of(DATA)
CHUNKS = list(chunks_of(DATA))


async def partly(store: Store, *held: int) -> None:
    await store.begin_blob(MANIFEST.id, MANIFEST.root)
    await store.add_page(MANIFEST.id, 0, MANIFEST.pages[0])
    await store.add_chunks(MANIFEST.id, [(index, CHUNKS[index]) for index in held])


@pytest.mark.parametrize(
    ("held", "first", "count", "size_bytes_max", "given"),
    [
        ((0, 1, 2, 3, 4), 0, 5, 1 << 30, 5),
        ((0, 1, 2, 3, 4), 0, 5, 2 * CHUNK_BYTES, 2),
        ((0, 1, 2, 3, 4), 0, 5, 2 * CHUNK_BYTES - 1, 1),
        ((0, 1, 2, 3, 4), 3, 100, 1 << 30, 2),
        ((0, 1, 3), 0, 5, 1 << 30, 2),
        ((1,), 0, 5, 1 << 30, 0),
        ((), 0, 5, 1 << 30, 0),
        ((0, 1, 2, 3, 4), 5, 1, 1 << 30, 0),
    ],
)
async def test_a_run_is_what_is_here_from_its_first_chunk_on(
    store: Store,
    held: tuple[int, ...],
    first: int,
    count: int,
    size_bytes_max: int,
    given: int,
) -> None:
    await partly(store, *held)
    run = await store.read_run(MANIFEST.id, first, count, size_bytes_max=size_bytes_max)
    assert run == CHUNKS[first : first + given]


async def test_a_run_of_chunks_that_the_content_defines(store: Store) -> None:
    blob = await store.put_blob(DATA, chunking=Chunking.CONTENT)
    run = await store.read_run(blob, 0, 1 << 30, size_bytes_max=512 << 10)
    assert DATA.startswith(b"".join(run))
    assert (512 << 10) - 65_536 < sum(map(len, run)) <= 512 << 10


async def test_of_an_unknown_blob_there_is_none(store: Store) -> None:
    assert await store.read_run(MANIFEST.id, 0, 1, size_bytes_max=1 << 20) == []
