"""50 snapshots of a world, each settled against the next: room, time and memory.

In the same run zstd packs each whole, and restic and borg keep the first ten, where they are
installed; what the disk has of them is taken for ten. All read from and write to the same disk.
Then the script that we are measured by does as much with 50 states of its own world. Where restic
or that script is missing `held` is no more than null, and what is missing stands in its place.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import zstandard
from blake3 import blake3

from scripts.benchmarks._others import Skipped, all_held, snapshots
from scripts.benchmarks._world import JSON, RECORDS, World

SNAPSHOTS: Final = 50
OTHERS: Final = 10
OTHER_NAMES: Final = ("restic", "borg")
LEVEL: Final = 3
MB: Final = 1_000_000
WORLDS: Final = {JSON: 100 * MB, RECORDS: 32 * MB}
BASELINE_FORMS: Final = {JSON: "json", RECORDS: "bin"}
RATIO_MIN: Final = {JSON: 80, RECORDS: 35}
NEWEST_MAX: Final = {JSON: 2.0, RECORDS: math.inf}
"""Times as long as zstd takes to unpack it whole: of noisy records that is hardly more than to copy
them, so there it is no goal."""
OLDEST_S_MAX: Final = 5.0
PEAK_MIB_MAX: Final = 286.0  # 300 MB
READINGS: Final = 5


class Ours:
    """A store in a process of its own."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        command = [sys.executable, "-m", "scripts.benchmarks._snapshot_store", str(home)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, **told: object) -> dict[str, Any]:
        """Its answer."""
        assert self._process.stdin, "given above"
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> int:
        """How many bytes its files have then."""
        assert self._process.stdin, "given above"
        self._process.stdin.close()
        size = int(self._answer()["bytes"])
        assert self._process.stdout, "given above"
        self._process.stdout.close()
        self._process.wait()
        return size

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout, "given above"
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Other:
    """Another program, and the folder where it keeps what it is given."""

    def __init__(self, folder: Path, file: Path, begin: list[str], keep: list[str]) -> None:
        self._folder, self._file, self._keep = folder, file, keep
        self.raw = 0
        self.took_s: list[float] = []
        folder.mkdir()
        self._run(begin)

    def keep(self) -> None:
        """What the file is now."""
        began_s = time.perf_counter()
        self._run([word.replace("NUMBER", str(len(self.took_s))) for word in self._keep])
        self.took_s.append(time.perf_counter() - began_s)
        self.raw += self._file.stat().st_size

    def figures(self) -> dict[str, float]:
        """How many times less it takes, and how long one takes: the median."""
        stored = sum(one.stat().st_size for one in self._folder.rglob("*") if one.is_file())
        middle = sorted(self.took_s)[len(self.took_s) // 2]
        return {"ratio": round(self.raw / stored, 1), "s": round(middle, 2)}

    def _run(self, command: list[str]) -> None:
        environment = {
            **os.environ,
            "RESTIC_PASSWORD": "none",
            "RESTIC_REPOSITORY": str(self._folder / "repository"),
            "RESTIC_CACHE_DIR": str(self._folder / "cache"),
            "BORG_REPO": str(self._folder / "repository"),
            "BORG_BASE_DIR": str(self._folder / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        subprocess.run(command, check=True, capture_output=True, env=environment)


def main() -> dict[str, Any]:
    """Of each world, and what the script that we are measured by says of its own one like it."""
    figures = {form: of_world(form, size) for form, size in WORLDS.items()}
    baseline = {form: measured_by(form, size) for form, size in WORLDS.items()}
    held = verdict(figures, baseline)
    return {"snapshots": SNAPSHOTS, **figures, "baseline": baseline, "held": held}


def measured_by(form: str, size: int) -> dict[str, Any]:
    """What that script says, or why it says nothing."""
    try:
        return snapshots(BASELINE_FORMS[form], size // MB, SNAPSHOTS)
    except Skipped as why:
        return {"skipped": str(why)}


def verdict(figures: dict[str, dict[str, Any]], baseline: dict[str, dict[str, Any]]) -> bool | None:
    """What `held` says: see `all_held`. Takes the `held` of each world out of its figures."""
    goals: list[bool | None] = []
    for form, ours in figures.items():
        theirs = baseline[form].get("restic")
        goals += [
            ours.pop("held"),
            None if theirs is None else ours["put_mb_s"] >= theirs["mb_s"],
        ]
    return all_held(goals)


def of_world(form: str, size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "world"
        world, ours, others = World(form, size), Ours(folder / "ours"), others_of(folder, file)
        packer = zstandard.ZstdCompressor(level=LEVEL)
        raw = packed = unpacked = 0
        ids: list[str] = []
        first = last = b""
        put: list[dict[str, Any]] = []
        settled_s: list[float] = []
        for number in range(SNAPSHOTS):
            if number:
                world.step()
            last = world.save()
            first = first or blake3(last).digest()
            file.write_bytes(last)
            put.append(ours.tell(put=str(file)))
            ids.append(put[-1]["id"])
            if number:
                settled_s.append(ours.tell(settle=ids[-2:])["s"])
            if number < OTHERS:
                for other in others.values():
                    other.keep()
                packed += len(packer.compress(last))
                unpacked += len(last)
            raw += len(last)
        newest_s, whole_s = readings(ours, ids[-1], last)
        oldest = ours.tell(read=ids[0])
        assert ours.tell(digest=ids[0])["digest"] == first.hex(), "the oldest as it was"
        peak_mib = ours.tell(peak=True)["mib"]
        stored = ours.close()
        figures = {name: other.figures() for name, other in others.items()}
    put_s, settle_s = middle([one["s"] for one in put]), middle(settled_s)
    absent = {
        name: {"skipped": f"{name} is not installed"} for name in OTHER_NAMES if name not in figures
    }
    restic_s = figures["restic"]["s"] if "restic" in figures else None
    return {
        "raw_mb": round(raw / MB, 1),
        "stored_mb": round(stored / MB, 2),
        "ratio": round(raw / stored, 1),
        "ratio_min": RATIO_MIN[form],
        "zstd_ratio": round(unpacked / packed, 1),
        **figures,
        **absent,
        "put_s": round(put_s, 2),
        "put_mb_s": round(len(last) / MB / put_s, 1),
        "settle_s": round(settle_s, 2),
        "newest_s": round(newest_s, 3),
        "zstd_whole_s": round(whole_s, 3),
        "newest_times": round(newest_s / whole_s, 2),
        **({"newest_times_max": NEWEST_MAX[form]} if math.isfinite(NEWEST_MAX[form]) else {}),
        "oldest_s": round(oldest["s"], 2),
        "oldest_cpu_s": round(oldest["cpu_s"], 2),
        "oldest_s_max": OLDEST_S_MAX,
        "peak_mib": peak_mib,
        "peak_mib_max": PEAK_MIB_MAX,
        "held": all_held(
            (
                raw >= RATIO_MIN[form] * stored,
                newest_s <= NEWEST_MAX[form] * whole_s,
                oldest["s"] < OLDEST_S_MAX,
                peak_mib < PEAK_MIB_MAX,
                None if restic_s is None else put_s <= restic_s,
            )
        ),
    }


def readings(ours: Ours, newest: str, data: bytes) -> tuple[float, float]:
    """Seconds for the newest by us, and as one frame by zstd: medians, in turn."""
    frame = zstandard.ZstdCompressor(level=LEVEL).compress(data)
    digest = ours.tell(digest=newest)["digest"]
    assert digest == blake3(data).hexdigest(), "the newest as it was"
    by_us: list[float] = []
    by_zstd: list[float] = []
    for _ in range(READINGS):
        by_us.append(ours.tell(read=newest)["s"])
        by_zstd.append(seconds(lambda: zstandard.ZstdDecompressor().decompress(frame)))
    return middle(by_us), middle(by_zstd)


def others_of(folder: Path, file: Path) -> dict[str, Other]:
    """Those that are installed."""
    known = {
        "restic": (["restic", "init"], ["restic", "backup", str(file)]),
        "borg": (
            ["borg", "init", "-e", "none"],
            ["borg", "create", "-C", f"zstd,{LEVEL}", "::NUMBER", str(file)],
        ),
    }
    return {
        name: Other(folder / name, file, *commands)
        for name, commands in known.items()
        if shutil.which(name)
    }


def seconds(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def middle(of: list[float]) -> float:
    return sorted(of)[len(of) // 2]
