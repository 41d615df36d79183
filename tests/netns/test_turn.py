"""Two homes that reach a TURN server and not each other: the data channel goes through it."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from p2p.transport.webrtc.servers import IceServers
from tests.e2e.story import answering, make_module
from tests.netns.bed import Bed
from tests.netns.daemons import PORT, daemons
from tests.netns.islands import Islands, islands
from tests.netns.test_carriers import came_to, on
from tests.netns.test_direct import both_ways, lives, machine, meet
from tests.netns.test_nodes import registered
from tests.netns.turn import SECRET, serving_turn, wait_for_allocations
from tests.p2p.transport.webrtc.people import Post

pytestmark = pytest.mark.nodes


def homes_behind_nats(bed: Bed) -> Islands:
    """Through which no hole can be punched. What the server sends to addresses inside of them is
    lost on the way, as out there; without a route it would think that its own network is broken."""
    world = islands(bed, is_symmetric=True)
    somewhere = world.alice.router.address
    bed.ip("route", "add", "default", "via", somewhere, namespace=world.relay.namespace)
    return world


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_channel_goes_through_the_turn_server_where_there_is_no_other_way(
    bed: Bed, tmp_path: Path, transport: Literal["udp", "tcp"]
) -> None:
    world = homes_behind_nats(bed)
    with (
        machine(bed, world.alice.machine) as hers,
        machine(bed, world.bob.machine) as his,
        serving_turn(bed, world.relay, tmp_path) as turn,
    ):
        servers = IceServers(turn=[replace(turn, transport=transport)])
        post = Post()
        with lives(hers, 1, post, servers) as alice, lives(his, 2, post, servers) as bob:
            one = hers.do(meet(alice, bob, post))
            other = his.do(bob.came.get())
            assert world.relay.address in (one.remote.host, other.remote.host)
            wait_for_allocations(tmp_path)
            both_ways((hers, his), (one, other), bytes(range(256)) * 1_024)


def test_nodes_find_a_path_through_the_turn_server_that_they_are_told(
    bed: Bed, tmp_path: Path
) -> None:
    world = homes_behind_nats(bed)
    with serving_turn(bed, world.relay, tmp_path) as turn, daemons(bed, tmp_path) as start:
        start(world.relay, role="relay")
        flags = ("--no-mdns", "--relay", f"relay://{world.relay.address}:{PORT}")
        told = f"turn:{turn.user}:{turn.secret}@{turn.place}"
        alice, bob = (
            start(home.machine, *flags, PANSPERMIA_P2P_TURN=told)
            for home in (world.alice, world.bob)
        )
        for one in (alice, bob):
            one.wait_for("to be registered", partial(registered, one))
        alice.put("/api/names/bob", {"author": bob.node.did})
        for one in (alice, bob):
            one.wait_for("to talk through TURN", on(one, "webrtc"))
        wait_for_allocations(tmp_path)
        alice.run("publish", str(make_module(tmp_path / "m", "io.m", "1.0.0", answering(7))))
        bob.wait_for("to have it", lambda: came_to(bob) or None)
        for one in (alice, bob):
            peer = one.wait_for("to be connected", on(one, "webrtc"))
            assert peer["moves"] >= 1, "it began by a circuit"
            shown = str(one.get("/api/status")) + str(one.get("/api/peers"))
            assert SECRET not in shown + (tmp_path / f"{one.host.name}.log").read_text()
