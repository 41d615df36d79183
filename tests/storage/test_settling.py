"""Snapshots that others follow take little room, can all be read, and go without the others."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from random import Random

import pytest

from crdt.blob import BlobId, Chunking
from storage.disk_room import MOMENT_BYTES, DiskRoom
from storage.errors import NotHeld, OverQuota
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

CREATURES = 9_000


@asynccontextmanager
async def opened(home: Path) -> AsyncGenerator[Store]:
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as store:
        yield store


def world(tick: int) -> bytes:
    """Some of it changes from tick to tick, all over it."""
    lines = [
        b'{"id":%d,"name":"%s","energy":%d}' % (n, Random(n).randbytes(24).hex().encode(), n * 7919)
        for n in range(CREATURES)
    ]
    for step in range(1, tick + 1):
        for at in Random(step).sample(range(CREATURES), CREATURES // 200):
            lines[at] = b'{"id":%d,"name":"moved","at":%d}' % (at, step)
    return b"[%s]" % b",\n".join(lines)


WORLDS = [world(tick) for tick in range(5)]


async def put_all(store: Store) -> list[BlobId]:
    """One after the other, each queued to lean on the next."""
    blobs: list[BlobId] = []
    for number, data in enumerate(WORLDS):
        blobs.append(await store.put_blob(data, chunking=Chunking.CONTENT))
        await store.pin_blob(blobs[-1], f"tick {number}")
        if number:
            await store.settle_snapshot(blobs[-2], blobs[-1])
    return blobs


async def all_are_there(store: Store, blobs: Sequence[BlobId]) -> None:
    for number, blob in enumerate(blobs):
        assert await store.read_blob(blob) == WORLDS[number], number


def count(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "snapshots.db")) as vault:
        ((found,),) = vault.execute(f"SELECT count(*) FROM {table}")
    return int(found)


async def test_older_ones_take_little_room_and_all_are_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.put_blob(WORLDS[0], chunking=Chunking.CONTENT)
        one = (await store.counts()).blob_bytes
        blobs = await put_all(store)
        assert blobs[0] == first
        before = (await store.counts()).blob_bytes
        assert before > 3 * one, "each change lies in a chunk of its own"
        assert await store.settled() > 50
        after = (await store.counts()).blob_bytes
        assert after < 1.5 * one
        await all_are_there(store, blobs)
        assert await store.settled() == 0
    assert count(tmp_path, "todo") == 0
    assert (tmp_path / "snapshots.db").stat().st_size < before
    async with opened(tmp_path) as store:
        await all_are_there(store, blobs)
        # What comes again is the newest now, and lies whole.
        deltas = await asyncio.to_thread(count, tmp_path, "delta")
        assert await store.put_blob(WORLDS[0], chunking=Chunking.CONTENT) == blobs[0]
        assert await asyncio.to_thread(count, tmp_path, "delta") < deltas
        await all_are_there(store, blobs)


@pytest.mark.parametrize("has_room", [True, False])
async def test_where_others_took_what_is_to_stay_free_room_is_given_back_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_room: bool
) -> None:
    """Unless there is hardly any: what is smaller is written before what it replaces goes."""
    left = [1 << 60]

    def left_now(_: DiskRoom) -> int:
        return left[0]

    def hardly_any(_: DiskRoom) -> int:
        return MOMENT_BYTES

    monkeypatch.setattr(DiskRoom, "_left_now", left_now)
    async with opened(tmp_path) as store:
        await put_all(store)
        before = (await store.counts()).blob_bytes
        left[0] = -1
        if not has_room:
            monkeypatch.setattr(DiskRoom, "available_bytes", hardly_any)
            with pytest.raises(OverQuota, match=r"quota\.disk_free"):
                await store.settled()
            return
        with pytest.raises(OverQuota):
            await store.put_blob(b"new" * 9_000, chunking=Chunking.CONTENT)
        assert await store.settled() > 50
        assert (await store.counts()).blob_bytes < before / 2


async def test_what_was_queued_goes_on_after_the_next_start_in_the_background(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_all(store)
    assert count(tmp_path, "todo") == 4
    assert count(tmp_path, "delta") == 0
    async with opened(tmp_path) as store:
        faults: list[Exception] = []
        task = asyncio.ensure_future(store.keep_settling(faults.append))
        try:
            async with asyncio.timeout(60):
                while await asyncio.to_thread(count, tmp_path, "todo"):
                    await all_are_there(store, blobs[:1])
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert await asyncio.to_thread(count, tmp_path, "delta") > 50
        await all_are_there(store, blobs)
    assert not faults


async def test_cancelled_anywhere_everything_stays_readable_and_it_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_all(store)
        for steps in range(1, 40, 6):
            task = asyncio.ensure_future(store.settled())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await all_are_there(store, blobs)
        await store.settled()
        await all_are_there(store, blobs)


@pytest.mark.parametrize("dropped", [{0}, {4}, {1, 3}, {0, 1, 2, 3}, {1, 2, 3, 4}])
async def test_any_of_them_goes_and_the_others_stay(tmp_path: Path, dropped: set[int]) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_all(store)
        await store.settled()
        before = (await store.counts()).blob_bytes
        for number in dropped:
            await store.unpin_blob(blobs[number])
        collected = await store.gc(grace_us=-1)
        assert collected.blobs == len(dropped)
        assert (await store.counts()).blob_bytes < 1.1 * before
        for number, blob in enumerate(blobs):
            if number in dropped:
                assert not await store.has_blob(blob)
            else:
                assert await store.read_blob(blob) == WORLDS[number]
    async with opened(tmp_path) as store:
        assert not await store.damaged_blobs()


async def test_what_is_put_while_others_go_is_whole(tmp_path: Path) -> None:
    """It finds much of what was dead a moment ago."""
    async with opened(tmp_path) as store:
        blobs = await put_all(store)
        for _ in range(6):
            for blob in blobs:
                await store.unpin_blob(blob)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(store.gc(grace_us=-1))
                tasks.create_task(store.settled())
                again = [
                    tasks.create_task(store.put_blob(data, chunking=Chunking.CONTENT))
                    for data in WORLDS[:3]
                ]
            for number, one in enumerate(again):
                with suppress(NotHeld):  # gc may have taken a whole one: nothing names it
                    assert await store.read_blob(one.result()) == WORLDS[number]
            assert not await store.damaged_blobs()
            blobs = await put_all(store)
            await all_are_there(store, blobs)


async def test_of_blobs_that_are_not_here_nothing_is_done(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(WORLDS[0], chunking=Chunking.CONTENT)
        fixed = await store.put_blob(WORLDS[1])
        await store.settle_snapshot(blob, BlobId(bytes(32)))
        await store.settle_snapshot(BlobId(bytes(32)), blob)
        await store.settle_snapshot(fixed, blob)
        await store.settle_snapshot(blob, blob)
        assert await store.settled() == 0
        assert await store.read_blob(blob) == WORLDS[0]
