"""What `panspermia peers` and `status` print: the state first, then the table, then why."""

from typing import Any

import pytest

from node.commands.peers import reasons, show_known, source_text, sources_of

ALICE = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
SYNC = {"state": "behind", "words": "3 entries behind bob\x1b[2J", "behind": 3}
BOB: dict[str, Any] = {
    "did": ALICE, "device": "did:key:zBobLaptop", "name": "bob", "address": "10.0.0.7:4747",
    "words": "3 entries behind", "behind": 3, "transport": "tcp", "rtt_ms": 12.4, "rounds": 5,
    "entries_in": 1_000, "bytes_in": 2_048, "entries_out": 2, "bytes_out": 10, "connected_s": 61.0,
    "refusals": [], "kept_out": 0, "last_error": "", "check_digits": "123 456",
    "sources": ["mdns", "peer:" + "ab" * 32], "source": "mdns", "waits": [],
}  # fmt: skip
SEEN = {
    "did": None, "device": None, "address": "10.0.0.9:1", "source": "static",
    "last_error": "no\x1b answer", "check_digits": "", "name": None,
}  # fmt: skip
KNOWN: dict[str, Any] = {
    "sync": SYNC,
    "peers": [BOB],
    "discovered": [],
    "refused": [],
    "relays": [],
    "found_relays": [],
    "one_source": None,
    "one_source_words": "",
    "transfers": [],
}


def lines(capsys: pytest.CaptureFixture[str], known: dict[str, Any]) -> list[str]:
    show_known(known)
    return capsys.readouterr().out.splitlines()


def test_the_state_comes_first_then_who_by_what_and_how_far_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = lines(capsys, KNOWN)
    assert said[0] == "3 entries behind bob\\u{1b}[2J"
    assert said[2].split()[:4] == ["PEER", "STATE", "BEHIND", "BY"]
    assert said[3].split("  ")[0] == "bob"
    for cell in (
        "3 entries behind",
        "tcp",
        "12 ms",
        "1,000 (2.0 KiB)",
        "2 (10 B)",
        "1 min",
        "123 456",
        "mdns, peer abababab…",
    ):
        assert cell in said[3]


def test_why_something_did_not_sync_follows(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = {"code": "bad-signature", "count": 2, "why": "It was not signed."}
    bob = {
        **BOB,
        "missing": 7,
        "refusals": [refusal],
        "kept_out": 4,
        "last_error": "It left.",
        "rtt_ms": None,
    }
    said = lines(capsys, {**KNOWN, "peers": [bob], "discovered": [SEEN]})
    assert "bob: 2 refused, bad-signature: It was not signed. See: panspermia refused" in said
    assert "bob: before this connection: It left." in said
    assert "bob: 7 of its entries were announced, and then not given" in said
    assert any("panspermia quota" in line for line in said)
    assert said[-1].startswith("calling somebody at 10.0.0.9:1, named by you; last: no\\u")


def test_where_one_alone_told_of_all_it_says_so() -> None:
    (said,) = reasons({**KNOWN, "one_source_words": "all 2 are known from one side\x1b"})
    assert said == "all 2 are known from one side\\u{1b}"


def test_what_waits_is_told_with_the_reason_and_who_brought_it() -> None:
    waits = [
        {"code": "unknown-authority", "count": 1, "why": "they cite a statement"},
        {"code": "missing-dependency", "count": 1_200, "why": "they build on changes\x1b"},
    ]
    assert list(reasons({**KNOWN, "peers": [{**BOB, "waits": waits}]})) == [
        "bob: 1 entry waits, unknown-authority: they cite a statement",
        "bob: 1,200 entries wait, missing-dependency: they build on changes\\u{1b}",
    ]


def test_what_is_fetched_and_how_it_ended_follows() -> None:
    coming = {
        "blob": "ab" * 32, "size": 1 << 20, "total": 4 << 20, "chunks": 4, "chunks_total": 16,
        "peers": 2, "bytes_per_s": 1 << 20, "state": "fetching", "limited": True, "reason": "",
    }  # fmt: skip
    failed = {**coming, "state": "failed", "reason": "no peer is connected\x1b"}
    full = {**failed, "reason": "The disk is full: make room and try again."}
    fetched = {**coming, "state": "fetched"}
    name = "ab" * 8
    assert list(reasons({**KNOWN, "transfers": [coming, failed, full, fetched]})) == [
        f"fetching {name}, 25% of 4.0 MiB, 1.0 MiB/s, 2 peers, 3 s to go,"
        " as fast as p2p.download allows",
        f"failed   {name}: no peer is connected\\u{{1b}}; to try again: panspermia fetch ID",
        f"failed   {name}: The disk is full: make room and try again: panspermia fetch ID",
        f"fetched  {name}, 4.0 MiB",
    ]


def test_a_relay_that_told_of_somebody_is_named_by_its_host() -> None:
    assert source_text("relay:relay://z6Mk@relay.example:4747") == "relay relay.example:4747"
    assert source_text("relay:wss://relay.example/p") == "relay relay.example/p"
    assert source_text("dht\x1b") == "dht\\u{1b}"
    named = "relay:relay://z6Mk@relay.example:4747"
    assert sources_of({"sources": [named], "source": "relay"}) == [named], "and once"
    assert sources_of({"sources": [], "source": "relay"}) == ["relay"]


def test_whoever_only_called_says_so_and_a_narrow_terminal_gets_two_lines_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources_of({"sources": [], "source": "called"}) == ["called"]
    assert sources_of({"sources": ["dht"], "source": "called"}) == ["dht"]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("node.commands.console.is_terminal", bool)  # whatever it is
    said = lines(capsys, KNOWN)
    assert said[2] == "bob  3 entries behind"
    assert max(map(len, said)) <= 100
    monkeypatch.setenv("COLUMNS", "300")
    assert lines(capsys, KNOWN)[2].startswith("PEER")


def test_whoever_is_connected_is_not_listed_as_missed() -> None:
    by_another_address = {**SEEN, "device": BOB["device"]}
    assert list(reasons({**KNOWN, "discovered": [by_another_address]})) == []


def test_with_nobody_there_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    alone = {"state": "alone", "words": "no peer is known", "behind": 0}
    said = lines(capsys, {**KNOWN, "sync": alone, "peers": []})
    assert said == ["no peer is known", "Or by address: panspermia connect HOST:PORT"]


def test_a_relay_says_what_it_does_instead_of_whom_to_call(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sync = {"state": "relaying", "words": "a relay: 2 devices registered", "behind": 0}
    said = lines(capsys, {**KNOWN, "sync": sync, "peers": [], "relay": {"registered": 2}})
    assert said == ["a relay: 2 devices registered"]


def test_a_relay_that_nobody_chose_is_shown_with_how_to_use_it() -> None:
    found = {
        "url": "relay://z6Mk@192.0.2.7:4747", "device": "did:key:zR", "did": ALICE,
        "until": "2027-01-01T00:00:00Z", "name": "alice\x1b",
    }  # fmt: skip
    (line,) = reasons({**KNOWN, "peers": [], "found_relays": [found]})
    assert line.startswith("relay relay://z6Mk@192.0.2.7:4747: of alice\\u{1b}, found in the")
    assert "not used. To use it, add it to the setting p2p.relays" in line
