"""Which chunks of a blob are here, kept in step while they come."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import CHUNK_BYTES, BlobId, ChunkName, build_manifest
from crdt.digest import payload_digest
from storage.blobs import PACKED_CHUNKS_MIN
from storage.held import (
    HELD,
    LOOK_AGAIN,
    MAPS_BYTES_MAX,
    MISSING,
    PAGES_NAMED,
    UNNAMED,
    HeldMap,
    HeldMaps,
)
from storage.store import Store
from storage.vault.attached import ATTACH
from storage.vault.opening import vault_beside

MARKS = st.lists(st.sampled_from([MISSING, HELD, UNNAMED]), min_size=1, max_size=40)


def map_of(marks: list[int]) -> HeldMap:
    return HeldMap(bytearray(marks), sum(mark != HELD for mark in marks), 0)


@given(MARKS, st.integers(0, 60), st.integers(1, 10))
def test_runs_are_what_is_held_from_a_place_on_and_then_before(
    marks: list[int], first: int, limit: int
) -> None:
    told = map_of(marks).runs(first, 1_000)
    runs = list(zip(told[::2], told[1::2], strict=True))
    places = [place for start, length in runs for place in range(start, start + length)]
    assert sorted(places) == [place for place, mark in enumerate(marks) if mark == HELD]
    ends = {start + length for start, length in runs}
    assert not ends & {start for start, _ in runs}, "neighbours are one run"
    beyond = [start + length > first for start, length in runs]
    assert beyond == sorted(beyond, reverse=True)
    assert map_of(marks).runs(first, limit) == told[: 2 * limit]


@given(MARKS, st.data())
def test_what_comes_is_counted_once(marks: list[int], data: st.DataObject) -> None:
    map = map_of(marks)
    for place in data.draw(st.lists(st.integers(0, len(marks) - 1))):
        map.fill([place, place])
    assert map.left == sum(mark != HELD for mark in map.chunks)
    named = [place for place, mark in enumerate(map.chunks) if mark == MISSING]
    assert map.first_missing == (named[0] if named else len(marks))


@given(MARKS, st.data())
def test_who_looks_again_corrects_it(marks: list[int], data: st.DataObject) -> None:
    map = map_of(marks)
    start = map.first_missing
    all = [place for place in range(start, len(marks)) if marks[place] != UNNAMED]
    missing = sorted(data.draw(st.sets(st.sampled_from(all)))) if all else []
    limit = data.draw(st.integers(1, 40))
    map.correct(start, missing[:limit], is_all=len(missing) < limit)
    end = missing[:limit][-1] + 1 if len(missing) >= limit else len(marks)
    for place in range(start, end):
        if marks[place] != UNNAMED:
            assert (map.chunks[place] == MISSING) == (place in missing)
    assert map.chunks[end:] == bytearray(marks[end:])
    assert map.left == sum(mark != HELD for mark in map.chunks)


async def test_maps_have_a_bound_and_what_is_lost_meanwhile_is_counted_again() -> None:
    maps = HeldMaps()
    asked: list[BlobId] = []

    async def counted(blob: BlobId) -> HeldMap:
        asked.append(blob)
        if len(asked) == 1:
            maps.forget_all()  # a chunk was lost after it was counted
        return HeldMap(bytearray(MAPS_BYTES_MAX // 2), 0, 0)

    blobs = [BlobId(payload_digest(bytes([number]))) for number in range(3)]
    await maps.find(blobs[0], counted)
    assert asked == blobs[:1] * 2
    for blob in blobs:
        await maps.find(blob, counted)
    assert asked == [*blobs[:1] * 2, *blobs[1:]]
    assert maps.get(blobs[0]) is None
    assert maps.get(blobs[2]) is not None


async def test_names_of_pages_have_a_bound_of_all_blobs_together(store: Store) -> None:
    """PAGES_NAMED: a peer may have as many blobs fetched as it names, and a page names 1,024."""
    begun: list[BlobId] = []
    for number in range(PAGES_NAMED + 8):
        chunk = bytes([number]) * CHUNK_BYTES
        hashes = [payload_digest(chunk), *[payload_digest(b"of others")] * PACKED_CHUNKS_MIN]
        manifest = build_manifest(hashes, len(hashes) * CHUNK_BYTES)
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        assert not await store.add_chunks(manifest.id, [(0, chunk)], hashes=hashes[:1])
        begun.append(manifest.id)
        held = store._held  # pyright: ignore[reportPrivateUsage]  nobody else is told
        named = [blob for blob in begun if held.name_of(blob, 0)]
        assert named == begun[-PAGES_NAMED:]


def test_names_that_were_asked_for_lately_stay() -> None:
    maps = HeldMaps()
    blob, other = (BlobId(payload_digest(name)) for name in (b"one", b"other"))
    name = ChunkName(payload_digest(b"chunk"), CHUNK_BYTES)
    maps.keep_names(blob, 0, [name] * 2)
    for first in range(PAGES_NAMED - 1):
        maps.keep_names(other, 2 * first, [name] * 2)
    assert maps.name_of(blob, 1) == name
    assert maps.name_of(blob, 2) is None
    maps.keep_names(other, 2 * PAGES_NAMED, [name] * 2)
    assert maps.name_of(blob, 0) == name, "that of the other one went"
    assert maps.name_of(other, 0) is None
    maps.forget(blob)
    assert maps.name_of(blob, 0) is None
    maps.forget_all()
    assert not any(maps.name_of(other, 2 * first) for first in range(PAGES_NAMED + 1))


async def test_another_blob_brings_chunks_and_a_second_look_sees_them(store: Store) -> None:
    chunks = [bytes([number]) * CHUNK_BYTES for number in (1, 2, 3, 1, 4)]
    manifest = build_manifest(list(map(payload_digest, chunks)), 5 * CHUNK_BYTES)
    await store.begin_blob(manifest.id, manifest.root)
    assert await store.held_runs(manifest.id, 0) == []
    await store.add_page(manifest.id, 0, manifest.pages[0])
    assert await store.missing_chunks(manifest.id) == [0, 1, 2, 3, 4]
    await store.add_chunks(manifest.id, [(3, chunks[3])])
    assert await store.held_runs(manifest.id, 2) == [3, 1, 0, 1]  # the same bytes in two places
    await store.put_blob(b"".join(chunks[1:2]))
    assert await store.missing_chunks(manifest.id) == [2, 4]
    assert await store.held_runs(manifest.id, 9) == [0, 2, 3, 1]
    assert not await store.add_chunks(manifest.id, [(2, chunks[2])])
    assert await store.add_chunks(manifest.id, [(4, chunks[4])])
    assert await store.missing_chunks(manifest.id) == []
    assert await store.held_runs(manifest.id, 0) == [0, 5]


async def test_a_look_walks_from_where_it_begins(store: Store, tmp_path: Path) -> None:
    """No row before the first that is missing is read, and none is sorted."""
    with closing(sqlite3.connect(tmp_path / "panspermia.db")) as database:
        database.execute(ATTACH, (str(vault_beside(tmp_path / "panspermia.db")),))
        plan = database.execute(f"EXPLAIN QUERY PLAN {LOOK_AGAIN}", (b"", 0, 1)).fetchall()
    steps = [str(step[3]) for step in plan]
    assert any("blob_page_by_first (blob=? AND first>?)" in one for one in steps), steps
    assert any("SEARCH c USING PRIMARY KEY (page=? AND place>?)" in one for one in steps), steps
    assert not any("SCAN" in one or "TEMP B-TREE" in one for one in steps), steps
