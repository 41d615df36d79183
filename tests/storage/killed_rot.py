"""Run as a program by test_killed_rot.py: damages, finds and mends until it kills itself.

A line each for what it acknowledged: `scrubbed`, `put` with how often, `found`, `collected`;
and `rots` where it damages something.
"""

import sqlite3
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

from blake3 import blake3

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from storage.errors import NotHeld
from storage.store import open_store
from storage.vault.opening import vault_beside
from tests.storage import killed
from tests.storage.people import NOW_US, project

_NOISE = blake3(b"a world that rots").digest(length=600_000)


def _edited(number: int) -> bytes:
    """Most chunks of it are others."""
    other = bytearray(_NOISE)
    for at in range(number, len(other), 9_000):
        other[at] ^= number
    return bytes(other)


SERIES = (_NOISE, _edited(1), _edited(2), _edited(2)[:-1_000])
LAST = content_manifest_of(SERIES[-1])
_CHUNKS = [payload_digest(chunk) for chunk in cut([SERIES[-1]], Chunking.CONTENT)]
MIDDLE, LATER = _CHUNKS[len(_CHUNKS) // 2], _CHUNKS[len(_CHUNKS) // 2 + 2]
DATABASE = "p.db"


def spoil(home: Path, hash: bytes) -> None:
    with closing(sqlite3.connect(vault_beside(home / DATABASE), isolation_level=None)) as vault:
        changed = vault.execute(
            "UPDATE whole SET data = zeroblob(length(data))"
            " WHERE id = (SELECT id FROM name WHERE key = ?)",
            (hash,),
        )
        assert changed.rowcount == 1


async def main(home: Path, stop_at: int) -> None:
    steps = killed.Steps(stop_at)
    steps.is_counting = False

    async with open_store(
        home / DATABASE, project=project, clock_us=lambda: NOW_US, on_step=steps
    ) as store:
        blobs = [await store.put_blob(data, chunking=Chunking.CONTENT) for data in SERIES]
        for older, newer in pairwise(blobs):
            await store.settle_snapshot(older, newer)
        await store.settled()
        for at, blob in enumerate(blobs[1:], 1):
            await store.pin_blob(blob, str(at))
        lazy = store._database._lazy  # pyright: ignore[reportPrivateUsage]  # each statement of it
        lazy._connection.set_trace_callback(steps)  # pyright: ignore[reportPrivateUsage]  # as above

        def rots(*hashes: bytes) -> None:
            steps.is_counting = False
            for hash in hashes:
                spoil(home, hash)
            print("rots", len(hashes), flush=True)
            steps.is_counting = True

        async def put(word: int) -> None:
            await store.put_blob(SERIES[-1], chunking=Chunking.CONTENT)
            print("put", word, flush=True)
            await store.pin_blob(blobs[-1], f"put {word}")  # steps between this and more rot

        rots(MIDDLE, LAST.parsed.page_hashes[0])
        await store.scrub()
        print("scrubbed", 0, flush=True)
        await put(1)
        rots(MIDDLE)  # and nobody looks
        await put(2)
        rots(LATER)
        with suppress(NotHeld):
            await store.read_blob(blobs[1])
        print("found", 0, flush=True)
        await store.gc(grace_us=-1)
        print("collected", 0, flush=True)
        await put(3)


if __name__ == "__main__":
    killed.main(main)
