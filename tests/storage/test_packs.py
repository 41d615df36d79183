"""Large blobs lie in packs: what a cut, a full disk or a lost bit does to them, and gc."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import CHUNK_BYTES, BlobId, Chunking, Manifest, chunks_of, manifest_of
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from storage import blob_rows, collecting, unnamed
from storage import packs as packs_module
from storage.collecting import GRACE_US, LONE, LONE_PAGES
from storage.database import Writing
from storage.errors import Mismatch, NotHeld, OverQuota, StorageError
from storage.mending import UNSURE
from storage.pack_ends import ENDS
from storage.packs import Packs, Place
from storage.reading_blobs import READ_CHUNKS_MAX
from storage.store import Store, open_store
from tests.storage.full_disk import largest_file
from tests.storage.people import NOW_US, project

NOISE = blake3(b"a large world").digest(length=9 << 20)
LARGE = NOISE[: (5 << 20) + 17]
MANIFEST, CHUNKS = manifest_of(LARGE), list(chunks_of(LARGE))


@asynccontextmanager
async def opened(home: Path, now_us: int = NOW_US) -> AsyncGenerator[Store]:
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: now_us
    ) as store:
        yield store


def files(home: Path) -> dict[str, int]:
    """Names and sizes of the packs."""
    return {file.name: file.stat().st_size for file in (home / "blobs").glob("*")}


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "panspermia.db")) as database:
        found = database.execute(sql).fetchall()
        database.commit()
    return found


async def fill(store: Store, manifest: Manifest, indices: Iterator[int] | range) -> None:
    """The root, the pages and these chunks of `LARGE`."""
    await store.begin_blob(manifest.id, manifest.root)
    for page in await store.missing_pages(manifest.id):
        await store.add_page(manifest.id, page, manifest.pages[page])
    await store.add_chunks(manifest.id, [(index, CHUNKS[index]) for index in indices])


def test_a_pack_is_written_in_calls_of_one_size_however_many_pieces_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WRITE_BYTES and PIECES; a piece is written whole, whatever its size."""
    pwritev, calls = os.pwritev, list[tuple[int, int]]()

    def counted(file: int, pieces: Sequence[bytes], at: int) -> int:
        calls.append((len(pieces), sum(map(len, pieces))))
        return pwritev(file, pieces, at)

    monkeypatch.setattr(os, "pwritev", counted)
    packs = Packs(tmp_path / "blobs")
    sizes = [CHUNK_BYTES, 5, CHUNK_BYTES - 5, 1, *[7] * 300, CHUNK_BYTES, 3 * CHUNK_BYTES, 9]
    pieces = [NOISE[at : at + size] for at, size in enumerate(sizes)]
    places = packs.append(pieces)
    packs.close()
    assert [size for _, size in calls] == [
        *[CHUNK_BYTES] * 2, 1 + 255 * 7, 45 * 7, CHUNK_BYTES, 3 * CHUNK_BYTES, 9
    ]  # fmt: skip
    assert max(count for count, _ in calls) == packs_module.PIECES
    assert [packs.read(place) for place in places] == pieces
    assert packs.append([]) == []


async def test_a_large_blob_lies_in_a_pack_and_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(LARGE[at : at + 9_999] for at in range(0, len(LARGE), 9_999))
        assert blob == MANIFEST.id
        assert await store.blob_manifest(blob) == MANIFEST
        assert await store.read_blob(blob) == LARGE
        assert (await store.counts()).blob_bytes == len(LARGE)
    assert files(tmp_path) == {"00000001.pack": len(LARGE)}
    assert (tmp_path / "blobs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "blobs" / "00000001.pack").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "panspermia.db").stat().st_size < 1 << 20
    async with opened(tmp_path) as store:
        assert not store.mended
        assert await store.read_blob(blob) == LARGE


@pytest.mark.parametrize("chunking", Chunking)
async def test_a_part_of_a_blob_is_read_without_the_rest(
    tmp_path: Path, chunking: Chunking
) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(LARGE, chunking=chunking)
        for start, end in (
            (0, 1), (0, len(LARGE)), (CHUNK_BYTES, 2 * CHUNK_BYTES), (1_234_567, 1_234_569),
            (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (len(LARGE) - 1, len(LARGE) + 99), (7, 7), (9, 3),
            (2 * len(LARGE), 3 * len(LARGE)), (3, 3_000_000),
        ):  # fmt: skip
            pieces = [piece async for piece in store.stream_blob(blob, start, end)]
            assert b"".join(pieces) == LARGE[start:end], (start, end)


async def test_what_is_fetched_survives_and_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(0, 9, 2))
        assert await store.read_chunks(MANIFEST.id, 4, 1) == [CHUNKS[4]]
        with pytest.raises(NotHeld):
            await store.read_chunks(MANIFEST.id, 4, 2)
        with pytest.raises(NotHeld):
            await anext(store.stream_blob(MANIFEST.id))
    async with opened(tmp_path) as store:
        missing = await store.missing_chunks(MANIFEST.id)
        assert missing == [n for n in range(len(CHUNKS)) if n not in range(0, 9, 2)]
        for index in missing[:-1]:
            assert not await store.add_chunks(MANIFEST.id, [(index, CHUNKS[index])])
        assert await store.add_chunks(MANIFEST.id, [(missing[-1], CHUNKS[missing[-1]])])
        assert await store.read_blob(MANIFEST.id) == LARGE
        assert await store.read_chunks(MANIFEST.id, 3, 4) == CHUNKS[3:7]
    assert sum(files(tmp_path).values()) == len(LARGE), "no byte is written twice"


async def test_a_batch_with_one_wrong_chunk_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(2))
        for wrong in (CHUNKS[1], CHUNKS[3][:-1], b"", bytes(CHUNK_BYTES + 1)):
            with pytest.raises(Mismatch):
                await store.add_chunks(MANIFEST.id, [(2, CHUNKS[2]), (3, wrong)])
        with pytest.raises(NotHeld):
            await store.add_chunks(MANIFEST.id, [(2, CHUNKS[2]), (99, CHUNKS[3])])
        assert (await store.missing_chunks(MANIFEST.id))[0] == 2
        for first, count in ((0, 0), (-1, 1), (0, READ_CHUNKS_MAX + 1), (1 << 63, 1)):
            with pytest.raises(NotHeld):
                await store.read_chunks(MANIFEST.id, first, count)


async def test_hashes_that_are_brought_are_held_against_the_page_and_bytes_whenever_they_are_read(
    tmp_path: Path,
) -> None:
    hashes = [payload_digest(chunk) for chunk in CHUNKS]
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(2))
        batch = [(2, CHUNKS[2]), (3, CHUNKS[3])]
        with pytest.raises(Mismatch):
            await store.add_chunks(MANIFEST.id, batch, hashes=[hashes[2], hashes[1]])
        assert (await store.missing_chunks(MANIFEST.id))[0] == 2
        await store.add_chunks(MANIFEST.id, batch, hashes=hashes[2:4])
        assert await store.read_chunks(MANIFEST.id, 2, 2) == CHUNKS[2:4]
        # A caller that is wrong about what it brings: nobody reads it.
        await store.add_chunks(MANIFEST.id, [(4, CHUNKS[5])], hashes=[hashes[4]])
        with pytest.raises(NotHeld):
            await store.read_chunk(MANIFEST.id, 4)
        assert (await store.missing_chunks(MANIFEST.id))[0] == 4


async def test_what_any_blob_brought_is_never_missing(tmp_path: Path) -> None:
    """Of a world that was edited a little, what is new is fetched, of pages as of chunks."""
    edited = NOISE[:3_000_000] + bytes(1024) + NOISE[3_000_000:]
    before, after = content_manifest_of(NOISE), content_manifest_of(edited)
    async with opened(tmp_path) as store:
        assert await store.put_blob(NOISE, chunking=Chunking.CONTENT) == before.id
        await store.begin_blob(after.id, after.root)
        shared = [n for n, page in enumerate(after.pages) if page in before.pages]
        missing_pages = await store.missing_pages(after.id)
        assert missing_pages == [n for n in range(len(after.pages)) if n not in shared]
        for page in missing_pages:
            await store.add_page(after.id, page, after.pages[page])
        missing = await store.missing_chunks(after.id)
        assert 1 <= len(missing) <= 6
        new = list(cut([edited], Chunking.CONTENT))
        assert await store.add_chunks(after.id, [(index, new[index]) for index in missing])
        assert await store.read_blob(after.id) == edited
        written = sum(len(new[index]) for index in missing)
    assert not files(tmp_path)
    named = {payload_digest(page): len(page) for page in (*before.pages, *after.pages)}
    with closing(sqlite3.connect(tmp_path / "snapshots.db")) as vault:
        ((size,),) = vault.execute("SELECT sum(size) FROM name")
    assert size == len(NOISE) + written + sum(named.values())


async def test_a_chunk_that_another_blob_brings_last_ends_the_fetch(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(1, len(CHUNKS)))
        await store.put_blob(CHUNKS[0])
        assert not await store.has_blob(MANIFEST.id)
        assert await store.missing_chunks(MANIFEST.id) == []
        assert await store.has_blob(MANIFEST.id)
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_a_lost_bit_is_never_read_and_is_fetched_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(LARGE)
    pack = tmp_path / "blobs" / "00000001.pack"
    data = bytearray(pack.read_bytes())
    data[3 * CHUNK_BYTES + 5] ^= 1
    pack.write_bytes(data)
    async with opened(tmp_path) as store:
        assert await store.damaged_blobs() == []
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(blob)
        assert await store.damaged_blobs() == [blob]
        assert not await store.has_blob(blob)
        assert await store.missing_chunks(blob) == [3]
        assert await store.read_chunks(blob, 4, 2) == CHUNKS[4:6]
        assert await store.add_chunks(blob, [(3, CHUNKS[3])])
        assert await store.read_blob(blob) == LARGE
        assert await store.damaged_blobs() == [], "it is whole again"


async def test_all_that_share_what_the_disk_lost_are_told_of(tmp_path: Path) -> None:
    other = LARGE[: 4 * CHUNK_BYTES]
    async with opened(tmp_path) as store:
        both = [await store.put_blob(LARGE), await store.put_blob(other)]
    pack = tmp_path / "blobs" / "00000001.pack"
    data = bytearray(pack.read_bytes())
    data[5] ^= 1
    pack.write_bytes(data)
    async with opened(tmp_path) as store:
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(both[0])
        assert set(await store.damaged_blobs()) == set(both)


async def test_what_a_person_keeps_is_told_of_as_damaged_after_the_next_start_too(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(LARGE)
        await store.pin_blob(blob, "large.bin")
    pack = tmp_path / "blobs" / "00000001.pack"
    data = bytearray(pack.read_bytes())
    data[5] ^= 1
    pack.write_bytes(data)
    async with opened(tmp_path) as store:
        assert await store.read_run(blob, 1, 1, size_bytes_max=1 << 20), "the others are given"
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_run(blob, 0, 2, size_bytes_max=1 << 20)
    async with opened(tmp_path) as store:
        assert await store.damaged_blobs() == [blob]


async def test_a_lost_bit_of_a_small_blob_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(b"a small one")
    rows(tmp_path, "UPDATE chunk SET data = CAST(x'00' || substr(data, 2) AS BLOB)")
    async with opened(tmp_path) as store:
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(blob)
        assert await store.missing_chunks(blob) == [0]
        assert await store.add_chunks(blob, [(0, b"a small one")])
        assert await store.read_blob(blob) == b"a small one"


async def test_a_start_deletes_what_no_row_names_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(LARGE)
    folder = tmp_path / "blobs"
    with (folder / "00000001.pack").open("ab") as pack:
        pack.write(b"cut off in the middle")
    (folder / "00000007.pack").write_bytes(b"never named")
    (folder / "notes.txt").write_text("not ours")
    async with opened(tmp_path) as store:
        assert (store.mended.files, store.mended.bytes, store.mended.chunks) == (1, 21 + 11, 0)
        assert files(tmp_path) == {"00000001.pack": len(LARGE), "notes.txt": 8}
        assert await store.read_blob(blob) == LARGE


@pytest.mark.parametrize("left", [0, CHUNK_BYTES + 1, None])
async def test_what_a_loss_of_power_took_is_missing_and_nothing_else(
    tmp_path: Path, left: int | None
) -> None:
    """The rows are there, the end of the file is not; or all of it (None) is zeros or gone."""
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(4))
    pack = tmp_path / "blobs" / "00000001.pack"
    if left is None:
        pack.unlink()
    else:
        pack.write_bytes(pack.read_bytes()[:left].ljust(4 * CHUNK_BYTES, b"\0"))
    held = (left or 0) // CHUNK_BYTES
    async with opened(tmp_path) as store:
        assert store.mended.chunks == 4 - held
        missing = await store.missing_chunks(MANIFEST.id)
        assert missing == list(range(held, len(CHUNKS)))
        await store.add_chunks(MANIFEST.id, [(index, CHUNKS[index]) for index in missing])
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_what_was_synced_on_the_way_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a start after a cut reads the end of a large fetch, not all of it."""
    monkeypatch.setattr(packs_module, "SYNC_BYTES", 2 * CHUNK_BYTES)
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(4))
        await asyncio.to_thread(store._database.packs.sync)  # pyright: ignore[reportPrivateUsage]  # as the thread beside it does in a moment
        await store.add_chunks(MANIFEST.id, [(4, CHUNKS[4])])
    ((synced,),) = rows(tmp_path, "SELECT synced FROM pack")
    assert synced == 4 * CHUNK_BYTES


async def test_what_is_on_the_disk_for_sure_is_not_read_again_at_a_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(LARGE)
    assert rows(tmp_path, "SELECT synced, live FROM pack") == [(len(LARGE), len(LARGE))]
    pack = tmp_path / "blobs" / "00000001.pack"
    pack.write_bytes(bytes(len(LARGE)))  # such damage is found when it is read
    async with opened(tmp_path) as store:
        assert not store.mended
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(MANIFEST.id)


async def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(8))
        with largest_file(8 * CHUNK_BYTES + 1000), pytest.raises(OverQuota, match="full"):
            await store.add_chunks(MANIFEST.id, [(8, CHUNKS[8]), (9, CHUNKS[9])])
        assert files(tmp_path)["00000001.pack"] == 8 * CHUNK_BYTES, "its room is given back"
        assert (await store.missing_chunks(MANIFEST.id))[0] == 8
        assert await store.read_chunks(MANIFEST.id, 0, 8) == CHUNKS[:8]
        rest = await store.missing_chunks(MANIFEST.id)
        assert await store.add_chunks(MANIFEST.id, [(index, CHUNKS[index]) for index in rest])
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_an_upload_that_finds_the_disk_full_gives_its_room_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with largest_file(6 << 20), pytest.raises(OverQuota, match="full"):
            await store.put_blob(NOISE)
        assert (await store.counts()).blob_bytes == 0
        assert files(tmp_path) == {}
        assert await store.put_blob(NOISE) == manifest_of(NOISE).id


async def test_two_fetches_at_once_share_a_pack(tmp_path: Path) -> None:
    other = NOISE[4 << 20 :]
    manifest, chunks = manifest_of(other), list(chunks_of(other))
    async with opened(tmp_path) as store:
        await fill(store, MANIFEST, range(0))
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        async with asyncio.TaskGroup() as group:
            for index, chunk in enumerate(CHUNKS):
                group.create_task(store.add_chunks(MANIFEST.id, [(index, chunk)]))
            for index, chunk in enumerate(chunks):
                group.create_task(store.add_chunks(manifest.id, [(index, chunk)]))
            group.create_task(store.gc())
        assert await store.missing_chunks(MANIFEST.id) == []
        assert await store.missing_chunks(manifest.id) == []
        assert await store.read_blob(MANIFEST.id) == LARGE
        assert await store.read_blob(manifest.id) == other


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack is full after 1 MiB, so that a few MiB are several."""
    monkeypatch.setattr(packs_module, "PACK_BYTES", 1 << 20)


@pytest.mark.usefixtures("small_packs")
async def test_a_pack_that_nothing_names_goes_and_a_sparse_one_is_written_anew(
    tmp_path: Path,
) -> None:
    """A blob that shares every fifth chunk with one that is dropped."""
    kept = b"".join(CHUNKS[::5])
    async with opened(tmp_path) as store:
        await store.begin_blob(MANIFEST.id, MANIFEST.root)
        await store.add_page(MANIFEST.id, 0, MANIFEST.pages[0])
        for index, chunk in enumerate(CHUNKS):
            await store.add_chunks(MANIFEST.id, [(index, chunk)])
        blob = await store.put_blob(kept)
        await store.pin_blob(blob, "kept")
    before = files(tmp_path)
    assert len(before) >= 5
    async with opened(tmp_path, NOW_US + GRACE_US + 1) as store:
        collected = await store.gc()
        assert (collected.blobs, collected.bytes) == (1, len(LARGE) - len(kept))
        assert await store.read_blob(blob) == kept
        assert (await store.counts()).blob_bytes == len(kept)
        assert sum(files(tmp_path).values()) == len(kept)
        assert "00000001.pack" not in files(tmp_path)
        assert await store.unpin_blob(blob)
        assert (await store.gc()).bytes == len(kept)
        assert files(tmp_path) == {}
        assert await store.put_blob(LARGE) == MANIFEST.id
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_gc_leaves_alone_what_is_being_stored(tmp_path: Path) -> None:
    pieces = [LARGE[at : at + (1 << 20)] for at in range(0, len(LARGE), 1 << 20)]
    async with opened(tmp_path) as store:

        async def slowly() -> AsyncGenerator[bytes]:
            for piece in pieces:
                await store.gc(grace_us=-1)
                yield piece

        assert await store.put_blob(slowly()) == MANIFEST.id
        assert await store.read_blob(MANIFEST.id) == LARGE


async def test_who_reads_while_a_pack_is_written_anew_reads_the_blob(store: Store) -> None:
    packs = store._database.packs  # pyright: ignore[reportPrivateUsage]  # as gc
    await store.put_blob(NOISE[::-1])
    blob = await store.put_blob(LARGE)
    await store.pin_blob(blob, "kept")
    stream = store.stream_blob(blob)
    got = await anext(stream)
    await store.gc(grace_us=-1)
    assert packs.mark().pack > 1
    got += b"".join([piece async for piece in stream])
    assert got == LARGE


def test_a_pack_is_read_to_its_end_and_no_further(tmp_path: Path) -> None:
    packs = Packs(tmp_path / "blobs")
    places = packs.append([b"one", b"three"])
    assert places == [Place(1, 0, 3), Place(1, 3, 5)]
    assert [packs.read(place) for place in places] == [b"one", b"three"]
    assert packs.read(Place(1, 3, 99)) == b"three"
    assert packs.read(Place(2, 0, 1)) == b""
    assert packs.sync() == {1: 8}
    mark = packs.mark()
    packs.append([b"unwanted"])
    packs.rewind(mark)
    assert os.path.getsize(packs.path(1)) == 8
    assert packs.append([b"next"]) == [Place(2, 0, 4)]
    packs.close()


def test_many_pieces_are_written_in_order(tmp_path: Path) -> None:
    packs = Packs(tmp_path / "blobs")
    pieces = [bytes([n % 256]) * (n % 7) for n in range(2_000)]
    places = packs.append(pieces)
    assert [packs.read(place) for place in places] == pieces
    packs.close()


async def test_blobs_that_a_person_keeps_are_listed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        first = await store.put_blob(LARGE, chunking=Chunking.CONTENT)
        second = await store.put_blob(b"small")
        await store.pin_blob(first, "world.bin")
        await store.pin_blob(second, "")
        await store.pin_blob(first, "renamed.bin")
        listed = await store.pinned_blobs()
        assert {(one.id, one.name, one.size, one.chunking) for one in listed} == {
            (first, "renamed.bin", len(LARGE), Chunking.CONTENT),
            (second, "", 5, Chunking.FIXED),
        }
        assert [one.id for one in await store.pinned_blobs(limit=1)] == [listed[0].id]
        after = await store.pinned_blobs(after=listed[0].number)
        assert [one.id for one in after] == [listed[1].id]
        with pytest.raises(NotHeld):
            await store.pin_blob(BlobId(bytes(32)), "nothing")
        assert await store.unpin_blob(second)
        assert not await store.unpin_blob(second)
        assert (await store.gc()).blobs == 1, "at once, not in an hour"
        assert [one.id for one in await store.pinned_blobs()] == [first]


def plan_of(database: sqlite3.Connection, sql: str, values: int) -> list[str]:
    steps = database.execute(f"EXPLAIN QUERY PLAN {sql}", [b""] * values).fetchall()
    return [str(step[3]) for step in steps]


async def test_no_question_about_a_few_chunks_reads_all_of_them(tmp_path: Path) -> None:
    """Each is asked for every half MiB of a blob, for each pack, or for each 2,048 chunks."""
    async with opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "panspermia.db")) as database:
        filled = plan_of(database, blob_rows.PLACES.replace("(*)", "(?, ?)"), 3)
        assert filled[0] == "SEARCH c USING COVERING INDEX page_chunk_by_hash (hash=?)"
        assert "(page=? AND blob=?)" in filled[1]
        ends = plan_of(database, ENDS, 0)
        assert ends[0] == "SCAN p", "a row for each pack"
        assert any("SEARCH k USING INDEX packed_by_place (pack=? AND at=?)" in one for one in ends)
        (unsure,) = plan_of(database, UNSURE, 2)
        assert "(pack=? AND at>?)" in unsure
        for table in ("packed", "chunk"):
            lone = plan_of(database, f"DELETE {LONE.format(table=table)}", 2)
            assert "(hash>? AND hash<?)" in lone[0]
            assert "page_chunk_by_hash (hash=?)" in lone[2]
        assert "blob_page_by_page (page=?)" in plan_of(database, LONE_PAGES, 1)[2]


async def test_a_collection_lets_others_write_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of a large blob go in many small steps, and none is held up for all of them."""
    monkeypatch.setattr(collecting, "SWEPT", 1)
    steps: list[str] = []
    async with open_store(
        tmp_path / "panspermia.db",
        project=project,
        clock_us=lambda: NOW_US + GRACE_US + 1,
        on_step=steps.append,
    ) as store:
        kept = await store.put_blob(NOISE[: 3 << 20])
        await store.pin_blob(kept, "kept")
        await store.unpin_blob(await pinned(store, NOISE))
        steps.clear()
        collected = await store.gc()
        assert collected.blobs == 1
        assert steps.count("LAZILY") > 40
        assert await store.read_blob(kept) == NOISE[: 3 << 20]
        assert (await store.counts()).blob_bytes == 3 << 20


async def pinned(store: Store, data: bytes) -> BlobId:
    blob = await store.put_blob(data)
    await store.pin_blob(blob, "dropped")
    return blob


async def test_a_sync_that_cannot_be_done_now_is_done_later(tmp_path: Path) -> None:
    """Nothing is lost where a folder cannot be opened for the moment."""
    packs = Packs(tmp_path / "store" / "blobs")
    (tmp_path / "store").mkdir()
    packs.append([b"a chunk"])
    away = (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(StorageError, match="folder of blobs"):
        packs.sync()
    away.rename(tmp_path / "store")
    assert packs.sync() == {1: 7}
    packs.close()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux for a name")
def test_no_sync_is_over_before_the_names_of_files_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where another one has just begun with them."""
    packs = Packs(tmp_path / "blobs")
    packs.append([b"a chunk"])
    real, synced, meanwhile = os.fsync, list[str](), list[str]()

    def fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        if len(synced) == 1:
            assert packs.sync() == {1: 7}
            meanwhile.extend(synced[1:])
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert packs.sync() == {1: 7}
    assert meanwhile == [str(tmp_path / "blobs"), str(tmp_path)]
    synced.clear()
    packs.append([b"another one"])
    packs.sync()
    assert not synced, "a file that has its name already"
    packs.close()


def test_what_one_sync_lost_another_one_does_not_call_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system tells of it once."""
    packs = Packs(tmp_path / "blobs")
    packs.append([b"a chunk"])
    refused: list[str] = []

    def fails(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def fdatasync(file: int) -> None:
        monkeypatch.setattr(os, "fdatasync", fails)
        with pytest.raises(StorageError) as lost:
            packs.sync()
        refused.append(str(lost.value))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with pytest.raises(StorageError, match="start the node again"):
        packs.sync()
    assert refused
    packs.close()


def test_a_system_without_fdatasync_has_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As macOS."""
    packs = Packs(tmp_path / "blobs")
    packs.append([b"a chunk"])
    synced: list[int] = []
    monkeypatch.delattr(os, "fdatasync", raising=False)

    def fsync(file: int) -> None:
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    assert packs.sync() == {1: 7}
    assert 7 in synced
    packs.close()


async def test_who_collects_beside_another_is_told_when_the_files_are_gone(tmp_path: Path) -> None:
    """A start gives back in the background: whoever comes second finds no pack to drop."""
    async with opened(tmp_path) as store:

        async def collect() -> int:
            collected = await store.gc()
            assert files(tmp_path) == {}
            return collected.blobs

        await store.unpin_blob(await pinned(store, NOISE))
        async with asyncio.TaskGroup() as group:
            group.create_task(store.give_back())
            tasks = [group.create_task(collect()) for _ in range(3)]
        assert sum(task.result() for task in tasks) == 1
        assert (await store.counts()).blob_bytes == 0


async def test_a_start_after_a_killed_collection_looks_through_the_copies_of_one_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much was collected: each pack's copies have rows before the next one is begun."""
    monkeypatch.setattr(packs_module, "PACK_BYTES", 5 * CHUNK_BYTES)
    async with opened(tmp_path) as store:
        for index in range(len(CHUNKS)):
            await fill(store, MANIFEST, range(index, index + 1))
        blob = await store.put_blob(kept := b"".join(CHUNKS[::4]))
        await store.pin_blob(blob, "kept")
    assert len(files(tmp_path)) >= 4
    moves = 0
    move = collecting._move  # pyright: ignore[reportPrivateUsage]  after which a pack is done

    async def killed(
        write: Writing,
        pack: int,
        copied: Sequence[tuple[bytes, Place, Place]],
        synced: dict[int, int],
    ) -> bool:
        nonlocal moves
        moves += 1
        if moves == 3:
            raise StorageError("killed")
        return await move(write, pack, copied, synced)

    monkeypatch.setattr(collecting, "_move", killed)
    async with opened(tmp_path, NOW_US + GRACE_US + 1) as store:
        with pytest.raises(StorageError, match="killed"):
            await store.gc()
    copies: list[bytes] = []

    def counting(data: bytes) -> bytes:
        if data in CHUNKS[::4]:  # else it is what was dropped: one look in each pack
            copies.append(data)
        return payload_digest(data)

    monkeypatch.setattr(unnamed, "payload_digest", counting)
    async with opened(tmp_path, NOW_US + GRACE_US + 1) as store:
        assert 1 <= len(copies) <= 2, "less than half of the five chunks of a pack"
        assert store.mended.bytes > 0
        assert await store.read_blob(blob) == kept
