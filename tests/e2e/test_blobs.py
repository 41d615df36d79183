"""Files of any kind with real daemons: kept by one, fetched by another, removed."""

import os
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import manifest_of
from crdt.chunking import content_manifest_of
from node.commands.nodes import COMMAND, LocalNode, clean_environment, wait_for
from node.failure import Json
from tests.e2e.story import COMMAND_S, Shell, StartNode, wait_until_met

pytestmark = pytest.mark.nodes

WORLD = blake3(b"a world of alice").digest(length=(6 << 20) + 5)

LARGE_BYTES = 128 << 20  # two minutes at the limit that is set: nobody waits for it


def piped(at: LocalNode, folder: Path, *args: str, given: bytes = b"") -> tuple[int, bytes]:
    done = subprocess.run(
        [*COMMAND, "--home", str(at.home), *args],
        cwd=folder,
        env=clean_environment(),
        input=given,
        capture_output=True,
        timeout=COMMAND_S,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


def test_a_file_is_added_listed_fetched_by_another_and_removed(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    file = tmp_path / "world.bin"
    file.write_bytes(WORLD)

    added = shell(alice, "blob", "add", str(file))
    assert added.code == 0, added
    id = added.answer["id"]
    assert id == manifest_of(WORLD).id.hex()
    assert (added.answer["size"], added.answer["name"]) == (len(WORLD), "world.bin")
    (listed,) = shell(alice, "blob", "list").answer["blobs"]
    assert listed["id"] == id

    copy = tmp_path / "copy.bin"
    wait_until_met(bob, alice)
    fetched = shell(bob, "fetch", id, "-o", str(copy))
    assert fetched.code == 0, fetched
    assert fetched.answer["size"] == len(WORLD)
    assert copy.read_bytes() == WORLD
    assert list(tmp_path.glob(".copy*")) == []
    assert [one.stat().st_size for one in (bob.home / "blobs").iterdir()] == [len(WORLD)]

    assert shell(alice, "blob", "remove", id).code == 0
    assert shell(alice, "blob", "remove", id).code == 5
    assert shell(alice, "gc").answer["bytes"] == len(WORLD)
    assert list((alice.home / "blobs").iterdir()) == []
    assert piped(bob, tmp_path, "fetch", id) == (0, WORLD), "bob holds it on his own"

    the_next_version_comes_as_what_differs(alice, bob, shell, tmp_path)
    bob.stop()
    for setting in ("p2p.download", "p2p.download_peer"):
        assert shell(bob, "config", "set", setting, "1MiB").code == 0
    a_small_one_overtakes_a_large_one(alice, node("bob", peers=(alice,)), shell, tmp_path)


def the_next_version_comes_as_what_differs(
    alice: LocalNode, bob: LocalNode, shell: Shell, folder: Path
) -> None:
    """Forty places of 6 MiB changed, each in another chunk: 0.8 MB as they are."""
    changed = bytearray(WORLD)
    for at in range(0, len(WORLD), len(WORLD) // 40):
        changed[at : at + 9] = b"somewhere"
    versions = (folder / "before.bin", folder / "after.bin")
    for file, data in zip(versions, (WORLD, bytes(changed)), strict=True):
        file.write_bytes(data)
    kept = [
        str(shell(at, "blob", "add", "--chunks", "content", str(file)).answer["id"])
        for at, file in ((bob, versions[0]), (alice, versions[0]), (alice, versions[1]))
    ]
    before = bytes_in(bob)
    copy = folder / "after.copy"
    fetched = shell(bob, "fetch", kept[2], "--relative-to", kept[0], "-o", str(copy))
    assert fetched.code == 0, fetched
    assert copy.read_bytes() == bytes(changed)
    assert bytes_in(bob) - before < 100_000


def bytes_in(node: LocalNode) -> int:
    return sum(one["bytes_in"] for one in node.client.get("/api/peers")["peers"])


def a_small_one_overtakes_a_large_one(
    alice: LocalNode, bob: LocalNode, shell: Shell, folder: Path
) -> None:
    """Of a line that is limited small blobs get their part first; the large one goes on."""
    large, small = folder / "large.bin", folder / "small.bin"
    large.write_bytes(blake3(b"large").digest(length=LARGE_BYTES))
    small.write_bytes(WORLD[:100_000])
    of_large = str(shell(alice, "blob", "add", str(large)).answer["id"])
    of_small = str(shell(alice, "blob", "add", str(small)).answer["id"])

    def limited() -> Json | None:
        running = bob.client.get("/api/status")["transfers"]
        found = [one for one in running if one["blob"] == of_large and one["limited"]]
        return found[0] if found else None

    wait_until_met(bob, alice)
    fetch = [*COMMAND, "--home", str(bob.home), "fetch", of_large, "-o", str(folder / "copy")]
    with subprocess.Popen(fetch, env=clean_environment(), stderr=subprocess.DEVNULL) as fetching:
        try:
            before = wait_for("the limit to be felt", COMMAND_S, limited)
            assert shell(bob, "fetch", of_small, "-o", str(folder / "copy.small")).code == 0
            after = wait_for("the large one to go on", COMMAND_S, limited)
        finally:
            fetching.kill()
    assert (folder / "copy.small").read_bytes() == small.read_bytes()
    assert before["size"] <= after["size"] < LARGE_BYTES
    assert before["bytes_per_s"] < LARGE_BYTES / 8, "some 1 MiB/s, after a burst at first"


def test_what_comes_on_stdin_is_kept_and_goes_to_stdout(node: StartNode, tmp_path: Path) -> None:
    alice = node("alice")
    code, said = piped(alice, tmp_path, "blob", "add", "-", "--chunks", "content", given=WORLD)
    assert (code, said.decode().strip()) == (0, content_manifest_of(WORLD).id.hex())
    assert piped(alice, tmp_path, "fetch", said.decode().strip()) == (0, WORLD)
    _, listing = piped(alice, tmp_path, "blob")
    assert said.decode().strip() in listing.decode()


def test_a_file_that_cannot_be_read_or_written_is_said(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    missing = shell(alice, "blob", "add", str(tmp_path / "nothing"))
    assert (missing.code, missing.answer["code"]) == (1, "cannot-read")
    folder = shell(alice, "blob", "add", str(tmp_path))
    assert folder.answer["code"] == "cannot-read"
    small = tmp_path / "small"
    small.write_bytes(b"small")
    id = shell(alice, "blob", "add", str(small)).answer["id"]
    nowhere = shell(alice, "fetch", id, "-o", str(tmp_path / "no" / "file"))
    assert nowhere.answer["code"] == "cannot-write"
    unknown = shell(alice, "fetch", os.urandom(32).hex(), "-o", str(tmp_path / "copy"))
    assert (unknown.code, unknown.answer["code"]) == (8, "blob-unreachable")
    assert not (tmp_path / "copy").exists()
