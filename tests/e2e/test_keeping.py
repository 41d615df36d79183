"""What was published stays to be had while its publisher is away: others keep what records name."""

from functools import partial
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.relays import BACKOFF_S, start_hidden, start_relay, wait_for_relay
from tests.e2e.story import Ran, Shell, answering, make_module

pytestmark = pytest.mark.nodes

CLOCK, LAMP = "io.alice.clock", "io.alice.lamp"


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def test_a_module_is_installed_from_a_relay_though_whoever_published_it_was_killed(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path, "--namespace", "commons")
    listen = str(relay.ready["p2p"])
    running.append(relay)
    url = str(relay.ready["relay"])
    alice, bob = (start_hidden(name, tmp_path, url) for name in ("alice", "bob"))
    running += [alice, bob]
    bob.stop()
    codes = invited(shell, alice, relay, bob)
    relay.stop()
    relay = start_relay(
        tmp_path, "--namespace", "commons", "--namespace", "garden", "--keep", "64MiB",
        listen=listen,
    )  # fmt: skip
    running.append(relay)
    wait_for_relay(alice)
    for id, place in ((CLOCK, "commons"), (LAMP, "garden")):
        made = make_module(tmp_path / id, id, "1.0.0", answering(len(id)))
        done(shell(alice, "publish", str(made), "--namespace", place))

    def has_both() -> Json | None:
        keep = relay.client.get("/api/status")["keep"]
        return keep if keep["blobs"] == 2 and not keep["fetching"] else None

    keep = wait_for("the relay to keep both", BACKOFF_S, has_both)
    assert (keep["budget_bytes"], keep["waits"]) == (64 << 20, [])
    alice.kill()

    # Bob has nothing of alice's yet, and the relay is all that he knows.
    bob = start_hidden("bob", tmp_path, url)
    running.append(bob)
    done(shell(bob, "accept", codes["bob"], "--yes"))
    for id, place in ((CLOCK, "commons"), (LAMP, "garden")):
        wait_for(f"bob to list {id}", BACKOFF_S, partial(lists, bob, id, place))
        done(shell(bob, "install", f"{alice.did}/{id}", "--namespace", place, "--yes"))
    listed = done(shell(relay, "blob", "list"))["kept"]["blobs"]
    assert [(one["author"], one["whole"], one["chosen"]) for one in listed] == [
        (alice.did, True, True)
    ] * 2

    # What nobody who counts names any more goes with the next collection.
    relay.client.delete("/api/names/alice")
    assert done(shell(relay, "gc"))["blobs"] == 1
    assert relay.client.get("/api/status")["keep"]["blobs"] == 1, "that of the garden stays"


def invited(shell: Shell, alice: LocalNode, relay: LocalNode, bob: LocalNode) -> dict[str, str]:
    """Alice has a garden, the relay knows her and is let in; codes by name."""
    relay.client.put("/api/names/alice", {"author": alice.did})
    done(shell(alice, "namespace", "create", "garden"))
    codes = {
        one.name: str(
            done(shell(alice, "invite", "--for", one.did, "--namespace", "garden"))["code"]
        )
        for one in (relay, bob)
    }
    done(shell(relay, "accept", codes["relay"], "--yes"))
    return codes


def lists(node: LocalNode, id: str, place: str) -> bool | None:
    page = node.client.get("/api/modules", {"namespace": place})
    return id in {one["id"] for one in page["modules"]} or None
