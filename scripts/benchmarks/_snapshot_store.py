"""A store that does what it is told: `python -m scripts.benchmarks._snapshot_store HOME`.

A line of JSON for each line of it: `{"put": FILE}`, `{"settle": [OLDER, NEWER]}`, `{"read": ID}`,
`{"digest": ID}`, `{"peak": true}` in MiB. When there are no more it tells the bytes of its files.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from crdt.blob import BlobId, Chunking
from registry.listings import project
from scripts.benchmarks._population import clock_us
from scripts.benchmarks._usage import usage_of
from storage.store import Store, open_store

PIECE_BYTES: Final = 1 << 20


async def main(home: Path) -> None:
    async with open_store(home / "panspermia.db", project=project, clock_us=clock_us) as store:
        for line in sys.stdin:
            ((told, of_what),) = json.loads(line).items()
            began_s, cpu_s = time.perf_counter(), time.process_time()
            answer = await do(store, told, of_what)
            answer["s"] = time.perf_counter() - began_s
            answer["cpu_s"] = time.process_time() - cpu_s
            print(json.dumps(answer), flush=True)
    print(json.dumps({"bytes": sum(file.stat().st_size for file in files_of(home))}), flush=True)


async def do(store: Store, told: str, of_what: Any) -> dict[str, Any]:  # noqa: ANN401 - of JSON
    match told:
        case "put":
            return {"id": (await store.put_blob(pieces(of_what), chunking=Chunking.CONTENT)).hex()}
        case "settle":
            older, newer = (BlobId(bytes.fromhex(id)) for id in of_what)
            await store.settle_snapshot(older, newer)
            return {"objects": await store.settled()}
        case "read":
            return {"bytes": sum([len(piece) async for piece in streamed(store, of_what)])}
        case "digest":
            digest = blake3()
            async for piece in streamed(store, of_what):
                digest.update(piece)
            return {"digest": digest.hexdigest()}
        case "peak":
            return {"mib": usage_of(os.getpid()).rss_peak_mib}
        case _:
            raise ValueError(told)


def streamed(store: Store, id: str) -> AsyncIterator[bytes]:
    return store.stream_blob(BlobId(bytes.fromhex(id)))


def pieces(file: str) -> Iterator[bytes]:
    with open(file, "rb") as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


def files_of(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.is_file())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
