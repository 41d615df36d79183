"""A blob of 10 GB from two peers at once, through everything that may come between.

Alice and bob add it, carol fetches it from both. After a third carol is killed and started again;
after two thirds alice is killed, and bob gives the rest. Then carol gives it out, all of it and a
range, to be held against what was added, and drops it. A process is stopped before it is killed,
until nobody sends any more: what was under way is counted, to the byte, as sent.

`PANSPERMIA_BENCH_BIG_BYTES` is its size, `PANSPERMIA_BENCH_BIG_CHUNKS` fixed or content. It needs
three times that room where `TMPDIR` says.
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any, Final, cast

from blake3 import blake3

from node.commands.nodes import LocalNode, stop_all
from node.services.fetch import ignore
from scripts.benchmarks._usage import usage_of
from scripts.benchmarks.blob import READER, until
from scripts.benchmarks.loop import start_watched, told

SIZE: Final = int(os.environ.get("PANSPERMIA_BENCH_BIG_BYTES", str(10**10)))
CHUNKS: Final = os.environ.get("PANSPERMIA_BENCH_BIG_CHUNKS", "fixed")
PIECE_BYTES: Final = 1 << 20
RSS_MIB_MAX: Final = 300.0
TWICE_BYTES_MAX: Final = 1 << 20
TIMEOUT_S: Final = 3_600.0
MB: Final = 1e6


class Noise(io.RawIOBase):
    """The blob: bytes that nothing shrinks, from a seed, of any length, each at its place."""

    def __init__(self) -> None:
        self._at = 0
        self._source = blake3(b"big blob")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = SIZE - self._at
        data = part(self._at, min(left, PIECE_BYTES if size < 0 else size))
        self._at += len(data)
        return data


def part(at: int, size: int) -> bytes:
    """Its bytes from a place on."""
    return blake3(b"big blob").digest(length=size, seek=at) if size else b""


def main() -> dict[str, Any]:
    """MB/s, CPU seconds, memory, bytes sent twice, sizes, and how long a node took to answer."""
    with tempfile.TemporaryDirectory() as name:
        return Story(Path(name)).run()


class Story:
    """What happens, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[LocalNode] = []
        self.figures: dict[str, Any] = {"bytes": SIZE, "chunks": CHUNKS}
        self.rss_mib: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        try:
            alice, bob = self.start("alice"), self.start("bob")
            blob = self.add([alice, bob])
            carol, first = self.fetch_and_die(blob, alice, bob)
            second = self.go_on(blob, alice, bob, carol)
            self.figures["sent_twice_bytes"] = first + second - SIZE - self.figures["named_bytes"]
            self.give_out(blob, carol)
            self.figures["database_mb_of_carol"] = round(database_bytes(carol.home) / MB, 1)
            self.start_again(bob)
            self.note_memory(carol)
        finally:
            stop_all(self.nodes)
        loops = {name: told(self.folder / f"{name}.out") for name in ("bob", "carol")}
        figures = {**self.figures, "rss_peak_mib": self.rss_mib, "loops": loops}
        held = bool(self.figures["is_same"]) and max(self.rss_mib.values()) < RSS_MIB_MAX
        held = held and self.figures["sent_twice_bytes"] < 2 * TWICE_BYTES_MAX  # two were killed
        return {**figures, "held": held and self.figures["left_bytes"] < PIECE_BYTES}

    def start(self, name: str) -> LocalNode:
        node = start_watched(name, self.folder)
        self.nodes.append(node)
        return node

    def add(self, nodes: list[LocalNode]) -> str:
        """Both at once, as `blob add -` does."""
        started_s = time.perf_counter()
        with ThreadPoolExecutor() as threads, Prober(nodes[0]) as prober:
            answers = list(threads.map(add_to, nodes))
        took_s = time.perf_counter() - started_s
        (blob,) = {str(answer["id"]) for answer in answers}
        count = answers[0]["chunk_count"]
        # What names the chunks is sent too: pages, and a root of a few KB.
        self.figures["named_bytes"] = count * (32 if CHUNKS == "fixed" else 36)
        self.figures |= {
            "chunk_count": count,
            "add_mb_per_s_each": round(SIZE / MB / took_s, 1),
            "add_cpu_s": usage_of(nodes[0].process.pid).cpu_s,
            "add_answers_ms": prober.figures(),
            "database_mb": round(database_bytes(nodes[0].home) / MB, 1),
            "packs_mb": round(packs_bytes(nodes[0].home) / MB, 1),
        }
        for node in nodes:
            self.note_memory(node)
        self.say("added")
        return blob

    def fetch_and_die(self, blob: str, alice: LocalNode, bob: LocalNode) -> tuple[LocalNode, int]:
        """Carol, started again; and what was sent to her until she was killed."""
        carol = self.connected(alice, bob)
        started_s = time.perf_counter()
        with Prober(carol) as prober:
            reading = reader(carol, blob)
            until_bytes(lambda: given(alice) + given(bob), SIZE // 3)
        took_s = time.perf_counter() - started_s
        self.figures["mb_per_s_of_two"] = round(SIZE / 3 / MB / took_s, 1)
        self.figures["fetch_answers_ms"] = prober.figures()
        os.kill(carol.process.pid, signal.SIGSTOP)
        sent = still(lambda: given(alice) + given(bob))
        self.figures["share_of_alice"] = round(given(alice) / sent, 2)
        self.note_memory(carol)
        carol.kill()
        reading.wait(TIMEOUT_S)
        self.say("killed")
        started_s = time.perf_counter()
        carol = self.connected(alice, bob)
        self.figures["start_s_after_kill"] = round(time.perf_counter() - started_s, 2)
        return carol, sent

    def go_on(self, blob: str, alice: LocalNode, bob: LocalNode, carol: LocalNode) -> int:
        """To the end, the last third from bob alone; what was sent since the start."""
        started_s = time.perf_counter()
        reading = reader(carol, blob)
        until_bytes(lambda: given(alice) + given(bob), 1)
        self.figures["resumed_after_s"] = round(time.perf_counter() - started_s, 2)
        until_bytes(lambda: given(alice) + given(bob), SIZE // 3)
        os.kill(carol.process.pid, signal.SIGSTOP)
        still(lambda: given(alice) + given(bob))
        of_alice = given(alice)
        self.note_memory(alice)
        alice.kill()
        os.kill(carol.process.pid, signal.SIGCONT)
        before, alone_s = given(bob), time.perf_counter()
        if reading.wait(TIMEOUT_S):
            raise RuntimeError("carol could not fetch the rest from bob alone")
        took_s = time.perf_counter() - alone_s
        self.figures["mb_per_s_of_one"] = round((given(bob) - before) / MB / took_s, 1)
        self.figures["fetch_cpu_s"] = usage_of(carol.process.pid).cpu_s
        self.note_memory(carol)
        self.say("fetched")
        return of_alice + given(bob)

    def give_out(self, blob: str, carol: LocalNode) -> None:
        """All of it, and a range, over HTTP."""
        started_s = time.perf_counter()
        with Prober(carol) as prober:
            read, expected = hashlib.sha256(), hashlib.sha256()
            for piece in body_of(carol, blob):
                read.update(piece)
        took_s = time.perf_counter() - started_s
        for at in range(0, SIZE, PIECE_BYTES):
            expected.update(part(at, min(PIECE_BYTES, SIZE - at)))
        at = SIZE // 2 + 777
        of_range = b"".join(body_of(carol, blob, f"bytes={at}-{at + PIECE_BYTES - 1}"))
        self.figures |= {
            "is_same": read.digest() == expected.digest() and of_range == part(at, len(of_range)),
            "read_mb_per_s": round(SIZE / MB / took_s, 1),
            "read_answers_ms": prober.figures(),
            "list_ms": round(1000 * timed(lambda: carol.client.get("/api/blobs"))),
            "status_ms": round(1000 * timed(lambda: carol.client.get("/api/status"))),
        }
        self.say("read")

    def start_again(self, bob: LocalNode) -> None:
        """With all of it, in order; then bob lets it go."""
        bob.stop()
        started_s = time.perf_counter()
        again = start_watched("bob", self.folder)
        self.nodes.append(again)
        blobs = again.client.get("/api/blobs")["blobs"]
        self.figures["start_s"] = round(time.perf_counter() - started_s, 2)
        assert blobs[0]["whole"], "as it was before"
        again.client.delete(f"/api/blobs/{blobs[0]['id']}")
        started_s = time.perf_counter()
        with Prober(again) as prober:
            again.client.post("/api/gc", timeout_s=TIMEOUT_S)
        self.figures |= {
            "drop_s": round(time.perf_counter() - started_s, 2),
            "drop_answers_ms": prober.figures(),
            "left_bytes": packs_bytes(again.home),
            "left_database_mb": round(database_bytes(again.home) / MB, 1),
        }
        self.note_memory(again)
        self.say("dropped")

    def connected(self, *others: LocalNode) -> LocalNode:
        """Carol, who knows them."""
        carol = self.start("carol")
        for other in others:
            carol.client.post("/api/peers", {"address": str(other.ready["p2p"])})
        until(lambda: sum(bool(peer["did"]) for peer in peers_of(carol)) == len(others))
        return carol

    def note_memory(self, node: LocalNode) -> None:
        """The most that it ever had."""
        peak = usage_of(node.process.pid).rss_peak_mib
        self.rss_mib[node.name] = max(peak, self.rss_mib.get(node.name, 0))

    def say(self, what: str) -> None:
        print(what, json.dumps({**self.figures, "rss": self.rss_mib}), file=sys.stderr, flush=True)


class Prober:
    """Asks a node how it is, over and over, and notes how long it took to answer."""

    def __init__(self, node: LocalNode) -> None:
        self._node = node
        self._took_ms: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.1):
            self._took_ms.append(1000 * timed(lambda: self._node.client.get("/api/status")))

    def figures(self) -> dict[str, float]:
        took = sorted(self._took_ms) or [0.0]
        return {"median": round(took[len(took) // 2]), "most": round(took[-1])}


def add_to(node: LocalNode) -> dict[str, Any]:
    query = {"name": "big", "chunks": CHUNKS}
    noise = cast("IO[bytes]", Noise())
    answer = node.client.upload("/api/blobs", query, noise, SIZE, ignore, TIMEOUT_S)
    return dict(answer)


def reader(node: LocalNode, blob: str) -> "subprocess.Popen[bytes]":
    """Has the blob fetched, in a process that may fail with the node."""
    return subprocess.Popen(
        [sys.executable, "-c", READER, json.dumps([str(node.home), blob])],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def body_of(node: LocalNode, blob: str, bytes_range: str | None = None) -> Iterator[bytes]:
    connection = HTTPConnection(node.client.host, node.client.port, timeout=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {node.client.token}"}
    if bytes_range:
        headers["Range"] = bytes_range
    connection.request("GET", f"/api/blobs/{blob}", headers=headers)
    answer = connection.getresponse()
    while piece := answer.read(PIECE_BYTES):
        yield piece
    connection.close()


def peers_of(node: LocalNode) -> list[dict[str, Any]]:
    peers: list[dict[str, Any]] = node.client.get("/api/peers")["peers"]
    return peers


def given(node: LocalNode) -> int:
    """Bytes of blobs that it sent in the sessions that are open."""
    return sum(int(peer["blob_bytes_out"]) for peer in peers_of(node))


def until_bytes(sent: Callable[[], int], size: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while sent() < size:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {size:,} bytes within {TIMEOUT_S:g} s")
        time.sleep(0.1)


def still(sent: Callable[[], int]) -> int:
    """What was sent, once that is no longer more than a moment ago."""
    before = -1
    while (now := sent()) != before:
        before = now
        time.sleep(0.5)
    return now


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def packs_bytes(home: Path) -> int:
    """What its packs take on the disk."""
    return sum(file.stat().st_blocks * 512 for file in (home / "blobs").glob("*.pack"))


def database_bytes(home: Path) -> int:
    return sum(file.stat().st_size for file in home.glob("panspermia.db*"))
