"""How rights, statements and verdicts read on a terminal; looking at codes without a node."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from crdt.area import Area
from crdt.capability import WRITE, Capability, delegate, encode_capability
from crdt.change import SignedEntry, Signer, log_of, sign_statement
from crdt.did import encode_did_key
from crdt.entry import encode_entry
from crdt.equivocation import encode_proof
from crdt.keys import COMMONS, AuthorKey
from crdt.path import AUTHORITY
from crdt.statement import Heartbeat, Revoke
from node.commands.cap import cap_command
from node.commands.rights_in_words import (
    capabilities_in,
    links_of,
    print_effect,
    print_explanation,
    print_rights,
    print_statements,
    state_words,
)
from node.exit_codes import UNVERIFIED
from node.failure import Failure
from node.invites import GRANT, Code, write_code
from node.text import short_did
from tests.storage.people import ALICE, BOB

ALICES = AuthorKey(ALICE.root.public)
CLOCK = Area(ALICES, (b"pub", b"mod", b"io.alice.clock"))
GIVEN = delegate(Capability(WRITE, COMMONS, ALICES), ALICE.root, CLOCK, BOB.root.public)
TO_DEVICE = delegate(GIVEN, BOB.root, CLOCK, BOB.signer.device.public)
REVOCATION = {
    "who": "alice", "at": "2026-01-02T00:00:00Z", "reason": "lost", "id": "ab" * 32,
    "in_force": True, "stands": True, "key": BOB.did, "whom": "bob", "area": "everything",
}  # fmt: skip
RIGHT: dict[str, Any] = {
    "digest": "cd" * 32, "words": "bob may write the module io.x of you", "state": "revoked",
    "revocations": [REVOCATION],
}  # fmt: skip


def in_context(*args: str) -> click.Context:
    """As the command line makes it, without colours."""
    return click.Context(cap_command, info_name="cap", obj={}, color=False)


def test_a_right_that_ended_says_by_whom_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert state_words(RIGHT) == "revoked by alice on 2026-01-02: lost [abababababab]"
    with in_context():
        print_rights("Given", [RIGHT, {**RIGHT, "state": "valid", "revocations": []}])
    assert capsys.readouterr().out.splitlines() == [
        "Given",
        "ended cdcdcdcdcdcd  bob may write the module io.x of you",
        "      revoked by alice on 2026-01-02: lost [abababababab]",
        "ok    cdcdcdcdcdcd  bob may write the module io.x of you",
    ]


def test_whom_a_revocation_cuts_off_is_called_as_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with in_context():
        print_statements([REVOCATION, {**REVOCATION, "whom": BOB.did}])
    named, unnamed = capsys.readouterr().out.splitlines()[1:]
    assert named.startswith("in force    bob, everything, by alice")
    assert unnamed.startswith(f"in force    {short_did(BOB.did)}, everything")


@pytest.mark.parametrize("word", ["bob", "abcdef", "0123456", "g" * 16, "a" * 65])
def test_what_is_no_id_of_a_revocation_is_said_to_be_none(word: str) -> None:
    ran = CliRunner().invoke(cap_command, ["unrevoke", word])
    assert ran.exit_code == 2
    assert f"{word} is no id of a revocation" in ran.output
    assert "panspermia cap list" in ran.output


def test_a_dry_run_names_each_record_and_the_honest_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fate = {
        "record": f"{ALICE.did}/io.alice.clock", "who": "bob", "device": BOB.did, "entries": 2,
        "code": "revoked", "is_others": False,
    }  # fmt: skip
    others = {**fate, "who": "this device", "code": "excluded-dependency", "is_others": True}
    effect = {
        "dry_run": True, "gone": [1], "back": [], "sums": [fate, others], "back_sums": [],
        "statement": None, "note": "",
    }  # fmt: skip
    with in_context():
        print_effect(effect)
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "Would count no more: 4 changes"
    assert "io.alice.clock  2 by bob" in out[1]
    assert out[2].endswith("honest work of others, that builds on it")
    assert "reapply" in out[3]
    with in_context():
        print_effect({**effect, "gone": [], "sums": [], "dry_run": False, "statement": "ff"})
    assert capsys.readouterr().out.splitlines() == ["Nothing that is here changes.", "said: ff"]


def test_what_peers_wrote_does_not_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    bad = {**REVOCATION, "reason": "\x1b[2J\u202egone"}
    right = {**RIGHT, "revocations": [bad]}
    found = {
        "record": f"{ALICE.did}/io.x", "alarms": ["\x1b[2J"], "entry": None, "left_out_count": 0,
        "writers": [{"right": right, "counted": 1, "left_out": {"revoked": 2}}], "writers_more": 0,
        "left_out": [], "incomplete": 2,
        "forks": [{"entries": [{"entry": "ab" * 32, "counts": False, "code": "lost-branch"}]}],
    }  # fmt: skip
    with in_context():
        print_explanation(found)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "counting: 1 change, left out: 2 revoked" in out
    assert "Of what revocations leave, 2 changes not here yet" in out


# ── without a node ───────────────────────────────────────────────────────────────────────────────


def test_a_capability_is_shown_link_by_link() -> None:
    shown = links_of(encode_capability(TO_DEVICE))
    assert shown["valid"]
    words = [link["words"] for link in shown["links"]]
    clock = f"the module io.alice.clock of {ALICE.did}"
    assert words == [
        f"{ALICE.did} has by right: everything of {ALICE.did}",
        f"{ALICE.did} gives {BOB.did}: {clock}",
        f"{BOB.did} gives {encode_did_key(BOB.signer.device.public)}: {clock}",
    ]


def test_the_link_that_does_not_hold_is_named() -> None:
    damaged = bytearray(encode_capability(TO_DEVICE))
    damaged[-1] ^= 1  # of bob's signature
    shown = links_of(bytes(damaged))
    assert [link["ok"] for link in shown["links"]] == [True, True, False]
    assert shown["error"].endswith("[bad-delegation]")


def test_a_code_hex_or_a_file_of_either(tmp_path: Path) -> None:
    encoded = encode_capability(GIVEN)
    code = write_code(Code(GRANT, BOB.root.public, ALICES, {}, (encoded,)))
    file = tmp_path / "code.txt"
    file.write_text(f"{code}\n")
    for what in (code, encoded.hex(), str(file)):
        assert list(capabilities_in(what)) == [encoded]


@pytest.mark.parametrize(
    ("what", "code"),
    [("nonsense", "not-a-code"), ("psp1-AAAA", "code-cut"), ("psp9-AAAA", "code-version")],
)
def test_what_is_no_capability_is_told_apart(what: str, code: str) -> None:
    with pytest.raises(Failure) as refused:
        list(capabilities_in(what))
    assert refused.value.problem["code"] == code


def test_hex_of_something_else_is_no_capability() -> None:
    with pytest.raises(Failure, match="no capability"):
        links_of(b"\0" * 40)


# ── proofs ───────────────────────────────────────────────────────────────────────────────────────


def inspected(what: str) -> Result:
    return CliRunner().invoke(cap_command, ["inspect", what], obj={}, standalone_mode=False)


def twins() -> tuple[SignedEntry, SignedEntry]:
    """Alice's root key says two things with one number."""
    right = encode_capability(Capability(WRITE, COMMONS, ALICES))
    hand = Signer(ALICE.root, ALICES, {AUTHORITY: right})
    log = log_of(COMMONS, ALICES, AUTHORITY)
    said = (Revoke(BOB.root.public), Heartbeat())
    one, other = (
        sign_statement(each, log, seq=1, signer=hand, prev=None, timestamp=1) for each in said
    )
    return one, other


def test_anybody_checks_a_proof_from_a_file_or_hex(tmp_path: Path) -> None:
    data, file = encode_proof(*twins()), tmp_path / "p.proof"
    file.write_bytes(data)
    in_hex = tmp_path / "p.hex"
    in_hex.write_text(data.hex().upper() + "\n")
    for what in (str(file), data.hex(), str(in_hex)):
        ran = inspected(what)
        assert ran.exit_code == 0, ran.output
        assert f"{ALICE.did} signed two different things with the number 1" in ran.output
        assert f"revokes {BOB.did}" in ran.output
        assert "says a heartbeat" in ran.output
        assert all(one.id.hex()[:16] in ran.output for one in twins())


def test_a_tampered_proof_proves_nothing_and_says_why(tmp_path: Path) -> None:
    one, other = twins()
    stolen = replace(other, signature=BOB.root.sign(encode_entry(other.entry)))
    for data, code in (
        (encode_proof(one, stolen), "bad-signature"),
        (encode_proof(one, one), "not-a-proof"),
        (encode_proof(one, other)[:-1], "cbor"),
        (b"PSE1", "cbor"),
    ):
        file = tmp_path / "p.proof"
        file.write_bytes(data)
        ran = inspected(str(file))
        assert isinstance(ran.exception, Failure)
        assert ran.exception.exit == UNVERIFIED
        assert code in ran.exception.problem["detail"]
        assert not ran.output
