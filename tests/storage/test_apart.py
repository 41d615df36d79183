"""Devices that went on apart, and then met: what nobody let go stays where it was kept."""

import os
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.rollover import CARRIED
from node.projection import project
from registry.deletion import delete, undelete
from storage import append
from storage.epochs import LATE
from storage.listing import Projection, SnapshotRow
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, Person, person
from tests.storage.test_carried import (
    FULL,
    PHONE,
    all_but,
    all_of,
    begun,
    epoch,
    here,
    kept,
    synced,
)
from tests.storage.test_carried import phone as phone
from tests.storage.test_carried import soon as soon
from tests.storage.test_snapshots import MAIN, keeps, taken
from tests.storage.test_snapshots import store as store
from universe.record import drop_snapshots

TABLET: Person = person(1, device=8)


@pytest_asyncio.fixture
async def tablet(tmp_path: Path) -> AsyncGenerator[Store]:
    path = tmp_path / "tablet.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as opened:
        yield opened


async def went_on(laptop: Store) -> None:
    """To epoch 4, without the others."""
    for tick in range(9, 20):
        await kept(laptop, tick, await laptop.put_blob(b"state %d" % tick))
    assert await epoch(laptop) == 4


async def kept_in_old(device: Store, tick: int, who: Person) -> BlobId:
    """To the epoch that is full."""
    blob = await device.put_blob(os.urandom(2_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollover, "CHANGES_FULL", 100)
        await kept(device, tick, blob, who)
    return blob


async def let_go(device: Store, tick: int, who: Person = ALICE) -> None:
    going = [one.id for one in await snapshots(device) if one.tick == tick]
    await device.commit(MAIN, drop_snapshots(tuple(going), now_us=NOW_US), who.signer)


async def snapshots(device: Store) -> list[SnapshotRow]:
    row = await device.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    return await device.snapshots(row.number)


async def is_safe(device: Store, blob: BlobId) -> list[bool]:
    """In a backup, before gc and after; and here."""
    before = blob in await device.blobs_named(ALICE.signer.author)
    await device.gc(grace_us=-1)
    after = blob in await device.blobs_named(ALICE.signer.author)
    return [before, after, await device.has_blob(blob)]


async def test_what_was_deleted_as_it_rolled_over_keeps_what_it_had(
    store: Store, phone: Store
) -> None:
    """The phone deletes the universe; the laptop, apart, went on with it."""
    await begun(store)
    await synced(store, phone)
    mine = await kept_in_old(phone, 20, PHONE)
    await phone.commit(MAIN, delete(now_us=NOW_US), PHONE.signer)
    await went_on(store)
    await synced(store, phone)
    assert await epoch(phone) == 4
    assert await phone.listing("universe", ALICE.did, "universe:main") is not None
    assert await is_safe(phone, mine) == [True] * 3


@pytest.mark.parametrize("deletes", [True, False])
async def test_what_another_device_took_over_stays_where_it_was_kept(
    store: Store, phone: Store, tablet: Store, *, deletes: bool
) -> None:
    """It came over, and what it came over into was left behind."""
    await begun(store)
    await synced(store, phone, tablet)
    mine = await kept_in_old(tablet, 20, TABLET)
    await synced(phone, tablet)
    await kept(phone, 30, await phone.put_blob(b"30"), PHONE)
    if deletes:
        await phone.commit(MAIN, delete(now_us=NOW_US), PHONE.signer)
    await went_on(store)
    await synced(store, phone, tablet)
    assert await epoch(tablet) == 4
    assert await is_safe(tablet, mine) == [True] * 3


class Unread:
    """A version that cannot read the first epochs after the first."""

    def __init__(self) -> None:
        self.epochs: set[int] = set()

    def __call__(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        if document.epoch in self.epochs:
            raise ValueError("of a version to come")
        return project(document, value)


@pytest.mark.parametrize("unread", [0, 1])
async def test_what_came_over_into_what_cannot_be_read_stays(
    tmp_path: Path, phone: Store, unread: int
) -> None:
    reads = Unread()
    path = tmp_path / "laptop.db"
    async with open_store(path, project=reads, clock_us=lambda: NOW_US) as laptop:
        blobs = await begun(laptop)
        await synced(laptop, phone)
        await kept(phone, 9, await phone.put_blob(b"state 9"), PHONE)
        await all_but(phone, 9)
        await kept(phone, 10, await phone.put_blob(b"state 10"), PHONE)
        await kept(phone, 11, await phone.put_blob(b"state 11"), PHONE)
        reads.epochs = {unread}
        await synced(phone, laptop)
        assert await epoch(laptop) == 2
        assert await here(laptop, blobs) == [True] * 4
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as laptop:
        assert await here(laptop, blobs) == [False] * 4


async def test_what_was_deleted_for_a_while_keeps_what_it_had(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into the next epoch it went as deleted: nothing says what it had then."""
    blobs = await begun(store)
    await kept(store, 9, blobs[3])
    await all_but(store, 9)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 1)
    await store.commit(MAIN, undelete(), ALICE.signer)
    assert await epoch(store) == 2
    assert await here(store, blobs) == [True] * 4
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await kept(store, 10, blobs[0])
    await all_but(store, 9)
    assert await here(store, blobs) == [True] * 4


@pytest.mark.parametrize("collects", [False, True])
async def test_what_one_took_over_and_another_had_not_is_not_taken_for_let_go(
    store: Store, phone: Store, *, collects: bool
) -> None:
    """Of the laptop's roll-over the phone has but a part, and goes on with that."""
    await begun(store)
    await synced(store, phone)
    mine = await kept_in_old(store, 20, ALICE)
    old = {one.id for one in await all_of(store)}
    await kept(store, 21, await store.put_blob(b"21"))
    carrying, *_ = [one for one in await all_of(store) if one.id not in old]
    await phone.receive([carrying], source="alice")
    assert await epoch(phone) == 0
    if collects:
        await let_go(store, 3)
        await store.gc(grace_us=-1)
    await kept(phone, 30, await phone.put_blob(b"30"), PHONE)
    await synced(store, phone)
    assert await is_safe(store, mine) == [True] * 3


@pytest.mark.parametrize("part", [0, 1])
async def test_what_was_done_in_an_epoch_of_which_another_has_but_a_part_is_shown(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """The laptop works on in the next epoch; the phone, which cannot see that, opens it too."""
    blobs = await begun(store)
    await synced(store, phone)
    await kept_in_old(store, 20, ALICE)
    old = {one.id for one in await all_of(store)}
    await kept(store, 21, await store.put_blob(b"21"))
    carrying = [one for one in await all_of(store) if one.id not in old]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await kept(store, 22, await store.put_blob(b"22"))
    await phone.receive([carrying[part]], source="alice")
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    await kept(phone, 30, await phone.put_blob(b"30"), PHONE)
    came = [] if part else [20]  # without the first, the second counts for nothing yet
    assert [row.tick for row in await snapshots(phone)] == [30, *came, 3, 2, 1, 0]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await synced(store, phone)
    for one in (store, phone):
        assert await epoch(one) == 1
        assert [row.tick for row in await snapshots(one)] == [30, 22, 21, 20, 3, 2, 1, 0]
        assert await one.refused() == []
    await let_go(store, 0)
    assert await here(store, blobs) == [False, True, True, True]


async def test_an_epoch_that_a_device_opened_and_another_shut_is_passed_over(store: Store) -> None:
    """What it has written there already has its numbers."""
    await begun(store)
    await kept(store, 21, await store.put_blob(b"21"))
    await store.commit(MAIN, lambda editor: editor.delete((CARRIED,)), TABLET.signer)
    assert await epoch(store) == 0
    await kept(store, 22, await store.put_blob(b"22"))
    assert await epoch(store) == 2
    assert [row.tick for row in await snapshots(store)] == [22, 3, 2, 1, 0]


async def test_an_epoch_with_more_than_a_roll_over_in_it_is_passed_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollover, "PARTS_MAX", FULL - 2)
    await begun(store)
    junk = TABLET.writes(replace(MAIN, epoch=1), *(keeps(taken(50 + n)) for n in range(FULL - 1)))
    await store.receive(junk, source="mallory")
    await kept(store, 21, await store.put_blob(b"21"))
    assert await epoch(store) == 2


async def test_what_is_in_an_epoch_that_another_device_passed_over_is_told(
    store: Store, phone: Store
) -> None:
    """Somebody filled the phone's next epoch; the laptop had gone on in that one."""
    await begun(store)
    await synced(store, phone)
    await kept(store, 21, await store.put_blob(b"21"))
    next_one = replace(MAIN, epoch=1)
    junk = TABLET.writes(next_one, *(keeps(taken(50 + n)) for n in range(FULL)))
    await phone.receive(junk, source="mallory")
    await kept(phone, 30, await phone.put_blob(b"30"), PHONE)
    assert await epoch(phone) == 2
    entries = await all_of(phone)
    await phone.receive(await all_of(store), source="laptop")
    await store.receive(entries, source="phone")
    for one in (store, phone):
        assert [row.tick for row in await snapshots(one)] == [30, 3, 2, 1, 0]
        told = [row.refusal for row in await one.refused() if row.refusal.code == LATE]
        assert [refusal.detail[:8] for refusal in told] == ["epoch 1 "]


async def test_an_epoch_that_somebody_keeps_shut_is_passed_over(store: Store) -> None:
    """What is there says itself what it carried over, and that is nothing."""
    await begun(store)
    shut = TABLET.writes(replace(MAIN, epoch=1), lambda editor: editor.make_map((CARRIED,)))
    await store.receive(shut, source="mallory")
    await kept(store, 21, await store.put_blob(b"21"))
    assert await epoch(store) == 2
    assert [row.tick for row in await snapshots(store)] == [21, 3, 2, 1, 0]


async def test_what_a_device_let_go_too_late_and_another_after_it_gives_its_room_back(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(store)
    await synced(store, phone)
    await kept(store, 9, blobs[3])
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await let_go(phone, 0, PHONE)
    await synced(store, phone)
    assert await here(store, blobs) == [True] * 4
    await let_go(store, 0)
    assert await here(store, blobs) == [False, True, True, True]


async def _no_names(*_: object) -> None:
    """As it was before version 8 of what is derived."""


@pytest.mark.parametrize("is_its_origin", [True, False])
async def test_a_store_of_before_names_what_came_to_epochs_that_were_hidden(
    tmp_path: Path,
    store: Store,
    phone: Store,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_its_origin: bool,
) -> None:
    """The laptop's epochs are there first; then comes what the phone took over of the tablet's, or
    the tablet's own."""
    path = tmp_path / "before.db"
    monkeypatch.setattr(append, "name_hidden", _no_names)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as tablet:
        await begun(store)
        await synced(store, phone, tablet)
        if is_its_origin:
            mine = await kept_in_old(tablet, 20, TABLET)
            await synced(phone, tablet)
            await kept(phone, 30, await phone.put_blob(b"30"), PHONE)
        else:
            mine = await kept_in_old(phone, 20, PHONE)
            assert mine == await tablet.put_blob(await phone.read_blob(mine))
        await went_on(store)
        await synced(store, tablet)
        assert await epoch(tablet) == 4
        await synced(phone, tablet)
    monkeypatch.undo()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE store SET derived = 7")
        database.commit()
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as tablet:
        assert await is_safe(tablet, mine) == [True] * 3
