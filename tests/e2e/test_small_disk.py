"""A disk that is too small for a blob: refused with what to do, and had when there is room."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3

from tests.e2e.story import Ran, Shell, StartNode, wait_until_met

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own: root only"),
]

DISK_MIB = 40
WORLD = blake3(b"a world of alice").digest(length=48 << 20)
NOISE = blake3(b"two worlds").digest(length=64 << 20)


def mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return not subprocess.run(command, check=False, capture_output=True).returncode


@pytest.fixture
def home_of_bob(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "bob"
    home.mkdir()
    if not mount(home, f"size={DISK_MIB}m"):
        pytest.skip("this system mounts nothing")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def test_a_disk_that_is_too_small_is_said_and_more_room_is_enough(
    home_of_bob: Path, node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    file, copy = tmp_path / "world.bin", tmp_path / "copy.bin"
    file.write_bytes(WORLD)
    id = shell(alice, "blob", "add", str(file)).answer["id"]

    wait_until_met(bob, alice)
    refused = shell(bob, "fetch", id, "-o", str(copy))
    assert refused.code == 1, refused
    assert refused.answer["code"] == "not-stored"
    assert "quota.disk_free" in refused.answer["detail"]
    assert not copy.exists()
    assert not list((home_of_bob / "blobs").glob("*")), "no chunk of it was fetched"
    other = tmp_path / "other.bin"
    other.write_bytes(WORLD[::-1])
    full = shell(bob, "blob", "add", str(other))
    assert (full.code, full.answer["code"]) == (1, "over-quota"), full
    assert "quota.disk_free" in full.answer["detail"]
    status = shell(bob, "status").answer
    assert (status["state"], status["blobs"]["bytes"]) == ("ready", 0)

    assert mount(home_of_bob, f"remount,size={8 * DISK_MIB}m")
    assert shell(bob, "fetch", id, "-o", str(copy)).code == 0
    assert copy.read_bytes() == WORLD

    # Two that fit each, and not both: whichever comes first is had, and the other is refused.
    assert mount(home_of_bob, "remount,size=110m")
    ids: list[str] = []
    for number in (1, 2):
        (made := tmp_path / f"{number}.bin").write_bytes(NOISE[number - 1 :: 2])
        ids.append(shell(alice, "blob", "add", str(made)).answer["id"])

    def fetched(one: str) -> Ran:
        return shell(bob, "fetch", one, "-o", str(tmp_path / one))

    with ThreadPoolExecutor() as both:
        ran = list(both.map(fetched, ids))
    assert sorted(one.code for one in ran) == [0, 1], ran
    assert {one.answer.get("code") for one in ran if one.code} == {"not-stored"}
