"""The main job with real daemons: alice publishes, bob receives, searches, installs and runs."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import (
    ARRIVE_S,
    Ran,
    Shell,
    StartNode,
    answering,
    make_module,
    wait_for_modules,
)

pytestmark = pytest.mark.nodes

Publish = Callable[[LocalNode], list[str]]


@pytest.fixture
def quick() -> None:
    """Nodes and commands begin here as a person begins them, each by itself."""


def test_publish_sync_search_install_run(
    node: StartNode, shell: Shell, publish_demo: Publish, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    names = publish_demo(alice)
    assert all(name.startswith(f"{alice.did}/") for name in names)

    wait_for_modules(bob, names)
    synced = shell(bob, "sync", "--wait")
    assert synced.code == 0
    assert [peer["did"] for peer in synced.answer["peers"]] == [alice.did]

    census = names[-1]
    found = shell(bob, "search", "soup", "--kind", "module").answer["results"]
    assert [hit["id"] for hit in found] == [census]

    slipped = shell(bob, "search", "suop", "--facets").answer
    assert ([hit["id"] for hit in slipped["results"]], slipped["meant"]) == ([census], "soup")
    assert slipped["facets"]["kind"] == [{"value": "module", "count": 1}]
    exporting = shell(bob, "search", "--exports", "function census", "--limit", "3").answer
    assert [hit["id"] for hit in exporting["results"]] == [census]
    assert shell(bob, "search", "--imports", "env.*").answer["results"] == []

    planned = shell(bob, "install", "io.panspermia.census", "--dry-run")
    assert planned.answer["schema"] == "panspermia.install/1"
    assert {package["id"] for package in planned.answer["plan"]["add"]} == set(names)
    assert shell(bob, "list").answer["installed"] == []

    installed = shell(bob, "install", "io.panspermia.census@^1.0", "--yes")
    assert installed.code == 0
    assert installed.answer["event"] == "result"
    assert {package["id"] for package in installed.answer["installed"]} == set(names)
    lock = tomllib.loads((tmp_path / "work" / "panspermia.lock").read_text())
    assert lock["requirements"] == {census: "^1.0"}
    assert {package["id"] for package in lock["package"]} == set(names)

    ran = shell(bob, "run", "io.panspermia.census", "census", "42", "100")
    assert (ran.code, ran.answer["results"]) == (0, [424])
    assert shell(bob, "verify", census).code == 0
    assert shell(bob, "refused").answer["refused"] == []


def test_what_was_published_while_bob_was_away_reaches_him(
    node: StartNode, shell: Shell, publish_demo: Publish
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    assert bob.stop() == 0
    names = publish_demo(alice)
    bob = node("bob", peers=(alice,))
    wait_for_modules(bob, names)


def test_a_lock_brings_back_what_was_installed(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    for version, number in (("1.0.0", 10), ("1.1.0", 11), ("2.0.0", 20)):
        folder = make_module(tmp_path / version, "io.test.answer", version, answering(number))
        assert shell(alice, "publish", str(folder)).code == 0

    def answer() -> int:
        return int(shell(alice, "run", "io.test.answer", "answer").answer["results"][0])

    assert shell(alice, "install", "io.test.answer@1.0.0", "--yes").code == 0
    assert answer() == 10
    assert shell(alice, "outdated").answer["outdated"][0]["latest"] == "2.0.0"
    assert shell(alice, "install", "io.test.answer@^1", "--yes").code == 0
    assert shell(alice, "update", "--yes").code == 0
    assert answer() == 11
    assert shell(alice, "install", "--frozen", "--yes").code == 0
    assert shell(alice, "uninstall", "io.test.answer").code == 0
    assert shell(alice, "list").answer["installed"] == []
    assert shell(alice, "install", "io.test.answer@2", "--yes").code == 0
    assert answer() == 20


def test_yank_and_rate(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    for version, number in (("1.0.0", 10), ("1.1.0", 11)):
        folder = make_module(tmp_path / version, "io.test.answer", version, answering(number))
        assert shell(alice, "publish", str(folder)).code == 0
    name = f"{alice.did}/io.test.answer"
    assert shell(alice, "yank", f"{name}@1.1.0", "--reason", "it answers wrongly").code == 0
    wait_for_modules(bob, [name])

    def yanked() -> bool | None:
        versions = shell(bob, "info", name).answer["versions"]
        return any(version["yanked"] for version in versions) or None

    wait_for("the yank to reach bob", ARRIVE_S, yanked)
    planned = shell(bob, "install", name, "--dry-run").answer["plan"]
    assert planned["add"] == [{"id": name, "version": "1.0.0"}]

    assert shell(bob, "yank", f"{name}@1.0.0").code == 4
    assert shell(bob, "rate", name, "4", "--review", "answers quickly").code == 0

    def rated() -> bool | None:
        rating: Json | None = shell(alice, "info", name).answer.get("rating")
        return (rating is not None and rating["count"] == 1) or None

    wait_for("the rating to reach alice", ARRIVE_S, rated)
    assert shell(bob, "rate", name, "--clear").code == 0
    wait_for("alice to see it taken back", ARRIVE_S, lambda: not rated() or None)
    assert shell(bob, "rate", name, "--clear").code == 5


def test_a_directory_is_published_whole_in_the_order_of_its_needs(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    """Modules and files of other programs in one tree; what is wrong with one is told."""
    alice = node("alice")
    both = tmp_path / "both"
    needs = '[dependencies]\n"io.test.b" = "*"\n'
    make_module(both / "mods" / "a", "io.test.a", "1.0.0", answering(1), needs)
    make_module(both / "mods" / "b", "io.test.b", "1.0.0", answering(2))
    make_module(both / "broken", "io.test.broken", "1.0.0", b"\0asm no module")
    (both / "unread").mkdir()
    (both / "unread" / "gen.toml").write_text("[module]\n")
    (both / "mods" / "a" / "test.rle").write_text("x = 1, y = 1\no!\n")
    (both / "glider.rle").write_text("x = 3, y = 3\nbob$2bo$3o!\n")
    (both / "config.toml").write_text("target_fps = 60\n[world]\nwidth = 9\n[metabolism]\n")
    (both / "bad.rle").write_text("x = 3, y = 3\nbob$2bo$3q!\n")

    def did(*flags: str) -> tuple[list[tuple[str, str, str]], list[str], Ran]:
        ran = shell(alice, "publish", str(both), *flags)
        published = [
            (one["kind"], Path(one["file"]).name, one["state"]) for one in ran.answer["published"]
        ]
        return published, [Path(one["file"]).name for one in ran.answer["refused"]], ran

    wanted = [("module", "b"), ("module", "a"), ("seed", "config.toml"), ("genome", "glider.rle")]
    published, refused, dry = did("--dry-run")
    assert {one[:2] for one in published} == set(wanted), dry
    assert refused == ["unread", "broken", "bad.rle"]
    (waits,) = [one for one in dry.answer["published"] if "waits_for" in one]
    assert (waits["name"], waits["waits_for"]) == ("io.test.a", ["io.test.b"])

    published, refused, ran = did()
    assert (ran.code, ran.answer["code"]) == (1, "some-refused")
    assert published[-2:] == [(*one, "published") for one in wanted[2:]]
    modules = [one for one in published if one[0] == "module"]
    assert modules == [(*one, "published") for one in wanted[:2]]
    assert refused == ["unread", "broken", "bad.rle"]
    assert [one["code"] for one in ran.answer["refused"]] == [
        "invalid-manifest", "invalid-wasm", "invalid-file",
    ]  # fmt: skip

    published, _, _ = did()
    assert [one[2] for one in published] == ["known"] * 4
    (both / "mods" / "b" / "m.wasm").write_bytes(answering(9))
    published, refused, ran = did()
    assert len(published) == 3
    assert ran.answer["refused"][-2]["code"] == "version-exists"


def test_nothing_goes_back_unasked(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    """An install that would lower what nobody named, where nobody can be asked, says so."""
    alice = node("alice")
    for version in ("1.0.0", "2.0.0"):
        folder = make_module(tmp_path / version, "io.test.base", version, answering(1))
        assert shell(alice, "publish", str(folder)).code == 0
    needs = '[dependencies]\n"io.test.base" = "^1"\n'
    folder = make_module(tmp_path / "old", "io.test.old", "1.0.0", answering(2), needs)
    assert shell(alice, "publish", str(folder)).code == 0
    assert shell(alice, "install", "io.test.base").code == 0

    refused = shell(alice, "install", "io.test.old")
    assert (refused.code, refused.answer["code"]) == (6, "would-downgrade")
    assert "2.0.0 → 1.0.0" in refused.answer["detail"]
    (kept,) = shell(alice, "list").answer["installed"]
    assert kept["version"] == "2.0.0"

    assert shell(alice, "install", "io.test.old", "--yes").code == 0
    assert {row["version"] for row in shell(alice, "list").answer["installed"]} == {"1.0.0"}
