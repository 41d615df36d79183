from dataclasses import replace as replaced
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey
from registry.errors import InvalidRecord, MalformedRecord
from registry.head import Words
from tests.registry.people import ALICE_DID, BOB_DID, NOON_US
from tests.universe.passengers import FOX, MEADOW, REEF, VOID, sent
from universe.passage import (
    Half,
    Said,
    half_of,
    judge_arrival,
    listed_half,
    passage_listing,
    passages_of,
    say_passage,
)

PROPOSED = Half(
    author=ALICE_DID, id="passage:1", source=MEADOW, target=REEF, type="bridge", stability=100,
    maintained_us=NOON_US, every_us=0, arrivals="accept", is_closed=False, proposal="", by="alice",
    name="", created_us=NOON_US,
)  # fmt: skip
ACCEPTED = replace(PROPOSED, author=BOB_DID, proposal=PROPOSED.full_name, stability=70, by="bob")
MINE = replace(PROPOSED, id="passage:2", target=f"{ALICE_DID}/universe:hill")


def document(half: Half) -> DocumentId:
    owner = AuthorKey(decode_did_key(half.author))
    return DocumentId(COMMONS, owner, "pub", "passage", half.id.encode())


def value(half: Half) -> dict[str, Any]:
    return {
        "head": {"created_us": NOON_US, "updated_us": NOON_US},
        "tags": {},
        "body": {
            "source": half.source, "target": half.target, "type": half.type,
            "stability": half.stability, "maintained_us": half.maintained_us,
            "arrivals": half.arrivals, "closed": half.is_closed, "proposal": half.proposal,
            "by": half.by,
        },
    }  # fmt: skip


def test_a_half_is_read_as_it_lies_in_its_document() -> None:
    assert half_of(document(PROPOSED), value(PROPOSED)) == PROPOSED
    listing = passage_listing(document(ACCEPTED), value(ACCEPTED))
    assert listed_half(listing.fields) == ACCEPTED
    assert (listing.kind, listing.name) == ("passage", "passage:1")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("source", REEF), ("source", "meadow"), ("source", 1), ("target", None), ("type", "door"),
        ("stability", 101), ("stability", True), ("maintained_us", -1), ("arrivals", "maybe"),
        ("closed", 1), ("proposal", "passage:1"), ("by", "x" * 129),
    ],
)  # fmt: skip
def test_what_is_no_passage_is_refused(key: str, wrong: object) -> None:
    said = value(PROPOSED)
    said["body"][key] = wrong
    with pytest.raises(MalformedRecord):
        half_of(document(PROPOSED), said)


@pytest.mark.parametrize(
    "said",
    [
        Said(source="meadow"), Said(source=MEADOW, target=MEADOW), Said(stability=101),
        Said(stability=-1), Said(by="a\nb"), Said(every_us=-1),
    ],
)  # fmt: skip
def test_what_nobody_would_read_is_not_said(said: Said) -> None:
    with pytest.raises(InvalidRecord):
        say_passage(Words(None), said, now_us=NOON_US)


def test_it_is_open_once_both_owners_say_so_and_until_one_closes_it() -> None:
    (alone,) = passages_of([PROPOSED])
    assert (alone.state, alone.is_open) == ("proposed", False)
    for halves in permutations([PROPOSED, ACCEPTED]):
        (both,) = passages_of(halves)
        assert (both.state, both.is_open, both.stability) == ("open", True, 70)
        assert both.leads(MEADOW, REEF)
        assert both.leads(REEF, MEADOW)
        assert not both.leads(MEADOW, VOID)
    for each in (
        [PROPOSED, replace(ACCEPTED, is_closed=True)],
        [replace(PROPOSED, is_closed=True), ACCEPTED],
    ):
        assert [one.state for one in passages_of(each)] == ["closed"]


def test_what_nobody_looks_after_wears_down_by_shares_to_nothing() -> None:
    day = 86_400_000_000
    proposed = replace(PROPOSED, stability=90, every_us=2 * day)
    (one,) = passages_of([proposed, replace(ACCEPTED, stability=70)])
    assert one.every_us == 2 * day

    def left(days: float) -> int:
        return one.stability_at(NOON_US + int(days * day))

    assert [left(days) for days in (-5, 0, 1.99, 2, 3.99, 10, 18, 19.99, 20, 9_000)] == [
        70, 70, 70, 63, 63, 35, 7, 7, 0, 0,
    ]  # fmt: skip
    # Either owner looks after it for both; the shorter interval counts.
    both = [proposed, replace(ACCEPTED, every_us=day, maintained_us=NOON_US + 4 * day)]
    (one,) = passages_of(both)
    assert (left(4), left(5), left(14)) == (70, 63, 0)
    (never,) = passages_of([PROPOSED, ACCEPTED])
    assert never.stability_at(NOON_US + 10**6 * day) == 70


def test_a_passage_whose_owner_says_nothing_of_it_is_stable() -> None:
    said = value(PROPOSED)
    del said["body"]["stability"]
    assert half_of(document(PROPOSED), said).stability == 100


def test_one_owner_of_both_ends_needs_nobody() -> None:
    (one,) = passages_of([MINE])
    assert one.is_open


def test_what_was_accepted_is_what_was_proposed_then() -> None:
    for other in (
        replace(ACCEPTED, target=VOID), replace(ACCEPTED, type="gate"),
        replace(ACCEPTED, proposal=f"{BOB_DID}/passage:1"), replace(ACCEPTED, id="passage:3"),
    ):  # fmt: skip
        (passage,) = passages_of([PROPOSED, other])
        assert passage.state == "proposed"


def test_who_owns_neither_end_proposes_nothing() -> None:
    assert passages_of([replace(PROPOSED, source=VOID, target=f"{BOB_DID}/universe:x")]) == []


def test_a_gate_does_with_who_comes_as_its_owner_wants() -> None:
    left = sent(FOX, MEADOW, REEF)
    (passage,) = passages_of([PROPOSED, ACCEPTED])
    assert judge_arrival(left, passage, is_suspect=False).word == "accept"
    assert judge_arrival(left, passage, is_suspect=True).word == "ask"
    assert judge_arrival(left, None, is_suspect=False).word == "wait"
    for half, word in (
        (replace(ACCEPTED, arrivals="ask"), "ask"),
        (replace(ACCEPTED, arrivals="refuse"), "refuse"),
        (replace(ACCEPTED, is_closed=True), "refuse"),
        (replace(ACCEPTED, target=VOID), "wait"),
    ):
        (other,) = passages_of([PROPOSED, half])
        assert judge_arrival(left, other, is_suspect=False).word == word
    elsewhere = replaced(left, receipt=replaced(left.receipt, other=VOID))
    assert judge_arrival(elsewhere, passage, is_suspect=False).word == "wait"
