"""The lock between disk and API, and the part of it that an update leaves alone."""

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.commands.files import write_atomically
from node.commands.install import list_command, staying
from node.commands.lock import means, read_lock, write_lock
from node.failure import Failure, Json

ALICE = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def package(name: str, **dependencies: str) -> Json:
    needs = {f"{ALICE}/io.test.{id}": range for id, range in dependencies.items()}
    hashes = {"sha256": "a" * 64, "blob": "b" * 64}
    named = {"id": f"{ALICE}/io.test.{name}", "version": "1.0.0", "author": ALICE}
    return {**named, **hashes, "dependencies": needs}


LOCK: Json = {
    "version": 1,
    "requirements": {f"{ALICE}/io.test.a": "^1", f"{ALICE}/io.test.c": "*"},
    "packages": [package("a", b="^1"), package("b"), package("c", b="*", d="*"), package("d")],
}


def test_a_lock_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "panspermia.lock"
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    before = path.read_bytes()
    write_lock(path, LOCK)
    assert path.read_bytes() == before


def test_no_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "panspermia.lock") is None


@pytest.mark.parametrize("content", [b"\xff", b"version = 9", b"package = 7", b"[" * 9_999, b"x"])
def test_a_damaged_lock_is_a_failure(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "panspermia.lock"
    path.write_bytes(content)
    with pytest.raises(Failure) as failed:
        read_lock(path)
    assert failed.value.problem["code"] == "invalid-lock"
    assert str(path) in failed.value.problem["detail"]


def test_what_stays_is_what_the_others_need() -> None:
    left = staying(LOCK, [f"{ALICE}/io.test.c"])
    assert list(left["requirements"]) == [f"{ALICE}/io.test.a"]
    assert {one["id"].rpartition(".")[2] for one in left["packages"]} == {"a", "b"}


def test_names() -> None:
    assert means("io.x", "did:key:z/io.x")
    assert means("did:key:z/io.x", "did:key:z/io.x")
    assert not means("did:key:y/io.x", "did:key:z/io.x")
    assert not means("io.y", "did:key:z/io.x")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    write_atomically(path, b"new", mode=0o600)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        write_atomically(folder, b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_bill_of_materials_needs_no_node(tmp_path: Path) -> None:
    path = tmp_path / "panspermia.lock"
    asked = ["--sbom", "--lock", str(path)]
    with pytest.raises(Failure, match="no lock file"):
        CliRunner().invoke(list_command, asked, standalone_mode=False, catch_exceptions=False)
    write_lock(path, LOCK)
    ran = CliRunner().invoke(list_command, asked, standalone_mode=False, catch_exceptions=False)
    found = {one["name"] for one in json.loads(ran.stdout)["components"]}
    assert found == {"io.test.a", "io.test.b", "io.test.c", "io.test.d"}
