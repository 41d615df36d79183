"""The process is killed at every step of a write; what it had acknowledged is there."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.blob import manifest_of
from crdt.keys import COMMONS
from crdt.order import Bounds
from storage.errors import NotHeld
from storage.store import Store, open_store
from tests.storage.killed import killed_at
from tests.storage.killed_writer import BLOB, PLANS
from tests.storage.people import ALICE, NOW_US, project

STEPS_MAX = 200  # no write has so many; one that ends by itself is the last, and comes much earlier


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_at_every_step_it_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_writer.py")
    step, _ = await killed_at(range(STEPS_MAX), program, tmp_path, check)
    assert step > 20, "it writes in many steps"


async def check(home: Path, words: list[tuple[str, str]]) -> None:
    path = home / "panspermia.db"
    acknowledged = [id for kind, id in words if kind == "entry"]
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await check_blob(store, [id for kind, id in words if kind == "blob"])
        await check_installed(store, sum(kind == "plan" for kind, _ in words))
        ids = await store.ids(COMMONS, Area(), Bounds(), 1_000)
        assert {bytes.fromhex(id)[:16] for id in acknowledged} <= set(ids)
        entries = await store.entries(COMMONS, ids)
        assert len(entries) == len(ids), "every item has its entry"
        counts = await store.counts()
        assert counts.entries == len(ids)
        # the child's last write may have been durable before it could say so, never by halves
        assert len(ids) - len(acknowledged) in (0, 1, BATCH)
        state = await store.read(ALICE.document("io.alice.clock"))
        listed = await store.listing("module", ALICE.did, "io.alice.clock")
        if listed is not None:
            assert state is not None
            assert listed.listing.name == dict(state.value)["head"]["name"]  # type: ignore[index, call-overload]  # plain values
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


async def check_blob(store: Store, acknowledged: list[str]) -> None:
    blob = manifest_of(BLOB).id
    assert acknowledged in ([], [blob.hex()])
    if await store.has_blob(blob):
        assert await store.read_blob(blob) == BLOB
    else:
        assert not acknowledged
        with pytest.raises(NotHeld):
            await store.read_blob(blob)


async def check_installed(store: Store, acknowledged: int) -> None:
    """All of a plan, or nothing of it."""
    held = {one.module: one.version for one in await store.installed_list()}
    assert held in ({}, *PLANS)[acknowledged : acknowledged + 2]


BATCH = 5
