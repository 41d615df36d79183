"""Chunks that are stored in the turn in which they came: as safe as others, or left to a thread."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import CHUNK_BYTES, Manifest, chunks_of, manifest_of
from crdt.digest import payload_digest
from crdt.keys import AuthorKey
from storage import packs, unnamed
from storage.blobs import TOUCHED_US
from storage.database import Database
from storage.disk_room import DiskRoom
from storage.errors import OverQuota
from storage.prompt import SLOW_S, Prompt
from storage.store import Store, open_store
from tests.storage.full_disk import largest_file
from tests.storage.people import NOW_US, project
from tests.storage.test_prompt import Clock
from tests.storage.test_unnamed import (
    CHUNKS,
    HASHES,
    LARGE,
    MANIFEST,
    WHOLE_CHUNKS,
    add,
    begin,
    home,
    killed,
    named,
    opened,
)

__all__ = ["home"]


@pytest.fixture(autouse=True)
def disk_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A write takes what a test says, else no time: on a busy machine any may take too long."""
    clock = Clock()
    monkeypatch.setattr(unnamed, "Prompt", lambda: Prompt(clock))
    return clock


def at_once(store: Store, *indices: int) -> bool:
    """As the swarm's shell does, with chunks one behind another."""
    chunks, hashes = [CHUNKS[index] for index in indices], [HASHES[index] for index in indices]
    return store.add_at_once(MANIFEST.id, indices[0], chunks, hashes)


def of(store: Store) -> Database:
    return store._database  # pyright: ignore[reportPrivateUsage]  # whose turn it is


async def begun(store: Store) -> None:
    """The first chunk goes by the thread, which looks whether a start would find the next ones."""
    await begin(store)
    assert not at_once(store, 0)
    await add(store, 0)


async def test_what_was_stored_at_once_survives_a_kill(home: Path) -> None:
    steps: list[str] = []
    async with opened(home, steps.append) as store:
        await begun(store)
        assert at_once(store, 1)
        assert at_once(store, 2, 3)
        assert steps[-2:] == ["APPENDED AT ONCE"] * 2
        assert named(home) == 0, "or this is no test"
        left = killed(home)
        assert await store.read_chunks(MANIFEST.id, 0, 4) == CHUNKS[:4]
        assert named(home) == 4
    async with opened(left) as store:
        assert not store.mended
        assert await store.missing_chunks(MANIFEST.id) == list(range(4, len(CHUNKS)))
        assert await store.read_chunks(MANIFEST.id, 0, 4) == CHUNKS[:4]


async def test_a_blob_comes_whole_by_both_ways(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unnamed, "UNNAMED_BYTES_MAX", 4 * CHUNK_BYTES)
    monkeypatch.setattr(packs, "PACK_BYTES", 6 * CHUNK_BYTES)
    ways: list[bool] = []
    async with opened(home) as store:
        await begin(store)
        for index in range(WHOLE_CHUNKS):
            ways.append(at_once(store, index))
            if not ways[-1]:
                await add(store, index)
        assert not at_once(store, WHOLE_CHUNKS), "the last one makes it whole: that is a sync"
        assert await add(store, WHOLE_CHUNKS)
        assert await store.read_blob(MANIFEST.id) == LARGE
    assert {True, False} == set(ways)
    assert ways[:6] == [False, True, True, True, False, True], "rows for each four; then a new pack"


@pytest.mark.parametrize(
    ("first", "chunks", "hashes"),
    [
        pytest.param(1, CHUNKS[1:2], HASHES[2:3], id="another hash than the page's"),
        pytest.param(1, CHUNKS[1:3], [HASHES[1], HASHES[1]], id="the second of two is wrong"),
        pytest.param(1, CHUNKS[1:3], HASHES[1:2], id="a hash is missing"),
        pytest.param(0, CHUNKS[:1], HASHES[:1], id="it is here"),
        pytest.param(-1, CHUNKS[:1], HASHES[:1], id="before the first"),
        pytest.param(len(CHUNKS), CHUNKS[:1], HASHES[:1], id="behind the last"),
        pytest.param(1, [CHUNKS[1][:-1]], HASHES[1:2], id="too short"),
        pytest.param(WHOLE_CHUNKS, CHUNKS[-1:], HASHES[-1:], id="the short one at the end"),
    ],
)  # fmt: skip
async def test_what_is_not_plain_is_left_to_whoever_says_why(
    home: Path, first: int, chunks: list[bytes], hashes: list[bytes]
) -> None:
    async with opened(home) as store:
        await begun(store)
        pack = home / "blobs" / "00000001.pack"
        before = pack.stat().st_size
        assert not store.add_at_once(MANIFEST.id, first, chunks, hashes)
        assert pack.stat().st_size == before
        assert await store.held_runs(MANIFEST.id, 0) == [0, 1]


async def test_nobody_is_overtaken_who_writes(home: Path) -> None:
    async with opened(home) as store:
        await begun(store)
        async with of(store).transaction():
            assert not at_once(store, 1)
        assert not at_once(store, 1), "that one gave the chunks their rows"
        await add(store, 1)
        assert at_once(store, 2)


async def test_nobody_is_overtaken_whose_thread_is_about_it(home: Path) -> None:
    """What the thread appends to is nobody else's then."""
    goes, may_go, steps = threading.Event(), threading.Event(), list[str]()

    def on_step(step: str) -> None:
        steps.append(step)
        if steps.count("APPEND LAZILY") == 2:
            goes.set()
            assert may_go.wait(30)

    async with opened(home, on_step) as store:
        await begun(store)
        task = asyncio.create_task(add(store, 1))
        await asyncio.to_thread(goes.wait, 30)
        was_taken = at_once(store, 2)
        may_go.set()
        await task
        assert not was_taken
        assert at_once(store, 2)


async def test_behind_bytes_that_a_start_does_not_know_nothing_is_stored_at_once(
    home: Path,
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        of(store).packs.append([b"x" * 77])
        raise KeyError

    async with opened(home) as store:
        await begun(store)
        assert at_once(store, 1)
        with pytest.raises(KeyError):
            await of(store).lazily(fail)
        assert not at_once(store, 2)
        await add(store, 2)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 3]


async def test_the_last_chunk_is_left_to_whoever_says_that_the_blob_is_whole(home: Path) -> None:
    body = LARGE[: WHOLE_CHUNKS * CHUNK_BYTES]
    manifest = manifest_of(body)
    async with opened(home) as store:
        await bring_pages(store, manifest)
        await store.missing_chunks(manifest.id)
        for index in range(WHOLE_CHUNKS - 1):
            await bring(store, manifest, index)
        last = WHOLE_CHUNKS - 1
        assert not store.add_at_once(manifest.id, last, CHUNKS[last:-1], HASHES[last:-1])
        assert await store.add_chunks(manifest.id, [(last, CHUNKS[last])], hashes=HASHES[last:-1])
        assert await store.read_blob(manifest.id) == body


async def test_a_blob_that_nobody_began_or_that_is_small_waits(home: Path) -> None:
    small = blake3(b"small").digest(length=3 * CHUNK_BYTES)
    manifest, chunks = manifest_of(small), list(chunks_of(small))
    hashes = [payload_digest(chunk) for chunk in chunks]
    async with opened(home) as store:
        assert not at_once(store, 0)
        await bring_pages(store, manifest)
        await store.missing_chunks(manifest.id)
        await store.add_chunks(manifest.id, [(2, chunks[2])], hashes=hashes[2:])
        await begun(store)
        await add(store, 1)
        assert not store.add_at_once(manifest.id, 0, chunks[:1], hashes[:1])
        assert at_once(store, 2), "or this is no test"


async def test_what_is_fetched_for_long_is_noted_to_be(home: Path) -> None:
    """Else `gc` would take it for given up."""
    now_us = NOW_US
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: now_us
    ) as store:
        await begun(store)
        assert at_once(store, 1)
        now_us += TOUCHED_US
        assert not at_once(store, 2)
        await add(store, 2)
        assert not at_once(store, 3), "it got its row, as the others did"
        await add(store, 3)
        assert at_once(store, 4)


async def test_what_a_full_disk_did_not_take_is_taken_back(home: Path) -> None:
    async with opened(home) as store:
        await begun(store)
        with largest_file(2 * CHUNK_BYTES + 1_000):
            assert at_once(store, 1)
            with pytest.raises(OverQuota, match="full"):
                at_once(store, 2)
        assert (home / "blobs" / "00000001.pack").stat().st_size == 2 * CHUNK_BYTES
        left = killed(home)
        assert not at_once(store, 2), "the pack is closed"
        await add(store, 2)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 3]
    async with opened(left) as store:
        assert await store.held_runs(MANIFEST.id, 0) == [0, 2]


async def test_where_blobs_have_their_share_of_the_disk_no_more_is_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(home) as store:
        await begun(store)
        assert at_once(store, 1)

        def no_chunk_more(_: DiskRoom) -> int:
            return CHUNK_BYTES - 1

        monkeypatch.setattr(DiskRoom, "left_bytes", no_chunk_more)
        with pytest.raises(OverQuota, match="has no room"):
            at_once(store, 2)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 2]


async def test_after_a_slow_write_the_next_one_is_the_threads(
    home: Path, monkeypatch: pytest.MonkeyPatch, disk_clock: Clock
) -> None:
    async with opened(home) as store:
        await begun(store)
        assert at_once(store, 1)
        with monkeypatch.context() as busy:
            slowly(busy, disk_clock, packs.Packs, "append")
            assert at_once(store, 2)
        assert not at_once(store, 3)
        await add(store, 3)
        assert await store.read_chunks(MANIFEST.id, 0, 4) == CHUNKS[:4]


async def test_a_slow_look_at_the_disk_is_a_slow_write(
    home: Path, monkeypatch: pytest.MonkeyPatch, disk_clock: Clock
) -> None:
    async with opened(home) as store:
        await begun(store)
        slowly(monkeypatch, disk_clock, DiskRoom, "left_bytes")
        assert [at_once(store, index) for index in (1, 2, 3)] == [True, False, False]


def slowly(patch: pytest.MonkeyPatch, clock: Clock, of: type, name: str) -> None:
    """What is called so takes too long from here on."""
    real = getattr(of, name)

    def slow(*given: object) -> object:
        clock.now_s += 2 * SLOW_S
        return real(*given)

    patch.setattr(of, name, slow)


async def test_what_is_kept_for_others_leaves_a_person_the_room(home: Path) -> None:
    other = blake3(b"asked for").digest(length=3 << 20)
    theirs = manifest_of(other)
    async with opened(home) as store:
        await bring_pages(store, theirs)
        await begun(store)
        with store.keeping(MANIFEST.id, AuthorKey(bytes(32))):
            assert at_once(store, 1), "nobody was promised anything"
            await store.check_room(theirs.id)
            await add(store, 2)
            assert not at_once(store, 3)
        assert at_once(store, 3)


async def test_chunks_of_two_blobs_that_come_at_the_same_time_are_those_of_both(
    home: Path,
) -> None:
    bodies = [LARGE[: WHOLE_CHUNKS * CHUNK_BYTES] + bytes([number]) for number in range(2)]
    manifests = [manifest_of(body) for body in bodies]
    async with opened(home) as store:
        for manifest in manifests:
            await bring_pages(store, manifest)
            await store.missing_chunks(manifest.id)
        for index in range(WHOLE_CHUNKS):
            for manifest in manifests:
                await bring(store, manifest, index)
        left = killed(home)
        for manifest, body in zip(manifests, bodies, strict=True):
            await store.add_chunks(manifest.id, [(WHOLE_CHUNKS, body[-1:])])
            assert await store.read_blob(manifest.id) == body
    async with opened(left) as store:
        assert not store.mended
        for manifest in manifests:
            assert await store.missing_chunks(manifest.id) == [WHOLE_CHUNKS]


async def bring_pages(store: Store, manifest: Manifest) -> None:
    await store.begin_blob(manifest.id, manifest.root)
    for page in await store.missing_pages(manifest.id):
        await store.add_page(manifest.id, page, manifest.pages[page])


async def bring(store: Store, manifest: Manifest, index: int) -> None:
    """Whichever way it goes."""
    chunks, hashes = [CHUNKS[index]], [HASHES[index]]
    if not store.add_at_once(manifest.id, index, chunks, hashes):
        await store.add_chunks(manifest.id, [(index, chunks[0])], hashes=hashes)
