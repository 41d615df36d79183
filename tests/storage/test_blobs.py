"""Bob fetches Alice's blob in pieces, stops, goes on, and keeps each chunk once."""

from pathlib import Path

import pytest

from crdt.blob import CHUNK_BYTES, BlobId, build_manifest, chunks_of, manifest_of
from crdt.digest import payload_digest
from crdt.errors import Malformed
from storage.collecting import GRACE_US
from storage.errors import Mismatch, NotHeld
from storage.installed import InstallChanges, Installed
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, named, project


def some(size: int, seed: int = 1) -> bytes:
    block = bytes((seed * 7 + n * 13) % 251 for n in range(1_009))
    return (block * (size // len(block) + 1))[:size]


DATA = some(3 * CHUNK_BYTES + 17)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])
async def test_a_blob_comes_back(store: Store, size: int) -> None:
    data = some(size)
    blob = await store.put_blob(data)
    assert blob == manifest_of(data).id
    assert await store.read_blob(blob) == data
    assert await store.blob_manifest(blob) == manifest_of(data)
    assert await store.missing_chunks(blob) == []


async def test_a_blob_can_be_put_in_pieces_of_any_size(store: Store) -> None:
    pieces = [DATA[at : at + 100_003] for at in range(0, len(DATA), 100_003)]
    assert await store.put_blob(pieces) == manifest_of(DATA).id


async def test_a_fetch_stops_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    manifest, chunks = manifest_of(DATA), list(chunks_of(DATA))
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.begin_blob(manifest.id, manifest.root)
        assert await store.missing_pages(manifest.id) == [0]
        await store.add_page(manifest.id, 0, manifest.pages[0])
        assert not await store.add_chunks(manifest.id, [(2, chunks[2])])
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        assert not await store.has_blob(manifest.id)
        assert await store.read_chunk(manifest.id, 2) == chunks[2]
        with pytest.raises(NotHeld):
            await store.read_blob(manifest.id)
        missing = await store.missing_chunks(manifest.id)
        assert missing == [0, 1, 3]
        done = [await store.add_chunks(manifest.id, [(index, chunks[index])]) for index in missing]
        assert done == [False, False, True]
        assert await store.read_blob(manifest.id) == DATA


async def test_wrong_bytes_are_never_stored(store: Store) -> None:
    manifest, chunks = manifest_of(DATA), list(chunks_of(DATA))
    with pytest.raises(Malformed):
        await store.begin_blob(manifest.id, manifest.root + b"\0")
    with pytest.raises(NotHeld):
        await store.add_page(manifest.id, 0, manifest.pages[0])
    await store.begin_blob(manifest.id, manifest.root)
    with pytest.raises(Malformed):
        await store.add_page(manifest.id, 0, manifest.pages[0][::-1])
    with pytest.raises(NotHeld):
        await store.add_chunks(manifest.id, [(0, chunks[0])])
    await store.add_page(manifest.id, 0, manifest.pages[0])
    with pytest.raises(Mismatch):
        await store.add_chunks(manifest.id, [(0, chunks[1])])
    assert await store.missing_chunks(manifest.id) == [0, 1, 2, 3]


async def test_a_chunk_that_two_blobs_share_is_kept_once(store: Store) -> None:
    longer = DATA[: 2 * CHUNK_BYTES] + some(50, seed=3)
    await store.put_blob(DATA)
    before = (await store.counts()).blob_bytes
    await store.put_blob(longer)
    assert (await store.counts()).blob_bytes - before == 50
    manifest = manifest_of(DATA[: 2 * CHUNK_BYTES])
    await store.begin_blob(manifest.id, manifest.root)
    await store.add_page(manifest.id, 0, manifest.pages[0])
    assert await store.has_blob(manifest.id), "all of its chunks were here"


async def test_only_what_nothing_names_is_collected(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        listed, installed, loose = [
            await store.put_blob(some(CHUNK_BYTES + n, seed=n)) for n in (1, 2, 3)
        ]
        edit = named("clock", blob=listed.hex())
        await store.commit(ALICE.document("io.alice.clock"), edit, ALICE.signer)
        await store.apply_install(InstallChanges(put=[_installed(installed)]))
        collected = await store.gc()
        assert (collected.blobs, collected.young) == (0, 1), "the loose one may still be published"
        now_us += GRACE_US + 1
        collected = await store.gc()
        assert (collected.blobs, collected.bytes) == (1, CHUNK_BYTES + 3)
        assert not await store.has_blob(loose)
        assert await store.has_blob(listed)
        assert await store.has_blob(installed)


def _installed(blob: BlobId) -> Installed:
    return Installed("did:key:z/io.a", "1.0.0", "00", blob, 1, True, "^1", {}, NOW_US)


async def test_a_chunk_of_another_length_than_its_place_has_is_none(store: Store) -> None:
    """Mallory's roots claim three chunks of which each is one byte, and one byte that is more."""
    small, big = b"x", bytes(CHUNK_BYTES)
    hollow = build_manifest([payload_digest(small)] * 3, 2 * CHUNK_BYTES + 2)
    bloated = build_manifest([payload_digest(big)], 1)
    for chunk, manifest in ((small, hollow), (big, bloated)):
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        with pytest.raises(Mismatch):
            await store.add_chunks(manifest.id, [(0, chunk)])
        await store.put_blob(chunk)  # now it is here, as another blob's
        await store.begin_blob(manifest.id, manifest.root)
        assert not await store.has_blob(manifest.id)
        assert await store.missing_chunks(manifest.id) == list(range(manifest.chunk_count))
    with pytest.raises(Mismatch):
        await store.add_chunks(hollow.id, [(0, bytes(CHUNK_BYTES + 1))])
