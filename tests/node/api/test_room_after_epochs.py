"""A universe's record has gone on in a new epoch: what is let go still gives its room back."""

import io
import os
import sqlite3
from contextlib import closing

import pytest

from crdt import rollover
from node.drops import read_drop
from node.services.backup import prepare_backup
from node.services.namespaces import Keeper
from storage.errors import Corrupt
from tests.node.api.test_snapshots import AT, PLACE, listed, put
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice
from tests.node.services.test_backup import backed_up

FULL = 5


async def let_all_but_one_go(alice: Alice) -> list[int]:
    """Ticks that went by it."""
    body = {"retention": {"auto": {"newest": 1}}}
    answer = await alice.client.post(f"{PLACE}/prune", json=body)
    assert answer.status_code == 200, answer.text
    return [one["tick"] for one in answer.json()["dropped"]]


async def bytes_at(alice: Alice, tick: int, place: str = AT) -> bytes:
    answer = await alice.client.get(f"{place}/{tick}")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.parametrize("full", [FULL, rollover.CHANGES_FULL])
async def test_room_comes_back_however_often_a_record_went_on(
    alice: Alice, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", full)
    worlds = [os.urandom(20_000) for _ in range(12)]
    for tick, world in enumerate(worlds):
        await put(alice, world, f"tick={tick}&type=auto")
    store = alice.node.store
    assert len(await store.blobs_named(None)) == 12
    assert await let_all_but_one_go(alice) == list(range(11))
    keeper = Keeper(alice.node.home, alice.node.identity, store, os.urandom)
    backup = await prepare_backup(keeper, "correct horse", 1, is_everything=True)
    assert backup.head.blob_bytes < 30_000, "nor does a backup have what was let go"
    assert len(await store.blobs_named(None)) == 1
    collected = await store.gc(grace_us=-1)
    assert collected.blobs == 11
    assert collected.bytes >= 11 * 20_000
    assert await bytes_at(alice, 11) == worlds[11]
    assert (await store.gc(grace_us=-1)).blobs == 0


async def test_a_home_in_which_nothing_can_be_written_is_backed_up_all_the_same(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its database is damaged where the backup has nothing to read."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    worlds = [os.urandom(20_000) for _ in range(12)]
    for tick, world in enumerate(worlds):
        await put(alice, world, f"tick={tick}&type=auto")
    await let_all_but_one_go(alice)
    path, store = alice.node.home.database, alice.node.store
    with closing(sqlite3.connect(path)) as database:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'quarantine'"
        (root,) = database.execute(sql).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(bytes(size))
    with pytest.raises(Corrupt):
        await store.refused()
    with pytest.raises(Corrupt, match="nothing more is written"):
        await store.gc()
    data = await backed_up(alice)
    assert len([*read_drop(io.BytesIO(data))]) > 12
    assert len(data) > 12 * 20_000, "more than need be: nothing could be forgotten"


async def test_what_is_needed_stays_through_all_epochs(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an event, for a fork of this universe whose own record goes on too, and what is kept."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    worlds = [os.urandom(20_000) for _ in range(20)]
    store = alice.node.store
    for tick, world in enumerate(worlds):
        await put(alice, world, f"tick={tick}&type={'manual' if tick == 9 else 'auto'}")
        if tick == 3:
            event = {"tick": 3, "type": "birth", "snapshot": (await listed(alice))[-1]["id"]}
            told = await alice.client.post(f"{PLACE}/timeline", json=event)
            assert told.status_code == 201, told.text
        if tick == 5:
            body = {"id": "universe:fork", "name": "Fork", "snapshotTick": 5}
            forked = await alice.client.post(f"{PLACE}/fork", json=body)
            assert forked.status_code == 201, forked.text
    fork = "/api/universe/universe:fork"
    for tick in range(30, 40):
        at = f"{fork}/snapshot?tick={tick}&type=auto"
        answer = await alice.client.post(
            at, content=b"%d" % tick, headers={"content-type": "application/octet-stream"}
        )
        assert answer.status_code == 201, answer.text
    await let_all_but_one_go(alice)
    collected = await store.gc(grace_us=-1)
    kept = [one["tick"] for one in await listed(alice)]
    assert kept == [3, 5, 9, 19]
    assert collected.blobs == 16
    for tick in kept:
        assert await bytes_at(alice, tick) == worlds[tick]
    # The parent goes, and what the fork began with is the fork's.
    assert (await alice.client.delete(PLACE)).status_code == 200
    await store.gc(grace_us=-1)
    assert await bytes_at(alice, 5, f"{fork}/snapshot") == worlds[5]
    assert await bytes_at(alice, 39, f"{fork}/snapshot") == b"39"


async def test_what_old_epochs_named_before_an_update_goes_too(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was let go long ago; the store is opened anew, and collected."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    for tick in range(12):
        await put(alice, os.urandom(20_000), f"tick={tick}&type=auto")
    await let_all_but_one_go(alice)
    store = alice.node.store
    await store.rematerialise()
    assert (await store.gc(grace_us=-1)).blobs == 11
    await store.rematerialise()
    assert len(await listed(alice)) == 1
    assert (await store.gc(grace_us=-1)).blobs == 0
