"""A command line that is wrong in itself: its sentence, exit code 2, and a place in `refused`."""

import json
import socket
import time
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode
from tests.e2e.story import Shell, StartNode

pytestmark = pytest.mark.nodes

SLIPS = [
    (("search", "--limit", "banana"), "panspermia search --limit", "'banana'"),
    (("search", "--lmit", "3"), "panspermia search --lmit", "--lmit"),
    (("rate", "io.x", "99"), "panspermia rate STARS", "99"),
    (("status", "now"), "panspermia status", "now"),
    (("statsu",), "panspermia", "statsu"),
    (("id", "export"), "panspermia id export FILE", "FILE"),
    (("connect", "no\x1b[31mwhere"), "panspermia connect", "no\\"),
    (("fetch",), "panspermia fetch BLOB|GENOME|SEED|NAME[@VERSION]", "BLOB"),
    (("connect", "x" * 100_000), "panspermia connect", "characters"),
]


def listed(shell: Shell, at: LocalNode | Path) -> list[dict[str, object]]:
    ran = shell(at, "refused")
    assert ran.code == 0, ran
    return [one for one in ran.answer["refused"] if one["source"] == "command line"]


def check_slips(shell: Shell, at: LocalNode | Path) -> None:
    for args, where, said in SLIPS:
        assert shell(at, *args).code == 2, args
        newest = listed(shell, at)[0]
        assert (newest["where"], newest["code"], newest["count"]) == (where, "usage", 1)
        detail = str(newest["detail"])
        assert said in detail
        assert len(detail) < 1_000
        assert detail.isprintable()


def test_slips_are_listed_by_the_node_that_runs(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    check_slips(shell, alice)
    assert shell(alice, "search", "--limit", "banana").code == 2
    again = next(one for one in listed(shell, alice) if "banana" in str(one["detail"]))
    assert again["count"] == 2
    assert not (alice.home / "refused.jsonl").exists()
    assert shell(alice, "up", "--listen", "nonsense").code == 1
    assert listed(shell, alice)[0]["code"] == "bad-setting"
    assert alice.client.get("/api/status")["state"] == "ready"


def test_slips_without_a_node_wait_for_the_next_start(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    assert shell(alice, "search", "--limit", "banana").code == 2
    assert alice.stop() == 0
    assert shell(alice.home, "refused").code == 3
    check_slips(shell, alice.home)
    for _ in range(2):
        assert shell(alice.home, "search", "--limit", "banana").code == 2
    assert [one["count"] for one in listed(shell, alice.home)].count(3) == 1
    assert (alice.home / "refused.jsonl").stat().st_mode & 0o777 == 0o600
    again = node("alice")
    counts = {str(one["where"]): one["count"] for one in listed(shell, again)}
    assert counts.keys() == {where for _, where, _ in SLIPS}
    assert counts["panspermia search --limit"] == 4
    assert not (alice.home / "refused.jsonl").exists()


def test_a_slip_that_comes_while_the_node_does_not_answer(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    told = (alice.home / "node.json").read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (alice.home / "node.json").write_text(json.dumps({**json.loads(told), "api": api}))
        began_s = time.monotonic()
        assert shell(alice, "search", "--limit", "banana").code == 2
        assert time.monotonic() - began_s < 15
    (alice.home / "node.json").write_text(told)
    assert (alice.home / "refused.jsonl").exists()
    assert [one["count"] for one in listed(shell, alice)] == [1]
    assert not (alice.home / "refused.jsonl").exists()


def test_nothing_is_made_where_no_node_has_been(shell: Shell, tmp_path: Path) -> None:
    for home in (tmp_path / "none", tmp_path / "some"):
        assert shell(home, "search", "--limit", "banana").code == 2
        assert not home.exists() or not list(home.iterdir())
        (tmp_path / "some").mkdir(exist_ok=True)
    assert shell(tmp_path / "none", "refused").code == 3
