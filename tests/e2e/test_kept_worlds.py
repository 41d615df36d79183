"""Whoever follows a universe has its states by themselves: each as what differs, and lying so."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, wait_for
from tests.e2e.story import ARRIVE_S, Shell, StartNode

pytestmark = pytest.mark.nodes

LINES = 40_000
CHANGED = LINES // 200
MAIN = "universe:main"


def world(tick: int) -> bytes:
    """Some 3 MB of lines that say little of each other; each tick a few are others."""
    lines = [blake3(b"%d" % at).hexdigest() for at in range(LINES)]
    for step in range(1, tick + 1):
        for at in Random(step).sample(range(LINES), CHANGED):
            lines[at] = blake3(b"%d at %d" % (at, step)).hexdigest()
    return "\n".join(lines).encode()


def upload(shell: Shell, at: LocalNode, folder: Path, tick: int) -> None:
    file = folder / f"{tick}.bin"
    file.write_bytes(world(tick))
    kept = shell(at, "universe", "snapshot", str(file), "--tick", str(tick))
    assert kept.code == 0, kept


def keeps(node: LocalNode, count: int) -> bool | None:
    kept = node.client.get("/api/kept")["blobs"]
    return sum(one["whole"] for one in kept) == count or None


def has_deltas(home: Path, count: int) -> bool | None:
    with closing(sqlite3.connect(home / "snapshots.db")) as vault:
        (found,) = vault.execute("SELECT count(*) FROM delta").fetchone()
        (queued,) = vault.execute("SELECT count(*) FROM todo").fetchone()
    return (found >= count and not queued) or None


def received(node: LocalNode) -> int:
    return sum(peer["bytes_in"] for peer in node.client.get("/api/peers")["peers"])


def test_who_follows_a_universe_gets_one_more_state_as_what_differs_and_keeps_it_small(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    made = shell(alice, "universe", "create", "Main", "--id", MAIN, "--public")
    assert made.code == 0, made
    for tick in (1, 2, 3):
        upload(shell, alice, tmp_path, tick)
    bob = node("bob", peers=(alice,))
    assert shell(bob, "name", "set", "alice", alice.did).code == 0
    wait_for("bob to keep what was there", ARRIVE_S, partial(keeps, bob, 3))
    came = received(bob)
    assert came < 0.8 * len(world(3)), "two of three came as what differs; each whole is half of it"
    # Of 2 MB of hexadecimals in some 160 chunks most are touched by 200 lines, all of three states.
    wait_for("bob's states to be small", ARRIVE_S, partial(has_deltas, bob.home, 150))
    upload(shell, alice, tmp_path, 4)
    wait_for("bob to keep one more", ARRIVE_S, partial(keeps, bob, 4))
    assert received(bob) - came < len(world(4)) / 20
    wait_for("bob's states to be small", ARRIVE_S, partial(has_deltas, bob.home, 225))
