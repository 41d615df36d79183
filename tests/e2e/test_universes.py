"""Alice keeps three states of a world; bob, another node, opens one, forks it and goes on."""

import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from node.text import short_did
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode

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
    cain = ("universe", "event", "universe:main", "birth", "Cain", "--tick", "500")
    for is_known in (False, True):
        born = shell(alice, *cain)
        assert (born.code, born.answer["known"]) == (0, is_known), born
    other = shell(alice, *cain, "--description", "at dawn")
    assert (other.code, other.answer["code"]) == (6, "same-event"), other
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
    before = ("universe", "open", name, "--tick", "99", "-o", str(output))
    kept = shell(bob, *before)
    assert (kept.code, kept.answer["code"]) == (1, "file-exists")
    none = shell(bob, *before, "--force")
    assert (none.code, none.answer["code"]) == (5, "unknown-snapshot")
    assert output.read_bytes() == states[400]  # as it was

    assert said_of(bob, name, 900) == (200, str(len(states[900])), b"")
    assert loaded(bob, name, 900) == (200, str(len(states[900])), states[900])

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
    again = shell(bob, "universe", "open", "--tick", "400", "-o", str(output), "--force")
    assert again.code == 0, again
    assert output.read_bytes() == states[400]


def test_who_only_loads_gets_a_state_of_another_as_it_comes(node: StartNode) -> None:
    """As clients of the multiverse do, which know of no fetching; without a giver they are told."""
    alice = node("alice")
    bob = node("bob", "--compat", peers=(alice,))
    made = {"id": "universe:main", "name": "Main", "isPublic": True}
    alice.client.post("/api/universe", made)
    wrapped = b'{"snapshot": "%s", "tick": %d}'
    for tick in (1, 2):
        body = wrapped % (blake3(bytes([tick])).digest(length=6 << 20).hex().encode(), tick)
        send(alice, "/api/universe/universe:main/snapshot", body)

    def all_came() -> Json | None:
        listed = bob.client.get("/api/universes")["universes"]
        return listed[0] if [one["snapshotCount"] for one in listed] == [2] else None

    wait_for("bob to know alice's universe", ARRIVE_S, all_came)
    status, length, body = loaded(bob, "universe:main", 1)
    assert (status, length) == (200, str(len(body)))
    answer = json.loads(body)
    assert answer["snapshot"] == blake3(bytes([1])).digest(length=6 << 20).hex()
    assert answer["entry"]["tick"] == 1
    alice.stop()
    status, _, problem = loaded(bob, "universe:main", 2)
    assert (status, json.loads(problem)["code"]) == (504, "blob-unreachable")
    assert loaded(bob, "universe:main", 1)[2] == body


LARGE = blake3(b"a large world").digest(length=24 << 20)
SOME_BYTES = 6 << 20
SLOW = "8MiB"
"""A second, for what is broken off."""


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_when_the_only_giver_is_killed_that_is_told_and_the_next_time_it_goes_on(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    assert shell(tmp_path / "bob", "config", "set", "p2p.download", SLOW).code == 0
    bob = node("bob", peers=(alice,))
    name, output = f"{alice.did}/universe:main", tmp_path / "opened.bin"
    alice.client.post("/api/universe", {"id": "universe:main", "name": "Main", "isPublic": True})
    status, _, kept = asked(alice, "POST", "/api/universe/universe:main/snapshot?tick=7", LARGE)
    assert status == 201, kept

    def all_came() -> Json | None:
        listed = bob.client.get("/api/universes")["universes"]
        return listed[0] if [one["snapshotCount"] for one in listed] == [1] else None

    def some_came() -> Json | None:
        under_way = bob.client.get("/api/status")["transfers"]
        return next((one for one in under_way if one["size"] >= SOME_BYTES), None)

    def opened(patience_s: int) -> Ran:
        to = ("-o", str(output), "--patience", str(patience_s))
        return shell(bob, "universe", "open", name, *to)

    def is_back() -> Json | None:
        # Who limits what comes hears late that a session is over: until then that is the session.
        bob.client.post("/api/peers", {"address": alice.ready["p2p"]})
        peers = bob.client.get("/api/peers")["peers"]
        since_s = time.monotonic() - killed_s
        new = (one for one in peers if one["connected_s"] < since_s)
        return next((one for one in new if one["standing"] == "in-sync"), None)

    wait_for("bob to know alice's universe", ARRIVE_S, all_came)
    with ThreadPoolExecutor() as beside:
        opening = beside.submit(opened, 1)
        wait_for("some of it to come", ARRIVE_S, some_came)
        alice.kill()
        killed_s = time.monotonic()
        told = opening.result()
    assert (told.code, told.answer["code"]) == (8, "blob-unreachable"), told
    assert f"{short_did(alice.did)} gave some of it and is gone" in told.answer["detail"]
    assert told.answer["detail"].count("ask again, and it goes on where it stopped") == 1
    assert [one.name for one in tmp_path.iterdir() if "opened" in one.name] == []

    alice = node("alice")
    wait_for("alice to be back", ARRIVE_S, is_back)

    again = opened(60)  # on a busy machine nothing may come for a second
    assert again.code == 0, again
    assert output.read_bytes() == LARGE
    came = sum(one["bytes_in"] for one in bob.client.get("/api/peers")["peers"])
    assert came < len(LARGE) - SOME_BYTES // 2, "what came before was not sent again"


def loaded(node: LocalNode, universe: str, tick: int) -> tuple[int, str | None, bytes]:
    return asked(node, "GET", f"/api/universe/{quote(universe, safe=':')}/snapshot/{tick}")


def said_of(node: LocalNode, universe: str, tick: int) -> tuple[int, str | None, bytes]:
    return asked(node, "HEAD", f"/api/universe/{quote(universe, safe=':')}/snapshot/{tick}")


def send(node: LocalNode, path: str, body: bytes) -> None:
    status, _, answer = asked(node, "POST", path, body)
    assert status == 201, answer


def asked(
    node: LocalNode, method: str, path: str, body: bytes | None = None
) -> tuple[int, str | None, bytes]:
    """(status, Content-Length, body)"""
    client = node.client
    headers = {"authorization": f"Bearer {client.token}", "content-type": "application/json"}
    with closing(http.client.HTTPConnection(client.host, client.port, timeout=ARRIVE_S)) as line:
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.getheader("content-length"), answer.read()
