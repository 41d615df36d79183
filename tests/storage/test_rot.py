"""Bits rot where nobody looks: what is found of it is known from then on, whatever comes between,
and no upload is acknowledged that cannot be read."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from crdt.blob import CHUNK_BYTES, Chunking
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from storage.errors import NotHeld, StorageError
from storage.reading_blobs import RUN, whole_blob
from storage.store import Store
from storage.vault.scrubbing import drop_lost
from tests.storage import test_whole_again as worlds
from tests.storage.people import ALICE, named
from tests.storage.test_folding import (
    CHUNKS,
    EDITED,
    MANIFEST,
    NOISE,
    fetch,
    opened,
    rows,
    spoil,
)

T = TypeVar("T")
RUN_CHUNKS = RUN[Chunking.CONTENT]

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


_OF = "(SELECT id FROM vault.name WHERE key = ?1)"
ROT = {
    "other bytes": f"UPDATE vault.whole SET data = zeroblob(length(data)) WHERE id = {_OF}",
    "few bytes": "UPDATE vault.whole SET data = CAST(substr(data, 1, 96) || zeroblob(4)"
    f" || substr(data, 101) AS BLOB) WHERE id = {_OF}",
    "a frame of other bytes": "UPDATE vault.whole SET data = (SELECT data FROM vault.whole LIMIT 1)"
    f" WHERE id = {_OF}",
    "no bytes": f"DELETE FROM vault.whole WHERE id = {_OF}",
    "another size": "UPDATE vault.name SET size = size + 1 WHERE key = ?1",
}


@pytest.mark.parametrize("part", ["chunk", "page"])
@pytest.mark.parametrize("rot", ROT)
async def test_what_rotted_where_nobody_looked_is_good_again_once_the_same_bytes_are_put(
    tmp_path: Path, rot: str, part: str
) -> None:
    """Who puts a world is told that it is here, so it is."""
    hash = SHARED if part == "chunk" else MANIFEST.parsed.page_hashes[1]
    async with opened(tmp_path) as store:
        await put_both(store)
        ((before,),) = rows(tmp_path, "SELECT max(id) FROM vault.whole")
        rows(tmp_path, ROT[rot], (hash,))
        assert await store.put_blob(NOISE, chunking=Chunking.CONTENT) == MANIFEST.id
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.read_blob(AFTER.id) == EDITED
        assert await store.damaged_blobs() == []
        scrubbed = await store.scrub()
        assert (scrubbed.parts, scrubbed.blobs) == (0, [])
        if rot != "no bytes":  # others may lean on it by its id
            assert rows(tmp_path, "SELECT max(id) FROM vault.whole") == [(before,)]
            assert rows(tmp_path, "SELECT count(*) FROM vault.lost") == [(0,)]


NAME_ROT = {
    "no name": ("DELETE FROM vault.name WHERE key = ?1", 1),
    "another name": ("UPDATE vault.name SET key = zeroblob(32) WHERE key = ?1", 2),
}


@pytest.mark.parametrize("part", ["chunk", "page"])
@pytest.mark.parametrize("rot", NAME_ROT)
async def test_a_scrub_finds_what_lost_its_name_too(tmp_path: Path, rot: str, part: str) -> None:
    """The names lie on the same disk; what has none is found by whoever needs it."""
    hash = SHARED if part == "chunk" else MANIFEST.parsed.page_hashes[1]
    spoiling, parts = NAME_ROT[rot]
    assert hash in [*AFTER.parsed.page_hashes, *map(payload_digest, AFTER_CHUNKS)]
    blobs = {MANIFEST.id, AFTER.id}
    async with opened(tmp_path) as store:
        await put_both(store)
        rows(tmp_path, spoiling, (hash,))
        looked = await store.scrub(is_dry_run=True)
        assert (looked.parts, {*looked.blobs}) == (parts, blobs)
        assert await store.has_blob(MANIFEST.id)
        found = await store.scrub()
        assert (found.parts, {*found.blobs}) == (parts, blobs)
        assert not await store.has_blob(MANIFEST.id)
        await fetch(store, MANIFEST, CHUNKS)
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.read_blob(AFTER.id) == EDITED
        again = await store.scrub()
        assert (again.parts, again.blobs) == (0, [])


@pytest.mark.parametrize("size", [5_000, 5 << 20])
async def test_so_is_what_lies_in_packs_and_in_rows(tmp_path: Path, size: int) -> None:
    data, longer = NOISE[:size], NOISE[: size + CHUNK_BYTES]
    async with opened(tmp_path) as store:
        blob, other = await store.put_blob(data), await store.put_blob(longer + data)
        for pack in (tmp_path / "blobs").glob("*.pack"):
            with pack.open("r+b") as file:
                file.seek(CHUNK_BYTES + 100)
                file.write(bytes(4))
        rows(tmp_path, "UPDATE chunk SET data = zeroblob(length(data))")
        assert await store.put_blob(data) == blob
        assert await store.read_blob(blob) == data
        assert await store.put_blob(longer + data) == other
        assert await store.read_blob(other) == longer + data
        await store.gc(grace_us=-1)
        assert rows(tmp_path, "SELECT count(*) FROM packed") == [(0,)]
        assert not list((tmp_path / "blobs").glob("*.pack"))


async def test_what_leans_on_what_rotted_can_be_read_once_it_was_put_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = await worlds.put_settled(store)
        spoil(tmp_path, payload_digest(worlds.LAST_CHUNKS[worlds.MIDDLE]))
        assert await store.put_blob(worlds.SERIES[-1], chunking=Chunking.CONTENT) == blobs[-1]
        assert await worlds.readable(store, blobs) == len(blobs)


@pytest.mark.parametrize("lost", ["of it", "of another"])
async def test_what_is_lost_while_a_blob_is_put_is_no_part_of_what_is_acknowledged(
    tmp_path: Path, lost: str
) -> None:
    """Damage is met with by others in the moment between the last look and the word."""
    async with opened(tmp_path) as store:
        await put_both(store)
        other = await store.put_blob(bytes(range(256)), chunking=Chunking.CONTENT)
        database = store._database  # pyright: ignore[reportPrivateUsage]  # to come between
        vault = database.vault
        read, sync = vault.read, vault.sync
        met: list[str] = []

        async def met_after(work: Callable[[sqlite3.Connection], T]) -> T:
            found = await read(work)
            if met == ["synced"]:
                met.append("lost")
                blob = MANIFEST.id if lost == "of it" else other
                spoil(tmp_path, SHARED if lost == "of it" else payload_digest(bytes(range(256))))
                async with database.transaction() as write:
                    assert await whole_blob(write, blob, bytes_max=1 << 26) is None
            return found

        def synced() -> None:
            sync()
            met.append("synced")

        vault.read, vault.sync = met_after, synced  # type: ignore[method-assign]  # between its two steps
        if lost == "of it":
            with pytest.raises(NotHeld, match="store it again"):
                await store.put_blob(EDITED, chunking=Chunking.CONTENT)
        else:
            await store.put_blob(EDITED, chunking=Chunking.CONTENT)
        assert met[:2] == ["synced", "lost"]
        assert await store.put_blob(EDITED, chunking=Chunking.CONTENT) == AFTER.id
        assert await store.read_blob(AFTER.id) == EDITED


async def test_all_that_is_good_is_given_before_damage_is_told_of(tmp_path: Path) -> None:
    """Who reads on from there asks for no more than is gone."""
    runs = MANIFEST.parsed.page_starts[1] // RUN_CHUNKS
    assert runs > 1
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        spoil(tmp_path, MANIFEST.parsed.page_hashes[1])
        pieces = store.stream_blob(MANIFEST.id)
        given = [await anext(pieces) for _ in range(runs)]
        with pytest.raises(NotHeld, match="damaged"):
            await anext(pieces)
        assert b"".join(given) == b"".join(CHUNKS[: runs * RUN_CHUNKS])


async def test_a_store_that_was_closed_says_so_to_whoever_asks(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        read, waits = store.stream_blob(MANIFEST.id), store.stream_blob(MANIFEST.id)
        await anext(read)
    async with asyncio.timeout(60):
        with pytest.raises(StorageError, match="closed"):
            await store.read_blob(MANIFEST.id)
        with pytest.raises(StorageError, match="closed"):
            await anext(waits)
        with pytest.raises(StorageError, match="closed"):
            [piece async for piece in read]
        for chunking in Chunking:
            with pytest.raises(StorageError, match="closed"):
                await store.put_blob(NOISE, chunking=chunking)
        with pytest.raises(StorageError, match="closed"):
            await store.scrub()
        with pytest.raises(StorageError, match="closed"):
            await store.commit(ALICE.document("io.alice.clock"), named("clock"), ALICE.signer)
