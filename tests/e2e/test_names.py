"""Petnames with real daemons: one's own words for authors, which nobody else ever sees."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, LocalNode, clean_environment
from tests.e2e.story import (
    COMMAND_S,
    Shell,
    StartNode,
    answering,
    make_module,
    wait_for_modules,
    wait_until_met,
)

pytestmark = pytest.mark.nodes

CLOCK, GAME = "io.test.clock", "io.test.game"


def said(at: LocalNode, folder: Path, *args: str) -> str:
    """What a person reads on the terminal."""
    done = subprocess.run(
        [*COMMAND, "--home", str(at.home), *args],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_need_by_a_petname_means_the_same_to_everybody(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    clock = make_module(tmp_path / "clock", CLOCK, "1.0.0", answering(10))
    assert shell(alice, "publish", str(clock)).code == 0
    wait_for_modules(bob, [f"{alice.did}/{CLOCK}"])

    needs = f'[dependencies]\n"al/{CLOCK}" = "^1"\n'
    game = make_module(tmp_path / "game", GAME, "1.0.0", answering(11), needs)
    unknown = shell(bob, "publish", str(game))
    assert (unknown.code, unknown.answer["code"]) == (5, "unknown-petname")
    assert "panspermia name set al did:key:" in unknown.answer["detail"]

    assert shell(bob, "name", "set", "al", alice.did).answer["before"] is None
    published = shell(bob, "publish", str(game))
    assert published.code == 0, published
    assert published.answer["dependencies"] == {f"{alice.did}/{CLOCK}": "^1"}

    carol = node("carol", peers=(alice, bob))
    wait_for_modules(carol, [f"{alice.did}/{CLOCK}", f"{bob.did}/{GAME}"])
    assert shell(carol, "name").answer["names"] == []
    wait_until_met(carol, bob)  # alice, who has the record by now, has no bytes of it
    assert shell(carol, "install", GAME, "--yes").code == 0
    assert {row["id"] for row in shell(carol, "list").answer["installed"]} == {
        f"{alice.did}/{CLOCK}",
        f"{bob.did}/{GAME}",
    }
    assert shell(carol, "run", CLOCK, "answer").answer["results"] == [10]


def test_a_name_is_kept_and_never_moves_unasked(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    assert shell(alice, "name", "set", "me", alice.did).code == 0
    bob = shell(node("bob"), "id").answer["did"]

    taken = shell(alice, "name", "set", "me", bob)
    assert (taken.code, taken.answer["code"]) == (6, "name-taken")
    assert alice.did in taken.answer["detail"]
    assert "--replace" in taken.answer["detail"]
    wrong = shell(alice, "name", "set", alice.did, "me")
    assert (wrong.code, wrong.answer["code"]) == (1, "invalid-name")
    assert shell(alice, "name", "set", "a/b", bob).answer["code"] == "invalid-name"
    assert shell(alice, "name", "remove", "carol").code == 5

    assert alice.stop() == 0
    alice = node("alice")
    listed = shell(alice, "name", "list").answer
    assert listed["schema"] == "panspermia.name/1"
    assert [(one["name"], one["author"]) for one in listed["names"]] == [("me", alice.did)]
    moved = shell(alice, "name", "set", "me", bob, "--replace").answer
    assert (moved["author"], moved["before"]) == (bob, alice.did)
    assert "no longer" in said(alice, tmp_path, "name", "set", "me", alice.did, "--replace")
    assert shell(alice, "name", "remove", "me").code == 0
    assert "nobody" in said(alice, tmp_path, "name")


def test_a_person_reads_and_writes_names(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    for version in ("1.0.0", "2.0.0"):
        folder = make_module(tmp_path / version, CLOCK, version, answering(1))
        assert shell(alice, "publish", str(folder)).code == 0
    assert shell(alice, "name", "set", "me", alice.did).code == 0
    assert shell(alice, "name", "set", "myself", alice.did).code == 0
    name = f"me/{CLOCK}"

    assert f"+ {name} 1.0.0" in said(alice, tmp_path, "install", f"{name}@^1", "--yes")
    lock = tomllib.loads((tmp_path / "panspermia.lock").read_text())
    assert lock["requirements"] == {f"{alice.did}/{CLOCK}": "^1"}
    assert name in said(alice, tmp_path, "list")
    assert name in said(alice, tmp_path, "outdated")
    assert f"{alice.did} (me, myself)" in said(alice, tmp_path, "info", name)
    assert " by me (z6Mk" in said(alice, tmp_path, "search", "--author", "me")
    assert shell(alice, "search", "--author", "nobody").code == 5

    # Named by its petname it may go back, in a folder without a lock too.
    assert shell(alice, "install", f"{name}@2", "--yes").code == 0
    assert shell(alice, "install", f"{name}@1").code == 0
    assert shell(alice, "update", name, "--dry-run").code == 0
    assert shell(alice, "update", f"nobody/{CLOCK}").answer["code"] == "unknown-petname"
    assert shell(alice, "run", name, "answer").answer["results"] == [1]
    assert shell(alice, "verify", f"{name}@1.0.0").code == 0
    assert shell(alice, "fetch", f"{name}@1.0.0", "-o", str(tmp_path / "m.wasm")).code == 0
    assert shell(alice, "rate", name, "5").code == 0
    assert shell(alice, "deprecate", f"{name}@1.0.0").code == 0
    assert shell(alice, "yank", f"{name}@1.0.0").code == 0
    assert f"removed {name}" in said(alice, tmp_path, "uninstall", name)
