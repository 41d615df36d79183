"""Sessions that began over a relay's circuit go on over a better carrier, by themselves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.relays import connected, know_each_other, start_islands, start_relay, wait_for_peer

pytestmark = pytest.mark.nodes

MOVE_S = 120.0  # signals, candidates and a handshake, beside other tests


def moved_to(node: LocalNode, transport: str) -> Callable[[], Json | None]:
    """For `wait_for`: its one peer, once the session is on that carrier."""

    def look() -> Json | None:
        peer = connected(node)()
        return peer if peer is not None and peer["transport"] == transport else None

    return look


def islands(folder: Path, running: list[LocalNode], *, webrtc: str) -> tuple[LocalNode, LocalNode]:
    """Two nodes who tell nobody where they listen, and a relay; they follow each other."""
    relay = start_relay(folder)
    running.append(relay)
    url = str(relay.ready["relay"])
    alice, bob = start_islands(folder, running, url, PANSPERMIA_P2P_WEBRTC=webrtc)
    know_each_other(alice, bob)
    return alice, bob


def test_a_session_by_a_circuit_moves_to_a_data_channel(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    for one in islands(tmp_path, running, webrtc="true"):
        peer = wait_for(f"{one.name} to be direct", MOVE_S, moved_to(one, "webrtc"))
        assert peer["moves"] >= 1, "it began over the relay's circuit"
        assert peer["entries_twice"] == 0


def test_a_session_by_a_circuit_moves_to_tcp_when_a_place_is_named(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    alice, bob = islands(tmp_path, running, webrtc="false")
    for one in (alice, bob):
        assert wait_for_peer(one)["transport"] == "relay"
    alice.client.post("/api/peers", {"address": bob.ready["p2p"]})
    for one in (alice, bob):
        peer = wait_for(f"{one.name} to be direct", MOVE_S, moved_to(one, "tcp"))
        assert peer["moves"] >= 1, "it is the same session"
        assert peer["entries_twice"] == 0
