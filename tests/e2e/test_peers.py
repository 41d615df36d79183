"""What `peers` and `status` say of a peer is true while it is frozen, cut off, and back again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, stop_all, wait_for
from node.failure import Json
from tests.e2e.relays import start_relay
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

PEER_NEWS = {"types": "peer"}


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def says(at: LocalNode, what: str, holds: Callable[[Json], bool]) -> Json:
    """What `GET /api/peers` answers, once it is so."""

    def look() -> Json | None:
        known = at.client.get("/api/peers")
        return known if known["peers"] and holds(known) else None

    return wait_for(f"{at.name} to say {what}", 2 * ARRIVE_S, look)


def is_in_sync(known: Json) -> bool:
    return bool(known["sync"]["state"] == "in-sync")


def test_how_far_apart_two_are_is_true_through_a_cut(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    done(shell(alice, "name", "set", "bob", bob.did))
    says(alice, "in sync", is_in_sync)
    (named,) = says(bob, "in sync", is_in_sync)["peers"]
    assert (named["source"], named["sources"]) == ("static", ["static"])
    (found,) = bob.client.get("/api/peers")["discovered"]
    assert (found["device"], found["did"]) == (named["device"], alice.did)

    # A peer that stops reading lacks what was written meanwhile, and is not called in sync.
    os.kill(bob.process.pid, signal.SIGSTOP)
    try:
        for number in range(3):
            folder = make_module(
                tmp_path / f"m{number}", f"org.example.m{number}", "1.0.0", answering(number)
            )
            done(shell(alice, "publish", str(folder)))
        known = says(alice, "what bob lacks", lambda known: known["peers"][0]["ahead"] == 3)
        assert known["sync"]["words"] == "bob: it lacks 3 entries"
        assert known["peers"][0]["check_digits"]
    finally:
        bob.kill()

    # Cut off, it is being called again; what it lacked is still said.
    cut = says(alice, "bob is gone", lambda known: known["sync"]["state"] == "reconnecting")
    assert cut["sync"]["connected"] == 0
    assert cut["sync"]["missed"] == 1
    assert cut["peers"][0]["words"].startswith("reconnecting, it lacks 3 entries: ")
    news = (one["data"] for one in alice.client.events(PEER_NEWS, after="0", timeout_s=ARRIVE_S))
    lost = next(one for one in news if one["state"] == "reconnecting")
    assert lost["reason"].rstrip(".") in cut["peers"][0]["words"]
    status = done(shell(alice, "status"))
    assert status["peers"] == {"connected": 0, "known": 1}
    assert status["sync"]["words"] == "connection lost, reconnecting to bob"

    # Back again, both are equal, and only the difference was sent.
    bob = node("bob", peers=(alice,))
    known = says(bob, "in sync", is_in_sync)
    (peer,) = known["peers"]
    assert (peer["behind"], peer["ahead"], peer["entries_in"]) == (0, 0, 3)
    assert done(shell(bob, "status"))["records"] == {"module": 3}


def test_a_relay_that_shares_nothing_is_in_nobodys_way(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    relay = start_relay(tmp_path)
    try:
        alice = node("alice", peers=(relay,))
        known = says(alice, "that it is apart", lambda known: known["sync"]["state"] == "apart")
        assert known["peers"][0]["words"] == "takes part in nothing that you do"
        bob = node("bob", peers=(relay, alice))
        assert says(bob, "in sync", is_in_sync)["sync"]["in_sync"] == 1
        assert done(shell(bob, "sync", "--wait"))["peers"]
    finally:
        stop_all([relay])
