"""States that came before anybody made them small, or were killed in between, are made so once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crdt.blob import BlobId, Chunking
from crdt.did import encode_did_key
from node.projection import project
from storage import unsettled
from storage.store import Store, open_store
from storage.unsettled import Unsettled
from tests.storage.full_disk import largest_file
from tests.storage.people import ALICE, BOB, NOW_US
from tests.storage.test_snapshots import FORK, MAIN, created, keeps, rows, taken
from tests.storage.test_whole_again import SERIES

WITHIN_S = 60.0


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
        settling = tasks.create_task(store.keep_settling(fail))
        await all_are_settled(store)
        settling.cancel()


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
        assert await left(store) == [(blobs[at], blobs[at + 1]) for at in range(len(SERIES) - 1)]
    assert deltas(tmp_path) == 0
    async with opened(tmp_path) as store:
        await started(store)
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2, "each against the one after it"
    async with opened(tmp_path) as store:
        assert await left(store) == []
        assert await store.settled() == 0
        for tick, blob in blobs.items():
            assert await store.read_blob(blob) == SERIES[tick]


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
                settling = tasks.create_task(store.keep_settling(faults.append, again_s=0.01))
                while not faults:  # noqa: ASYNC110 - a list has no event
                    await asyncio.sleep(0.01)
            await all_are_settled(store)
            settling.cancel()
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2


async def test_where_the_next_one_is_a_difference_already_the_newest_is_tried(
    tmp_path: Path,
) -> None:
    """As where a process ended after it had made the newer ones small, and before the others."""
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES]
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        for at in range(3, len(blobs) - 1):
            await store.settle_snapshot(blobs[at], blobs[at + 1])
        assert await store.settled() > 0
        rest = [(0, 1), (1, 2), (2, 3), (2, len(blobs) - 1)]
        assert await left(store) == [(blobs[older], blobs[newer]) for older, newer in rest]
        await started(store)
        await store.settled()  # what was queued behind it
        for blob, world in zip(blobs, SERIES, strict=True):
            assert await store.read_blob(blob) == world
    assert deltas(tmp_path) > 100 * (len(SERIES) - 1) / 2
    ((whole,),) = rows(tmp_path / "p.snapshots.db", "SELECT sum(length(data)) FROM whole")
    assert whole < 1.2 * len(SERIES[-1])


async def test_what_was_made_small_when_it_came_is_not_looked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.commit(MAIN, created(), ALICE.signer)
        blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:3]]
        for tick, blob in enumerate(blobs):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        await store.settle_snapshot(blobs[0], blobs[1])
        await store.settle_snapshot(blobs[1], BlobId(bytes(32)))  # nothing can be tried
        assert await store.settled() > 0
        assert await left(store) == [(blobs[1], blobs[2])]
