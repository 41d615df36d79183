"""Bits rot where nobody looks: what is found of it is known from then on, whatever comes between,
and no upload is acknowledged that cannot be read."""

import asyncio
from pathlib import Path

import pytest

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from storage.reading_blobs import whole_blob
from storage.store import Store
from storage.vault.scrubbing import drop_lost
from tests.storage.test_folding import CHUNKS, EDITED, MANIFEST, NOISE, fetch, opened, spoil

AFTER, AFTER_CHUNKS = content_manifest_of(EDITED), list(cut([EDITED], Chunking.CONTENT))
SHARED = payload_digest(CHUNKS[-1])


async def put_both(store: Store) -> None:
    await store.put_blob(NOISE, chunking=Chunking.CONTENT)
    await store.put_blob(EDITED, chunking=Chunking.CONTENT)


@pytest.mark.parametrize("found_by", ["a scrub", "a start", "a dry run"])
async def test_what_was_dropped_when_the_process_ended_is_known_to_be_missing(
    tmp_path: Path, found_by: str
) -> None:
    async with opened(tmp_path) as store:
        await put_both(store)
        spoil(tmp_path, SHARED)
        database = store._database  # pyright: ignore[reportPrivateUsage]  # the first step alone
        await database.lazily(lambda one: drop_lost(one, [SHARED]))
    async with opened(tmp_path) as store:
        assert await store.has_blob(MANIFEST.id)
        if found_by == "a start":
            assert await store.make_whole_again() == 0
        else:
            found = await store.scrub(is_dry_run=found_by == "a dry run")
            assert set(found.blobs) == {MANIFEST.id, AFTER.id}
        if found_by == "a dry run":
            assert await store.has_blob(MANIFEST.id)
            return
        assert not await store.has_blob(MANIFEST.id)
        assert set(await store.damaged_blobs()) == {MANIFEST.id, AFTER.id}
        assert await fetch(store, MANIFEST, CHUNKS) == 1
        assert await store.read_blob(AFTER.id) == EDITED
        assert await store.scrub() == await store.scrub(is_dry_run=True)
        assert await store.make_whole_again() == 0
        assert await store.has_blob(MANIFEST.id)


async def test_a_scrub_that_is_cancelled_says_first_which_blobs_are_damaged(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await put_both(store)
        spoil(tmp_path, SHARED)
        names = "SELECT count(*) FROM vault.lost"
        database = store._database  # pyright: ignore[reportPrivateUsage]  # to see when
        scrubbing = asyncio.ensure_future(store.scrub())
        async with asyncio.timeout(60):
            while not await database.rows(f"{names} HAVING count(*)"):
                pass
        scrubbing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scrubbing
        assert not await store.has_blob(MANIFEST.id)
        assert not await store.has_blob(AFTER.id)


async def test_what_a_transaction_finds_damaged_is_said_of_all_that_have_it(tmp_path: Path) -> None:
    """As the blob of a frontier is read; the transaction itself has no time for it."""
    async with opened(tmp_path) as store:
        await put_both(store)
        spoil(tmp_path, SHARED)
        told: asyncio.Queue[object] = asyncio.Queue()
        keeping = asyncio.ensure_future(store.keep_whole(told.put_nowait, told.put_nowait))
        database = store._database  # pyright: ignore[reportPrivateUsage]  # as frontiers are read
        async with database.transaction() as write:
            assert await whole_blob(write, MANIFEST.id, bytes_max=1 << 26) is None
        async with asyncio.timeout(60):
            while await store.has_blob(AFTER.id):
                pass
        keeping.cancel()
        assert told.empty()
        assert await fetch(store, AFTER, AFTER_CHUNKS) == 1
        assert await store.make_whole_again() <= 1
        assert await store.read_blob(MANIFEST.id) == NOISE
