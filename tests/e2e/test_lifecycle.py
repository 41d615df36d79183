"""Starting, stopping, and being killed: what was acknowledged stays, and no lock is left behind."""

import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from node.commands.nodes import COMMAND, LocalNode, wait_for
from node.failure import Json
from node.text import full_name
from tests.e2e.story import (
    ARRIVE_S,
    Shell,
    StartNode,
    answering,
    hearing_interrupts,
    make_module,
)

pytestmark = pytest.mark.nodes

Publish = Callable[[LocalNode], list[str]]


@pytest.fixture
def quick() -> None:
    """Nodes and commands begin here as a person begins them, each by itself."""


def test_up_says_where_it_is(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    assert set(alice.ready) == {"event", "api", "p2p", "did", "home"}
    assert alice.ready["home"] == str(alice.home)
    status = shell(alice, "status").answer
    assert status["schema"] == "panspermia.status/1"
    assert (status["did"], status["state"]) == (alice.did, "ready")
    assert shell(alice, "id").answer["did"] == alice.did


def test_a_second_up_says_where_the_first_is(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    second = shell(alice, "up")
    assert (second.code, second.answer) == (0, alice.ready)
    assert alice.process.poll() is None


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--public", "nonsense"), "bad-setting", "relay.public: 'nonsense' is no relay"),
        (("--namespace", "nosuch"), "unknown-namespace", "nosuch"),
    ],
)
def test_a_relay_that_cannot_start_says_why(
    shell: Shell, tmp_path: Path, flags: tuple[str, ...], code: str, said: str
) -> None:
    ran = shell(tmp_path / "relay", "relay", "--port", "0", "--listen", "127.0.0.1:0", *flags)
    assert ran.code == 1
    assert ran.answer["code"] == code
    assert said in ran.answer["detail"]


def test_down_leaves_nothing_behind(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    assert shell(alice, "down").code == 0
    assert alice.process.wait(ARRIVE_S) == 0
    assert not (alice.home / "node.json").exists()
    assert shell(alice, "status").code == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals, node: StartNode) -> None:
    alice = node("alice")
    os.kill(alice.process.pid, number)
    assert alice.process.wait(ARRIVE_S) == 0
    assert not (alice.home / "node.json").exists()


def test_kill_9_loses_nothing_that_was_acknowledged(
    node: StartNode, shell: Shell, publish_demo: Publish
) -> None:
    alice = node("alice")
    names = publish_demo(alice)
    alice.kill()
    assert shell(alice, "status").code == 3  # node.json is still there, and nobody answers
    alice = node("alice")
    held = alice.client.get("/api/modules")["modules"]
    assert set(map(full_name, held)) == set(names)
    for name in names:
        assert shell(alice, "verify", name).code == 0
    wait_for(
        "the index to catch up",
        ARRIVE_S,
        lambda: shell(alice, "search", "soup").answer["results"] or None,
    )


def test_kill_9_while_publishing_leaves_whole_versions_only(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    acknowledged: list[str] = []
    for round in range(3):
        for number in range(4):
            version = f"1.{round}.{number}"
            folder = make_module(tmp_path / version, "io.test.answer", version, answering(number))
            if shell(alice, "publish", str(folder)).code == 0:
                acknowledged.append(version)
        alice.kill()
        alice = node("alice")
    versions = shell(alice, "info", "io.test.answer").answer["versions"]
    assert {version["version"] for version in versions} == set(acknowledged)
    for version in acknowledged:
        assert shell(alice, "verify", f"io.test.answer@{version}").code == 0


def test_a_peer_that_was_named_is_called_again_after_a_restart(
    node: StartNode, shell: Shell
) -> None:
    alice, bob = node("alice"), node("bob")
    assert shell(bob, "connect", alice.ready["p2p"]).code == 0
    bob.kill()
    bob = node("bob")
    (peer,) = wait_for("bob to call alice", ARRIVE_S, lambda: peers_of(bob)["peers"] or None)
    assert peer["address"] == alice.ready["p2p"]

    bob.client.delete(f"/api/peers/{peer['device']}")
    wait_for("bob to hang up", ARRIVE_S, lambda: not peers_of(bob)["peers"] or None)
    assert peers_of(bob)["discovered"] == []
    bob.kill()
    bob = node("bob")
    assert peers_of(bob)["discovered"] == []


def peers_of(at: LocalNode) -> Json:
    return at.client.get("/api/peers")


def test_secrets_are_for_their_owner_only(node: StartNode) -> None:
    alice = node("alice")
    private = ["token", "node.json", *(f"identity/{n}.key" for n in ("author", "device", "token"))]
    for name in private:
        assert stat.S_IMODE((alice.home / name).stat().st_mode) == 0o600, name
    log = alice.home.parent / "alice.log"
    token = (alice.home / "token").read_text().strip()
    assert token not in log.read_text()


def test_a_home_that_others_may_enter_shows_them_nothing(
    node: StartNode, publish_demo: Publish, tmp_path: Path
) -> None:
    home = tmp_path / "alice"
    home.mkdir()
    home.chmod(0o755)
    alice = node("alice")
    publish_demo(alice)
    alice.client.get("/api/search", {"q": "soup"})  # the index has files by now
    assert list(shown_to_others(home)) == []


def shown_to_others(folder: Path) -> Iterator[Path]:
    """Of a node that runs: what is gone before it is looked at is shown to nobody."""
    for path in folder.iterdir():
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        if not mode & (stat.S_IRWXG | stat.S_IRWXO):
            continue
        if stat.S_ISDIR(mode):
            yield from shown_to_others(path)
        else:
            yield path


def test_an_author_moves_to_another_machine(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    words, exported = tmp_path / "words", tmp_path / "alice.key"
    words.write_text("four words are enough\n")
    flags = ("--passphrase-file", str(words))
    assert shell(alice, "id", "export", str(exported), *flags).code == 0
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    wrong = tmp_path / "wrong"
    wrong.write_text("these words are others\n")
    bad = shell(tmp_path / "laptop", "id", "import", str(exported), "--passphrase-file", str(wrong))
    assert bad.code != 0
    brought = shell(tmp_path / "laptop", "id", "import", str(exported), *flags)
    assert brought.code == 0, brought
    laptop = node("laptop")
    assert laptop.did == alice.did
    mine, theirs = (shell(at, "id").answer["device"] for at in (alice, laptop))
    assert mine != theirs


def test_events_tell_the_story(node: StartNode, shell: Shell, publish_demo: Publish) -> None:
    alice = node("alice")
    names = publish_demo(alice)
    seen = shell(alice, "events").lines
    assert seen[0]["event"] == "ready"
    assert len([event for event in seen if event["event"] == "record"]) == len(names)


def test_ctrl_c_ends_a_command_with_130(node: StartNode) -> None:
    alice = node("alice")
    command = [*COMMAND, "--home", str(alice.home), "events", "--follow"]
    with hearing_interrupts():
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert watching.stdout
    with watching, ExitStack() as stack:
        stack.callback(watching.kill)  # else leaving it to itself waits forever
        # Only what is new is shown, so something is made to happen until it is seen.
        seen = Thread(target=watching.stdout.readline, daemon=True)
        seen.start()
        while seen.is_alive():
            alice.client.post("/api/reindex")
            seen.join(0.2)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(ARRIVE_S) == 130


def test_reindex_and_gc(node: StartNode, shell: Shell, publish_demo: Publish) -> None:
    alice = node("alice")
    names = publish_demo(alice)
    assert shell(alice, "reindex").answer["records"] >= len(names)
    assert shell(alice, "search", "soup").answer["results"]
    assert shell(alice, "gc").answer["blobs"] == 0
    *progress, result = shell(alice, "scrub").lines
    assert {line["event"] for line in progress} == {"progress"}
    assert (result["event"], result["schema"]) == ("result", "panspermia.scrub/1")
    assert (result["parts"], result["damaged"]) == (0, 0)
    assert result["bytes"] == progress[-1]["done"] > 0
