"""One session between two homes behind NATs, over whatever there is: a circuit, then directly,
and a circuit again when UDP is blocked amid a sync."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from node.failure import Json
from tests.e2e.story import answering, make_module
from tests.netns.bed import Bed
from tests.netns.daemons import PORT, Daemon, daemons
from tests.netns.islands import islands
from tests.netns.test_nodes import registered

pytestmark = pytest.mark.nodes
MODULES = 120
ENTRIES = MODULES  # the record of each
AMID = 40  # entries that came before UDP is blocked


def on(one: Daemon, transport: str) -> Callable[[], Json | None]:
    """For `wait_for`: its one peer, while the session is on that carrier."""

    def look() -> Json | None:
        peer = one.peer()
        return peer if peer is not None and peer["transport"] == transport else None

    return look


def came_to(one: Daemon) -> int:
    """Entries that its peers gave it, in the sessions that there are."""
    return sum(peer["entries_in"] for peer in one.get("/api/peers")["peers"])


def test_one_session_goes_from_a_circuit_to_webrtc_and_back_amid_a_sync(
    bed: Bed, tmp_path: Path
) -> None:
    world = islands(bed)
    modules = tmp_path / "modules"
    for number in range(MODULES):
        make_module(modules / f"m{number}", f"io.m{number}", "1.0.0", answering(number % 64))
    with daemons(bed, tmp_path) as start, ThreadPoolExecutor() as beside:
        start(world.relay, role="relay")
        flags = ("--no-mdns", "--relay", f"relay://{world.relay.address}:{PORT}")
        alice, bob = (start(home.machine, *flags) for home in (world.alice, world.bob))
        for one in (alice, bob):
            one.wait_for("to be registered", partial(registered, one))
        alice.put("/api/names/bob", {"author": bob.node.did})
        began = [one.wait_for("to talk directly", on(one, "webrtc")) for one in (alice, bob)]
        assert min(peer["moves"] for peer in began) >= 1, "it began over the relay"

        publishing = beside.submit(alice.run, "publish", str(modules))
        bob.wait_for("to have some", lambda: came_to(bob) >= AMID or None)
        bed.block(world.alice.router, "meta l4proto udp")
        for one in (alice, bob):
            one.wait_for("to talk by the relay again", on(one, "relay"))
        publishing.result()
        bob.wait_for("to have all of it", lambda: came_to(bob) >= ENTRIES or None)
        ended = [one.wait_for("to go on", on(one, "relay")) for one in (alice, bob)]
        for before, after in zip(began, ended, strict=True):
            assert after["moves"] > before["moves"], "the session that there was goes on"
            assert after["entries_twice"] == 0
        sent, came = ended
        assert sent["entries_out"] == came["entries_in"] == ENTRIES
