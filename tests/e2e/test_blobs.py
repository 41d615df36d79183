"""Files of any kind with real daemons: kept by one, fetched by another, removed."""

import os
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import manifest_of
from crdt.chunking import content_manifest_of
from node.commands.nodes import COMMAND, LocalNode, clean_environment
from tests.e2e.story import COMMAND_S, Shell, StartNode

pytestmark = pytest.mark.nodes

WORLD = blake3(b"a world of alice").digest(length=(6 << 20) + 5)


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
