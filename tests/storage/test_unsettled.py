"""Snapshots that cannot be written anew stay as they are, and end nothing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from crdt.blob import Chunking
from crdt.errors import Malformed
from storage.errors import Corrupt, OverQuota, StorageError
from storage.settling import CHUNKS_MAX
from storage.store import Store
from tests.storage.full_disk import largest_file
from tests.storage.test_folding import rows
from tests.storage.test_named_pages import FORGED, hold_forged, page_of, root_of
from tests.storage.test_settling import WORLDS, all_are_there, count, opened, put_all


@asynccontextmanager
async def settling(store: Store, *, again_s: float = 0.01) -> AsyncGenerator[list[Exception]]:
    """In the background, with what it tells of; fails where it ended before its end here."""
    faults: list[Exception] = []
    task = asyncio.ensure_future(store.keep_settling(faults.append, again_s=again_s))
    try:
        async with asyncio.timeout(60):
            yield faults
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_settled(home: Path) -> None:
    while await asyncio.to_thread(count, home, "todo"):
        pass


async def test_one_that_cannot_be_read_is_left_out_and_the_others_are_settled(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in WORLDS[:2]]
        forged = await hold_forged(store, tmp_path, FORGED["a chunk more"])
        await store.settle_snapshot(blobs[0], forged)
        await store.settle_snapshot(blobs[0], blobs[1])
        async with settling(store) as faults:
            await until_settled(tmp_path)
        await all_are_there(store, blobs)
    assert [type(one) for one in faults] == [Malformed]
    assert count(tmp_path, "delta") > 10


async def test_a_damaged_file_of_snapshots_ends_nothing_at_this_start_or_the_next(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in WORLDS[:2]]
        await store.settle_snapshot(*blobs)
    ((root,),) = rows(tmp_path, "SELECT rootpage FROM vault.sqlite_schema WHERE name = 'whole'")
    with (tmp_path / "snapshots.db").open("r+b") as file:
        file.seek((int(str(root)) - 1) * 2048)
        page = file.read(2048)
        assert page[0] == 5, "it has leaves: a start looks at the last of them"
        cell = int.from_bytes(page[12:14], "big")
        first = int.from_bytes(page[cell : cell + 4], "big")
        file.seek((first - 1) * 2048)
        file.write(b"\xff" * 8)
    async with opened(tmp_path) as store, settling(store) as faults:
        await until_settled(tmp_path)
    assert [type(one) for one in faults] == [Corrupt]
    async with opened(tmp_path) as store, settling(store) as faults:
        assert not await store.settled()
    assert not faults


async def test_a_full_disk_is_tried_again_until_it_has_room(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_all(store)
        async with settling(store) as faults:
            with largest_file(4096):
                while len(faults) < 3:
                    await all_are_there(store, blobs[:1])
            assert count(tmp_path, "todo") == 4
            await until_settled(tmp_path)
            await all_are_there(store, blobs)
    assert {type(one) for one in faults} <= {OverQuota, StorageError}
    assert count(tmp_path, "delta") > 50


async def test_what_a_full_disk_does_not_queue_is_queued_later(tmp_path: Path) -> None:
    """The blobs are here, and a record says so: that they take more room fails nobody."""
    async with opened(tmp_path) as store:
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in WORLDS[:3]]
        with largest_file(4096):
            await store.settle_snapshot(blobs[0], blobs[1])
            assert count(tmp_path, "todo") == 0
        await store.settle_snapshot(blobs[1], blobs[2])
        assert count(tmp_path, "todo") == 2
        with largest_file(4096):
            await store.settle_snapshot(blobs[0], blobs[2])
        assert await store.settled() > 10
        assert count(tmp_path, "todo") == 0
        await all_are_there(store, blobs)


async def test_one_of_very_many_chunks_is_left_as_it_is(tmp_path: Path) -> None:
    """Few bytes can stand for millions of chunks, and each takes memory while it is looked at."""
    chunk = WORLDS[1][:4096]
    page = page_of([chunk] * 1024)
    many, root = root_of([(page, 1024 * 4096, 1024)] * (CHUNKS_MAX // 1024 + 1))
    async with opened(tmp_path) as store:
        blob = await store.put_blob(WORLDS[0], chunking=Chunking.CONTENT)
        await store.begin_blob(many, root)
        await store.add_page(many, 0, page)
        await store.begin_blob(many, root)  # all of its pages are this one
        await store.add_chunks(many, [(0, chunk)])
        assert (await store.begin_blob(many, root)).is_complete
        await store.settle_snapshot(many, blob)
        await store.settle_snapshot(blob, many)
        assert await store.settled() == 0
        assert count(tmp_path, "todo") == 0
