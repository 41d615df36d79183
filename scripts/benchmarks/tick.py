"""One more state of a world that another node follows: how many bytes it moves.

Alice saves a world of 100 MB of JSON, lets a step go by and saves it again. Bob and carol hold the
first state. Bob fetches the second relative to that one, carol without. Dave calls somebody by a
name who uploads both, and asks for nothing: his node keeps them by itself. Counted is what whoever
gives it sent and received meanwhile, as it went over the wire.
"""

import asyncio
import os
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from crdt.blob import Chunking
from node.client import path_of
from node.commands.nodes import LocalNode, start_node, stop_all
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from scripts.benchmarks._usage import usage_of
from scripts.benchmarks._world import JSON, World
from storage.store import open_store

SIZE_MB: Final = int(os.environ.get("PANSPERMIA_BENCH_WORLD_MB", "100"))
STEPS_BEFORE: Final = 3
MOVED_BYTES_MAX: Final = 1_000_000
TIMEOUT_S: Final = 300.0
POLL_S: Final = 0.05
WORLD: Final = "universe:world"


def main() -> dict[str, Any]:
    """Bytes both ways, with and without a base, and of who keeps it unasked; seconds and CPU
    seconds of both nodes where one asks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, after = states()
        ids = asyncio.run(fill(folder / "alice", [before, after]))
        for person in ("bob", "carol"):
            asyncio.run(fill(folder / person, [before]))
        relative = fetched(folder, "bob", ids[1], [ids[0]])
        plain = fetched(folder, "carol", ids[1], [])
        followed = kept(folder, [before, after])
    return {
        "size_mb": round(len(after) / 1e6),
        "moved_bytes": relative["bytes"],
        "plain_bytes": plain["bytes"],
        "followed_bytes": followed,
        "took_s_of_fetch": relative["took_s"],
        "plain_s": plain["took_s"],
        "cpu_s": relative["cpu_s"],
        "plain_cpu_s": plain["cpu_s"],
        "held": max(relative["bytes"], followed) < MOVED_BYTES_MAX,
    }


def states() -> tuple[bytes, bytes]:
    """A world, and the same a step later."""
    world = World(JSON, SIZE_MB * 1_000_000)
    for _ in range(STEPS_BEFORE):
        world.step()
    before = world.save()
    world.step()
    return before, world.save()


async def fill(path: Path, blobs: list[bytes]) -> list[str]:
    """A home with these; their ids."""
    home = Home(path)
    load_or_create(home, os.urandom)

    def clock_us() -> int:
        return time.time_ns() // 1_000

    async with open_store(home.database, project=project, clock_us=clock_us) as store:
        return [(await store.put_blob(one, chunking=Chunking.CONTENT)).hex() for one in blobs]


def fetched(folder: Path, name: str, blob: str, relative_to: list[str]) -> dict[str, Any]:
    """By a node that connects to alice for it."""
    nodes: list[LocalNode] = []
    try:
        alice = start_node("alice", folder, "--no-mdns")
        nodes.append(alice)
        peer = start_node(name, folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
        nodes.append(peer)
        until_connected(peer)
        already, cpu_s = moved(alice), [usage_of(one.process.pid).cpu_s for one in nodes]
        started_s = time.perf_counter()
        body = {"relative_to": relative_to}
        for _ in peer.client.post_lines(f"/api/blobs/{blob}/fetch", body, timeout_s=TIMEOUT_S):
            pass
        took_s = time.perf_counter() - started_s
        used_s = [usage_of(one.process.pid).cpu_s for one in nodes]
        return {
            "bytes": moved(alice) - already,
            "took_s": round(took_s, 2),
            "cpu_s": {
                "sender": round(used_s[0] - cpu_s[0], 2),
                "receiver": round(used_s[1] - cpu_s[1], 2),
            },
        }
    finally:
        stop_all(nodes)


def kept(folder: Path, states: list[bytes]) -> int:
    """Bytes of the last one, at a node that keeps all of them by itself."""
    nodes: list[LocalNode] = []
    try:
        uploader = start_node("uploader", folder, "--no-mdns")
        nodes.append(uploader)
        dave = start_node("dave", folder, "--no-mdns", "--peer", str(uploader.ready["p2p"]))
        nodes.append(dave)
        until_connected(dave)
        dave.client.put("/api/names/uploader", {"author": uploader.did})
        uploader.client.post("/api/universe", {"id": WORLD, "name": "World", "isPublic": True})
        already = 0
        for tick, state in enumerate(states):
            already = moved(uploader)
            path = path_of("/api/universe", WORLD, "snapshot")
            query = {"tick": tick}
            uploader.client.upload(path, query, BytesIO(state), len(state), ignore, TIMEOUT_S)
            until_kept(dave, tick + 1)
        return moved(uploader) - already
    finally:
        stop_all(nodes)


def ignore(_done: int, _total: int) -> None:
    """Nobody watches."""


def until_kept(node: LocalNode, count: int) -> None:
    """So many blobs are there whole that nobody asked for."""
    end_s = time.monotonic() + TIMEOUT_S
    while sum(one["whole"] for one in node.client.get("/api/kept")["blobs"]) < count:
        if time.monotonic() > end_s:
            raise TimeoutError("what another node publishes is not kept")
        time.sleep(POLL_S)


def moved(node: LocalNode) -> int:
    """Bytes from and to its one peer in this session, as they went over the wire."""
    (peer,) = node.client.get("/api/peers")["peers"]
    return int(peer["bytes_in"]) + int(peer["bytes_out"])


def until_connected(node: LocalNode) -> None:
    """Greeted, so that the peer counts as one."""
    end_s = time.monotonic() + TIMEOUT_S
    while not any(peer["did"] for peer in node.client.get("/api/peers")["peers"]):
        if time.monotonic() > end_s:
            raise TimeoutError("the two nodes did not find one another")
        time.sleep(POLL_S)
