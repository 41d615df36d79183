"""Chunks that have no rows yet: a kill loses none, and nobody reads what is not theirs."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import CHUNK_BYTES, Chunking, chunks_of, manifest_of
from crdt.digest import payload_digest
from storage import collecting, unnamed
from storage import packs as packs_module
from storage.database import nothing
from storage.errors import Mismatch, NotHeld, OverQuota
from storage.store import Store, open_store
from tests.storage.full_disk import largest_file
from tests.storage.people import NOW_US, project

LARGE = blake3(b"a world that comes").digest(length=(5 << 20) + 17)
MANIFEST, CHUNKS = manifest_of(LARGE), list(chunks_of(LARGE))
HASHES = [payload_digest(chunk) for chunk in CHUNKS]
WHOLE_CHUNKS = len(CHUNKS) - 1  # the last one is short


@asynccontextmanager
async def opened(home: Path, on_step: Callable[[str], None] = nothing) -> AsyncGenerator[Store]:
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US, on_step=on_step
    ) as store:
        yield store


async def begin(store: Store) -> None:
    await store.begin_blob(MANIFEST.id, MANIFEST.root)
    for page in await store.missing_pages(MANIFEST.id):
        await store.add_page(MANIFEST.id, page, MANIFEST.pages[page])


async def add(store: Store, *indices: int) -> bool:
    """As the swarm does, which has computed the hashes of these very bytes."""
    hashes = [HASHES[index] for index in indices]
    chunks = [(index, CHUNKS[index]) for index in indices]
    return await store.add_chunks(MANIFEST.id, chunks, hashes=hashes)


def named(home: Path) -> int:
    """Chunks that have rows."""
    with closing(sqlite3.connect(home / "panspermia.db")) as database:
        count: int = database.execute("SELECT count(*) FROM packed").fetchone()[0]
        wrong = database.execute(
            "SELECT 1 FROM pack p WHERE live <>"
            " (SELECT coalesce(sum(size), 0) FROM packed k WHERE k.pack = p.number)"
        ).fetchall()
    assert not wrong
    return count


def killed(home: Path) -> Path:
    """What there would be, if the process were killed at this moment."""
    left = home.with_name(f"{home.name} left")
    while True:
        try:
            shutil.copytree(home, left)
        except shutil.Error:  # a thread dropped a pack meanwhile: as it is now, then
            shutil.rmtree(left)
        else:
            return left


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


async def test_what_was_acknowledged_without_rows_survives_a_kill(home: Path) -> None:
    async with opened(home) as store:
        await begin(store)
        for index in range(6):
            assert not await add(store, index)
        assert named(home) == 0, "or this is no test"
        left = killed(home)
    assert named(home) == 6, "an end in order names them"
    async with opened(left) as store:
        assert not store.mended, "nothing was wrong"
        assert await store.missing_chunks(MANIFEST.id) == list(range(6, len(CHUNKS)))
        assert named(left) == 6
        assert await store.read_chunks(MANIFEST.id, 0, 6) == CHUNKS[:6]
        await add(store, *range(6, WHOLE_CHUNKS))
        assert await add(store, WHOLE_CHUNKS)
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_many_chunks_get_their_rows_in_one_transaction(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unnamed, "UNNAMED_BYTES_MAX", 8 * CHUNK_BYTES)
    steps: list[str] = []
    async with opened(home, steps.append) as store:
        await begin(store)
        steps.clear()
        for index in range(WHOLE_CHUNKS):
            await add(store, index)
        assert steps.count("APPEND LAZILY") == WHOLE_CHUNKS == 20
        assert steps.count("COMMITTED LAZILY") == 2
        assert named(home) == 16


@pytest.mark.parametrize("broken", [0, 3])
async def test_of_the_end_of_a_pack_only_what_a_page_names_is_taken(
    home: Path, broken: int
) -> None:
    async with opened(home) as store:
        await begin(store)
        await add(store, *range(6))
        left = killed(home)
    pack = left / "blobs" / "00000001.pack"
    data = bytearray(pack.read_bytes())
    data[broken * CHUNK_BYTES + 5] ^= 1
    pack.write_bytes(data + CHUNKS[7][:1000])
    async with opened(left) as store:
        assert store.mended.bytes == (6 - broken) * CHUNK_BYTES + 1000
        assert await store.missing_chunks(MANIFEST.id) == list(range(broken, len(CHUNKS)))
        with pytest.raises(NotHeld):
            await store.read_chunk(MANIFEST.id, broken)
        await add(store, *range(broken, WHOLE_CHUNKS))
        assert await add(store, WHOLE_CHUNKS)
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_they_are_found_in_all_packs_that_were_begun(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs_module, "PACK_BYTES", 4 * CHUNK_BYTES)
    async with opened(home) as store:
        await begin(store)
        for index in range(10):
            await add(store, index)
        assert named(home) == 0
        left = killed(home)
    assert len(list((left / "blobs").iterdir())) == 3
    async with opened(left) as store:
        assert named(left) == 10
        assert await store.held_runs(MANIFEST.id, 0) == [0, 10]


async def test_whoever_asks_is_told_and_given_what_has_just_come(home: Path) -> None:
    async with opened(home) as store:
        await begin(store)
        await add(store, 0, 1)
        assert named(home) == 0
        assert await store.read_chunks(MANIFEST.id, 0, 2) == CHUNKS[:2]
        await add(store, 2)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 3]
        run = await store.read_run(MANIFEST.id, 0, 9, size_bytes_max=9 * CHUNK_BYTES)
        assert run == CHUNKS[:3]


async def test_a_chunk_that_comes_twice_lies_there_once(home: Path) -> None:
    turned = LARGE[CHUNK_BYTES : -CHUNK_BYTES - 17] + LARGE[:CHUNK_BYTES]
    async with opened(home) as store:
        await begin(store)
        await asyncio.gather(add(store, 3), add(store, 3), add(store, 3, 4))
        assert await store.put_blob(turned) == manifest_of(turned).id
        assert await store.read_blob(manifest_of(turned).id) == turned
        assert named(home) == len(turned) // CHUNK_BYTES
        assert (await store.counts()).blob_bytes == len(turned)


async def test_a_wrong_chunk_leaves_nothing_in_a_pack(home: Path) -> None:
    async with opened(home) as store:
        await begin(store)
        await add(store, 0)
        for hashes in ([HASHES[1], HASHES[1]], [HASHES[1], HASHES[2]]):
            chunks = [(1, CHUNKS[1]), (3, CHUNKS[3])]
            with pytest.raises(Mismatch):
                await store.add_chunks(MANIFEST.id, chunks, hashes=hashes)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 1]
        assert (home / "blobs" / "00000001.pack").stat().st_size == CHUNK_BYTES


async def test_a_full_disk_takes_back_what_did_not_fit_and_nothing_else(home: Path) -> None:
    async with opened(home) as store:
        await begin(store)
        await add(store, 0, 1)
        with largest_file(3 * CHUNK_BYTES + 1000), pytest.raises(OverQuota, match="full"):
            await add(store, 2, 3)
        assert (home / "blobs" / "00000001.pack").stat().st_size == 2 * CHUNK_BYTES
        left = killed(home)
        await add(store, 2)
        assert await store.held_runs(MANIFEST.id, 0) == [0, 3]
    async with opened(left) as store:
        assert await store.held_runs(MANIFEST.id, 0) == [0, 2]


async def test_what_comes_while_a_pack_is_written_anew_survives_a_kill(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies behind copies that have no rows there yet, and are of other lengths."""
    loop = asyncio.get_running_loop()
    real = collecting._copy  # pyright: ignore[reportPrivateUsage]  # the moment is in the middle
    left: list[Path] = []
    come: list[asyncio.Task[None]] = []
    kept = blake3(b"kept").digest(length=2 << 20)

    async with opened(home) as store:

        async def bring() -> None:
            await add(store, 2)
            left.append(killed(home))

        def copy(
            database: sqlite3.Connection,
            *,
            packs: packs_module.Packs,
            wanted: Sequence[tuple[bytes, packs_module.Place]],
        ) -> object:
            done = real(database, packs=packs, wanted=wanted)
            loop.call_soon_threadsafe(lambda: come.append(asyncio.create_task(bring())))
            return done

        monkeypatch.setattr(collecting, "_copy", copy)
        await store.pin_blob(await store.put_blob(kept, chunking=Chunking.CONTENT), "kept")
        dropped = await store.put_blob(blake3(b"dropped").digest(length=3 << 20))
        await store.pin_blob(dropped, "dropped")
        await begin(store)
        await add(store, 0, 1)
        await store.unpin_blob(dropped)
        await store.gc()
        assert len(come) == 1
        await come[0]
    async with opened(left[0]) as store:
        assert store.mended.chunks == 0
        missing = await store.missing_chunks(MANIFEST.id)
        assert missing == list(range(3, len(CHUNKS)))
        assert await store.read_chunk(MANIFEST.id, 2) == CHUNKS[2]


async def test_what_is_appended_behind_a_chunk_that_was_lost_survives_a_kill(
    tmp_path: Path,
) -> None:
    """Its row went, and its bytes are none that a start knows: it would look no further."""
    home, left = tmp_path / "home", tmp_path / "left"
    home.mkdir()
    async with opened(home) as store:
        await begin(store)
        await add(store, 0)
        await store._database.settle()  # pyright: ignore[reportPrivateUsage]  # a read would too
        pack = home / "blobs" / "00000001.pack"
        data = bytearray(pack.read_bytes())
        data[7] ^= 1
        pack.write_bytes(data)
        with pytest.raises(NotHeld):
            await store.read_chunk(MANIFEST.id, 0)
        for index in range(1, WHOLE_CHUNKS):
            await add(store, index)
        shutil.copytree(home, left)
    async with opened(left) as store:
        assert await store.missing_chunks(MANIFEST.id) == [0, WHOLE_CHUNKS]


async def test_a_chunk_of_two_blobs_is_appended_once(tmp_path: Path) -> None:
    bodies = [LARGE[: WHOLE_CHUNKS * CHUNK_BYTES] + bytes([number]) for number in range(3)]
    async with opened(tmp_path) as store:
        for body in bodies:
            manifest = manifest_of(body)
            await store.begin_blob(manifest.id, manifest.root)
            for page in await store.missing_pages(manifest.id):
                await store.add_page(manifest.id, page, manifest.pages[page])
        for body in bodies:
            blob = manifest_of(body).id
            for index, chunk in enumerate(chunks_of(body)):
                await store.add_chunks(blob, [(index, chunk)], hashes=[payload_digest(chunk)])
            assert await store.has_blob(blob)
        packed = sum(file.stat().st_size for file in (tmp_path / "blobs").iterdir())
    assert packed <= WHOLE_CHUNKS * CHUNK_BYTES + len(bodies)
