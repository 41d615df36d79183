"""A laptop is lost: a drill with real daemons.

Alice has a laptop and a phone, Bob writes with her in the guild, and Carol only listens. The laptop
is stolen; with the phone, and her key from its export, Alice removes it and adds another one. What
was published before stays everywhere; what the thief writes counts nowhere.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

PASSPHRASE = "correct horse battery"


class Story:
    def __init__(self, shell: Shell, folder: Path) -> None:
        self.shell = shell
        self.folder = folder
        self.secret = folder / "passphrase"
        self.secret.write_text(PASSPHRASE + "\n")

    def run(self, at: LocalNode | Path, *args: str, code: int = 0) -> Json:
        ran = self.shell(at, *args)
        assert ran.code == code, ran
        return ran.answer

    def publish(self, at: LocalNode, name: str, namespace: str = "commons") -> str:
        id = f"io.test.{name}"
        folder = make_module(self.folder / f"{at.name}-{name}", id, "1.0.0", answering(7))
        self.run(at, "publish", str(folder), "--namespace", namespace)
        return id

    def device_of(self, at: LocalNode) -> str:
        return str(self.run(at, "id", "show")["device"])


def seen(at: LocalNode, namespace: str) -> set[str]:
    page = at.client.get("/api/modules", {"namespace": namespace})
    return {module["id"] for module in page["modules"]}


def is_seen(at: LocalNode, namespace: str, ids: set[str]) -> bool | None:
    return seen(at, namespace) == ids or None


def is_listed(story: "Story", at: LocalNode) -> bool | None:
    return len(revoked(story, at)) == 1 or None


def wait_until_seen(nodes: Sequence[LocalNode], namespace: str, ids: set[str]) -> None:
    for one in nodes:
        wait_for(
            f"{one.name} to see {ids} in {namespace}",
            ARRIVE_S,
            partial(is_seen, one, namespace, ids),
        )


def forget_where_others_are(home: Path) -> None:
    """As on a network from which none of their addresses can be reached."""
    with closing(sqlite3.connect(home / "panspermia.db")) as database, database:
        database.execute("DELETE FROM card_source")
        database.execute("DELETE FROM card")
        database.execute("DELETE FROM known_peer")


def test_a_stolen_laptop(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    story = Story(shell, tmp_path)
    laptop = node("laptop")
    phone, bob = node("phone", peers=(laptop,)), node("bob", peers=(laptop,))
    carol = node("carol", peers=(laptop, bob))

    # Two devices of one author, in commons and in a guild with Bob and Carol.
    story.run(laptop, "namespace", "create", "guild")
    export = tmp_path / "alice.key"
    story.run(laptop, "id", "export", str(export), "--passphrase-file", str(story.secret))
    old = story.device_of(laptop)
    added = story.run(laptop, "device", "add", story.device_of(phone), "--name", "phone")
    taken = story.run(phone, "accept", added["code"], "--yes")
    assert taken["starts_again"]
    assert story.run(phone, "id", "show")["did"] == laptop.did
    for one, level in ((bob, "--write"), (carol, "--read")):
        made = story.run(laptop, "invite", "--for", one.did, "--namespace", "guild", level)
        shown = story.run(one, "accept", made["code"], "--dry-run")
        assert "in the namespace guild" in " ".join(shown["words"])
        story.run(one, "accept", made["code"], "--yes")

    everyone = (laptop, phone, bob, carol)
    public = {story.publish(laptop, "one"), story.publish(phone, "two")}
    inside = {
        story.publish(laptop, "three", "guild"),
        story.publish(phone, "four", "guild"),
        story.publish(bob, "five", "guild"),
    }
    wait_until_seen(everyone, "commons", public)
    wait_until_seen(everyone, "guild", inside)

    # The thief takes it home, where it reaches nobody, and goes on before it hears of anything.
    laptop.stop()
    forget_where_others_are(laptop.home)
    thief = node("laptop")
    story.publish(thief, "stolen")
    story.publish(thief, "taken", "guild")
    thief.stop()

    # From the phone, with the key from its export.
    story.run(phone, "connect", str(bob.ready["p2p"]))
    story.run(phone, "id", "import", str(export), "--passphrase-file", str(story.secret))
    would = story.run(phone, "device", "remove", old, "--dry-run")
    assert (would["gone_count"], len(would["namespaces"])) == (0, 2)
    refused = story.run(phone, "device", "remove", old, "--yes", code=4)
    assert refused["code"] == "sealed"
    story.run(
        phone, "device", "remove", old, "--yes", "--reason", "lost",
        "--passphrase-file", str(story.secret),
    )  # fmt: skip
    fresh = node("fresh", peers=(bob,))
    added = story.run(
        phone, "device", "add", story.device_of(fresh),
        "--passphrase-file", str(story.secret),
    )  # fmt: skip
    story.run(fresh, "accept", added["code"], "--yes")
    public.add(story.publish(fresh, "six"))
    inside.add(story.publish(fresh, "seven", "guild"))
    rest = (phone, bob, carol, fresh)
    wait_until_seen(rest, "commons", public)
    wait_until_seen(rest, "guild", inside)

    # The thief comes back to the network: what it wrote in commons comes to all, and nobody shows
    # it. In the guild it hears only that it was removed, and so it does not show its own either.
    thief = node("laptop", peers=(bob, carol))
    for one in (bob, carol):
        wait_for(
            f"{one.name} to list it as revoked",
            ARRIVE_S,
            partial(is_listed, story, one),
        )
    wait_until_seen((bob, carol, thief), "commons", public)
    wait_until_seen((bob, carol), "guild", inside)
    wait_until_seen((thief,), "guild", inside - {"io.test.seven"})
    denied = story.run(
        thief, "publish", str(make_module(tmp_path / "x", "io.test.x", "1.0.0", answering(1))),
        code=4,
    )  # fmt: skip
    assert denied["code"] == "revoked"
    assert "device add" in denied["detail"]
    warnings = story.run(thief, "status")["warnings"]
    assert any("removed by its author" in one for one in warnings)
    found = story.run(thief, "doctor")["findings"]
    assert any("removed by its author" in one["detail"] for one in found)
    listed = {one["did"]: one["revoked"] for one in story.run(phone, "device", "list")["devices"]}
    assert len(listed) == 3
    assert [did for did, gone in listed.items() if gone] == [old]


def revoked(story: Story, at: LocalNode) -> list[Json]:
    page = story.run(at, "refused")["refused"]
    return [one for one in page if one["held"] and one["code"] == "revoked"]
