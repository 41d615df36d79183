"""How it stands with peers, in words: the state that matters first."""

import pytest
from msgspec.structs import replace

from node.api.peer_models import Discovered, Peer
from node.api.relay_models import RelayRole, RelayShown
from node.api.transfer import Transfer
from node.meanings import MEANINGS
from node.shown_peers import NOT_TOLD, show_refusals, standing_of, state_of_all
from p2p.protocol.difference import Difference
from p2p.protocol.errors import PeerLeft, PeerTimeout
from p2p.protocol.report import SessionReport
from tests.node.parts import BOB

EQUAL = Difference(behind=0, ahead=0, is_comparing=False, is_equal=True, compared_s=1.0)
ALICE_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
CAROL = replace(BOB, did=ALICE_DID, device="did:key:zCarol", address="10.0.0.8:4747", name="carol")
DAVE = Discovered(
    did=None, device="did:key:zDave", address="10.0.0.9:4747", source="static", seen_s=1.0
)


def test_the_first_that_holds_is_said() -> None:
    report = SessionReport(refused={"bad-signature": 2, "quota": 1}, entries_kept_out=4)
    lacking = Difference(behind=1_200, ahead=3, is_comparing=True, is_equal=False, compared_s=None)
    assert standing_of(lacking, report, is_open=False).code == "introducing"
    lost = PeerTimeout("silent", "Nothing was heard.\x1b")
    told = standing_of(lacking, report, is_open=True, lost=lost)
    assert told.code == "reconnecting"
    assert (
        told.words
        == "reconnecting, 1,200 entries behind, it lacks 3 entries: Nothing was heard.\\u{1b}"
    )
    told = standing_of(lacking, report, is_open=True)
    assert (told.code, told.words) == ("behind", "1,200 entries behind, and it lacks 3")
    none_behind = Difference(0, 3, is_comparing=True, is_equal=False, compared_s=None)
    assert standing_of(none_behind, report, is_open=True).code == "comparing"
    compared = Difference(0, 1, is_comparing=False, is_equal=False, compared_s=1.0)
    told = standing_of(compared, report, is_open=True)
    assert (told.code, told.words) == ("ahead", "it lacks 1 entry")
    rest = Difference(0, 0, is_comparing=False, is_equal=False, compared_s=1.0)
    told = standing_of(rest, report, is_open=True)
    assert told.code == "refused"
    assert told.words == "in sync but for 3 entries refused here: bad-signature, quota"
    assert standing_of(rest, SessionReport(), is_open=True).code == "different"
    told = standing_of(EQUAL, SessionReport(entries_kept_out=4), is_open=True)
    assert (told.code, told.words) == ("in-sync", "in sync but for 4 entries without room here")
    assert standing_of(EQUAL, SessionReport(), is_open=True).words == "in sync"


def test_before_the_first_comparison_nobody_can_tell() -> None:
    nothing = Difference(0, 0, is_comparing=False, is_equal=True, compared_s=None)
    assert standing_of(nothing, SessionReport(), is_open=True).code == "comparing"


def test_a_peer_with_nothing_in_common_is_neither_compared_nor_in_the_way() -> None:
    nothing = Difference(0, 0, is_comparing=True, is_equal=True, compared_s=None)
    told = standing_of(nothing, SessionReport(), is_open=True, is_apart=True)
    assert (told.code, told.words) == ("apart", "takes part in nothing that you do")
    relay = replace(CAROL, standing="apart", words=told.words)
    both = state_of_all((BOB, relay), ())
    assert (both.state, both.words, both.apart) == ("in-sync", "in sync with 1 peer", 1)
    alone = state_of_all((relay,), ())
    assert alone.state == "apart"
    assert alone.words == "1 peer connected, who takes part in nothing that you do"
    rest = state_of_all((replace(BOB, standing="comparing", words="comparing"), relay), ())
    assert rest.words == "zBob: comparing"


def test_a_peer_that_was_cut_off_is_not_in_sync_with_anybody() -> None:
    cut = PeerLeft("connection-lost", "The connection was lost.")
    told = standing_of(EQUAL, SessionReport(), is_open=True, lost=cut)
    assert (told.code, told.words) == ("reconnecting", "reconnecting: The connection was lost")
    lacking = Difference(behind=3, ahead=0, is_comparing=True, is_equal=False, compared_s=None)
    behind = standing_of(lacking, SessionReport(), is_open=True, lost=cut).words
    assert behind == "reconnecting, 3 entries behind: The connection was lost"
    lacks = Difference(behind=0, ahead=1, is_comparing=False, is_equal=False, compared_s=1.0)
    ahead = standing_of(lacks, SessionReport(), is_open=True, lost=cut).words
    assert ahead == "reconnecting, it lacks 1 entry: The connection was lost"
    lost = replace(CAROL, standing="reconnecting", words=told.words)
    both = state_of_all((BOB, lost), ())
    assert (both.state, both.words) == ("in-sync", "in sync with 1 peer; reconnecting to carol")
    assert (both.connected, both.in_sync, both.missed) == (1, 1, 1)
    with_more = state_of_all((BOB, replace(lost, behind=3)), ())
    assert (with_more.state, with_more.behind) == ("in-sync", 3)
    alone = state_of_all((lost,), ())
    assert alone.state == "reconnecting"
    assert alone.words == "connection lost, reconnecting to carol"


def test_blobs_that_are_still_to_come_are_said_with_their_size() -> None:
    coming = (
        Transfer("ab" * 32, size=1 << 20, total=3 << 20, state="fetching"),
        Transfer("cd" * 32),
        Transfer("ef" * 32, size=5, total=5, state="fetched"),
    )
    said = state_of_all((BOB,), (), coming)
    assert said.words == "in sync with 1 peer; fetching 2 blobs, 2.0 MiB to come"
    assert (said.blobs, said.blob_bytes) == (2, 2 << 20)
    assert state_of_all((BOB,), (), coming[1:]).words.endswith("; fetching 1 blob")


def test_what_was_refused_is_told_with_its_reason() -> None:
    shown = show_refusals({"no-such-code": 1, "bad-signature": 3})
    assert [(one.code, one.count) for one in shown] == [("bad-signature", 3), ("no-such-code", 1)]
    assert [one.why for one in shown] == [MEANINGS["bad-signature"].means, NOT_TOLD]


@pytest.mark.parametrize(
    ("peers", "state", "words"),
    [
        ((BOB,), "in-sync", "in sync with 1 peer"),
        ((BOB, CAROL), "in-sync", "in sync with 2 peers"),
        (
            (replace(BOB, standing="behind", behind=3), CAROL),
            "behind",
            "3 entries behind zBob",
        ),
        (
            (BOB, replace(CAROL, standing="comparing", words="comparing what both hold")),
            "comparing",
            "carol: comparing what both hold; in sync with 1",
        ),
        (
            tuple(replace(one, standing="comparing", words="…") for one in (BOB, CAROL)),
            "comparing",
            "comparing what is held with 2 peers",
        ),
        (
            (replace(BOB, standing="refused", words="no"), replace(CAROL, standing="ahead")),
            "ahead",
            "carol: in sync",
        ),
    ],
)
def test_one_sentence_for_all_of_them(peers: tuple[Peer, ...], state: str, words: str) -> None:
    said = state_of_all(peers, ())
    assert (said.state, said.words) == (state, words)


def test_those_that_are_not_reached_are_counted() -> None:
    connected = Discovered(
        did=BOB.did, device=BOB.device, address="10.9.9.9:1", source="mdns", seen_s=1.0
    )
    said = state_of_all((BOB,), (connected, DAVE))
    assert said.words == "in sync with 1 peer; calling 1 other"
    assert (said.connected, said.in_sync, said.missed) == (1, 1, 1)


def test_without_any_peer_it_says_what_keeps_it_from_its_relays() -> None:
    refusing = RelayShown(
        url="relay://r.example:4747", state="waiting", since_s=3.0, rtt_ms=None,
        last_error="The relay wants a token.", registered_until=None, observed="",
    )  # fmt: skip
    said = state_of_all((), (), relays=(refusing,))
    assert said.state == "alone"
    assert said.words == "no peer is known; no relay takes this node: The relay wants a token"
    there = replace(refusing, state="registered", last_error="")
    assert "relay" not in state_of_all((), (), relays=(refusing, there)).words


def test_without_any_peer_it_says_why() -> None:
    assert state_of_all((), ()).state == "alone"
    role = RelayRole(
        words="a relay: 2 devices registered, 1 circuit open", registered=2, circuits=1,
        passed_bytes=4_096, letters=0, letter_bytes=0, draining=False, caching=False,
    )  # fmt: skip
    alone = state_of_all((), (), (), role)
    assert (alone.state, alone.words) == ("relaying", role.words)
    assert state_of_all((BOB,), (), (), role).words == f"{role.words}; in sync with 1 peer"
    refused = replace(DAVE, last_error="refused\x1b[2J: go away.")
    said = state_of_all((), (DAVE, refused))
    assert said.state == "reconnecting"
    assert said.words == ("calling 2 peers, none is connected: refused\\u{1b}[2J: go away")


def test_of_what_several_peers_hold_the_most_counts() -> None:
    several = tuple(
        replace(one, standing="behind", behind=count) for one, count in ((BOB, 5), (CAROL, 7))
    )
    assert state_of_all(several, ()).behind == 7
    assert state_of_all(several, ()).words == "7 entries behind zBob, carol"
