"""Two snapshots of 1 GB, kept, settled and read: the store takes no more memory than of small ones.

Some minutes, and 3 GB of the disk for a while.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from scripts.benchmarks.snapshots import MB, PEAK_MIB_MAX, Ours

SIZE: Final = 1_000 * MB
GENOME_BYTES: Final = 128
LINES: Final = 10_000
"""Made together, and of 50 such runs one changes."""
CHANGES: Final = 50


def main() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = Ours(folder / "ours")
        began_mib = ours.tell(peak=True)["mib"]
        file = folder / "world"
        put: list[dict[str, Any]] = []
        digests: list[str] = []
        peaks: dict[str, float] = {"began": began_mib}
        for tick in range(2):
            digests.append(write(file, tick))
            put.append(ours.tell(put=str(file)))
            peaks[f"put_{tick}"] = ours.tell(peak=True)["mib"]
        ids = [one["id"] for one in put]
        settled = ours.tell(settle=ids)
        peaks["settled"] = ours.tell(peak=True)["mib"]
        read = [ours.tell(digest=id) for id in ids]
        assert [one["digest"] for one in read] == digests, "each as it was"
        peaks["read"] = ours.tell(peak=True)["mib"]
        stored = ours.close()
    put_s, oldest_s, newest_s = put[-1]["s"], read[0]["s"], read[1]["s"]
    return {
        "size_mb": SIZE // MB,
        "snapshots": len(ids),
        "stored_mb": round(stored / MB, 1),
        "put_s": [round(one["s"], 1) for one in put],
        "put_mb_s": round(SIZE / MB / put_s, 1),
        "settle_s": round(settled["s"], 1),
        "settled_objects": settled["objects"],
        "newest_s": round(newest_s, 1),
        "oldest_s": round(oldest_s, 1),
        "peaks_mib": peaks,
        "peak_mib": peaks["read"],
        "peak_mib_max": PEAK_MIB_MAX,
        "held": peaks["read"] < PEAK_MIB_MAX,
    }


def write(file: Path, tick: int) -> str:
    """A world at a tick; gives the digest of its bytes."""
    digest = blake3()
    size = run = 0
    with file.open("wb") as out:
        while size < SIZE:
            data = b"".join(lines(run, tick if run % CHANGES == 7 else 0))
            digest.update(data)
            size += out.write(data)
            run += 1
    return digest.hexdigest()


def lines(run: int, tick: int) -> Iterator[bytes]:
    """Of some entities: one in 50 of them changed since the tick before."""
    first = run * LINES
    genomes = blake3(b"%d" % run).digest(length=LINES * GENOME_BYTES).hex().encode()
    for at in range(LINES):
        genome = genomes[at * 2 * GENOME_BYTES : (at + 1) * 2 * GENOME_BYTES]
        energy = (first + at) % 9_973 + (tick if at % 5 == 0 else 0)
        yield b'{"id":%d,"energy":%d,"mood":"idle","genome":"%b"},\n' % (first + at, energy, genome)
