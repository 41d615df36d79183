"""One home, whose process is killed again and again while it adds, fetches and drops blobs at once.

Nothing acknowledged is lost, nothing is readable that is not right, and no room is lost for good.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from crdt.blob import BlobId, Chunking
from storage.collecting import GRACE_US
from storage.errors import NotHeld
from storage.store import Store, open_store
from tests.storage.killed_often import PACK_BYTES, fetched_of, manifest_and_chunks, put_of
from tests.storage.people import NOW_US, project

ROUNDS = 8
LINES_MAX = 55  # of about seventy that a round prints
TIMEOUT_S = 120


def run_child(home: Path, round: int, lines: int) -> list[tuple[str, str]]:
    """What it acknowledged until it was killed, at its `lines`th line or just after."""
    program = Path(__file__).with_name("killed_often.py")
    child = subprocess.Popen(
        [sys.executable, str(program), str(home), str(round)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    told: list[str] = []
    for line in child.stdout:
        told.append(line)
        if len(told) == lines:
            child.kill()
    _, trouble = child.communicate(timeout=TIMEOUT_S)
    assert child.returncode in (0, -signal.SIGKILL), trouble
    words = [line.split() for line in told if line.endswith("\n")]
    return [(word, what) for word, what in words]


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_again_and_again_it_loses_nothing_and_leaks_nothing(tmp_path: Path) -> None:
    random = Random(1)
    kept: set[str] = set()
    whole: set[str] = set()
    at_once = 0
    for round in range(ROUNDS):
        said = run_child(tmp_path, round, random.randint(1, LINES_MAX))
        kept |= {what for word, what in said if word == "put"}
        kept -= {what for word, what in said if word == "dropping"}
        whole |= {what for word, what in said if word == "whole"}
        at_once += sum(word == "once" for word, _ in said)
        async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
            assert store.mended.chunks == 0
            await check(store, tmp_path / "p.blobs", round, kept, whole)
    async with open_store(
        tmp_path / "p.db", project=project, clock_us=lambda: NOW_US + GRACE_US + 1
    ) as store:
        for one in await store.pinned_blobs():
            await store.unpin_blob(one.id)
        await store.gc()
        assert (await store.counts()).blob_bytes == 0
        assert not list((tmp_path / "p.blobs").iterdir()), "all of the room came back"
    assert at_once, "each way was gone"


async def check(store: Store, packs: Path, rounds: int, kept: set[str], whole: set[str]) -> None:
    """Reads all that there is."""
    for round in range(rounds + 1):
        for number in range(6):
            data = put_of(round, number)
            blob = manifest_and_chunks(data, Chunking.CONTENT)[0].id
            if blob.hex() in kept or await store.has_blob(blob):
                assert await store.read_blob(blob) == data
        for chunking in Chunking:
            manifest, chunks = manifest_and_chunks(fetched_of(round), chunking)
            if manifest.id.hex() in whole:
                assert await store.read_blob(manifest.id) == fetched_of(round)
            await check_part(store, manifest.id, chunks)
    held = (await store.counts()).blob_bytes
    assert size_of(packs) <= 2 * held + 2 * PACK_BYTES


def size_of(packs: Path) -> int:
    return sum(file.stat().st_size for file in packs.glob("*.pack"))


async def check_part(store: Store, blob: BlobId, chunks: list[bytes]) -> None:
    try:
        runs = await store.held_runs(blob, 0)
    except NotHeld:  # killed before it was begun
        return
    for first, count in zip(runs[::2], runs[1::2], strict=True):
        for index in range(first, first + count):
            assert await store.read_chunk(blob, index) == chunks[index]
