"""What old epochs name: what came too late for the roll-over is kept, and nothing beside it."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.area import Area
from crdt.blob import BlobId
from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS
from crdt.order import Bounds
from crdt.statement import Revoke, Unrevoke
from node.projection import project
from registry.deletion import delete, undelete
from storage import append
from storage.listing import Projection
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, Person, person
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_snapshots import MAIN, created, keeps, rows, taken
from tests.storage.test_snapshots import store as store
from universe.record import drop_snapshots

PHONE: Person = person(1, device=7)
FULL = 5
HUNG_S = 60.0  # where somebody waits for what waits for them


@pytest_asyncio.fixture
async def phone(tmp_path: Path) -> AsyncGenerator[Store]:
    path = tmp_path / "phone.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as opened:
        yield opened


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)


async def synced(*stores: Store) -> None:
    for one in stores:
        entries = await one.entries(COMMONS, await one.ids(COMMONS, Area(), Bounds(), 10_000))
        for other in stores:
            if other is not one:
                await other.receive(entries, source="alice")


async def kept(store: Store, tick: int, blob: BlobId, who: Person = ALICE) -> None:
    await store.commit(MAIN, keeps(taken(tick, blob, who=who)), who.signer)


async def kept_late(phone: Store, tick: int, blob: BlobId) -> None:
    """To the epoch that the laptop has left, as by a device that does not roll over yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await kept(phone, tick, blob, PHONE)


async def begun(laptop: Store) -> list[BlobId]:
    """Four states, in a document that is full."""
    await laptop.commit(MAIN, created(), ALICE.signer)
    blobs = [await laptop.put_blob(os.urandom(2_000)) for _ in range(4)]
    for tick, blob in enumerate(blobs):
        await kept(laptop, tick, blob)
    return blobs


async def all_but(laptop: Store, tick: int) -> None:
    """Lets the others go, by the index that is shown."""
    row = await laptop.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    going = [one.id for one in await laptop.snapshots(row.number) if one.tick != tick]
    await laptop.commit(MAIN, drop_snapshots(tuple(going), now_us=NOW_US), ALICE.signer)


async def here(store: Store, blobs: list[BlobId]) -> list[bool]:
    await store.gc(grace_us=-1)
    return [await store.has_blob(one) for one in blobs]


async def epoch(store: Store) -> int:
    state = await store.read(MAIN)
    assert state is not None
    return state.id.epoch


async def test_what_a_device_kept_too_late_stays_there(store: Store, phone: Store) -> None:
    blobs = await begun(store)
    await synced(store, phone)
    new = await store.put_blob(os.urandom(2_000))
    await kept(store, 9, new)
    late = await phone.put_blob(os.urandom(2_000))
    await kept_late(phone, 20, late)
    await synced(store, phone)
    assert [await epoch(one) for one in (store, phone)] == [1, 1]
    await all_but(store, 9)
    await synced(store, phone)
    for _ in range(2):
        assert await here(store, [*blobs, new]) == [False] * 4 + [True]
        assert await here(phone, [late]) == [True]
        assert await phone.blobs_named(ALICE.signer.author) == [late]
        await phone.rematerialise()
    # It is written again, as the report of it says, and then let go.
    await kept(phone, 20, late, PHONE)
    await all_but(phone, 9)
    assert await here(phone, [late]) == [True], "the late entry names it still"


@pytest.mark.parametrize("states", [4, 20])
async def test_a_long_epoch_gives_its_room_back_too(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, states: int
) -> None:
    """One that is saved, to be loaded from; something came late to it."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    blobs = await begun(store)
    for tick in range(len(blobs), states):
        blobs.append(await store.put_blob(os.urandom(2_000)))
        await kept(store, tick, blobs[-1])
    await synced(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", states)
    await kept(store, 99, blobs[-1])
    late = await store.put_blob(os.urandom(2_000))
    await kept_late(phone, 200, late)
    await synced(store, phone)
    assert [await epoch(one) for one in (store, phone)] == [1, 1]
    await all_but(store, 99)
    gone = [False] * (states - 1)
    assert await here(store, [*blobs, late]) == [*gone, True, True]


@pytest.mark.parametrize("is_the_same", [False, True])
async def test_what_fell_and_may_be_made_again_keeps_its_bytes(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, *, is_the_same: bool
) -> None:
    """Also where another snapshot, which was let go, had the same ones."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    blobs = await begun(store)
    await synced(store, phone)
    theirs = blobs[0] if is_the_same else await store.put_blob(os.urandom(2_000))
    await kept(phone, 20, theirs, PHONE)
    await synced(store, phone)
    stolen = await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    new = await store.put_blob(os.urandom(2_000))
    await kept(store, 9, new)
    assert await epoch(store) == 1
    await all_but(store, 9)
    held = [is_the_same, False, False, False, True, True]
    assert await here(store, [*blobs, new, theirs]) == held
    await store.declare(Unrevoke(stolen.signed.entry.payload_digest), LOG, ROOT)
    assert await here(store, [*blobs, new, theirs]) == held


async def test_what_comes_too_late_is_named_though_it_has_the_bytes_of_what_goes(
    store: Store, phone: Store
) -> None:
    """Also after the old epoch was found to say nothing that did not come over."""
    blobs = await begun(store)
    await synced(store, phone)
    await kept(store, 9, blobs[3])
    assert await here(store, blobs) == [True] * 4
    await kept_late(phone, 20, blobs[0])
    await synced(store, phone)
    await all_but(store, 9)
    assert await here(store, blobs) == [True, False, False, True]


async def test_two_that_went_on_apart_name_what_either_shows(store: Store, phone: Store) -> None:
    await begun(store)
    await synced(store, phone)
    mine, theirs = [await one.put_blob(os.urandom(2_000)) for one in (store, phone)]
    await kept(store, 9, mine)
    await kept(phone, 10, theirs, PHONE)
    await synced(store, phone)
    assert [await epoch(one) for one in (store, phone)] == [1, 1]
    assert await here(phone, [theirs]) == [True]
    await all_but(phone, 9)
    assert await here(phone, [theirs]) == [False]
    await synced(store, phone)
    assert await here(store, [mine]) == [True]


async def test_an_epoch_of_which_half_is_here_goes_on_naming_all(
    store: Store, phone: Store
) -> None:
    """The rest may say anything."""
    blobs = await begun(store)
    entries = await store.entries(COMMONS, await store.ids(COMMONS, Area(), Bounds(), 100))
    await phone.receive(entries[:3], source="alice")
    shared = [await phone.put_blob(await store.read_blob(one)) for one in blobs[:2]]
    assert shared == blobs[:2]
    await kept(store, 9, blobs[3])
    await all_but(store, 9)
    old = {one.id for one in entries}
    both = await store.entries(COMMONS, await store.ids(COMMONS, Area(), Bounds(), 100))
    await phone.receive([one for one in both if one.id not in old], source="alice")
    assert await epoch(phone) == 1
    assert await here(phone, shared) == [True, True]
    await phone.receive(both, source="alice")
    assert await here(phone, shared) == [False, False]


async def test_a_universe_that_is_deleted_comes_back_with_all_that_it_had(store: Store) -> None:
    blobs = await begun(store)
    await kept(store, 9, blobs[3])
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    assert await here(store, blobs) == [True] * 4


async def test_where_a_roll_over_falls_the_epoch_before_names_what_it_shows(
    store: Store, phone: Store
) -> None:
    """The phone took the record on, and is then said to be stolen; and after that not to be."""
    blobs = await begun(store)
    await synced(store, phone)
    theirs = await store.put_blob(b"of the phone")
    await kept(phone, 10, theirs, PHONE)
    await synced(store, phone)
    assert await here(store, [*blobs, theirs]) == [True] * 5
    stolen = await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert await epoch(store) == 0
    row = await store.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    assert [one.tick for one in await store.snapshots(row.number)] == [3, 2, 1, 0]
    assert await here(store, [*blobs, theirs]) == [True] * 5
    await all_but(store, 0)
    assert await here(store, [*blobs, theirs]) == [True] * 5, "the phone's may come back"
    await store.declare(Unrevoke(stolen.signed.entry.payload_digest), LOG, ROOT)
    row = await store.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    assert [one.tick for one in await store.snapshots(row.number)] == [10, 3, 2, 1, 0]
    assert await here(store, [*blobs, theirs]) == [True] * 5


class Builds:
    """A projector that stops whoever builds an old epoch, once it is told to."""

    def __init__(self) -> None:
        self.stops = False
        self.is_building, self.goes_on = Event(), Event()
        self.was_let_go = False

    def __call__(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        if self.stops and document == MAIN:
            self.stops = False
            self.is_building.set()
            self.was_let_go = self.goes_on.wait(HUNG_S)
        return project(document, value)

    async def meanwhile(self, store: Store, act: Callable[[], Awaitable[object]]) -> None:
        """`act` from its beginning to its end, while a gc has read an old epoch and builds it."""
        self.stops = True
        async with asyncio.TaskGroup() as group:
            group.create_task(store.gc(grace_us=-1))
            assert await asyncio.to_thread(self.is_building.wait, HUNG_S)
            await act()
            self.goes_on.set()
        assert self.was_let_go, "it was waited for until it gave up"


@pytest_asyncio.fixture
async def slow(tmp_path: Path) -> AsyncGenerator[tuple[Store, Builds]]:
    builds, path = Builds(), tmp_path / "slow.db"
    async with open_store(path, project=builds, clock_us=lambda: NOW_US) as opened:
        yield opened, builds


async def rolled_over_beside(store: Store, phone: Store) -> tuple[list[BlobId], list[SignedEntry]]:
    """Four states that were let go, one since then, one that came too late; and what comes still:
    one that is as late, with the bytes of the first."""
    blobs = await begun(store)
    await synced(store, phone)
    blobs.append(await store.put_blob(os.urandom(2_000)))
    await kept(store, 9, blobs[-1])
    blobs.append(await store.put_blob(os.urandom(2_000)))
    await kept_late(phone, 20, blobs[-1])
    await store.receive(await all_of(phone), source="alice")
    await kept_late(phone, 21, blobs[0])
    await all_but(store, 9)
    return blobs, await all_of(phone)


async def all_of(store: Store) -> list[SignedEntry]:
    ids = await store.ids(COMMONS, Area(), Bounds(), 10_000)
    return [*await store.entries(COMMONS, ids)]


async def test_nobody_waits_to_write_while_an_old_epoch_is_looked_at(
    slow: tuple[Store, Builds], phone: Store
) -> None:
    store, builds = slow
    blobs, _ = await rolled_over_beside(store, phone)
    other = replace(MAIN, record=b"universe:other")
    await builds.meanwhile(store, lambda: store.commit(other, created("Other"), ALICE.signer))
    assert await store.listing("universe", ALICE.did, "universe:other") is not None
    held = [await store.has_blob(one) for one in blobs]
    assert held == [False] * 4 + [True] * 2, "that was no reason to keep them"


async def test_what_comes_while_an_old_epoch_is_looked_at_is_named(
    slow: tuple[Store, Builds], phone: Store
) -> None:
    store, builds = slow
    blobs, late = await rolled_over_beside(store, phone)
    await builds.meanwhile(store, lambda: store.receive(late, source="alice"))
    assert [await store.has_blob(one) for one in blobs] == [True] * 6, "for the next one"
    assert await here(store, blobs) == [True, *[False] * 3, True, True]


async def test_a_universe_that_is_deleted_meanwhile_comes_back_with_all_that_it_had(
    slow: tuple[Store, Builds], phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, builds = slow
    blobs, _ = await rolled_over_beside(store, phone)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await builds.meanwhile(store, lambda: store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer))
    assert [await store.has_blob(one) for one in blobs] == [True] * 6
    await store.commit(MAIN, undelete(), ALICE.signer)
    assert await here(store, blobs) == [False] * 4 + [True] * 2


@pytest.mark.parametrize("judged_at_once", [200, 0])
async def test_an_epoch_that_is_shown_again_meanwhile_names_all_of_it(
    tmp_path: Path,
    slow: tuple[Store, Builds],
    phone: Store,
    monkeypatch: pytest.MonkeyPatch,
    judged_at_once: int,
) -> None:
    """The phone that took the record on is said to be stolen while old epochs are looked at."""
    store, builds = slow
    blobs = await begun(store)
    await synced(store, phone)
    await kept(phone, 10, await phone.put_blob(b"of the phone"), PHONE)
    blobs.append(await store.put_blob(os.urandom(2_000)))
    with monkeypatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await kept(store, 20, blobs[-1])
    await synced(store, phone)
    await all_but(store, 10)
    assert await epoch(store) == 1
    stolen = Revoke(PHONE.signer.device.public)
    with monkeypatch.context() as patch:
        patch.setattr(append, "STALE_AT_ONCE", judged_at_once)
        await builds.meanwhile(store, lambda: store.declare(stolen, LOG, ROOT))
    await store.settle()
    assert await epoch(store) == 0
    sql = (
        "SELECT u.blob FROM blob_use u JOIN document d ON d.number = u.document"
        " WHERE d.epoch = 0 AND u.size NOT NULL"
    )
    assert {blob for (blob,) in rows(tmp_path / "slow.db", sql)} == {*blobs}
    assert await here(store, blobs) == [True] * 5
