"""Blobs of version 2 lie in the vault: what is put, what is fetched, and what of it is damaged."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import (
    Chunking,
    ChunkName,
    Manifest,
    build_content_manifest,
    build_manifest,
)
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from crdt.keys import AuthorKey
from storage.errors import NotHeld
from storage.reading_blobs import whole_blob
from storage.store import Store, open_store
from storage.vault_collecting import GivenBack
from tests.storage.people import ALICE, NOW_US, project

NOISE = blake3(b"a world of noise").digest(length=(11 << 20) + 5)
EDITED = NOISE[:3_000_000] + bytes(1024) + NOISE[3_000_000:]
MANIFEST, CHUNKS = content_manifest_of(NOISE), list(cut([NOISE], Chunking.CONTENT))
HUNG_S = 60.0  # where somebody waits for what waits for them
SMALL = b"a small world, much smaller than a chunk"


@asynccontextmanager
async def opened(home: Path) -> AsyncGenerator[Store]:
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as store:
        yield store


def rows(home: Path, sql: str, values: Iterable[object] = ()) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "panspermia.db", isolation_level=None)) as database:
        database.execute("ATTACH DATABASE ? AS vault", (str(home / "snapshots.db"),))
        return database.execute(sql, tuple(values)).fetchall()


def row_counts(home: Path) -> list[int]:
    """Rows of pages, of what they name, and of chunks and packed chunks."""
    tables = ("page", "page_chunk", "blob_page", "chunk", "packed")
    ((*counts,),) = rows(home, "SELECT " + ", ".join(f"(SELECT count(*) FROM {t})" for t in tables))
    return [int(str(count)) for count in counts]


def spoil(home: Path, hash: bytes) -> None:
    """The disk gives back other bytes of an object."""
    rows(
        home,
        "UPDATE vault.whole SET data = zeroblob(length(data))"
        " WHERE id = (SELECT id FROM vault.name WHERE key = ?)",
        (hash,),
    )


async def fetch(store: Store, manifest: Manifest, chunks: list[bytes]) -> int:
    """As a fetch does; gives how many chunks had to come."""
    await store.begin_blob(manifest.id, manifest.root)
    for page in await store.missing_pages(manifest.id):
        await store.add_page(manifest.id, page, manifest.pages[page])
    missing = await store.missing_chunks(manifest.id)
    for at in range(0, len(missing), 16):
        part = missing[at : at + 16]
        await store.add_chunks(manifest.id, [(index, chunks[index]) for index in part])
    return len(missing)


async def test_what_is_put_lies_in_the_vault_and_has_one_row(tmp_path: Path) -> None:
    assert MANIFEST.parsed.page_count > 1
    async with opened(tmp_path) as store:
        pieces = (NOISE[at : at + 99_999] for at in range(0, len(NOISE), 99_999))
        assert await store.put_blob(pieces, chunking=Chunking.CONTENT) == MANIFEST.id
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.blob_manifest(MANIFEST.id) == MANIFEST
        assert await store.blob_page(MANIFEST.id, 1) == MANIFEST.pages[1]
        assert await store.blob_page(MANIFEST.id, MANIFEST.parsed.page_count) is None
        assert await store.missing_pages(MANIFEST.id) == []
        assert await store.missing_chunks(MANIFEST.id) == []
        assert await store.held_runs(MANIFEST.id, 0) == [0, len(CHUNKS)]
        run = await store.read_run(MANIFEST.id, 500, 9, size_bytes_max=100_000)
        assert [*run] == CHUNKS[500 : 500 + len(run)]
        assert 1 < len(run) < 9
        assert await store.read_chunks(MANIFEST.id, 450, 100) == CHUNKS[450:550]
        few = [piece async for piece in store.stream_blob(MANIFEST.id, 5_000_001, 5_000_009)]
        assert b"".join(few) == NOISE[5_000_001:5_000_009]
        assert (await store.counts()).blob_bytes > len(NOISE)
    assert row_counts(tmp_path) == [0] * 5
    assert not (tmp_path / "blobs").exists()
    async with opened(tmp_path) as store:
        assert not store.mended
        assert await store.read_blob(MANIFEST.id) == NOISE


@pytest.mark.parametrize("data", [b"", SMALL, NOISE[:5_000]])
async def test_a_small_one_and_one_of_no_bytes_lie_there_too(tmp_path: Path, data: bytes) -> None:
    async with opened(tmp_path) as store:
        blob = await store.put_blob(data, chunking=Chunking.CONTENT)
        assert blob == content_manifest_of(data).id
        assert await store.read_blob(blob) == data
        database = store._database  # pyright: ignore[reportPrivateUsage]  # as frontiers are read
        async with database.reading() as view:
            assert await whole_blob(view, blob, bytes_max=1 << 20) == data
    assert row_counts(tmp_path) == [0] * 5


async def test_what_comes_piece_by_piece_is_folded_once_it_is_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.begin_blob(MANIFEST.id, MANIFEST.root)
        for page in await store.missing_pages(MANIFEST.id):
            await store.add_page(MANIFEST.id, page, MANIFEST.pages[page])
        half = [*enumerate(CHUNKS)][: len(CHUNKS) // 2]
        assert not await store.add_chunks(MANIFEST.id, half)
        assert await store.read_chunks(MANIFEST.id, 0, 100) == CHUNKS[:100]
        assert row_counts(tmp_path)[3:] == [0, 0]
    async with opened(tmp_path) as store:
        assert await fetch(store, MANIFEST, CHUNKS) == len(CHUNKS) - len(half)
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert row_counts(tmp_path) == [0] * 5
        # What comes late, of a peer that was asked twice, changes nothing.
        await store.add_page(MANIFEST.id, 0, MANIFEST.pages[0])
        assert await store.add_chunks(MANIFEST.id, [(0, CHUNKS[0])])
        await store.begin_blob(MANIFEST.id, MANIFEST.root)
        assert row_counts(tmp_path) == [0] * 5
        assert await store.read_blob(MANIFEST.id) == NOISE


async def test_of_an_edited_world_only_what_is_new_is_fetched(tmp_path: Path) -> None:
    after, chunks = content_manifest_of(EDITED), list(cut([EDITED], Chunking.CONTENT))
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        assert 1 <= await fetch(store, after, chunks) <= 6
        assert await store.read_blob(after.id) == EDITED
        assert await store.read_blob(MANIFEST.id) == NOISE
    assert row_counts(tmp_path) == [0] * 5


async def test_bytes_that_two_versions_share_lie_with_each(tmp_path: Path) -> None:
    """A blob of version 1 never depends on the vault, nor one of version 2 on a pack."""
    async with opened(tmp_path) as store:
        content = await store.put_blob(SMALL, chunking=Chunking.CONTENT)
        fixed = await store.put_blob(SMALL)
        rows(tmp_path, "DELETE FROM vault.name")
        assert await store.read_blob(fixed) == SMALL
        again = await store.put_blob(SMALL, chunking=Chunking.CONTENT)
        assert again == content
        rows(tmp_path, "DELETE FROM chunk")
        assert await store.read_blob(content) == SMALL


async def test_what_another_blob_brought_elsewhere_is_moved_when_it_is_whole(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(SMALL)  # one chunk, of the same hash
        manifest = content_manifest_of(SMALL)
        assert await fetch(store, manifest, [SMALL]) == 0
        rows(tmp_path, "DELETE FROM chunk")
        assert await store.read_blob(manifest.id) == SMALL


async def test_a_damaged_chunk_is_told_and_fetched_again_alone(tmp_path: Path) -> None:
    after = content_manifest_of(EDITED)
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.put_blob(EDITED, chunking=Chunking.CONTENT)
        spoil(tmp_path, payload_digest(CHUNKS[7]))
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(after.id)
        # Both have it, and neither is whole any more, nor says that it is.
        assert set(await store.damaged_blobs()) == {MANIFEST.id, after.id}
        assert not await store.has_blob(MANIFEST.id)
        assert await store.missing_pages(MANIFEST.id) == []
        assert await store.missing_chunks(MANIFEST.id) == [7]
        assert await fetch(store, MANIFEST, CHUNKS) == 1
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.missing_chunks(after.id) == []
        assert await store.read_blob(after.id) == EDITED
        assert await store.damaged_blobs() == []
    assert row_counts(tmp_path) == [0] * 5


async def test_a_damaged_page_is_told_and_fetched_again_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
    spoil(tmp_path, payload_digest(MANIFEST.pages[1]))
    async with opened(tmp_path) as store:
        with pytest.raises(NotHeld, match="damaged"):
            await store.read_blob(MANIFEST.id)
        assert await store.missing_pages(MANIFEST.id) == [1]
        assert await fetch(store, MANIFEST, CHUNKS) == 0
        assert await store.read_blob(MANIFEST.id) == NOISE


async def test_without_its_vault_nothing_is_called_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        kept = await store.put_blob(NOISE[:3_000_000])
    await asyncio.to_thread((tmp_path / "snapshots.db").unlink)
    async with opened(tmp_path) as store:
        assert not await store.has_blob(MANIFEST.id)
        assert store.mended.blobs == 1
        assert await store.read_blob(kept) == NOISE[:3_000_000]
        assert await fetch(store, MANIFEST, CHUNKS) == len(CHUNKS)
        assert await store.read_blob(MANIFEST.id) == NOISE


async def test_what_an_upload_left_that_was_killed_goes_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        kept = await store.put_blob(NOISE, chunking=Chunking.CONTENT)

        def pieces() -> Iterator[bytes]:
            yield from (blake3(b"%d" % at).digest(length=1 << 20) for at in range(9))
            raise GeneratorExit  # as where the process ends here: nothing is given back

        with pytest.raises(BaseException):  # noqa: B017, PT011  # whatever way out
            await store.put_blob(pieces(), chunking=Chunking.CONTENT)
        assert await store.read_blob(kept) == NOISE
    ((before,),) = rows(tmp_path, "SELECT count(*) FROM vault.name")
    async with opened(tmp_path) as store:
        given = await store.give_back()
        assert given.parts > 100
        assert 7 << 20 < given.bytes < 10 << 20, "all that came of it, and little beside"
        left = int(str(before)) - given.parts
        assert rows(tmp_path, "SELECT count(*) FROM vault.name") == [(left,)]
        assert not store.has_left_over
        assert await store.read_blob(kept) == NOISE
        assert await store.give_back() == GivenBack()


async def test_who_gives_back_at_leisure_hurries_where_somebody_waits_for_it(
    tmp_path: Path,
) -> None:
    """As `gc` does, soon after a start."""
    async with opened(tmp_path) as store, asyncio.TaskGroup() as group:
        blob = await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        # The end of `give_back`, without the pauses before it.
        sweep = store._collect_vault(3_600)  # pyright: ignore[reportPrivateUsage]  # as said above
        at_leisure = group.create_task(sweep)
        while store.has_left_over:  # noqa: ASYNC110 - it has begun, and no event says it
            await asyncio.sleep(0)
        async with asyncio.timeout(HUNG_S):
            assert (await store.gc(grace_us=-1)).blobs == 1
            await at_leisure
        assert not await store.has_blob(blob)


async def test_a_chunk_of_the_wrong_bytes_is_never_stored(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.begin_blob(MANIFEST.id, MANIFEST.root)
        for page in await store.missing_pages(MANIFEST.id):
            await store.add_page(MANIFEST.id, page, MANIFEST.pages[page])
        with pytest.raises(Exception, match="other bytes"):
            await store.add_chunks(MANIFEST.id, [(0, CHUNKS[0]), (1, CHUNKS[2])])
        assert rows(tmp_path, "SELECT count(*) FROM vault.name") == [(0,)]
        assert len(await store.missing_chunks(MANIFEST.id)) == len(CHUNKS)


async def test_kept_snapshots_give_back_what_no_other_has(tmp_path: Path) -> None:
    after, chunks = content_manifest_of(EDITED), list(cut([EDITED], Chunking.CONTENT))
    async with opened(tmp_path) as store:
        for manifest, of in ((MANIFEST, CHUNKS), (after, chunks)):
            with store.keeping(manifest.id, AuthorKey(ALICE.root.public)):
                await fetch(store, manifest, of)
        assert [one.id for one in await store.kept_blobs()] == [MANIFEST.id, after.id]
        held = (await store.counts()).blob_bytes
        assert 0.9 * held < await store.kept_gives(in_rows=False) <= held
        # One of them alone gives its few chunks and its pages; the rest only both give.
        both = [MANIFEST.id, after.id]
        assert await store.to_give_back(both, 10_000) == [MANIFEST.id]
        assert await store.to_give_back(both, 5_000_000) == both
        assert await store.to_give_back(both, 50_000_000) == []
        assert await store.let_go([MANIFEST.id]) == 1
        assert await store.read_blob(after.id) == EDITED
        assert await store.let_go([after.id]) == 1
        assert (await store.counts()).blob_bytes == 0
        async with asyncio.timeout(60):
            while (await asyncio.to_thread((tmp_path / "snapshots.db").stat)).st_size > 1 << 20:
                await store.give_back()


async def test_a_scrub_finds_what_the_disk_forgot_and_of_which_blobs(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        other = await store.put_blob(SMALL, chunking=Chunking.CONTENT)
        told: list[tuple[int, int]] = []
        sound = await store.scrub(lambda done, total: told.append((done, total)))
        assert (sound.parts, sound.blobs) == (0, [])
        assert told[-1] == (sound.bytes, sound.bytes)
        assert sound.bytes > len(NOISE) + len(SMALL)  # and their pages
    spoil(tmp_path, payload_digest(CHUNKS[9]))
    async with opened(tmp_path) as store:
        assert await store.has_blob(MANIFEST.id)
        looked = await store.scrub(is_dry_run=True)
        assert (looked.parts, looked.blobs) == (1, [MANIFEST.id])
        assert await store.has_blob(MANIFEST.id)
        assert await store.scrub() == looked
        assert await store.damaged_blobs() == [MANIFEST.id]
        assert await store.missing_chunks(MANIFEST.id) == [9]
        assert await fetch(store, MANIFEST, CHUNKS) == 1
        assert (await store.scrub()).blobs == []
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.read_blob(other) == SMALL


@pytest.mark.parametrize("version", [1, 2])
async def test_a_name_that_only_begins_as_one_of_ours_is_no_chunk_of_ours(
    tmp_path: Path, version: int
) -> None:
    """Else whoever reads it finds other bytes, and what is ours were dropped for damaged."""
    forged = payload_digest(CHUNKS[0])[:16] + bytes(16)
    hostile = (
        build_manifest([forged], len(CHUNKS[0]))
        if version == 1
        else build_content_manifest([ChunkName(forged, len(CHUNKS[0]))])
    )
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.begin_blob(hostile.id, hostile.root)
        await store.add_page(hostile.id, 0, hostile.pages[0])
        assert await store.missing_chunks(hostile.id) == [0]
        assert not await store.has_blob(hostile.id)
        assert not await store.read_run(hostile.id, 0, 1, size_bytes_max=1 << 20)
        with pytest.raises(NotHeld, match="not here"):
            await store.read_chunk(hostile.id, 0)
        assert await store.has_blob(MANIFEST.id)
        await store.gc()
        assert await store.read_blob(MANIFEST.id) == NOISE


async def test_a_blob_of_version_1_has_nothing_of_the_vault(tmp_path: Path) -> None:
    """Not where it names the very same bytes either: it is never read from there."""
    manifest = build_manifest([payload_digest(CHUNKS[0])], len(CHUNKS[0]))
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        assert await store.missing_chunks(manifest.id) == [0]
        with pytest.raises(NotHeld, match="not here"):
            await store.read_chunk(manifest.id, 0)
        assert not await store.read_run(manifest.id, 0, 1, size_bytes_max=1 << 20)


async def test_what_is_mended_before_it_is_dropped_makes_no_blob_less_than_whole(
    tmp_path: Path,
) -> None:
    hash = payload_digest(CHUNKS[9])
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        ((good,),) = rows(
            tmp_path,
            "SELECT w.data FROM vault.whole w JOIN vault.name n ON n.id = w.id WHERE n.key = ?",
            (hash,),
        )
        spoil(tmp_path, hash)
        mended: list[int] = []

        def mend(done: int, total: int) -> None:
            """As somebody who puts it again while the scrub goes on."""
            if done == total:
                mended.append(total)
                where = "WHERE id = (SELECT id FROM vault.name WHERE key = ?)"
                rows(tmp_path, f"UPDATE vault.whole SET data = ? {where}", (good, hash))

        assert not (await store.scrub(mend)).blobs
        assert mended
        assert await store.has_blob(MANIFEST.id)
        assert await store.damaged_blobs() == []
        assert await store.read_blob(MANIFEST.id) == NOISE
    assert row_counts(tmp_path) == [0] * 5


@pytest.mark.parametrize("part", ["chunk", "page", "name of a chunk"])
async def test_what_is_read_in_a_transaction_and_damaged_can_be_fetched_again(
    tmp_path: Path, part: str
) -> None:
    """As the blob of a frontier is read."""
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        hash = MANIFEST.parsed.page_hashes[1] if part == "page" else payload_digest(CHUNKS[3])
        if part == "name of a chunk":
            rows(tmp_path, "DELETE FROM vault.name WHERE key = ?", (hash,))
        else:
            spoil(tmp_path, hash)
        database = store._database  # pyright: ignore[reportPrivateUsage]  # as frontiers are read
        async with database.transaction() as write:
            assert await whole_blob(write, MANIFEST.id, bytes_max=1 << 26) is None
        assert not await store.has_blob(MANIFEST.id)
        if part != "page":  # what only that page names is not known any more
            await store.gc()
        assert await fetch(store, MANIFEST, CHUNKS) == (0 if part == "page" else 1)
        async with database.transaction() as write:
            assert await whole_blob(write, MANIFEST.id, bytes_max=1 << 26) == NOISE
        assert await store.read_blob(MANIFEST.id) == NOISE
    assert row_counts(tmp_path) == [0] * 5


@pytest.mark.parametrize("part", ["chunk", "page"])
async def test_what_many_have_and_comes_again_makes_all_of_them_whole(
    tmp_path: Path, part: str
) -> None:
    """Nobody has to ask for each of a thousand snapshots once more."""
    data = NOISE + b"and a little more"
    last, chunks = content_manifest_of(data), list(cut([data], Chunking.CONTENT))
    hash = last.parsed.page_hashes[0] if part == "page" else payload_digest(CHUNKS[0])
    assert hash in (MANIFEST.parsed.page_hashes[0], payload_digest(chunks[0]))
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.put_blob(data, chunking=Chunking.CONTENT)
    for again in ("fetched", "put", "later"):
        spoil(tmp_path, hash)
        async with opened(tmp_path) as store:
            with pytest.raises(NotHeld, match="damaged"):
                await store.read_blob(last.id)
            assert not await store.has_blob(MANIFEST.id)
            if again == "later":
                break
            if again == "fetched":
                assert await fetch(store, last, chunks) == (1 if part == "chunk" else 0)
            else:
                await store.put_blob(data, chunking=Chunking.CONTENT)
            assert await store.has_blob(MANIFEST.id)
            assert await store.damaged_blobs() == []
            assert await store.read_blob(MANIFEST.id) == NOISE
    async with opened(tmp_path) as store:  # it does not know any more what was damaged
        assert await store.make_whole_again() == 0
        await fetch(store, last, chunks)
        assert not await store.has_blob(MANIFEST.id)
    async with opened(tmp_path) as store:
        assert await store.make_whole_again() == 1
        assert await store.read_blob(MANIFEST.id) == NOISE
        assert await store.make_whole_again() == 0
    assert row_counts(tmp_path) == [0] * 5
