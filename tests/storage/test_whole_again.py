"""Snapshots of which a part was damaged are whole again once it is here again, by whatever way."""

import asyncio
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from storage.errors import NotHeld
from storage.store import Store
from tests.storage.test_folding import CHUNKS, MANIFEST, NOISE, fetch, opened, rows, spoil


def edited(data: bytes, number: int) -> bytes:
    """Every chunk of it is another."""
    other = bytearray(data)
    for at in range(number * 37, len(other), 3_000):
        other[at] ^= 0x55
    return bytes(other)


FIRST = blake3(b"a world of noise").digest(length=1 << 20)
SERIES = [FIRST]
for _number in range(1, 6):
    SERIES.append(edited(SERIES[-1], _number))
LAST, LAST_CHUNKS = content_manifest_of(SERIES[-1]), list(cut([SERIES[-1]], Chunking.CONTENT))
MIDDLE = len(LAST_CHUNKS) // 2


async def put_settled(store: Store) -> list[BlobId]:
    """Each leans on the next."""
    blobs = [await store.put_blob(data, chunking=Chunking.CONTENT) for data in SERIES]
    for older, newer in pairwise(blobs):
        await store.settle_snapshot(older, newer)
    assert await store.settled() > 100
    return blobs


async def readable(store: Store, blobs: list[BlobId]) -> int:
    """How many; each as it was."""
    count = 0
    for blob, data in zip(blobs, SERIES, strict=True):
        with suppress(NotHeld):
            assert await store.read_blob(blob) == data
            count += 1
    return count


async def bring(store: Store, way: str) -> None:
    """The damaged chunk of the last one."""
    if way == "scrubbed":
        await store.scrub()
        way = "fetched"
    if way == "fetched":
        assert await fetch(store, LAST, LAST_CHUNKS) == 1
    else:
        await store.put_blob(LAST_CHUNKS[MIDDLE], chunking=Chunking.CONTENT)


@pytest.mark.parametrize("found_by", ["nobody", "who reads the last one", "who reads all", "gc"])
@pytest.mark.parametrize("way", ["fetched", "scrubbed", "in another one"])
async def test_once_a_base_is_here_again_all_that_lean_on_it_are_whole(
    tmp_path: Path, found_by: str, way: str
) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
        spoil(tmp_path, payload_digest(LAST_CHUNKS[MIDDLE]))
        if found_by == "nobody" and way != "scrubbed":
            await store.scrub()
        elif found_by == "who reads the last one":
            with pytest.raises(NotHeld):
                await store.read_blob(blobs[-1])
        elif found_by != "nobody":
            assert await readable(store, blobs) == 0
        if found_by == "gc":
            await store.gc()
        await bring(store, way)
        assert await readable(store, blobs) == len(SERIES)
        assert await store.damaged_blobs() == []
        assert rows(tmp_path, "SELECT count(*) FROM vault.lost WHERE NOT is_back") == [(0,)]


async def test_what_was_damaged_before_a_start_is_whole_again_in_the_background(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
        spoil(tmp_path, payload_digest(LAST_CHUNKS[MIDDLE]))
        assert await readable(store, blobs) == 0
    async with opened(tmp_path) as store:  # it does not know any more what was damaged
        told: asyncio.Queue[int | Exception] = asyncio.Queue()
        task = asyncio.ensure_future(store.keep_whole(told.put_nowait, told.put_nowait))
        async with asyncio.timeout(60):
            assert await store.make_whole_again() == 0
            await fetch(store, LAST, LAST_CHUNKS)
            whole = 0
            while whole < len(SERIES) - 1:
                count = await told.get()
                assert isinstance(count, int)
                whole += count
        assert await readable(store, blobs) == len(SERIES)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("found_by", ["a scrub", "who reads"])
async def test_all_that_are_mended_are_told_of_once(tmp_path: Path, found_by: str) -> None:
    """The one that is fetched, and those that lean on what comes with it."""
    async with opened(tmp_path) as store:
        blobs = await put_settled(store)
        told: asyncio.Queue[int | Exception] = asyncio.Queue()
        task = asyncio.ensure_future(store.keep_whole(told.put_nowait, told.put_nowait))
        spoil(tmp_path, payload_digest(LAST_CHUNKS[MIDDLE]))
        if found_by == "a scrub":
            assert len((await store.scrub()).blobs) == len(SERIES)
        else:
            assert await readable(store, blobs) == 0
        await fetch(store, LAST, LAST_CHUNKS)
        whole = 0
        async with asyncio.timeout(60):
            while whole < len(SERIES):
                count = await told.get()
                assert isinstance(count, int)
                whole += count
        assert whole == len(SERIES)
        assert await readable(store, blobs) == len(SERIES)
        assert await store.missing_chunks(LAST.id) == []
        assert await store.make_whole_again() == 0
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert told.empty()


@pytest.mark.parametrize("found_by", ["gc", "who reads", "a scrub"])
async def test_while_a_page_is_damaged_its_chunks_are_not_collected(
    tmp_path: Path, found_by: str
) -> None:
    """Only the page has to come again, whatever goes meanwhile."""
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        spoil(tmp_path, MANIFEST.parsed.page_hashes[1])
        if found_by == "who reads":
            with pytest.raises(NotHeld):
                await store.read_blob(MANIFEST.id)
        elif found_by == "a scrub":
            await store.scrub()
        for number in range(3):
            await store.put_blob(b"goes again %d" % number * 99_999, chunking=Chunking.CONTENT)
            rows(tmp_path, "DELETE FROM blob WHERE id <> ?", (MANIFEST.id,))
            await store.gc()
        ((count,),) = rows(tmp_path, "SELECT count(*) FROM vault.name")
        # Of what came after the page was found damaged nothing is left.
        assert int(str(count)) < len(CHUNKS) + MANIFEST.parsed.page_count + 20
        assert await store.missing_pages(MANIFEST.id) == [1]
        assert await fetch(store, MANIFEST, CHUNKS) == 0
        assert await store.read_blob(MANIFEST.id) == NOISE


async def test_once_a_snapshot_with_a_damaged_page_is_dropped_its_chunks_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        spoil(tmp_path, MANIFEST.parsed.page_hashes[1])
        await store.gc()
        rows(tmp_path, "DELETE FROM blob_page")
        rows(tmp_path, "DELETE FROM blob")
        await store.gc()
        assert rows(tmp_path, "SELECT count(*) FROM vault.name") == [(0,)]
        assert rows(tmp_path, "SELECT count(*) FROM vault.lost") == [(0,)]


async def test_what_another_blob_brought_elsewhere_and_is_damaged_there_is_missing(
    tmp_path: Path,
) -> None:
    data = NOISE[:3_000]
    manifest = content_manifest_of(data)
    async with opened(tmp_path) as store:
        await store.put_blob(data)
        rows(tmp_path, "UPDATE chunk SET data = zeroblob(length(data))")
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        assert not await store.has_blob(manifest.id)
        assert await store.missing_chunks(manifest.id) == [0]
        assert await fetch(store, manifest, [data]) == 1
        assert await store.read_blob(manifest.id) == data
