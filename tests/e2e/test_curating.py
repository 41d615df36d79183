"""Everything said of modules from the command line: advisories, audit, history, verify, plans."""

from pathlib import Path

import pytest

from tests.e2e.story import Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

ID = "io.test.answer"


def test_what_is_said_of_a_module(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    for version, number in (("1.0.0", 10), ("1.1.0", 11)):
        folder = make_module(tmp_path / version, ID, version, answering(number))
        assert shell(alice, "publish", str(folder)).code == 0
    assert shell(alice, "install", f"{ID}@1.0.0", "--yes").code == 0
    assert shell(alice, "audit").answer["ok"]
    assert shell(alice, "verify").answer["modules"][0]["ok"]

    command = ("advisory", "publish", f"{ID}@<1.1", "--title", "It is ten.", "--kind", "malicious")
    said = shell(alice, *command, "--fixed", "1.1.0")
    assert said.answer["schema"] == "panspermia.advisory/1"
    found = shell(alice, "audit")
    assert (found.code, found.answer["findings"][0]["by"]) == (1, "self")
    listed = shell(alice, "advisory", "list", ID).answer["advisories"]
    assert [one["id"] for one in listed] == [said.answer["id"]]

    tried = shell(alice, "uninstall", ID, "--dry-run").answer
    assert (tried["schema"], tried["dry_run"]) == ("panspermia.uninstall/1", True)
    assert shell(alice, "uninstall", ID).answer["removed"] == tried["removed"]
    accepting = ("--accept-risk", said.answer["id"])
    assert shell(alice, "install", ID, "--accept-risk", "everything").code == 2
    refused = shell(alice, "install", f"{ID}@1.0.0", "--yes")
    assert (refused.code, refused.answer["code"]) == (1, "malicious")
    assert shell(alice, "install", f"{ID}@1.0.0", "--yes", *accepting).code == 0
    planned = shell(alice, "update", "--dry-run")
    assert planned.answer["plan"]["upgrade"] == []  # 1.0.0 is what was asked for
    moved = shell(alice, "install", f"{ID}@^1.1", "--yes")
    assert moved.answer["installed"][0]["version"] == "1.1.0"
    assert shell(alice, "audit").answer["ok"]

    for mark in ("yank", "deprecate"):
        assert shell(alice, mark, f"{ID}@1.1.0", "--dry-run").answer["dry_run"]
    assert shell(alice, "advisory", "withdraw", said.answer["id"], "--dry-run").answer["dry_run"]
    unasked = shell(alice, "update", "io.test.none", "--dry-run")
    assert (unasked.code, unasked.answer["code"]) == (5, "not-installed")
    assert f"asked for was {alice.did}/{ID}; what" in unasked.answer["detail"]
    option = shell(alice, "update", "--with", "io.test.none", "--dry-run")
    assert (option.code, option.answer["code"]) == (1, "no-such-option")

    gone = shell(alice, "advisory", "withdraw", said.answer["id"], "--reason", "It was eleven.")
    assert gone.answer["withdrawn"]
    history = shell(alice, "info", ID, "--history").answer
    assert [one["words"] for one in history["events"]] == ["released 1.0.0", "released 1.1.0"]
    assert shell(alice, "info", ID, "--changes", "1.1.0").answer["words"] == []
    assert shell(alice, "info", ID, "--dependants").answer["dependants"] == []
