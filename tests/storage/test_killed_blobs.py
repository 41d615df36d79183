"""The process is killed at every step of storing, fetching and collecting large blobs."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crdt.blob import BlobId, chunks_of, manifest_of
from storage.store import open_store
from tests.storage.killed import killed_at
from tests.storage.killed_blobs import AGAIN, FETCHED, KEPT, PUT
from tests.storage.people import NOW_US, project

STEPS_MAX = 600  # one that ends by itself is the last, and comes much earlier
EVERY = 3  # of them; each run begins elsewhere, so that all come up


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_it_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_blobs.py")
    step, last = await killed_at(range(0, STEPS_MAX, EVERY), program, tmp_path, check)
    assert step > 60, "it writes in many steps"
    assert dict(last).keys() == {
        "held", "whole", "put", "again", "kept", "collected"
    }  # fmt: skip


async def check(home: Path, words: list[tuple[str, str]]) -> None:
    last = dict(words)
    manifest = manifest_of(FETCHED)
    async with open_store(home / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert store.mended.chunks == 0, "what was recorded is there"
        state = await store.blob_state(manifest.id)
        if "held" in last and "kept" not in last:  # not collected yet
            assert state is not None
            assert state.is_complete or "whole" not in last
            missing = await store.missing_chunks(manifest.id)
            assert not set(missing) & set(range(int(last["held"])))
            chunks = list(chunks_of(FETCHED))
            for index in missing:
                await store.add_chunks(manifest.id, [(index, chunks[index])])
            assert await store.read_blob(manifest.id) == FETCHED
        if "put" in last and "kept" not in last:
            assert await store.read_blob(BlobId(bytes.fromhex(last["put"]))) == PUT
        if "again" in last:
            again = BlobId(bytes.fromhex(last["again"]))
            assert await store.read_blob(again) == AGAIN
            await store.settled()
            assert await store.read_blob(again) == AGAIN
            await store.unpin_blob(again)
        if "kept" in last:
            assert await store.read_blob(BlobId(bytes.fromhex(last["kept"]))) == KEPT
            await store.gc(grace_us=-1)
            assert (await store.counts()).blob_bytes == len(KEPT)
            sizes = [file.stat().st_size for file in (home / "p.blobs").iterdir()]
            assert sum(sizes) <= 2 * len(KEPT)
        await store.give_back()  # as a node does when it starts
    with closing(sqlite3.connect(home / "p.db")) as database:
        for table in ("packed", "chunk"):
            assert not database.execute(
                f"SELECT 1 FROM {table} WHERE hash NOT IN (SELECT hash FROM page_chunk)"
            ).fetchall(), "no blob has them, so they take no room"
        assert not database.execute(
            "SELECT 1 FROM pack p WHERE live <>"
            " (SELECT coalesce(sum(size), 0) FROM packed k WHERE k.pack = p.number)"
        ).fetchall()
        named = {f"{number:08}.pack" for (number,) in database.execute("SELECT number FROM pack")}
        assert {file.name for file in (home / "p.blobs").glob("*")} == named
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
