"""The carrier changes amid a transfer: blobs arrive whole, entries once, little is sent twice.

Alice and Bob begin over a relay's circuit, which stands still at a point of the test's choosing.
"""

import asyncio
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from node.home import Home
from p2p.protocol.limits import KEPT_BYTES_MAX
from registry.listings import project
from scripts.benchmarks._population import author_of, make_modules, receive
from storage.store import open_store
from tests.e2e.relays import (
    Wire,
    connected,
    know_each_other,
    listening_in,
    start_islands,
    start_relay,
    wait_for_peer,
)
from tests.e2e.story import Ran, Shell
from tests.e2e.test_carriers import moved_to

pytestmark = pytest.mark.nodes

MOVE_S = 120.0
COPY = "copy.bin"
BLOB_BYTES = (24 << 20) + 5
WORLD = blake3(b"a world that moves").digest(length=BLOB_BYTES)
HELD_AT = 4 << 20  # bytes of circuits, each of which is seen on its way to the relay and from it
# Sent and not acknowledged when the carrier changes: that is all that may be sent twice. Beside it
# frames and channels have bytes of their own, far below a hundredth.
TWICE_BYTES_MAX = KEPT_BYTES_MAX + BLOB_BYTES // 100
ENTRIES = 3_000
ENTRIES_AT_ONCE = 1_000
ENTRIES_HELD_AT = 1 << 20  # of about 2 MB, seen twice


def meet(wire: Wire, folder: Path, running: list[LocalNode]) -> tuple[LocalNode, LocalNode]:
    """Alice and Bob, who know of each other and of the relay; they meet by a circuit."""
    alice, bob = start_islands(folder, running, f"relay://{wire.address}")
    know_each_other(alice, bob)
    return alice, bob


def change_carrier(
    wire: Wire, how: str, relay: LocalNode, alice: LocalNode, bob: LocalNode
) -> None:
    """While the circuit stands still, or after its relay was killed, a direct place is named."""
    assert wire.held.wait(MOVE_S), "the circuit never carried so much"
    before = wait_for_peer(bob)
    assert before["transport"] == "relay"
    assert before["entries_in"] < ENTRIES
    if how == "killed":
        relay.kill()
        wire.let_go()
    bob.client.post("/api/peers", {"address": alice.ready["p2p"]})
    both_on("tcp", alice, bob)


def both_on(transport: str, alice: LocalNode, bob: LocalNode) -> tuple[Json, Json]:
    hers, his = (
        wait_for(f"{one.name} to be on {transport}", MOVE_S, moved_to(one, transport))
        for one in (alice, bob)
    )
    return hers, his


def add_blob(shell: Shell, alice: LocalNode, folder: Path) -> str:
    file = folder / "world.bin"
    file.write_bytes(WORLD)
    added = shell(alice, "blob", "add", str(file))
    assert added.code == 0, added
    return str(added.answer["id"])


def shown(one: LocalNode) -> Json:
    peer = connected(one)()
    assert peer is not None
    return peer


@contextmanager
def fetching_by_a_circuit(
    relay: LocalNode, folder: Path, shell: Shell, running: list[LocalNode]
) -> Generator[tuple[Wire, LocalNode, LocalNode, Future[Ran]]]:
    """What is before the relay, alice, bob, and bob's fetch of what alice has, which will stand
    still in the middle."""
    with listening_in(relay) as wire, ThreadPoolExecutor() as beside:
        alice, bob = meet(wire, folder, running)
        id = add_blob(shell, alice, folder)
        wait_for_peer(bob)
        wire.hold_after(HELD_AT)
        yield wire, alice, bob, beside.submit(shell, bob, "fetch", id, "-o", str(folder / COPY))


@pytest.mark.parametrize("how", ["stands still", "killed"])
def test_a_blob_that_began_by_a_circuit_comes_by_tcp_and_no_chunk_twice(
    how: str, tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    with fetching_by_a_circuit(relay, tmp_path, shell, running) as (wire, alice, bob, fetching):
        change_carrier(wire, how, relay, alice, bob)
        fetched = fetching.result()
        assert fetched.code == 0, fetched
        assert (tmp_path / COPY).read_bytes() == WORLD
        for one, direction in ((alice, "bytes_out"), (bob, "bytes_in")):
            peer = shown(one)
            assert peer["moves"] >= 1, "it is the same session"
            assert BLOB_BYTES <= peer[direction] < BLOB_BYTES + TWICE_BYTES_MAX


def test_a_blob_goes_on_when_the_relay_that_was_killed_is_back(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    with fetching_by_a_circuit(relay, tmp_path, shell, running) as (wire, alice, bob, fetching):
        assert wire.held.wait(MOVE_S), "the circuit never carried so much"
        relay.kill()
        wire.let_go()
        running.append(start_relay(tmp_path, listen=str(relay.ready["p2p"])))
        fetched = fetching.result()
        assert fetched.code == 0, fetched
        assert (tmp_path / COPY).read_bytes() == WORLD
        hers, his = both_on("relay", alice, bob)
        assert min(hers["moves"], his["moves"]) >= 1, "it is the same session"
        assert hers["bytes_out"] < BLOB_BYTES + TWICE_BYTES_MAX


def fill(folder: Path) -> None:
    """A home with `ENTRIES` modules of its author."""
    home = Home(folder)
    author = author_of(home)

    async def put() -> None:
        async with open_store(
            home.database, project=project, clock_us=lambda: time.time_ns() // 1_000
        ) as store:
            for start in range(0, ENTRIES, ENTRIES_AT_ONCE):
                await receive(store, make_modules(author, start, start + ENTRIES_AT_ONCE))

    asyncio.run(put())


@pytest.mark.parametrize("how", ["stands still", "killed"])
def test_a_sync_that_began_by_a_circuit_goes_on_by_tcp_and_no_entry_comes_twice(
    how: str, tmp_path: Path, running: list[LocalNode]
) -> None:
    fill(tmp_path / "alice")
    relay = start_relay(tmp_path)
    running.append(relay)
    with listening_in(relay) as wire:
        wire.hold_after(ENTRIES_HELD_AT)
        alice, bob = meet(wire, tmp_path, running)
        change_carrier(wire, how, relay, alice, bob)

        def is_done() -> Json | None:
            peer = connected(bob)()
            return peer if peer is not None and peer["standing"] == "in-sync" else None

        his = wait_for("bob to be in sync", MOVE_S, is_done)
        hers = shown(alice)
        assert min(hers["moves"], his["moves"]) >= 1, "it is the same session"
        assert (hers["entries_out"], his["entries_in"]) == (ENTRIES, ENTRIES)
        assert (his["entries_twice"], his["refused"]) == (0, 0)
        assert bob.client.get("/api/status")["entries"] == ENTRIES
