"""Real daemons that nobody told of each other: by a friend in common, and by the public table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.client import Client
from node.commands.nodes import LocalNode, stop_all, wait_for
from node.commands.peers import reasons
from node.failure import Json
from p2p.discovery.dht import open_dht
from tests.e2e.relays import start_relay
from tests.e2e.story import Shell, StartNode, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

# A friend is asked again after 30 s, and the table is looked at again after as long.
FOUND_S = 150.0


def is_connected(client: Client, did: str) -> Callable[[], Json | None]:
    def look() -> Json | None:
        peers = client.get("/api/peers")["peers"]
        return next((one for one in peers if one["did"] == did), None)

    return look


def wait_for_peer(at: LocalNode, other: LocalNode) -> Json:
    what = f"{at.name} to be connected to {other.name}"
    return wait_for(what, FOUND_S, is_connected(at.client, other.did))


def wait_for_each_other(one: LocalNode, other: LocalNode) -> tuple[Json, Json]:
    """Each as the other shows it, once both show the same session: where both called at the same
    time each has its own at first."""

    def look() -> tuple[Json, Json] | None:
        there = is_connected(one.client, other.did)()
        here = is_connected(other.client, one.did)()
        if there is None or here is None:
            return None
        is_same = {there["direction"], here["direction"]} == {"in", "out"}
        return (there, here) if is_same else None

    what = f"{one.name} and {other.name} to be connected"
    return wait_for(what, FOUND_S, look)


def name(shell: Shell, at: LocalNode, other: LocalNode) -> None:
    assert shell(at, "name", "set", other.name, other.did).code == 0


def test_two_friends_of_bob_find_each_other(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    bob = node("bob")
    carol = node("carol", peers=(bob,))
    alice = node("alice", peers=(bob,))
    mallory = node("mallory", peers=(bob,))
    for other in (alice, carol):
        name(shell, bob, other)
        name(shell, other, bob)
    name(shell, mallory, bob)
    wait_for_peer(bob, mallory)

    hers, carols = wait_for_each_other(alice, carol)
    assert hers["check_digits"] == carols["check_digits"]
    (found,) = (one for one in (hers, carols) if one["direction"] == "out")
    assert [source.partition(":")[0] for source in found["sources"]] == ["peer"]

    clock = make_module(tmp_path / "clock", "io.test.clock", "1.0.0", answering(10))
    assert shell(alice, "publish", str(clock)).code == 0
    wait_for_modules(carol, [f"{alice.did}/io.test.clock"])
    # Mallory named Bob, who did not name her: she was told of nobody, and nobody of her.
    assert [one["did"] for one in mallory.client.get("/api/peers")["peers"]] == [bob.did]
    for other in (alice, carol):
        assert is_connected(other.client, mallory.did)() is None


async def test_two_nodes_find_each_other_in_the_table_alone(
    node: StartNode, tmp_path: Path
) -> None:
    async with open_dht("127.0.0.1", bootstrap=()) as first:
        table = f'[p2p]\ndht = "on"\ndht_bootstrap = ["127.0.0.1:{first.port}"]\n'
        for home in ("alice", "bob"):
            (tmp_path / home).mkdir()
            (tmp_path / home / "config.toml").write_text(table)
        alice, bob = node("alice"), node("bob")
        hers, bobs = wait_for_each_other(alice, bob)
        (found,) = (one for one in (hers, bobs) if one["direction"] == "out")
        assert found["sources"] == ["dht"]
        kept = alice.home / "dht.json"
        wait_for("the way to be kept", FOUND_S, lambda: kept.exists() or None)


async def test_a_relay_of_the_table_is_shown_with_how_to_use_it_and_not_used(
    node: StartNode, tmp_path: Path
) -> None:
    async with open_dht("127.0.0.1", bootstrap=()) as first:
        table = f'[p2p]\ndht = "on"\ndht_bootstrap = ["127.0.0.1:{first.port}"]\n'
        for home in ("alice", "relay"):
            (tmp_path / home).mkdir()
            (tmp_path / home / "config.toml").write_text(table)
        relay = start_relay(tmp_path)
        try:
            alice = node("alice")

            def found() -> list[Json] | None:
                return alice.client.get("/api/peers")["found_relays"] or None

            (one,) = wait_for("alice to hear of the relay", FOUND_S, found)
            assert one["url"] == relay.ready["relay"]
            status = relay.client.get("/api/status")
            assert (one["did"], one["device"]) == (status["did"], status["device"])
            assert alice.client.get("/api/status")["found_relays"] == [one]
            assert alice.client.get("/api/peers")["relays"] == [], "nobody chose it"
            lines = list(reasons(alice.client.get("/api/peers")))
            (line,) = (line for line in lines if one["url"] in line)
            assert "not used" in line
            assert "p2p.relays" in line
        finally:
            stop_all([relay])
