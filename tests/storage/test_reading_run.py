"""A run of chunks for a peer: what is here, one after another, and no more than asked."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from crdt.blob import CHUNK_BYTES, Chunking, chunks_of, manifest_of
from storage import packs as packs_module
from storage.database import Database, Row
from storage.packs import Packs, Place
from storage.reading_blobs import AHEAD_BLOBS, AHEAD_CHUNKS, AHEAD_US
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

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


async def test_where_the_next_chunks_lie_is_looked_up_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups: list[str] = []
    rows = Database.rows

    async def counted(self: Database, sql: str, values: Sequence[object] = ()) -> list[Row]:
        lookups.append(sql)
        return await rows(self, sql, values)

    data = Random(2).randbytes(40 * CHUNK_BYTES)
    blob = await store.put_blob(data)
    monkeypatch.setattr(Database, "rows", counted)
    read = [await store.read_run(blob, at, 2, size_bytes_max=1 << 20) for at in range(0, 40, 2)]
    assert b"".join(chunk for run in read for chunk in run) == data
    assert len(lookups) <= 2, "the first time, and for the last run, after which nothing comes"


async def test_a_run_that_is_asked_for_anywhere_is_right(store: Store) -> None:
    data = Random(3).randbytes((AHEAD_CHUNKS + 40) * 16_384)
    blob = await store.put_blob(data, chunking=Chunking.CONTENT)
    manifest = await store.blob_manifest(blob)
    assert manifest is not None
    assert manifest.size == len(data)
    random = Random(4)
    for _ in range(60):
        first = random.randrange(manifest.chunk_count)
        run = await store.read_run(blob, first, random.randint(1, 200), size_bytes_max=64 << 10)
        start = manifest.chunk_offset(first)
        assert run
        assert b"".join(run) == data[start : start + sum(map(len, run))]


async def test_what_was_dropped_is_soon_given_no_longer(tmp_path: Path) -> None:
    now_us = NOW_US

    def clock_us() -> int:
        return now_us

    async with open_store(tmp_path / "panspermia.db", project=project, clock_us=clock_us) as store:
        blob = await store.put_blob(DATA)
        assert await store.read_run(blob, 0, 1, size_bytes_max=1 << 20) == CHUNKS[:1]
        now_us += 1
        await store.gc(grace_us=0)
        now_us += AHEAD_US
        assert await store.read_run(blob, 1, 1, size_bytes_max=1 << 20) == []


async def test_a_pack_that_is_written_anew_between_two_runs_is_found(tmp_path: Path) -> None:
    now_us = NOW_US

    def clock_us() -> int:
        return now_us

    async with open_store(tmp_path / "panspermia.db", project=project, clock_us=clock_us) as store:
        for seed in range(2):
            await store.put_blob(Random(seed).randbytes(8 * CHUNK_BYTES))
        now_us += 1_000
        blob = await store.put_blob(DATA)
        assert await store.read_run(blob, 0, 1, size_bytes_max=1 << 20) == CHUNKS[:1]
        before = {file.name for file in (tmp_path / "blobs").iterdir()}
        await store.gc(grace_us=500)
        assert {file.name for file in (tmp_path / "blobs").iterdir()} != before
        for at in range(1, 5):
            assert await store.read_run(blob, at, 1, size_bytes_max=1 << 20) == CHUNKS[at : at + 1]


async def test_of_few_blobs_only_it_is_known_where_they_lie(store: Store) -> None:
    noise = Random(5).randbytes(5 * CHUNK_BYTES)
    for number in range(AHEAD_BLOBS + 2):
        blob = await store.put_blob(number.to_bytes(2, "big") + noise)
        assert await store.read_run(blob, 1, 1, size_bytes_max=1 << 20)
    assert len(store._ahead) == AHEAD_BLOBS  # pyright: ignore[reportPrivateUsage]  # a bound of memory


def is_cached(packs: Packs, place: Place) -> bool:
    try:
        packs.read_cached(place)
    except BlockingIOError:
        return False
    return True


async def test_what_was_written_in_bulk_leaves_memory_and_is_given_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Packs(tmp_path / "control")
    (place,) = control.append([DATA])
    control.sync()
    if not is_cached(control, place):
        pytest.skip("this disk does not tell what is in memory")
    control.sync()
    file = os.open(control.path(place.pack), os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)
    if is_cached(control, place):
        pytest.skip("this disk keeps all in memory")
    monkeypatch.setattr(packs_module, "SYNC_BYTES", 2 * CHUNK_BYTES)
    async with open_store(
        tmp_path / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as store:
        packs = store._database.packs  # pyright: ignore[reportPrivateUsage]  # where it was written
        await partly(store, 0, 1, 2, 3)
        for _ in range(1_000):
            if not is_cached(packs, Place(1, 0, CHUNK_BYTES)):
                break
            await asyncio.sleep(0.01)
        assert not is_cached(packs, Place(1, 0, CHUNK_BYTES))
        assert await store.read_run(MANIFEST.id, 0, 4, size_bytes_max=1 << 30) == CHUNKS[:4]
