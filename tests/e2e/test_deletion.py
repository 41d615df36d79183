"""Alice takes a module out of sight, brings it back, and lets it go; Bob's node follows."""

from functools import partial
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from tests.e2e.story import ARRIVE_S, Shell, StartNode
from tests.e2e.test_rotation import Story, wait_until_seen

pytestmark = pytest.mark.nodes


def entries_of(at: LocalNode) -> int:
    return int(at.client.get("/api/status")["entries"])


def is_down_to(at: LocalNode, entries: int) -> bool | None:
    at.client.post("/api/gc", {})
    return entries_of(at) == entries or None


def test_out_of_sight_and_gone(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    story = Story(shell, tmp_path)
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    lamp, rope = story.publish(alice, "lamp"), story.publish(alice, "rope")
    wait_until_seen((bob,), "commons", {lamp, rope})
    assert story.run(alice, "delete", "io.test.bell", code=5)["code"] == "unknown-module"
    assert story.run(alice, "delete", lamp)["deleted"]
    wait_until_seen((alice, bob), "commons", {rope})
    assert not story.run(alice, "delete", f"pub/mod/{lamp}", "--undo")["deleted"]
    wait_until_seen((alice, bob), "commons", {lamp, rope})
    assert story.run(bob, "delete", f"{alice.did}/{lamp}", code=4)["code"] == "no-capability"
    assert story.run(alice, "delete", lamp, "--for-good", code=2)["code"] == "usage"
    early = story.run(alice, "delete", lamp, "--for-good", "--yes", code=6)
    assert early["code"] == "not-deleted"
    story.run(alice, "delete", lamp)
    wait_until_seen((alice, bob), "commons", {rope})

    # Only the root key says so, which is sealed.
    story.run(alice, "id", "seal", "--passphrase-file", str(story.secret))
    assert story.run(alice, "delete", lamp, "--for-good", "--yes", code=4)["code"] == "sealed"
    gone = story.run(
        alice, "delete", lamp, "--for-good", "--yes", "--passphrase-file", str(story.secret)
    )
    assert gone["entries_dropped"] == 4, "published, deleted, brought back, deleted"
    left = entries_of(alice)
    wait_for("bob to let it go", ARRIVE_S, partial(is_down_to, bob, left))
    folder = tmp_path / "alice-lamp"
    assert story.run(alice, "publish", str(folder), code=6)["code"] == "let-go"
    story.run(alice, "sync", "--wait")
    assert entries_of(alice) == entries_of(bob) == left, "nobody gives it back"
    wait_until_seen((alice, bob), "commons", {rope})
