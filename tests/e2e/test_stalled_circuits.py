"""Whoever stops reading at the end of a circuit: the relay stays small, the other end goes on."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.did import decode_did_key
from node.commands.nodes import LocalNode, stop_all, wait_for
from node.failure import Json
from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.limits import BLOB_REQUESTS_MAX
from p2p.protocol.relay.limits import CIRCUIT_BUFFER_BYTES_MAX
from scripts.benchmarks._usage import usage_of
from tests.e2e.circuits import at_relay, join, meets_by_circuit
from tests.e2e.mallory import Call, Mallory
from tests.e2e.relays import (
    know_each_other,
    listening_in,
    start_hidden,
    start_relay,
    wait_for_peer,
    wait_for_relay,
)
from tests.e2e.story import Shell, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

IMPATIENT = (sys.executable, str(Path(__file__).with_name("impatient.py")))
ENDS_S = 120.0
BLOB_BYTES = 12 << 20
WORLD = blake3(b"a world that waits").digest(length=BLOB_BYTES)
HELD_AT = 4 << 20
STALLED = 16  # circuits
PUSHED_BYTES = 48 << 20  # into each, beyond what kernels hold on the way: 768 MiB
GROWN_MIB_MAX = 96.0
BLOCK = bytes(256 << 10)
CHUNK = 2  # the piece that a Get names so
NEWER = "There is a newer connection."


@pytest.fixture
def quick() -> None:
    """What a process takes is measured here, and a fork has pages of its parent."""


@pytest.fixture
def running() -> Iterator[list[LocalNode]]:
    started: list[LocalNode] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.kill()
    stop_all(started)


async def cut(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def push(writer: asyncio.StreamWriter) -> None:
    """As much as the relay takes, and no end."""
    with suppress(OSError):
        for _ in range(PUSHED_BYTES // len(BLOCK)):
            writer.write(BLOCK)
            await writer.drain()


def is_full(relay: LocalNode) -> bool | None:
    """Whether as much went through the circuits as it keeps of each that is not read."""
    lines = relay.client.get_bytes("/metrics").decode().splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines)
    passed = float(counts["panspermia_relay_circuit_bytes_total"])
    return passed >= STALLED * CIRCUIT_BUFFER_BYTES_MAX or None


async def test_circuits_that_nobody_reads_fill_no_relay(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    alice, bob = (start_hidden(n, tmp_path, str(relay.ready["relay"])) for n in ("alice", "bob"))
    running += [relay, alice, bob]
    address = str(relay.ready["p2p"])
    made = make_module(tmp_path / "m", "io.alice.clock", "1.0.0", answering(7))
    assert shell(alice, "publish", str(made)).code == 0
    before = usage_of(relay.process.pid).rss_mib

    def meet() -> None:
        know_each_other(alice, bob)
        wait_for_peer(bob)
        wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        pushes: list[asyncio.Task[None]] = []
        for _ in range(STALLED):
            caller = await stack.enter_async_context(at_relay(Mallory(), address))
            callee = await stack.enter_async_context(at_relay(Mallory(), address))
            ends = [
                await join(address, key)
                for key in (
                    await caller.asks_for(callee.mallory.device.public),
                    await callee.is_called(),
                )
            ]
            for _, writer in ends:
                stack.push_async_callback(cut, writer)
            pushes.append(tasks.create_task(push(ends[0][1])))
        await asyncio.to_thread(meet)
        await asyncio.to_thread(wait_for, "circuits to be full", ENDS_S, partial(is_full, relay))
        grown_mib = usage_of(relay.process.pid).rss_mib - before
        assert not any(one.done() for one in pushes), "a relay keeps what nobody takes"
        assert grown_mib < GROWN_MIB_MAX
        for one in pushes:
            one.cancel()


def lost(one: LocalNode) -> Json | None:
    """Whom it looks for in vain, and why."""
    known = one.client.get("/api/peers")
    found = [at for at in known["discovered"] if at["last_error"]]
    return found[0] if found and not known["peers"] else None


def why_gone(one: LocalNode) -> str:
    """Why its session with a peer ended, as `events` tells it; not that of two of which one stays:
    whoever call each other at the same time have two."""
    for event in one.client.events(after="0", timeout_s=ENDS_S):
        if event["event"] == "peer" and event["data"]["state"] == "gone":
            reason = str(event["data"]["reason"])
            if reason != NEWER:
                return reason
    return ""


def test_a_peer_that_stands_still_behind_a_circuit_is_left_with_a_reason(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    """Half-open for Alice: what she sends goes to the relay, and nothing comes back."""
    relay = start_relay(tmp_path)
    running.append(relay)
    with listening_in(relay) as wire, ThreadPoolExecutor() as beside:
        at = f"relay://{wire.address}"
        alice = start_hidden("alice", tmp_path, at, program=IMPATIENT)
        bob = start_hidden("bob", tmp_path, at)
        running += [alice, bob]
        know_each_other(alice, bob)
        wait_for_peer(alice)
        file, copy = tmp_path / "world.bin", tmp_path / "copy.bin"
        file.write_bytes(WORLD)
        id = str(shell(alice, "blob", "add", str(file)).answer["id"])
        wire.hold_after(HELD_AT)
        fetching = beside.submit(shell, bob, "fetch", id, "-o", str(copy))
        assert wire.held.wait(ENDS_S), "the circuit never carried so much"
        before = usage_of(relay.process.pid).rss_mib
        bob.process.send_signal(signal.SIGSTOP)
        try:
            wire.let_go()
            assert "nothing was heard" in why_gone(alice)
            told = wait_for("alice to say whom she lost", ENDS_S, lambda: lost(alice))
            assert told["did"] in (None, bob.did)
            assert told["address"].startswith("circuit:")
            assert usage_of(relay.process.pid).rss_mib - before < GROWN_MIB_MAX
        finally:
            bob.process.send_signal(signal.SIGCONT)
        fetching.result()  # it may have had nobody to ask
        wait_for_peer(bob)
        fetched = shell(bob, "fetch", id, "-o", str(copy), "--force")
        assert fetched.code == 0, fetched
        assert copy.read_bytes() == WORLD


async def test_a_stranger_who_asks_through_a_circuit_and_reads_nothing_is_left(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    """She says all the while that she is there, so it is no silence that ends it."""
    relay = start_relay(tmp_path)
    alice = start_hidden("alice", tmp_path, str(relay.ready["relay"]), program=IMPATIENT)
    running += [relay, alice]
    wait_for_relay(alice)
    file = tmp_path / "world.bin"
    file.write_bytes(WORLD)
    blob = bytes.fromhex(shell(alice, "blob", "add", str(file)).answer["id"])
    device = decode_did_key(alice.client.get("/api/identity")["device"])
    before = [usage_of(one.process.pid).rss_mib for one in (relay, alice)]
    mallory = Mallory()
    async with (
        at_relay(mallory, str(relay.ready["p2p"])) as client,
        meets_by_circuit(client, device) as call,
        asyncio.TaskGroup() as tasks,
    ):
        await call.say(
            *(
                frames.Get(number, blob, CHUNK, number % 12, 1, 3)
                for number in range(BLOB_REQUESTS_MAX)
            )
        )
        pinging = tasks.create_task(ping(call))
        assert "does not read" in await asyncio.to_thread(why_gone, alice)
        pinging.cancel()
    for one, size in zip((relay, alice), before, strict=True):
        assert usage_of(one.process.pid).rss_mib - size < GROWN_MIB_MAX


async def ping(call: Call) -> None:
    """For ever, or as long as the relay takes it."""
    with suppress(PeerLeft):
        for number in count(1):
            await call.say(frames.Ping(number))
            await asyncio.sleep(1.0)
