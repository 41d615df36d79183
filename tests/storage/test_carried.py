"""What old epochs name: what came too late for the roll-over is kept, and nothing beside it."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.area import Area
from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.keys import COMMONS
from crdt.order import Bounds
from crdt.statement import Revoke, Unrevoke
from node.projection import project
from registry.deletion import delete
from storage.database import Writing
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, Person, person
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_snapshots import MAIN, created, keeps, rows, taken
from tests.storage.test_snapshots import store as store
from universe.record import drop_snapshots

PHONE: Person = person(1, device=7)
FULL = 5


@pytest_asyncio.fixture
async def phone(tmp_path: Path) -> AsyncGenerator[Store]:
    path = tmp_path / "phone.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_an_epoch_that_is_shown_again_meanwhile_names_all_of_it(
    tmp_path: Path, store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone that took the record on is said to be stolen while old epochs are looked at."""
    blobs = await begun(store)
    await synced(store, phone)
    await kept(phone, 10, await phone.put_blob(b"of the phone"), PHONE)
    late = await store.put_blob(os.urandom(2_000))
    with monkeypatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await kept(store, 20, late)
    await synced(store, phone)
    assert await epoch(store) == 1
    found = list[tuple[int, DocumentId]]()

    async def noted(write: Writing, number: int, id: DocumentId) -> None:
        found.append((number, id))

    with monkeypatch.context() as patch:
        patch.setattr(store, "_forget_of", noted)
        await store.gc(grace_us=-1)
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    assert (await epoch(store), len(found)) == (0, 1)
    database = store._database  # pyright: ignore[reportPrivateUsage]  # no revocation is so quick
    forget = store._forget_of  # pyright: ignore[reportPrivateUsage]  # as gc asks it
    for number, id in found:
        async with database.transaction() as write:
            await forget(write, number, id)
    sql = (
        "SELECT u.blob FROM blob_use u JOIN document d ON d.number = u.document"
        " WHERE d.epoch = 0 AND u.size NOT NULL"
    )
    named = {blob for (blob,) in rows(tmp_path / "p.db", sql)}
    assert named == {*blobs, late}
