"""10,000 small modules between two fresh daemons on loopback, and Syncthing with as many files.

The clock starts when bob's connection to alice stands, as bob counts it, and stops when bob's
status lists all modules: each received, verified, durable and in the lists. Syncthing's starts with
the scan of the source and stops when both sides say that they are in step.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import LocalNode, start_node, stop_all
from scripts.benchmarks._others import Skipped, all_held, syncthing
from scripts.benchmarks._population import make_home
from scripts.benchmarks._usage import usage_of

MODULES: Final = 10_000
ROUNDS: Final = 3  # the median counts; the machine has other users
FILE_BYTES: Final = 2_048
RECORDS_PER_S_MIN: Final = 1_500
INDEX_BEHIND_S_MAX: Final = 1.0
POLL_S: Final = 0.05  # a status costs bob about 2 ms
TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Listed:
    """When all were listed, and how the text index did. Times since the connection stood."""

    listed_s: float
    behind: int
    """Documents that the index had not seen when all were listed."""
    indexed_s: float


def main() -> dict[str, Any]:
    """The median round: records a second, the index, CPU and memory; the ratio to Syncthing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_home(folder / "alice", MODULES)
        rounds = [sync_modules(folder, f"bob{number}") for number in range(ROUNDS)]
    rounds.sort(key=lambda one: float(one["records_per_s"]))
    ours = rounds[ROUNDS // 2]
    theirs = sync_files()
    ratio = ours["records_per_s"] / theirs["files_per_s"] if "files_per_s" in theirs else None
    return {
        **ours,
        "records_per_s_of_rounds": [one["records_per_s"] for one in rounds],
        "syncthing": theirs,
        "ratio_to_syncthing": ratio and round(ratio, 2),
        "records_per_s_min": RECORDS_PER_S_MIN,
        "index_behind_s_max": INDEX_BEHIND_S_MAX,
        "held": all_held(
            (
                ours["records_per_s"] >= RECORDS_PER_S_MIN,
                ours["index_behind_s"] <= INDEX_BEHIND_S_MAX,
                None if ratio is None else ratio > 1,
            )
        ),
    }


def sync_modules(folder: Path, name: str) -> dict[str, Any]:
    """Two `panspermia up`: alice with all modules, and a fresh node with none."""
    started: list[LocalNode] = []
    try:
        alice = start_node("alice", folder, "--no-mdns")
        started.append(alice)
        before = usage_of(alice.process.pid)
        bob = start_node(name, folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
        started.append(bob)
        seen = watch(bob)
        sender, receiver = usage_of(alice.process.pid), usage_of(bob.process.pid)
        found = int(bob.client.get("/api/search", {"q": "small module", "limit": 1})["total"])
        assert found == MODULES, f"{found} of {MODULES} modules are found"
    finally:
        stop_all(started)
    return {
        "modules": MODULES,
        "listed_s": round(seen.listed_s, 2),
        "records_per_s": round(MODULES / seen.listed_s),
        "index_behind_records": seen.behind,
        "index_behind_s": round(seen.indexed_s - seen.listed_s, 2),
        "cpu_s": {
            "sender": round(sender.cpu_s - before.cpu_s, 2),
            "receiver_with_start": receiver.cpu_s,
        },
        "rss_peak_mib": {"sender": sender.rss_peak_mib, "receiver": receiver.rss_peak_mib},
    }


def watch(bob: LocalNode) -> Listed:
    """Polls until everything is listed and indexed. Raises `TimeoutError`."""
    listed_s: float | None = None
    behind = 0
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        status = bob.client.get("/api/status")
        if status["records"].get("module", 0) >= MODULES:
            now_s = connected_s(bob)
            behind = behind if listed_s else int(status["index"]["behind"])
            listed_s = listed_s or now_s
            if status["index"]["behind"] == 0:
                return Listed(listed_s, behind, now_s)
        time.sleep(POLL_S)
    raise TimeoutError(f"not all modules came within {TIMEOUT_S:g} s")


def connected_s(node: LocalNode) -> float:
    """For how long the node has been connected to its one peer."""
    (peer,) = node.client.get("/api/peers")["peers"]
    return float(peer["connected_s"])


def sync_files() -> dict[str, Any]:
    """Syncthing's figures, or why there are none."""
    try:
        told = syncthing("--files", str(MODULES), "--size", str(FILE_BYTES), "--mb", "1")
    except Skipped as why:
        return {"skipped": str(why)}
    small = told[f"small_{MODULES}x{FILE_BYTES}B"]
    return {
        "version": told["version"],
        "total_s": small["total_s"],
        "of_which_scan_s": small["of_which_scan_s"],
        "files_per_s": round(MODULES / small["total_s"]),
        "files_per_s_without_scan": round(MODULES / (small["total_s"] - small["of_which_scan_s"])),
        "cpu_s_both": small["cpu_s_both"],
    }
