"""Run as a program by test_killed_blobs.py: stores, fetches and collects until it kills itself.

A line each for what it acknowledged: `held` with a number of chunks, `whole`, `put`, `collected`.
"""

from pathlib import Path

from blake3 import blake3

from crdt.blob import Chunking, chunks_of, manifest_of
from crdt.digest import payload_digest
from storage import packs
from storage.collecting import GRACE_US
from storage.store import open_store
from tests.storage import killed
from tests.storage.people import NOW_US, project

FETCHED = blake3(b"fetched").digest(length=(3 << 20) // 2 + 5)
PUT = blake3(b"put").digest(length=2 << 20)
AGAIN = PUT[:700_000] + b"a word more" + PUT[700_000:]
KEPT = b"".join(list(chunks_of(FETCHED))[::3]) + PUT[:400_000]
PACK_BYTES = 1 << 20


async def main(home: Path, stop_at: int) -> None:
    steps = killed.Steps(stop_at)
    now_us = NOW_US
    packs.PACK_BYTES = PACK_BYTES

    manifest, chunks = manifest_of(FETCHED), list(chunks_of(FETCHED))
    async with open_store(
        home / "p.db", project=project, clock_us=lambda: now_us, on_step=steps
    ) as store:
        await store.begin_blob(manifest.id, manifest.root)
        await store.add_page(manifest.id, 0, manifest.pages[0])
        is_whole = False
        for index, chunk in enumerate(chunks):
            hashes = [payload_digest(chunk)]
            is_whole = await store.add_chunks(manifest.id, [(index, chunk)], hashes=hashes)
            print("held", index + 1, flush=True)
        assert is_whole
        print("whole", manifest.id.hex(), flush=True)
        put = await store.put_blob(PUT, chunking=Chunking.CONTENT)
        print("put", put.hex(), flush=True)
        again = await store.put_blob(AGAIN, chunking=Chunking.CONTENT)
        await store.pin_blob(again, "again")
        await store.settle_snapshot(put, again)
        print("again", again.hex(), flush=True)
        await store.settled()
        kept = await store.put_blob(KEPT)
        await store.pin_blob(kept, "kept")
        print("kept", kept.hex(), flush=True)
        now_us += GRACE_US + 1
        await store.gc()
        print("collected", 0, flush=True)


if __name__ == "__main__":
    killed.main(main)
