"""A disk dies: the home comes back from its backup, as a new device, and goes on publishing."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from node.client import module_path
from node.commands.nodes import LocalNode, wait_for
from tests.e2e.story import ARRIVE_S, Shell, StartNode, answering, make_module
from tests.e2e.test_rotation import Story, seen, wait_until_seen

pytestmark = pytest.mark.nodes


def test_a_home_comes_back(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    story = Story(shell, tmp_path)
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    guild = story.run(alice, "namespace", "create", "guild")["did"]
    story.run(alice, "name", "set", "bob", bob.did)
    made = story.run(alice, "invite", "--for", "bob", "--namespace", "guild", "--write")
    story.run(bob, "accept", made["code"], "--yes", "--name", "hers")
    assert story.run(alice, "config", "set", "log.level", "debug")["needs_restart"]
    clock = make_module(tmp_path / "clock", "io.test.clock", "1.0.0", answering(7))
    story.run(alice, "publish", str(clock))
    inside = {story.publish(alice, "lamp", "guild"), story.publish(bob, "rope", "hers")}
    wait_until_seen((alice,), "guild", inside)
    wait_until_seen((bob,), "commons", {"io.test.clock"})

    file, secret = tmp_path / "alice.psd", ("--passphrase-file", str(story.secret))
    assert story.run(alice, "backup", str(file), *secret)["size"] == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    refused = story.run(alice, "backup", str(file), *secret, code=1)
    assert refused["code"] == "file-exists"
    old = story.device_of(alice)
    alice.stop()
    keys = [path.read_bytes() for path in (alice.home / "identity").rglob("*.key")]
    assert len(keys) == 5, "author, device, sealing key, token and the guild's"
    seeds = [bytes.fromhex(key.decode().split()[-1]) for key in keys]
    assert not any(seed in file.read_bytes() for seed in seeds), "sealed, or not there at all"
    shutil.rmtree(alice.home)

    # What is in it can be seen without the passphrase; damage and a wrong one change nothing.
    listed = story.run(alice.home, "restore", str(file), "--dry-run")
    assert (listed["author"], listed["made_by"]) == (alice.did, old)
    assert (listed["entries"], listed["namespaces"], listed["names"]) == (2, ["guild"], 1)
    assert listed["blobs"] == 1, "both modules have the same bytes"
    damaged = tmp_path / "damaged.psd"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    told = story.run(alice.home, "restore", str(damaged), *secret, code=7)
    assert told["code"] == "drop-damaged"
    wrong = tmp_path / "wrong"
    wrong.write_text("something else\n")
    told = story.run(alice.home, "restore", str(file), "--passphrase-file", str(wrong), code=4)
    assert told["code"] == "wrong-passphrase"
    assert not (alice.home / "identity").exists()

    restored = story.run(alice.home, "restore", str(file), *secret)
    assert restored["refused"] == 0
    assert restored["device"] != old
    told = story.run(alice.home, "restore", str(file), *secret, code=4)
    assert told["code"] == "exists"

    # It goes on: the same author, the same guild, and what it has is there without any peer.
    alice = node("alice")
    assert story.run(alice, "id", "show")["did"] == restored["author"]
    assert seen(alice, "commons") == {"io.test.clock"}
    assert seen(alice, "guild") == {"io.test.lamp"}
    assert [one["did"] for one in story.run(alice, "namespace", "list")["namespaces"]][1] == guild
    wasm = tmp_path / "clock.wasm"
    story.run(alice, "fetch", "io.test.clock@1.0.0", "-o", str(wasm))
    assert wasm.read_bytes() == answering(7)
    assert story.run(alice, "name", "list")["names"][0]["author"] == bob.did
    story.run(alice, "connect", str(bob.ready["p2p"]))
    make_module(tmp_path / "clock", "io.test.clock", "1.1.0", answering(9))
    story.run(alice, "publish", str(clock))
    inside.add(story.publish(alice, "bell", "guild"))
    story.run(alice, "device", "remove", old, "--yes", *secret)
    wait_until_seen((alice,), "guild", inside)
    wait_until_seen((bob,), "hers", inside)

    def has_both() -> bool | None:
        module = bob.client.get("/api/modules/io.test.clock")
        return [one["version"] for one in module["versions"]] == ["1.0.0", "1.1.0"] or None

    wait_for("bob to see both versions", ARRIVE_S, has_both)
    for one in (alice, bob):
        assert story.run(one, "refused")["refused"] == [], "no number was used twice"


def test_a_home_that_was_not_lost_after_all_goes_on_beside_the_restored_one(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    """Both publish while they know nothing of each other, also into the same record."""
    story = Story(shell, tmp_path)
    old = node("old")
    bob = node("bob", peers=(old,))
    made = make_module(tmp_path / "clock", "io.test.clock", "1.0.0", answering(7))
    story.run(old, "publish", str(made))
    wait_until_seen((bob,), "commons", {"io.test.clock"})
    file, secret = tmp_path / "old.psd", ("--passphrase-file", str(story.secret))
    story.run(old, "backup", str(file), *secret)
    new_home = tmp_path / "new"
    story.run(new_home, "restore", str(file), *secret)
    new = node("new")
    assert new.did == old.did
    assert story.device_of(new) != story.device_of(old)

    for one, version in ((old, "1.1.0"), (new, "1.2.0")):
        make_module(tmp_path / "clock", "io.test.clock", version, answering(9))
        story.run(one, "publish", str(tmp_path / "clock"))
    public = {"io.test.clock", story.publish(old, "lamp"), story.publish(new, "rope")}
    story.run(new, "connect", str(bob.ready["p2p"]))
    everyone = (old, new, bob)
    wait_until_seen(everyone, "commons", public)

    def has_all(at: LocalNode) -> bool | None:
        module = at.client.get(module_path(f"{old.did}/io.test.clock"))
        versions = {one["version"] for one in module["versions"]}
        return versions == {"1.0.0", "1.1.0", "1.2.0"} or None

    for one in everyone:
        wait_for(f"{one.name} to see all versions", ARRIVE_S, partial(has_all, one))
        assert story.run(one, "refused")["refused"] == [], "no number was used twice"
    devices = {story.device_of(old), story.device_of(new)}
    assert {one["did"] for one in story.run(new, "device", "list")["devices"]} >= devices
