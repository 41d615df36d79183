"""One damaged entry of an old epoch keeps what that record names, and no other room."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from crdt import rollover
from crdt.blob import BlobId
from node.projection import project
from storage.store import open_store
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_carried import all_but, begun, epoch, kept
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from universe.record import drop_snapshots
from universe.snapshot import SignedSnapshot

OTHER = replace(MAIN, record=b"universe:other")


async def test_what_is_damaged_of_one_record_keeps_its_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "home.db"
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        blobs = await begun(store)
        await kept(store, 9, await store.put_blob(os.urandom(2_000)))
        assert await epoch(store) == 1
        await all_but(store, 9)
        await store.commit(OTHER, created("Other"), ALICE.signer)
        others, ids = list[BlobId](), list[SignedSnapshot]()
        for tick in range(6):
            others.append(await store.put_blob(os.urandom(2_000)))
            ids.append(taken(tick, others[-1]))
            await store.commit(OTHER, keeps(ids[-1]), ALICE.signer)
        await store.commit(
            OTHER, drop_snapshots(tuple(one.id for one in ids[:3]), now_us=NOW_US), ALICE.signer
        )
        alone = await store.put_blob(os.urandom(2_000))
    rotted(path)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        collected = await store.gc(grace_us=-1)
        assert [await store.has_blob(one) for one in blobs] == [True] * 4
        assert [await store.has_blob(one) for one in others] == [*[False] * 3, *[True] * 3]
        assert not await store.has_blob(alone)
        (said,) = collected.damaged
        assert "universe:main" in said
        assert "backup" in said


def rotted(path: Path) -> None:
    """A byte of what the first epoch says."""
    with closing(sqlite3.connect(path)) as database:
        ((number, payload),) = database.execute(
            "SELECT e.number, e.payload FROM entry e JOIN document d ON d.number = e.document"
            " WHERE d.epoch = 0 AND instr(CAST(d.record AS BLOB), CAST('main' AS BLOB))"
            " ORDER BY e.number LIMIT 1 OFFSET 2"
        ).fetchall()
        damaged = bytearray(payload)
        damaged[120] ^= 0xFF
        database.execute("UPDATE entry SET payload = ? WHERE number = ?", (damaged, number))
        database.commit()
