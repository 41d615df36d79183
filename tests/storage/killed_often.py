"""Run as a program by test_killed_often.py: adds, fetches and drops blobs at once until killed.

`killed_often.py HOME ROUND`. A line for each thing that it acknowledged: `put`, `held` (how many
chunks), `once` (the same, stored at once), `whole`, `dropping` (said before), `collected`. In every
second round nobody else writes while a blob of the fixed size is fetched: then most of it is stored
at once.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from blake3 import blake3

from crdt.blob import BlobId, Chunking, Manifest, chunks_of, manifest_of
from crdt.chunking import content_manifest_of
from crdt.digest import payload_digest
from storage import collecting, packs
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

BATCH = 2
PACK_BYTES = 2 << 20
SWEPT = 16


def put_of(round: int, number: int) -> bytes:
    """What is added. Half of it the round before added too."""
    return noise(f"put {number}", 1 << 20) + noise(f"put {round} {number}", 1 << 20)


def fetched_of(round: int) -> bytes:
    return noise("fetched", 1 << 20) + noise(f"fetched {round}", 2 << 20)


def noise(seed: str, size: int) -> bytes:
    return blake3(seed.encode()).digest(length=size)


def manifest_and_chunks(data: bytes, chunking: Chunking) -> tuple[Manifest, list[bytes]]:
    if chunking is Chunking.FIXED:
        return manifest_of(data), list(chunks_of(data))
    manifest = content_manifest_of(data)
    at = [manifest.chunk_offset(index) for index in range(manifest.chunk_count)]
    return manifest, [data[a:b] for a, b in zip(at, [*at[1:], len(data)], strict=True)]


async def add(store: Store, round: int, alone: asyncio.Lock) -> None:
    for number in range(6):
        async with alone:
            blob = await store.put_blob(put_of(round, number), chunking=Chunking.CONTENT)
            await store.pin_blob(blob, f"{round} {number}")
        print("put", blob.hex(), flush=True)


async def fetch(store: Store, round: int, alone: asyncio.Lock) -> None:
    for chunking in Chunking:
        async with AsyncExitStack() as held:
            if chunking is Chunking.FIXED and round % 2:
                await held.enter_async_context(alone)
            await fetch_one(store, *manifest_and_chunks(fetched_of(round), chunking))


async def fetch_one(store: Store, manifest: Manifest, chunks: list[bytes]) -> None:
    await store.begin_blob(manifest.id, manifest.root)
    for page in await store.missing_pages(manifest.id):
        await store.add_page(manifest.id, page, manifest.pages[page])
    while missing := await store.missing_chunks(manifest.id):
        for at in range(0, len(missing), BATCH):
            batch = missing[at : at + BATCH]
            hashes = [payload_digest(chunks[index]) for index in batch]
            some = [(index, chunks[index]) for index in batch]
            is_there = bring_at_once(store, manifest, some, hashes)
            if not is_there:
                await store.add_chunks(manifest.id, some, hashes=hashes)
            print("once" if is_there else "held", manifest.id.hex(), flush=True)
    print("whole", manifest.id.hex(), flush=True)


def bring_at_once(
    store: Store, manifest: Manifest, some: list[tuple[int, bytes]], hashes: list[bytes]
) -> bool:
    """As a fetch does first, of chunks one behind another."""
    first = some[0][0]
    if [index for index, _ in some] != list(range(first, first + len(some))):
        return False
    return store.add_at_once(manifest.id, first, [chunk for _, chunk in some], hashes)


async def drop(store: Store, round: int, alone: asyncio.Lock) -> None:
    for kept in await store.pinned_blobs():
        if not kept.name.startswith(f"{round} "):
            print("dropping", kept.id.hex(), flush=True)
            async with alone:
                await store.unpin_blob(kept.id)
                await store.gc()
            print("collected", BlobId(kept.id).hex(), flush=True)


async def main(home: Path, round: int) -> None:
    packs.PACK_BYTES, collecting.SWEPT = PACK_BYTES, SWEPT
    async with open_store(home / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        alone = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(store.give_back())
            for work in (add, fetch, drop):
                group.create_task(work(store, round, alone))
        print("done", round, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
