import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crdt import cbor
from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry.attestation import Attestation
from registry.challenge import (
    CLASS,
    KIND,
    SEEDS_MAX,
    Terms,
    challenge_of,
    decode_terms,
    encode_terms,
    id_of,
    publish_challenge,
    standing_of,
)
from registry.errors import InvalidChallenge, MalformedRecord, RegistryError
from registry.evaluation import Evaluation
from registry.findings import Entered
from registry.fitness import Trust
from registry.head import Words
from registry.listings import project
from storage.listing import Listing
from tests.registry.attested import (
    CAROL_DID,
    GLIDER,
    GUN,
    JUDGE,
    MALLORY_DID,
    NAME,
    VERSION,
    ran,
    said,
)
from tests.registry.people import ALICE, ALICE_DID, BOB_DID, DAY_US, NOON_US, Record
from tests.registry.test_module import plain

TERMS = Terms(
    evaluator=JUDGE,
    module=NAME,
    version=VERSION,
    seeds=(1, 2),
    ticks=100,
    opens_us=NOON_US - DAY_US,
    deadline_us=NOON_US + DAY_US,
)
WORDS = Words("Longest life", "In 100 ticks.", card="# Rules\nAny pattern.")
TRUST = Trust(ALICE_DID, frozenset({BOB_DID, CAROL_DID}))


def record() -> Record:
    author = AuthorKey(ALICE.public)
    return Record(DocumentId(COMMONS, author, CLASS, KIND, id_of(TERMS).encode()))


def test_alice_challenges() -> None:
    alices = record()
    assert alices.edit(publish_challenge(TERMS, WORDS, now_us=NOON_US)) is not None
    assert alices.edit(publish_challenge(TERMS, WORDS, now_us=NOON_US + 1)) is None
    found = challenge_of(alices.id, alices.value)
    assert (found.name, found.rules, found.terms) == ("Longest life", WORDS.card, TERMS)
    assert found.author == ALICE_DID
    row = project(alices.id, alices.value)
    assert isinstance(row, Listing)
    assert (row.kind, row.record, row.name) == ("challenge", id_of(TERMS), "Longest life")
    assert json.loads(row.fields)["terms"]["evaluator"] == JUDGE.hex()


def test_other_terms_are_another_challenge() -> None:
    later = replace(TERMS, deadline_us=TERMS.deadline_us + 1)
    assert id_of(later) != id_of(TERMS)
    alices = record()
    alices.edit(publish_challenge(later, WORDS, now_us=NOON_US))
    with pytest.raises(MalformedRecord):
        challenge_of(alices.id, alices.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "x"},
        {"evaluator": b"x"},
        {"seeds": ()},
        {"seeds": (2, 1)},
        {"seeds": (1, 1)},
        {"seeds": tuple(range(SEEDS_MAX + 1))},
        {"seeds": (1 << 63,)},
        {"ticks": -1},
        {"opens_us": TERMS.deadline_us},
        {"module": "none"},
        {"version": "one"},
    ],
    ids=str,
)
def test_terms_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(RegistryError):
        encode_terms(replace(TERMS, **wrong))


def test_terms_are_read_back_and_nothing_else_is() -> None:
    assert decode_terms(encode_terms(TERMS)) == TERMS
    fields = cbor.decode(encode_terms(TERMS), bytes_max=4_096)
    for bad in (b"", encode_terms(TERMS)[:-1], cbor.encode({**fields, "more": 1})):
        with pytest.raises(InvalidChallenge):
            decode_terms(bad)


@given(st.dictionaries(st.sampled_from(["challenge", "head", "tags"]), plain))
def test_no_value_raises_anything_else(value: dict[str, Any]) -> None:
    alices = record()
    alices.edit(publish_challenge(TERMS, WORDS, now_us=NOON_US))
    with suppress(MalformedRecord):
        challenge_of(alices.id, {**alices.value, **value})


def about(genome: bytes, seed: int) -> Evaluation:
    return Evaluation(genome, JUDGE, seed, 100)


IN = (Entered(id_of(TERMS), NOON_US),)
LATE = (Entered(id_of(TERMS), TERMS.deadline_us + 1),)
EARLY = (Entered(id_of(TERMS), TERMS.opens_us - 1),)
ELSEWHERE = (Entered("chal-0123456789abcdef", NOON_US),)


def test_who_is_verified_on_every_seed_stands_first() -> None:
    rows = [
        said(BOB_DID, ran(5), about=about(GLIDER, 1), entered=IN),
        said(BOB_DID, ran(6), about=about(GLIDER, 2)),
        said(BOB_DID, ran(99), about=about(GUN, 1), entered=IN),
        said(MALLORY_DID, ran(99), about=about(GUN, 2), entered=IN),
    ]
    first, second = standing_of(TERMS, rows, TRUST)
    assert (first.genome, first.place, first.total, first.verified) == (GLIDER.hex(), 1, 11, 2)
    assert (second.genome, second.place, second.total) == (GUN.hex(), None, None)
    assert (second.verified, second.entered_by) == (1, tuple(sorted((BOB_DID, MALLORY_DID))))
    assert [one.attestors for one in second.judgements] == [(BOB_DID,), ()]


def test_only_who_says_so_in_time_enters() -> None:
    rows = [
        said(BOB_DID, ran(5), about=about(GLIDER, 1), entered=LATE),
        said(CAROL_DID, ran(5), about=about(GLIDER, 2), entered=EARLY + ELSEWHERE),
        said(BOB_DID, ran(5), about=about(GUN, 3), entered=IN),
        said(BOB_DID, ran(5), about=Evaluation(GUN, JUDGE, 1, 101), entered=IN),
        said(BOB_DID, ran(5), about=Evaluation(GUN, GUN, 1, 100), entered=IN),
        said(BOB_DID, ran(5), about=about(GUN, 1)),
    ]
    assert standing_of(TERMS, rows, TRUST) == ()
    claimed = [*rows, said(CAROL_DID, claim=7, about=about(GLIDER, 1), entered=IN)]
    (only,) = standing_of(TERMS, claimed, TRUST)
    assert (only.entered_by, only.verified, only.contradictions) == ((CAROL_DID,), 2, 1)
    assert only.total == 10, "what is run after the deadline verifies what was entered before it"


def test_a_forged_clock_has_no_witness() -> None:
    """Mallory enters after the deadline and says that it was before; bob runs it later."""
    late = TERMS.deadline_us + DAY_US
    rows = [
        said(MALLORY_DID, ran(9), about=about(GUN, 1), entered=IN),
        said(BOB_DID, ran(9, at_us=late), about=about(GUN, 1)),
    ]
    (only,) = standing_of(TERMS, rows, TRUST)
    assert (only.entered_by, only.witnesses) == ((MALLORY_DID,), ())
    rows.append(said(CAROL_DID, ran(9), about=about(GUN, 2)))
    (only,) = standing_of(TERMS, rows, TRUST)
    assert only.witnesses == (CAROL_DID,), "carol ran it before the deadline"


def test_equal_totals_share_a_place() -> None:
    genomes = [bytes([n]) * 32 for n in (9, 7, 8)]
    rows = [
        said(BOB_DID, ran(result), about=about(genome, seed), entered=IN)
        for genome, result in zip(genomes, (5, 5, 4), strict=True)
        for seed in TERMS.seeds
    ]
    found = [(one.genome, one.place, one.total) for one in standing_of(TERMS, rows, TRUST)]
    nine, seven, eight = (genome.hex() for genome in genomes)
    assert found == [(seven, 1, 10), (nine, 1, 10), (eight, 3, 8)]


def test_totals_are_whole_however_large() -> None:
    most = (1 << 63) - 1
    rows = [said(BOB_DID, ran(most), about=about(GUN, seed), entered=IN) for seed in TERMS.seeds]
    (only,) = standing_of(TERMS, rows, TRUST)
    assert only.total == 2 * most


def test_what_ends_without_a_result_has_no_total() -> None:
    rows = [
        said(BOB_DID, ran(5), about=about(GUN, 1), entered=IN),
        said(BOB_DID, ran("trapped"), about=about(GUN, 2), entered=IN),
    ]
    (only,) = standing_of(TERMS, rows, TRUST)
    assert (only.total, only.verified) == (None, 1)
    assert [str(one.answer) for one in only.judgements] == ["5", "trapped"]


@st.composite
def attestation_lists(draw: st.DrawFn) -> list[Attestation]:
    places = st.tuples(
        st.sampled_from([ALICE_DID, BOB_DID, CAROL_DID, MALLORY_DID]),
        st.sampled_from([GLIDER, GUN]),
        st.integers(1, 3),
    )
    return [
        said(
            author,
            ran(draw(st.integers(0, 2)), at_us=draw(st.sampled_from([NOON_US, NOON_US * 2]))),
            about=about(genome, seed),
            entered=draw(st.sampled_from([(), IN, LATE, EARLY])),
        )
        for author, genome, seed in draw(st.lists(places, unique=True, max_size=12))
    ]


@given(attestation_lists(), st.randoms(use_true_random=False))
def test_everybody_reckons_the_same_standing(
    rows: list[Attestation], shuffle: random.Random
) -> None:
    again = [*rows, *rows]
    shuffle.shuffle(again)
    assert standing_of(TERMS, again, TRUST) == standing_of(TERMS, rows, TRUST)
