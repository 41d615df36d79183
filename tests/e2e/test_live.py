"""Three daemons who all know one another: what one publishes comes to each of the others once."""

import asyncio
import sys
from pathlib import Path

import pytest

from crdt.keys import COMMONS
from node.commands.nodes import LocalNode, start_node, wait_for
from node.failure import Json
from p2p.protocol import frames
from tests.e2e.mallory import Mallory
from tests.e2e.story import (
    ARRIVE_S,
    Shell,
    StartNode,
    answering,
    has_modules,
    make_module,
    wait_for_modules,
)

pytestmark = pytest.mark.nodes

MODULES = 12
PATIENT = (sys.executable, str(Path(__file__).with_name("patient.py")))


def peers_of(at: LocalNode) -> list[Json]:
    return list(at.client.get("/api/peers")["peers"])


def in_sync_with(at: LocalNode, count: int) -> None:
    def look() -> bool | None:
        sync = at.client.get("/api/peers")["sync"]
        return (sync["state"], sync["in_sync"]) == ("in-sync", count) or None

    wait_for(f"{at.name} to be in sync with {count}", ARRIVE_S, look)


def test_in_a_triangle_each_entry_comes_to_each_once(
    running: list[LocalNode], shell: Shell, tmp_path: Path
) -> None:
    for name in ("alice", "bob", "carol"):
        known = [part for one in running for part in ("--peer", str(one.ready["p2p"]))]
        running.append(start_node(name, tmp_path, "--no-mdns", *known, program=PATIENT))
    triangle = (_, bob, _) = running
    for one in triangle:
        in_sync_with(one, 2)

    names: list[str] = []
    for number in range(MODULES):
        writer = triangle[number % 3]
        path = make_module(tmp_path / f"m{number}", f"io.m{number}", "1.0.0", answering(number))
        names.append(shell(writer, "publish", str(path)).answer["module"])
    for one in triangle:
        wait_for_modules(one, names)
        in_sync_with(one, 2)
    for one in triangle:
        of_others = MODULES * 2 // 3
        assert sum(peer["entries_in"] for peer in peers_of(one)) == of_others
        assert sum(peer["entries_twice"] for peer in peers_of(one)) == 0
    sent = sum(peer["entries_out"] for one in triangle for peer in peers_of(one))
    assert sent == MODULES * 2, "nobody gave more than was needed"

    # The state comes first, in words and for programs.
    status = bob.client.get("/api/status")
    assert status["sync"]["words"] == "in sync with 2 peers"
    for peer in peers_of(bob):
        assert (peer["standing"], peer["words"]) == ("in-sync", "in sync")
        assert (peer["behind"], peer["ahead"], peer["refusals"]) == (0, 0, [])
        assert peer["transport"] == "tcp"
        assert peer["rtt_ms"] >= 0
        assert peer["compared_s"] >= 0


def test_a_peer_that_announces_and_gives_nothing_delays_nobody(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    """Carol hears of Alice's module from Mallory first, who is still silent when it has come."""
    alice, carol = node("alice"), node("carol")
    module = make_module(tmp_path / "m", "io.wanted", "1.0.0", answering(7))

    async def story() -> None:
        mallory = Mallory()
        async with mallory.meets(str(carol.ready["p2p"])) as call:
            async with mallory.meets(str(alice.ready["p2p"])) as listening:
                ran = await asyncio.to_thread(shell, alice, "publish", str(module))
                have = await listening.hear_until(frames.Have)
            assert isinstance(have, frames.Have)
            await call.say(frames.Have(COMMONS, have.ids, False))
            await call.hear_until(frames.Want)
            address = {"address": str(alice.ready["p2p"])}
            await asyncio.to_thread(carol.client.post, "/api/peers", address)
            look = has_modules(carol.client, [ran.answer["module"]])
            await asyncio.to_thread(wait_for, "carol to have it from alice", ARRIVE_S, look)
            await call.say(frames.Ping(1))  # the session with her stands, and owes an answer
            await call.hear_until(frames.Pong)

    asyncio.run(story())
