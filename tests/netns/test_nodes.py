"""Real nodes on networks of their own: a LAN without a relay, and islands that reach only one."""

from functools import partial
from pathlib import Path

import pytest
from blake3 import blake3

from node.demo import folders
from node.failure import Json
from tests.netns.bed import Bed
from tests.netns.daemons import PORT, Daemon, daemons
from tests.netns.islands import islands

pytestmark = pytest.mark.nodes
WORLD = blake3(b"a world of alice").digest(length=(3 << 20) + 5)


def test_nodes_of_a_lan_find_each_other_without_a_relay(bed: Bed, tmp_path: Path) -> None:
    street = bed.segment("10.77.1.0/24")
    hosts = [bed.host(name, street) for name in ("alice", "bob")]
    with daemons(bed, tmp_path) as start:
        alice, bob = (start(host) for host in hosts)
        met = alice.wait_for("to meet bob by mDNS", alice.peer)
        assert met["did"] == bob.node.did
        assert met["transport"] == "tcp"
        assert bob.wait_for("to meet alice", bob.peer)["did"] == alice.node.did


def test_a_peer_that_is_heard_no_more_is_noticed_and_met_again(bed: Bed, tmp_path: Path) -> None:
    """Half-open: what alice sends goes nowhere, and nothing tells either of them."""
    street = bed.segment("10.77.1.0/24")
    hosts = [bed.host(name, street) for name in ("alice", "bob")]
    with daemons(bed, tmp_path) as start:
        alice, bob = (start(host) for host in hosts)
        bob.wait_for("to meet alice", bob.peer)
        bed.cut(hosts[0])
        bob.wait_for("to notice that alice is not heard", lambda: bob.peer() is None or None)
        found = bob.wait_for("to say why", lambda: why_not(bob))
        assert found["address"] == f"{hosts[0].address}:{PORT}"
        bed.heal(hosts[0])
        assert bob.wait_for("to meet alice again", bob.peer)["did"] == alice.node.did


def why_not(one: Daemon) -> Json | None:
    """Whom it looks for in vain, and what it says of that."""
    return next((at for at in one.get("/api/peers")["discovered"] if at.get("last_error")), None)


@pytest.mark.parametrize("percent", [1, 5])
def test_everything_arrives_over_a_lossy_lan(bed: Bed, tmp_path: Path, percent: int) -> None:
    street = bed.segment("10.77.1.0/24")
    hosts = [bed.host(name, street) for name in ("alice", "bob")]
    for host in hosts:
        bed.lose(host, percent)
    with daemons(bed, tmp_path) as start:
        alice = start(hosts[0], "--no-mdns")
        bob = start(hosts[1], "--no-mdns", "--peer", f"{hosts[0].address}:{PORT}")
        for folder in folders():
            alice.run("publish", str(folder))
        sent = names_at(alice)
        assert sent
        bob.wait_for("to have all of it", lambda: names_at(bob) == sent or None)


def names_at(one: Daemon) -> set[str]:
    return {module["name"] for module in one.get("/api/modules")["modules"]}


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
            one.wait_for("to be registered", partial(registered, one))
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


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_islands_share_records_and_blobs_by_circuits_alone(
    bed: Bed, tmp_path: Path, is_symmetric: bool
) -> None:
    """Nothing but the relay can be reached from either of them, and WebRTC is off."""
    world = islands(bed, is_symmetric=is_symmetric)
    with daemons(bed, tmp_path) as start:
        relay = start(world.relay, role="relay")
        flags = ("--no-mdns", "--relay", f"relay://{world.relay.address}:{PORT}")
        alice, bob = (
            start(home.machine, *flags, PANSPERMIA_P2P_WEBRTC="false")
            for home in (world.alice, world.bob)
        )
        for one in (alice, bob):
            one.wait_for("to be registered", partial(registered, one))
        for folder in folders():
            alice.run("publish", str(folder))
        file, copy = tmp_path / "world.bin", tmp_path / "copy.bin"
        file.write_bytes(WORLD)
        alice.run("blob", "add", str(file))
        (blob,) = [one for one in alice.get("/api/blobs")["blobs"] if one["name"] == file.name]

        bob.put("/api/names/alice", {"author": alice.node.did})
        met = bob.wait_for("to meet alice", bob.peer)
        assert (met["did"], met["transport"]) == (alice.node.did, "relay")
        sent = names_at(alice)
        assert sent
        bob.wait_for("to have all records", lambda: names_at(bob) == sent or None)
        bob.run("fetch", blob["id"], "-o", str(copy))
        assert copy.read_bytes() == WORLD
        for one in (alice, bob):
            peer = one.wait_for("to be connected", one.peer)
            assert (peer["transport"], peer["entries_twice"]) == ("relay", 0)
        assert relay.peer() is None  # it passes on, and takes no part


def by_circuit(one: Daemon, place: str) -> Json | None:
    peer = one.peer()
    if peer is not None and peer["transport"] == "relay":
        return peer
    if peer is None:
        one.post("/api/peers", {"address": place})
    return None
