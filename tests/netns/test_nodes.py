"""Real nodes on networks of their own: a LAN without a relay, and islands that reach only one."""

from pathlib import Path

import pytest

from node.failure import Json
from tests.netns.bed import Bed
from tests.netns.daemons import PORT, Daemon, daemons
from tests.netns.islands import islands

pytestmark = pytest.mark.alone


def test_nodes_of_a_lan_find_each_other_without_a_relay(bed: Bed, tmp_path: Path) -> None:
    street = bed.segment("10.77.1.0/24")
    hosts = [bed.host(name, street) for name in ("alice", "bob")]
    with daemons(bed, tmp_path) as start:
        alice, bob = (start(host) for host in hosts)
        met = alice.wait_for("to meet bob by mDNS", alice.peer)
        assert met["did"] == bob.node.did
        assert met["transport"] == "tcp"
        assert bob.wait_for("to meet alice", bob.peer)["did"] == alice.node.did


def registered(one: Daemon) -> Json | None:
    (relay,) = one.get("/api/peers")["relays"]
    return relay if relay["state"] == "registered" else None


def test_islands_meet_through_the_relay_and_directly(bed: Bed, tmp_path: Path) -> None:
    """First a hole is punched, by the relay's signals and STUN; else a circuit is what there is."""
    world = islands(bed)
    with daemons(bed, tmp_path) as start:
        relay = start(world.relay, role="relay")
        at = f"{world.relay.address}:{PORT}"
        flags = ("--no-mdns", "--relay", f"relay://{at}")
        alice, bob = (start(home.machine, *flags) for home in (world.alice, world.bob))
        for one in (alice, bob):
            one.wait_for("to be registered", lambda one=one: registered(one))
        device = bob.get("/api/identity")["device"].removeprefix("did:key:")

        direct = alice.post("/api/peers", {"address": f"webrtc:{device}@{at}"})
        assert direct["did"] == bob.node.did
        assert direct["transport"] == "webrtc"
        seen = bob.wait_for("to see alice", bob.peer)
        assert seen["transport"] == "webrtc"
        assert seen["address"].startswith(world.alice.router.address)

        # UDP between the islands is blocked: what is left is a circuit.
        bed.block(world.alice.router, "meta l4proto udp")
        circuit = alice.wait_for(
            "to talk to bob by the relay", lambda: by_circuit(alice, f"circuit:{device}@{at}")
        )
        assert circuit["did"] == bob.node.did
        assert relay.peer() is None  # it passes on, and takes no part


def by_circuit(one: Daemon, place: str) -> Json | None:
    peer = one.peer()
    if peer is not None and peer["transport"] == "relay":
        return peer
    if peer is None:
        one.post("/api/peers", {"address": place})
    return None
