"""Blobs from several real nodes at once: one leaves, one lies; and a receiver that is killed."""

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random

from crdt.blob import CHUNK_BYTES, BlobId, Chunking, Manifest, manifest_of
from p2p.protocol import frames
from p2p.protocol.effects import BlobProgress
from p2p.protocol.errors import PeerLeft
from p2p.protocol.pieces import PAGE, ROOT
from p2p.protocol.session import Session
from p2p.transport.connection import Connection
from p2p.transport.network import PeerCame
from tests.e2e.mallory import Call, Mallory
from tests.p2p.transport.test_network import Node, open_node, until

CHUNKS = 60
CONTENT = Random(1).randbytes(CHUNKS * CHUNK_BYTES + 17)
WITHIN_S = 60.0
MEBIBYTE = 1 << 20


async def lie(call: Call, manifest: Manifest) -> str:
    """Gives root and pages as they are, and other bytes for every chunk; why she was left."""
    try:
        while True:
            get = await call.hear_until(frames.Get)
            assert isinstance(get, frames.Get)
            data = bytes(CHUNK_BYTES)
            if get.piece == ROOT:
                data = manifest.root
            elif get.piece == PAGE:
                data = manifest.pages[get.index]
            await call.say(frames.Part(get.number, data, 0))
    except PeerLeft as left:
        return left.code


async def test_three_give_at_once_one_goes_and_one_lies(tmp_path: Path) -> None:
    manifest = manifest_of(CONTENT)
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        alice = await stack.enter_async_context(open_node(tmp_path / "a", 1))
        bob = await stack.enter_async_context(open_node(tmp_path / "b", 2))
        fleeting = await stack.enter_async_context(AsyncExitStack())
        carol = await fleeting.enter_async_context(open_node(tmp_path / "c", 3))
        call = await stack.enter_async_context(Mallory().meets(bob.address))
        for node in (alice, carol):
            await node.store.put_blob(CONTENT)
            await node.network.connect(bob.address)
        await until(lambda: count(bob, 3))
        lying = tasks.create_task(lie(call, manifest))
        gone = asyncio.Event()

        def watch(told: BlobProgress) -> None:
            if told.chunks > CHUNKS // 4:
                gone.set()

        fetching = tasks.create_task(
            bob.network.fetch_blob(manifest.id, watch, size_bytes_max=len(CONTENT))
        )
        await gone.wait()
        reports = [connection.session.report for connection in carol.network.connections]
        given = sum(report.blob_bytes_sent for report in reports)
        await fleeting.aclose()
        await fetching
        assert await bob.store.read_blob(manifest.id) == CONTENT
        assert await lying in ("blob-hash", "blob-chunk"), "other bytes, or not as many"
        assert given > 0
        assert sum(one.session.report.blob_bytes_sent for one in alice.network.connections) > 0


async def is_cut(connection: Connection) -> bool:
    """Gone, or waiting for a peer that will not come back."""
    return connection.ended.is_set() or connection.link.is_adrift


async def count(node: Node, peers: int) -> bool:
    return len([one for one in node.network.connections if one.is_greeted]) == peers


RECEIVER = """
import asyncio, sys
from pathlib import Path
from tests.p2p.transport.test_network import open_node

async def main(home, address, blob, size):
    async with open_node(Path(home), 9) as node:
        await node.network.connect(address)
        def watch(told):
            print(told.size_bytes, flush=True)
        await node.network.fetch_blob(bytes.fromhex(blob), watch, size_bytes_max=int(size))
        print("whole", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def receive(home: Path, address: str, blob: BlobId) -> asyncio.subprocess.Process:
    """A node in a process of its own, which prints how many bytes it holds."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", RECEIVER, str(home), address, blob.hex(), str(1 << 40),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def until_held(process: asyncio.subprocess.Process, size: int) -> None:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).strip():
        if line == b"whole" or int(line) >= size:
            return
    raise AssertionError("it ended before")


async def test_a_receiver_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was sent twice is less than 1 MiB, counted where it was sent."""
    async with open_node(tmp_path / "a", 1) as alice, asyncio.timeout(WITHIN_S):
        blob = await alice.store.put_blob(CONTENT, chunking=Chunking.CONTENT)
        sessions: list[Session] = []
        for size in (len(CONTENT) // 3, len(CONTENT)):
            process = await receive(tmp_path / "b", alice.address, blob)
            came = await alice.heard(PeerCame)
            assert isinstance(came, PeerCame)
            await until_held(process, size)
            if size < len(CONTENT):
                process.kill()
            await process.wait()
            await until(partial(is_cut, came.connection))
            sessions.append(came.connection.session)
        sent = sum(session.report.blob_bytes_sent for session in sessions)
        manifest = await alice.store.blob_manifest(blob)
        assert manifest is not None
        whole = len(CONTENT) + len(manifest.root) + sum(map(len, manifest.pages))
        assert whole <= sent < whole + MEBIBYTE
