"""A blob of 512 MB between two daemons on loopback, and Syncthing with a file of that size.

The clock runs from the call that has bob fetch it until its last line: all of it received, verified
and stored. Then the same with bob killed in the middle, counting what alice sends in all; then a
blob of 512 MB of which bob holds the version before, that differs in 1 KiB.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from crdt.blob import Chunking
from node.commands.nodes import LocalNode, start_node, stop_all
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from scripts.benchmarks._bare_channel import bare_channel
from scripts.benchmarks._others import Skipped, all_held, syncthing
from scripts.benchmarks._usage import usage_of
from storage.store import open_store

MIB: Final = 1 << 20
SIZE_MIB: Final = int(os.environ.get("PANSPERMIA_BENCH_BLOB_MIB", "512"))
EDIT_BYTES: Final = 1_024
MB_PER_S_MIN: Final = 150.0
RATIO_MIN: Final = 3.0
TWICE_BYTES_MAX: Final = MIB
EDIT_BYTES_MAX: Final = 100_000
# Of 65,537 bytes on the wire so many are the channel's: two of length, sixteen that authenticate.
PAYLOAD: Final = 65_519 / 65_537
TIMEOUT_S: Final = 300.0
POLL_S: Final = 0.02


def main() -> dict[str, Any]:
    """Rates in MB/s, CPU seconds of both, bytes sent twice after a kill, bytes of an edit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blobs = asyncio.run(fill(folder / "alice"))
        os.sync()  # as for Syncthing: what is still to be written then slows down the reading
        figures = {
            **fetched(folder, blobs["fixed"]),
            **killed(folder, blobs["fixed"]),
            **edited(folder, blobs["before"], blobs["after"]),
        }
        bare, stored = bared(folder)
    theirs = sync_file()
    ratio = figures["mb_per_s"] / theirs["mb_per_s"] if "mb_per_s" in theirs else None
    return {
        "size_mb": round(SIZE_MIB * MIB / 1e6),
        **figures,
        "syncthing": theirs,
        "ratio_to_syncthing": ratio and round(ratio, 2),
        "bare_channel": bare,
        "ratio_of_bare_channel": ratio and round(bare["mb_per_s"] / theirs["mb_per_s"], 2),
        "stored_channel": stored,
        "ratio_of_stored_channel": ratio and round(stored["mb_per_s"] / theirs["mb_per_s"], 2),
        "held": all_held(
            (
                figures["mb_per_s"] >= MB_PER_S_MIN,
                None if ratio is None else ratio >= RATIO_MIN,
                figures["sent_twice_bytes"] < TWICE_BYTES_MAX,
                figures["edit_bytes"] < EDIT_BYTES_MAX,
            )
        ),
    }


async def fill(path: Path) -> dict[str, str]:
    """A home with the three blobs; their ids."""
    home = Home(path)
    load_or_create(home, os.urandom)

    def clock_us() -> int:
        return time.time_ns() // 1_000

    async with open_store(home.database, project=project, clock_us=clock_us) as store:
        fixed = await store.put_blob(content(seed=1))
        before = await store.put_blob(content(seed=2), chunking=Chunking.CONTENT)
        after = await store.put_blob(content(seed=2, edit=True), chunking=Chunking.CONTENT)
    return {"fixed": fixed.hex(), "before": before.hex(), "after": after.hex()}


def content(*, seed: int, edit: bool = False) -> Iterator[bytes]:
    """That nothing shrinks; with `edit` 1 KiB in the middle is another."""
    random, other = Random(seed), Random("edit")
    for number in range(SIZE_MIB):
        piece = random.randbytes(MIB)
        if edit and number == SIZE_MIB // 2:
            piece = piece[:777] + other.randbytes(EDIT_BYTES) + piece[777 + EDIT_BYTES :]
        yield piece


def fetched(folder: Path, blob: str) -> dict[str, Any]:
    """How fast a fresh node has it."""
    nodes: list[LocalNode] = []
    try:
        alice, bob = pair(folder, "bob", nodes)
        before = [usage_of(node.process.pid).cpu_s for node in (alice, bob)]
        started_s = time.perf_counter()
        fetch(bob, blob)
        took_s = time.perf_counter() - started_s
        after = [usage_of(node.process.pid) for node in (alice, bob)]
    finally:
        stop_all(nodes)
    return {
        "took_s_of_fetch": round(took_s, 2),
        "mb_per_s": round(SIZE_MIB * MIB / 1e6 / took_s, 1),
        "cpu_s": {
            "sender": round(after[0].cpu_s - before[0], 2),
            "receiver": round(after[1].cpu_s - before[1], 2),
        },
        "rss_peak_mib": {"sender": after[0].rss_peak_mib, "receiver": after[1].rss_peak_mib},
    }


def killed(folder: Path, blob: str) -> dict[str, Any]:
    """How many bytes are sent twice where the receiver is killed in the middle.

    It is stopped before, until alice sends no more: all that can be under way is sent, and counted.
    """
    nodes: list[LocalNode] = []
    try:
        alice, bob = pair(folder, "killed", nodes)
        reading = subprocess.Popen(
            [sys.executable, "-c", READER, json.dumps([str(bob.home), blob])],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: sent_by(alice) > SIZE_MIB * MIB // 3)
        os.kill(bob.process.pid, signal.SIGSTOP)
        first = still(alice)
        bob.kill()
        reading.wait(TIMEOUT_S)
        bob = start_node("killed", folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
        nodes.append(bob)
        until(lambda: sent_by(alice) > 0)
        greeting = sent_by(alice)
        fetch(bob, blob)
        second = sent_by(alice)
    finally:
        stop_all([node for node in nodes if node.process.poll() is None])
    sent = (first + second - greeting) * PAYLOAD
    return {"sent_twice_bytes": max(0, round(sent - SIZE_MIB * MIB))}


READER: Final = """
import json, sys
from node.client import find_client
home, blob = json.loads(sys.argv[1])
for _ in find_client(home).post_lines(f"/api/blobs/{blob}/fetch", {}, timeout_s=300): pass
"""


def edited(folder: Path, before: str, after: str) -> dict[str, Any]:
    """How many bytes move where all but 1 KiB is here."""
    nodes: list[LocalNode] = []
    try:
        alice, bob = pair(folder, "edited", nodes)
        fetch(bob, before)
        already = sent_by(alice)
        started_s = time.perf_counter()
        fetch(bob, after)
        took_s = time.perf_counter() - started_s
        moved = sent_by(alice) - already
    finally:
        stop_all(nodes)
    return {"edit_bytes": moved, "edit_s": round(took_s, 2)}


def pair(folder: Path, name: str, nodes: list[LocalNode]) -> tuple[LocalNode, LocalNode]:
    """Alice, who has the blobs, and a fresh node that is connected to her."""
    alice = start_node("alice", folder, "--no-mdns")
    nodes.append(alice)
    bob = start_node(name, folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
    nodes.append(bob)
    until(lambda: any(peer["did"] for peer in bob.client.get("/api/peers")["peers"]))
    return alice, bob


def fetch(node: LocalNode, blob: str) -> None:
    """Raises `Failure` where it does not come."""
    for _ in node.client.post_lines(f"/api/blobs/{blob}/fetch", {}, timeout_s=TIMEOUT_S):
        pass


def sent_by(node: LocalNode) -> int:
    """Bytes to its one peer in this session, as they went over the wire; 0 without a peer."""
    return sum(int(peer["bytes_out"]) for peer in node.client.get("/api/peers")["peers"])


def still(node: LocalNode) -> int:
    """What it has sent, once that is no longer more than a moment ago."""
    before = -1
    while (now := sent_by(node)) != before:
        before = now
        time.sleep(0.5)
    return now


def until(is_true: Callable[[], bool]) -> None:
    """Raises `TimeoutError`."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {TIMEOUT_S:g} s")
        time.sleep(POLL_S)


def bared(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The bytes alone, by the same cipher and hash, in one thread at each end; and as stored."""
    source = folder / "bare"
    with source.open("wb") as file:
        for piece in content(seed=1):
            file.write(piece)
    os.sync()
    bare = bare_channel(source, folder / "bare-too")
    os.sync()
    return bare, bare_channel(source, folder / "stored", is_stored=True)


def sync_file() -> dict[str, Any]:
    """Syncthing's figures for one file of that size, or why there are none."""
    try:
        told = syncthing("--files", "1", "--mb", str(SIZE_MIB))
    except Skipped as why:
        return {"skipped": str(why)}
    big, edit = told[f"big_{SIZE_MIB}MB"], told["edit_1KB_in_big"]
    seconds = big["total_s"]
    return {
        "version": told["version"],
        "total_s": seconds,
        "of_which_scan_s": big["of_which_scan_s"],
        "mb_per_s": round(SIZE_MIB * MIB / 1e6 / seconds, 1),
        "mb_per_s_without_scan": round(
            SIZE_MIB * MIB / 1e6 / (seconds - big["of_which_scan_s"]), 1
        ),
        "cpu_s_both": big["cpu_s_both"],
        "edit_bytes": edit["rx_bytes"],
    }
