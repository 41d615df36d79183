"""The process is killed at every few statements while rot is found, mended and collected."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of
from storage.store import Store, open_store
from storage.vault.opening import vault_beside
from tests.storage.killed import killed_at
from tests.storage.killed_rot import DATABASE, SERIES
from tests.storage.people import NOW_US, project

STEPS_MAX = 3_000  # one that ends by itself is the last, and comes much earlier
EVERY = 41  # of them: a prime, so that in the end all kinds of steps come up
MANIFESTS = [content_manifest_of(data) for data in SERIES]


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_nothing_is_called_whole_that_is_not(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_rot.py")
    step, last = await killed_at(range(0, STEPS_MAX, EVERY), program, tmp_path, check)
    assert step > 200, "it writes in many steps"
    assert {kind for kind, _ in last} == {
        "rots", "scrubbed", "put", "found", "collected"
    }  # fmt: skip


async def check(home: Path, done: list[tuple[str, str]]) -> None:
    async with open_store(home / DATABASE, project=project, clock_us=lambda: NOW_US) as store:
        if done[-1][0] == "put":  # acknowledged
            assert await store.read_blob(MANIFESTS[-1].id) == SERIES[-1]
        await store.make_whole_again()
        if done[-1][0] in ("scrubbed", "put"):  # else it may not know yet of all that rots
            await whole_ones(store)
        await store.scrub()
        await whole_ones(store)
        assert await store.put_blob(SERIES[-1], chunking=Chunking.CONTENT) == MANIFESTS[-1].id
        await store.make_whole_again()
        kept = SERIES if ("found", "0") not in done else SERIES[1:]
        for manifest, data in zip(MANIFESTS[-len(kept) :], kept, strict=True):
            assert await store.has_blob(manifest.id)
            assert await store.read_blob(manifest.id) == data
        assert await store.damaged_blobs() == []
        await store.gc(grace_us=-1)
        assert (await store.scrub()).parts == 0
    live = {hash for one in MANIFESTS[1:] for hash in one.parsed.page_hashes}
    live |= {one.chunk_hash(at) for one in MANIFESTS[1:] for at in range(one.chunk_count)}
    with closing(sqlite3.connect(vault_beside(home / DATABASE))) as vault:
        asked = ("whole", "delta", "name", "lost")
        counts = [vault.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in asked]
        assert vault.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert (counts[0] + counts[1], counts[2], counts[3]) == (len(live), len(live), 0)


async def whole_ones(store: Store) -> None:
    """What is called whole can be read."""
    for manifest, data in zip(MANIFESTS, SERIES, strict=True):
        if await store.has_blob(manifest.id):
            assert await store.read_blob(manifest.id) == data
