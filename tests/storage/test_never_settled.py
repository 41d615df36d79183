"""States that came before anybody made them small, or were killed in between, are made so once."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path

import pytest

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from crdt.did import encode_did_key
from node.projection import project
from storage import unsettled
from storage.collecting import GRACE_US
from storage.store import Store, open_store
from storage.unsettled import TRIES_MAX, Unsettled
from storage.vault import settling as steps
from tests.storage.full_disk import largest_file
from tests.storage.people import ALICE, BOB, NOW_US
from tests.storage.test_snapshots import FORK, MAIN, created, keeps, rows, taken
from tests.storage.test_whole_again import SERIES
from universe.record import drop_snapshots

WITHIN_S = 60.0
FAULT = (
    "CREATE TRIGGER fault AFTER INSERT ON delta WHEN (SELECT count(*) FROM delta) >= 20"
    " BEGIN SELECT raise(ABORT, 'a fault'); END"
)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Store]:
    at = folder / "p.db"
    async with open_store(at, project=project, clock_us=lambda: NOW_US) as store:
        yield store


async def left(store: Store) -> list[tuple[BlobId, BlobId]]:
    """What a start finds, all of it."""
    look = Unsettled(store._database)  # pyright: ignore[reportPrivateUsage]  # no API tells of it
    found: list[tuple[BlobId, BlobId]] = []
    while some := await look.some():
        found += some
    return found


async def all_are_settled(store: Store) -> None:
    while await left(store):  # noqa: ASYNC110 - settling tells nobody that it has nothing to do
        await asyncio.sleep(0.01)


async def started(store: Store) -> None:
    """As a node does, until all that it found is done."""

    def fail(error: Exception) -> None:
        raise error

    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.keep_settling(fail))
        await all_are_settled(store)
        running.cancel()


def deltas(folder: Path) -> int:
    ((count,),) = rows(folder / "p.snapshots.db", "SELECT count(*) FROM delta")
    return int(count)


@pytest.mark.parametrize("at_once", [1_000, 2])
async def test_a_start_makes_small_what_never_was_and_the_next_one_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(unsettled, "ROWS", at_once)
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = dict[int, BlobId]()
        for tick in reversed(range(len(SERIES))):  # as they came: the newest first
            blobs[tick] = await store.put_blob(SERIES[tick], chunking=Chunking.CONTENT)
            await store.commit(MAIN, keeps(taken(tick, blobs[tick])), ALICE.signer)
        await store.commit(MAIN, keeps(taken(99, BlobId(bytes(32)))), ALICE.signer)  # not here
        await store.commit(FORK, created(), BOB.signer)
        await store.commit(FORK, keeps(taken(0, blobs[0], who=BOB)), BOB.signer)
        assert await left(store) == with_newest([blobs[at] for at in range(len(SERIES))])
    assert deltas(tmp_path) == 0
    async with opened(tmp_path) as store:
        await started(store)
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2, "each against the one after it"
    async with opened(tmp_path) as store:
        assert await left(store) == []
        assert await store.settled() == 0
        for tick, blob in blobs.items():
            assert await store.read_blob(blob) == SERIES[tick]


def with_newest(blobs: Sequence[BlobId]) -> list[tuple[BlobId, BlobId]]:
    """Each with the one after it, and then with the last one of all."""
    found = [(older, one) for older, newer in pairwise(blobs) for one in (newer, blobs[-1])]
    return [*dict.fromkeys(found)]


async def of_a_stranger(store: Store, before: BlobId, after: BlobId) -> None:
    """A record that names one of Alice's states beside something else."""
    await store.commit(FORK, created(), BOB.signer)
    for tick, blob in enumerate((before, after)):
        await store.commit(FORK, keeps(taken(tick, blob, who=BOB)), BOB.signer)


async def test_what_a_stranger_names_it_beside_does_not_leave_it_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:2]]
        junk = await store.put_blob(b"junk" * 9_000, chunking=Chunking.CONTENT)
        await of_a_stranger(store, blobs[0], junk)
        await store.settle_snapshot(blobs[0], junk)
        assert await store.settled() == 0
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        assert await left(store) == [(blobs[0], blobs[1])]


@pytest.mark.parametrize("at_once", [1_000, 2])
async def test_universes_of_whom_one_follows_are_looked_at_before_those_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(unsettled, "ROWS", at_once)
    async with opened(tmp_path) as store:
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:4]]
        await of_a_stranger(store, blobs[2], blobs[3])
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in enumerate(blobs[:2]):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        theirs, hers = (blobs[2], blobs[3]), (blobs[0], blobs[1])
        assert await left(store) == [theirs, hers]
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        assert await left(store) == [hers, theirs]


async def test_what_a_full_disk_does_not_take_is_not_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, world in enumerate(SERIES):
            blob = await store.put_blob(world, chunking=Chunking.CONTENT)
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
    async with opened(tmp_path) as store:
        faults: list[Exception] = []
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            with largest_file(4096):
                running = tasks.create_task(store.keep_settling(faults.append, again_s=0.01))
                while not faults:  # noqa: ASYNC110 - a list has no event
                    await asyncio.sleep(0.01)
            await all_are_settled(store)
            running.cancel()
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2


@pytest.mark.parametrize("at_once", [1_000, 4, 3, 2])
@pytest.mark.parametrize("is_noted", [True, False])
async def test_where_the_next_one_is_a_difference_already_the_newest_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, is_noted: bool
) -> None:
    """As where a process ended after it had made the newer ones small, and before the others; of
    what was made small by a node that noted none of it, nobody knows which these are."""
    monkeypatch.setattr(unsettled, "ROWS", at_once)
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES]
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        for at in range(3, len(blobs) - 1):
            await store.settle_snapshot(blobs[at], blobs[at + 1])
        assert await store.settled() > 0
    if not is_noted:
        with closing(sqlite3.connect(tmp_path / "p.db")) as database:
            database.execute("DELETE FROM settled")
            database.commit()
    async with opened(tmp_path) as store:
        rest = with_newest(blobs)[:6] if is_noted else with_newest(blobs)
        assert await left(store) == rest
        await started(store)
        await store.settled()  # what was queued behind it
        for blob, world in zip(blobs, SERIES, strict=True):
            assert await store.read_blob(blob) == world
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2
    ((whole,),) = rows(tmp_path / "p.snapshots.db", "SELECT sum(length(data)) FROM whole")
    assert whole < 1.2 * len(SERIES[-1])


async def test_what_is_whole_again_since_its_base_went_is_tried_again(tmp_path: Path) -> None:
    """A fork goes, against whose state another one was made small before its own next one came."""
    now_us = NOW_US
    at = tmp_path / "p.db"
    async with open_store(at, project=project, clock_us=lambda: now_us) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        older, of_fork, newer = [
            await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:3]
        ]
        await store.pin_blob(of_fork, "a fork's")
        await store.settle_snapshot(older, of_fork)
        assert await store.settled() > 0
        for tick, blob in enumerate((older, newer)):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        await store.settle_snapshot(older, newer)
        assert await store.settled() == 0, "it is a difference already"
        assert await left(store) == []
        await store.unpin_blob(of_fork)
        now_us += 2 * GRACE_US
        assert (await store.gc()).blobs == 1
        assert deltas(tmp_path) == 0
    async with opened(tmp_path) as store:
        assert await left(store) == [(older, newer)]
        await started(store)
        assert await store.read_blob(older) == SERIES[0]
    assert deltas(tmp_path) > 40


async def test_a_newest_one_that_goes_again_and_again_makes_no_start_try_all(
    tmp_path: Path,
) -> None:
    """As of autosaves: nothing leans on those but what came right before them."""
    now_us = NOW_US
    at = tmp_path / "p.db"
    async with open_store(at, project=project, clock_us=lambda: now_us) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES]
        for tick, blob in enumerate(blobs[:4]):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        autosave = taken(4, blobs[4])
        await store.commit(MAIN, keeps(autosave), ALICE.signer)
        assert len(await left(store)) == 7
        await started(store)
        await store.settled()
        await store.commit(MAIN, keeps(taken(5, blobs[5])), ALICE.signer)
        dropped = drop_snapshots((autosave.id,), now_us=NOW_US + 9)
        await store.commit(MAIN, dropped, ALICE.signer)
        now_us += 2 * GRACE_US
        assert (await store.gc()).blobs == 1
    async with opened(tmp_path) as store:
        assert await left(store) == [(blobs[3], blobs[5])], "it was a difference from what went"
        await started(store)
        for blob, world in zip(blobs[:4], SERIES, strict=False):
            assert await store.read_blob(blob) == world


async def test_what_was_tried_in_vain_against_differences_is_tried_against_what_is_newest_then(
    tmp_path: Path,
) -> None:
    """The newest was made small against a fork of it that was here first; then it went on."""
    async with opened(tmp_path) as store:
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        older, newest, of_fork, later = [
            await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:4]
        ]
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in enumerate((older, newest)):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        await store.settle_snapshots([(newest, of_fork), (older, newest)])
        await store.settled()
        small = deltas(tmp_path)
        await store.commit(MAIN, keeps(taken(2, later)), ALICE.signer)
        await store.settle_snapshot(newest, later)
        await store.settled()
        assert await left(store) == [(older, later)]
        await started(store)
        await store.settled()
        assert await left(store) == []
    assert deltas(tmp_path) > 1.9 * small > 80


async def test_what_was_written_before_a_fault_is_known_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stays so where nothing is left to do."""
    monkeypatch.setattr(steps, "BATCH", 8)
    noted = "SELECT is_written FROM settled"
    vault = tmp_path / "p.snapshots.db"
    async with opened(tmp_path) as store:
        older, newer = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:2]]
        with closing(sqlite3.connect(vault)) as database:
            database.execute(FAULT)
            database.commit()
        await store.settle_snapshot(older, newer)
        with pytest.raises(sqlite3.IntegrityError):
            await store.settled()
        assert 0 < deltas(tmp_path) < 20
        assert rows(tmp_path / "p.db", noted) == [(1,)]
        with closing(sqlite3.connect(vault)) as database:
            database.execute("DROP TRIGGER fault")
            database.commit()
        assert await store.settled() > 0
        await store.settle_snapshot(older, newer)
        assert await store.settled() == 0
        assert rows(tmp_path / "p.db", noted) == [(1,)]


@pytest.mark.parametrize("is_followed", [True, False])
async def test_of_strangers_universes_one_state_is_tried_a_few_times(
    tmp_path: Path, is_followed: bool
) -> None:
    """Else whoever names all states of another in each order has all pairs of them tried."""
    async with opened(tmp_path) as store:
        blobs = [
            await store.put_blob(b"%d" % at * 9_000, chunking=Chunking.CONTENT) for at in range(20)
        ]
        await store.commit(FORK, created(), BOB.signer)
        if is_followed:
            await store.set_petname("bob", encode_did_key(BOB.root.public))
        others = [one for blob in blobs[1:] for one in (blobs[0], blob)]
        for tick, blob in enumerate(others):
            await store.commit(FORK, keeps(taken(tick, blob, who=BOB)), BOB.signer)
        await started(store)
    tried = rows(tmp_path / "p.db", "SELECT count(*) FROM settled GROUP BY older ORDER BY 1 DESC")
    if is_followed:
        assert tried[0] == (19,)
    else:
        assert tried[0] <= (TRIES_MAX + 1,)


async def test_what_a_start_found_is_queued_for_one_state_at_a_time(tmp_path: Path) -> None:
    """What comes meanwhile is made small behind that, and before all others."""
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES]
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        found: list[tuple[bytes, bytes]] = []
        queued = "SELECT older, newer FROM todo ORDER BY number"
        while await store._next_left():  # pyright: ignore[reportPrivateUsage]  # between two steps
            found += (now := rows(tmp_path / "p.snapshots.db", queued))
            assert len({older for older, _ in now}) == 1
            await store.settled()
    assert found == with_newest(blobs)


async def test_what_was_made_small_when_it_came_is_not_looked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:3]]
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        await store.settle_snapshot(blobs[0], blobs[1])
        await store.settle_snapshot(blobs[1], BlobId(bytes(32)))  # nothing can be tried
        begun = content_manifest_of(SERIES[3])
        await store.begin_blob(begun.id, begun.root)
        await store.commit(MAIN, keeps(taken(3, begun.id)), ALICE.signer)
        await store.settle_snapshot(blobs[2], begun.id)
        assert await store.settled() > 0
        assert await left(store) == [(blobs[1], blobs[2])]
        await store.put_blob(SERIES[3], chunking=Chunking.CONTENT)
        assert (blobs[2], begun.id) in await left(store)
