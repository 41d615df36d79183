"""Storing and reading 512 MB in a store, against a plain copy of the file in the same run.

As fetched: chunks come in runs of 512 KiB, as from the wire, each checked, until the blob is said
to be whole, which is when it is on the disk. As added: cut, hashed and stored. The disk is waited
for at the end of each, as at the end of the copy.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from crdt.blob import BlobId, Chunking, Manifest, ManifestBuilder
from crdt.chunking import cut
from crdt.digest import payload_digest
from node.projection import project
from scripts.benchmarks._population import clock_us
from storage.store import Store, open_store

SIZE: Final = 512 << 20
RUN_BYTES: Final = 512 << 10  # of chunks in one answer of a peer
PIECE_BYTES: Final = 1 << 20
EDIT_BYTES: Final = 1_024
EDIT_PLACES: Final = 5
MORE_BYTES_MAX: Final = 100_000
MORE_CPU_S_MAX: Final = 1.5  # than the copy: of the 6.4 s that two cores have for it at 160 MB/s


def main() -> dict[str, Any]:
    """MB/s and seconds of CPU of each, and the bytes that an edit of 1 KiB adds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "world"
        write_noise(file)
        figures = {"copy": measured(lambda: copy(file, folder / "copy"))}
        (folder / "copy").unlink()
        edits: list[int] = []
        for chunking in Chunking:
            figures |= asyncio.run(store_and_read(folder, file, chunking, edits))
    more_cpu_s = figures["fetched_fixed"]["cpu_s"] - figures["copy"]["cpu_s"]
    return {
        "bytes": SIZE,
        **figures,
        "fetched_more_cpu_s": round(more_cpu_s, 2),
        "fetched_more_cpu_s_max": MORE_CPU_S_MAX,
        "edit_adds_bytes": sorted(edits),
        "edit_adds_bytes_max": MORE_BYTES_MAX,
        "held": more_cpu_s <= MORE_CPU_S_MAX and max(edits) < MORE_BYTES_MAX,
    }


async def store_and_read(
    folder: Path, file: Path, chunking: Chunking, edits: list[int]
) -> dict[str, dict[str, float]]:
    """In two new stores, of which only one is there at a time."""
    word = chunking.name.lower()
    figures: dict[str, dict[str, float]] = {}
    manifest = manifest_of(file, chunking)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        async with open_bare(Path(name)) as store:
            figures[f"fetched_{word}"] = await measure(lambda: fetch(store, file, manifest))
            figures[f"read_{word}"] = await measure(lambda: read(store, manifest.id))
    with tempfile.TemporaryDirectory(dir=folder) as name:
        async with open_bare(Path(name)) as store:
            figures[f"added_{word}"] = await measure(
                lambda: store.put_blob(pieces_of(file), chunking=chunking)
            )
            if chunking is Chunking.CONTENT:
                edits += [
                    await bytes_of_edit(store, file, manifest, Random(number))
                    for number in range(EDIT_PLACES)
                ]
    return figures


def open_bare(folder: Path) -> Any:  # noqa: ANN401 - as open_store gives it
    return open_store(folder / "p.db", project=project, clock_us=clock_us)


async def fetch(store: Store, file: Path, manifest: Manifest) -> None:
    await store.begin_blob(manifest.id, manifest.root)
    for place, page in enumerate(manifest.pages):
        await store.add_page(manifest.id, place, page)
    is_whole = False
    with file.open("rb") as source:
        run: list[tuple[int, bytes]] = []
        size = 0
        for index in range(manifest.chunk_count):
            chunk = source.read(manifest.chunk_size(index))
            run.append((index, chunk))
            size += len(chunk)
            if size >= RUN_BYTES or index == manifest.chunk_count - 1:
                is_whole = await store.add_chunks(manifest.id, run)
                run, size = [], 0
    assert is_whole, "all of it came"


async def read(store: Store, blob: BlobId) -> None:
    size = 0
    async for piece in store.stream_blob(blob):
        size += len(piece)
    assert size == SIZE, f"{size:,} bytes were read"


async def bytes_of_edit(store: Store, file: Path, before: Manifest, random: Random) -> int:
    """Chunks, pages and root that are new after 1 KiB was overwritten."""
    place, new = random.randrange(SIZE - EDIT_BYTES), random.randbytes(EDIT_BYTES)

    async def edited() -> AsyncGenerator[bytes]:
        at = 0
        for piece in pieces_of(file):
            changed = bytearray(piece)
            for number, byte in enumerate(new):
                if at <= place + number < at + len(piece):
                    changed[place + number - at] = byte
            at += len(piece)
            yield bytes(changed)

    held = (await store.counts()).blob_bytes
    blob = await store.put_blob(edited(), chunking=Chunking.CONTENT)
    after = await store.blob_manifest(blob)
    assert after is not None, "just stored"
    pages = set(after.pages) - set(before.pages)
    return (await store.counts()).blob_bytes - held + sum(map(len, pages)) + len(after.root)


def manifest_of(file: Path, chunking: Chunking) -> Manifest:
    builder = ManifestBuilder(chunking)
    for chunk in cut(pieces_of(file), chunking):
        builder.add(payload_digest(chunk), len(chunk))
    return builder.finish()


def write_noise(file: Path) -> None:
    random = Random(1)
    with file.open("wb") as out:
        for _ in range(SIZE // PIECE_BYTES):
            out.write(random.randbytes(PIECE_BYTES))
        out.flush()
        os.fdatasync(out.fileno())


def pieces_of(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


def copy(file: Path, to: Path) -> None:
    with to.open("wb") as out:
        for piece in pieces_of(file):
            out.write(piece)
        out.flush()
        os.fdatasync(out.fileno())


def measured(work: Callable[[], None]) -> dict[str, float]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return show(time.perf_counter() - began_s, time.process_time() - cpu_s)


async def measure(work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    await work()
    return show(time.perf_counter() - began_s, time.process_time() - cpu_s)


def show(took_s: float, cpu_s: float) -> dict[str, float]:
    return {"mb_s": round(SIZE / took_s / 1e6, 1), "cpu_s": round(cpu_s, 2)}
