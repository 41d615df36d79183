"""The process is killed at every step of storing, fetching and collecting large blobs."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crdt.blob import BlobId, chunks_of, manifest_of
from storage.store import open_store
from tests.storage.killed_blobs import FETCHED, KEPT, PUT
from tests.storage.people import NOW_US, project

STEPS_MAX = 300  # a child that ends by itself ends the loop much earlier
EVERY = 3  # of them; each run begins elsewhere, so that all come up


def run_child(home: Path, stop_at: int) -> tuple[int, dict[str, str]]:
    """(exit code, the last word of each kind that it acknowledged)"""
    program = Path(__file__).with_name("killed_blobs.py")
    done = subprocess.run(
        [sys.executable, str(program), str(home), str(stop_at)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    words = done.stdout.split()
    return done.returncode, dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_it_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    for step in range(0, STEPS_MAX, EVERY):
        home = tmp_path / str(step)
        home.mkdir()
        code, told = run_child(home, step)
        await check(home, told)
        if code == 0:
            assert step > 60, "the child writes in many steps"
            assert told.keys() == {"held", "whole", "put", "kept", "collected"}
            return
    raise AssertionError("the child never came to its end")


async def check(home: Path, told: dict[str, str]) -> None:
    manifest = manifest_of(FETCHED)
    async with open_store(home / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert store.mended.chunks == 0, "what was recorded is there"
        state = await store.blob_state(manifest.id)
        if "held" in told and "kept" not in told:  # not collected yet
            assert state is not None
            assert state.is_complete or "whole" not in told
            missing = await store.missing_chunks(manifest.id)
            assert not set(missing) & set(range(int(told["held"])))
            chunks = list(chunks_of(FETCHED))
            for index in missing:
                await store.add_chunk(manifest.id, index, chunks[index])
            assert await store.read_blob(manifest.id) == FETCHED
        if "put" in told and "kept" not in told:
            assert await store.read_blob(BlobId(bytes.fromhex(told["put"]))) == PUT
        if "kept" in told:
            assert await store.read_blob(BlobId(bytes.fromhex(told["kept"]))) == KEPT
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
