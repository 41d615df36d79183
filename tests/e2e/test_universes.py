"""Alice keeps three states of a world; bob, another node, opens one, forks it and goes on."""

from pathlib import Path

import pytest
from blake3 import blake3

from node.commands.nodes import wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Shell, StartNode

pytestmark = pytest.mark.nodes

# Larger than what a node fetches unasked.
WORLD = blake3(b"a world").digest(length=12 << 20)


def later(at: int) -> bytes:
    """The world with a little of it changed."""
    return WORLD[: at * 1_000] + blake3(bytes([at])).digest(length=5_000) + WORLD[at * 1_000 :]


def test_bob_opens_a_tick_of_alices_universe_forks_it_and_adds_his_own(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    states = {100: WORLD, 400: later(2), 900: later(7)}
    made = shell(alice, "universe", "create", "Main", "--id", "universe:main", "--public")
    assert made.code == 0, made
    assert made.answer["schema"] == "panspermia.universe/1"
    for tick, state in states.items():
        file = tmp_path / f"{tick}.bin"
        file.write_bytes(state)
        canonical = ("--type", "canonical", "--event", "union:formed", "--title", "Two by two")
        more = canonical if tick == 400 else ("--type", "auto")
        kept = shell(alice, "universe", "snapshot", str(file), "--tick", str(tick), *more)
        assert kept.code == 0, kept
        assert kept.answer["checksum"] == blake3(state).hexdigest()
    born = shell(alice, "universe", "event", "universe:main", "birth", "Cain", "--tick", "500")
    assert born.code == 0, born
    name = f"{alice.did}/universe:main"

    def all_came() -> Json | None:
        listed = bob.client.get("/api/universes")["universes"]
        counts = [(one["snapshotCount"], one["canonicalEventCount"]) for one in listed]
        return listed[0] if counts == [(3, 2)] else None

    theirs = wait_for("bob to know alice's universe", ARRIVE_S, all_came)
    assert theirs["fullName"] == name
    line = shell(bob, "universe", "timeline", name).answer["entries"]
    assert [(one["tick"], one["word"], one["canFork"]) for one in line] == [
        (100, "autosave", True),
        (400, "a union", True),
        (500, "born", False),
        (900, "autosave", True),
    ]

    output = tmp_path / "opened.bin"
    opened = shell(bob, "universe", "open", name, "--tick", "899", "-o", str(output))
    assert opened.code == 0, opened
    assert (opened.answer["entry"]["tick"], output.read_bytes() == states[400]) == (400, True)
    none = shell(bob, "universe", "open", name, "--tick", "99", "-o", str(output))
    assert (none.code, none.answer["code"]) == (5, "unknown-snapshot")
    assert output.read_bytes() == states[400]  # as it was

    forked = shell(bob, "universe", "fork", name, "--tick", "500", "--name", "Bob's")
    assert forked.code == 0, forked
    own = tmp_path / "own.bin"
    own.write_bytes(later(9))
    assert shell(bob, "universe", "snapshot", str(own), "--tick", "600").code == 0
    id = forked.answer["universe"]["id"]

    def fork_came() -> Json | None:
        tree = alice.client.get("/api/universe/universe:main/forks", {"tree": "true"})
        return tree if len(tree["forks"]) == 1 else None

    tree = wait_for("alice to know bob's fork", ARRIVE_S, fork_came)
    assert tree["lines"] == [
        f"{name}  Main  ◂ here",
        f"└─ tick 400  {bob.did}/{id}  Bob's",
    ]
    gone = shell(alice, "universe", "delete", "universe:main")
    assert gone.code == 0, gone
    again = shell(bob, "universe", "open", "--tick", "400", "-o", str(output))
    assert again.code == 0, again
    assert output.read_bytes() == states[400]
