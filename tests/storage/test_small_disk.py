"""A disk of 32 MiB that is really full: during a fetch, an upload and a collection."""

import os
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import CHUNK_BYTES, Chunking, build_manifest, chunks_of, manifest_of
from p2p.protocol import effects as ask
from p2p.transport.answers import answer
from storage import packs as packs_module
from storage.disk_room import FREE_PARTS, DiskRoom
from storage.errors import BrokenIndex, OverQuota
from storage.quota import Quota
from storage.search_index import open_search_index
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, named, project

DISK_BYTES = 32 << 20
NOISE = blake3(b"a world").digest(length=40 << 20)
LARGE = NOISE[: 12 << 20]
MANIFEST, CHUNKS = manifest_of(LARGE), list(chunks_of(LARGE))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own: root only")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={DISK_BYTES}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("this system mounts nothing")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@asynccontextmanager
async def opened(disk: Path, *, free_bytes: int = 0) -> AsyncGenerator[Store]:
    async with open_store(
        disk / "panspermia.db",
        project=project,
        clock_us=lambda: NOW_US,
        quota=Quota(disk_free_bytes=free_bytes),
    ) as store:
        yield store


def fill(disk: Path, *, leave: int) -> Path:
    """Somebody else's file, that leaves so much."""
    file = disk / "other"
    room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    file.write_bytes(bytes(room - leave))
    return file


async def begin(store: Store) -> None:
    await store.begin_blob(MANIFEST.id, MANIFEST.root)
    await store.add_page(MANIFEST.id, 0, MANIFEST.pages[0])


async def test_a_fetch_ends_with_a_reason_and_goes_on_when_there_is_room(disk: Path) -> None:
    async with opened(disk) as store:
        await begin(store)
        await store.add_chunks(MANIFEST.id, list(enumerate(CHUNKS[:4])))
        other = fill(disk, leave=3 * CHUNK_BYTES)
        with pytest.raises(OverQuota, match="disk"):
            await store.add_chunks(MANIFEST.id, list(enumerate(CHUNKS[4:12], 4)))
        assert await store.held_runs(MANIFEST.id, 0) == [0, 4]
        assert await store.read_chunks(MANIFEST.id, 0, 4) == CHUNKS[:4]
    async with opened(disk) as store:  # also by a start on a disk that is full
        assert await store.held_runs(MANIFEST.id, 0) == [0, 4]
        other.unlink()
        assert await store.add_chunks(MANIFEST.id, list(enumerate(CHUNKS[4:], 4)))
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_an_upload_leaves_what_is_to_stay_free_and_gives_its_room_back(disk: Path) -> None:
    async with opened(disk, free_bytes=1 << 30) as store:
        kept = await store.put_blob(LARGE)
        with pytest.raises(OverQuota, match=r"quota\.disk_free.*try again"):
            await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.put_blob(b"the next one finds the room again")
        assert (await store.counts()).blob_bytes == len(LARGE) + 33
        assert DiskRoom(disk).left_bytes() > DISK_BYTES // 3
        assert await store.read_blob(kept) == LARGE
        assert await store.put_blob(NOISE[: 15 << 20])


async def test_the_search_index_stays_as_it_is_and_goes_on_when_there_is_room(
    disk: Path, store: Store
) -> None:
    await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="peer")
    async with open_search_index(disk, store) as index:
        other = fill(disk, leave=0)
        await store.receive([BOB.publishes("io.bob.late", named("late clock"))], source="peer")
        for _ in range(3):
            with pytest.raises(BrokenIndex):
                await index.catch_up()
            assert (await index.search("clock")).total == 1
        other.unlink()
        assert await index.catch_up() == 1
        assert (await index.search("clock")).total == 2
        other = fill(disk, leave=0)
        await store.receive([BOB.publishes("io.bob.last", named("last clock"))], source="peer")
    async with open_search_index(disk, store) as index:  # also by a start on a disk that is full
        assert (await index.search("clock")).total == 2
        assert await index.behind() == 1
        other.unlink()
        assert await index.catch_up() == 1
        assert (await index.search("clock")).total == 3


async def test_a_blob_that_cannot_fit_is_refused_before_the_first_chunk(disk: Path) -> None:
    """Of one of 1 GiB no page is asked for; of one that may be held in part, no chunk."""
    hashes = [index.to_bytes(32, "big") for index in range(4_096)]
    manifest = build_manifest(hashes, 4_096 * CHUNK_BYTES)
    same = build_manifest([hashes[0]] * 4_096, 4_096 * CHUNK_BYTES)
    async with opened(disk) as store:
        for one in (manifest, same):
            await store.begin_blob(one.id, one.root)
            refused = await answer(store, ask.MissingPages(one.id), source="")
            assert isinstance(refused, ask.Unstored)
            assert ("257 MiB" if one is same else "1,025 MiB") in refused.sentence  # each page once
            for place, page in enumerate(one.pages):
                await store.add_page(one.id, place, page)
        refused = await answer(store, ask.MissingChunks(manifest.id), source="")
        assert isinstance(refused, ask.Unstored)
        assert "1,025 MiB" in refused.sentence
        assert "quota.disk_free" in refused.sentence
        # One chunk in 4,096 places takes the room of one.
        assert await answer(store, ask.MissingChunks(same.id), source="") == list(range(4_096))


async def test_what_shares_its_chunks_with_what_is_here_is_not_refused_at_its_root(
    disk: Path,
) -> None:
    """24 MiB, all of them here under other pages: only its pages can tell."""
    whole = NOISE[: 24 << 20]
    turned = whole[CHUNK_BYTES:] + whole[:CHUNK_BYTES]
    manifest = manifest_of(turned)
    async with opened(disk) as store:
        await store.put_blob(whole)
        await store.begin_blob(manifest.id, manifest.root)
        assert await answer(store, ask.MissingPages(manifest.id), source="") == [0]
        await store.add_page(manifest.id, 0, manifest.pages[0])
        assert await store.has_blob(manifest.id)


async def test_of_two_that_fit_each_and_not_both_the_first_has_the_room(disk: Path) -> None:
    """20 of 32 MiB each. When the first is given up, or is here, the second is asked again."""
    other = manifest_of(NOISE[20 << 20 :])
    first = manifest_of(NOISE[: 20 << 20])
    chunks = list(chunks_of(NOISE[: 20 << 20]))
    async with opened(disk) as store:
        for one in (first, other):
            await store.begin_blob(one.id, one.root)
            await store.add_page(one.id, 0, one.pages[0])
        assert await answer(store, ask.MissingChunks(first.id), source="") == list(range(80))
        await store.add_chunks(first.id, list(enumerate(chunks[:40])))
        refused = await answer(store, ask.MissingChunks(other.id), source="")
        assert isinstance(refused, ask.Unstored)
        assert "10 MiB of them for others that are being fetched" in refused.sentence
        assert await answer(store, ask.MissingChunks(MANIFEST.id), source="") != []
        store.release_room(first.id)
        assert await answer(store, ask.MissingChunks(first.id), source="") == list(range(40, 80))
        assert await store.add_chunks(first.id, list(enumerate(chunks[40:], 40)))
        store.release_room(first.id)
        small = manifest_of(NOISE[: 1 << 19])  # lives off what blobs leave free
        await store.begin_blob(small.id, small.root)
        await store.add_page(small.id, 0, small.pages[0])
        assert await answer(store, ask.MissingChunks(small.id), source="") == []


async def test_room_is_compared_with_the_disk_as_it_is_then(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's file comes while the chunks are counted that stand in many places."""
    hashes = [index.to_bytes(32, "big") for index in range(64)] * 4
    manifest = build_manifest(hashes, 256 * CHUNK_BYTES)  # 64 MiB, of which 16 take room
    real, looked = os.statvfs, list[int]()

    def statvfs(path: Path) -> os.statvfs_result:
        found = real(path)
        if not looked:
            looked.append(found.f_bavail)
            (disk / "other").write_bytes(bytes(20 << 20))
        return found

    async with opened(disk) as store:
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        await store.check_room(manifest.id)
        store.release_room(manifest.id)
        monkeypatch.setattr(os, "statvfs", statvfs)
        with pytest.raises(OverQuota, match="17 MiB more"):
            await store.check_room(manifest.id)


async def test_a_collection_on_a_full_disk_loses_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack to be written anew has no room; rows can be dropped in what the log has already."""
    monkeypatch.setattr(packs_module, "PACK_BYTES", 8 << 20)
    async with opened(disk) as store:
        dropped = await store.put_blob(NOISE[: 12 << 20])
        kept = await store.put_blob(b"".join(chunks_of(NOISE[: 12 << 20]))[: 2 << 20] + b"!")
        await store.pin_blob(kept, "kept")
        await store.pin_blob(dropped, "dropped")
        await store.unpin_blob(dropped)
        other = fill(disk, leave=1 << 20)
        try:
            await store.gc()
        except OverQuota as error:
            assert "full" in str(error)  # noqa: PT017 - it may have room enough
        assert (await store.read_blob(kept))[:-1] == NOISE[: 2 << 20]
        other.unlink()
        await store.gc()
        assert (await store.read_blob(kept))[:-1] == NOISE[: 2 << 20]
        assert (await store.counts()).blob_bytes == (2 << 20) + 1
        sizes = [file.stat().st_size for file in (disk / "blobs").iterdir()]
        assert sum(sizes) <= 2 * (2 << 20) + 2


async def test_a_start_on_a_disk_without_any_room_says_so_and_changes_nothing(disk: Path) -> None:
    async with opened(disk) as store:
        kept = await store.put_blob(LARGE, chunking=Chunking.CONTENT)
    other = fill(disk, leave=0)
    with pytest.raises(OverQuota, match="disk is full"):
        async with opened(disk):
            pass
    other.unlink()
    async with opened(disk) as store:
        assert not store.mended
        assert await store.read_blob(kept) == LARGE


def test_of_a_small_disk_a_part_is_kept_free(disk: Path) -> None:
    assert DiskRoom(disk, 1 << 40).left_bytes() <= DISK_BYTES - DISK_BYTES // FREE_PARTS
    assert DiskRoom(disk, 0).left_bytes() <= DISK_BYTES
    with pytest.raises(OverQuota):
        DiskRoom(disk, 0).check(DISK_BYTES + 1)
