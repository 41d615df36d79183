import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.attestation import Attestation
from registry.evaluation import Answer, Ending, Evaluation
from registry.fitness import Fitness, Judgement, Trust, Word, verified_fitness
from tests.registry.attested import CAROL_DID, GLIDER, GUN, JUDGE, MALLORY_DID, QUESTION, ran, said
from tests.registry.people import ALICE_DID, BOB_DID

TRUST = Trust(ALICE_DID, frozenset({BOB_DID, CAROL_DID}))
OTHER = b"\x0b" * 32


def fitness(*attestations: Attestation, trust: Trust = TRUST) -> Fitness:
    return verified_fitness(GLIDER, attestations, trust)


def only(*attestations: Attestation) -> Judgement:
    (one,) = fitness(*attestations).judgements
    return one


def people(words: tuple[Word, ...]) -> set[str]:
    return {word.author for word in words}


def test_a_claim_alone_is_only_claimed() -> None:
    found = fitness(said(BOB_DID, claim=7))
    assert found.best is None
    assert [one.state for one in found.judgements] == ["claimed"]


def test_what_strangers_ran_does_not_rank() -> None:
    found = fitness(said(MALLORY_DID, ran(7)), said(BOB_DID, claim=7))
    assert found.best is None
    assert [one.state for one in found.judgements] == ["unverified"]


def test_what_a_followed_author_ran_ranks() -> None:
    found = fitness(said(BOB_DID, ran(7)), said(MALLORY_DID, ran(7)))
    assert found.best is not None
    assert (found.best.answer, found.attestors) == (Answer("result", 7), (BOB_DID,))
    assert found.contradictions == 0


def test_a_stranger_contradicts_and_is_named_but_decides_nothing() -> None:
    one = only(said(BOB_DID, ran(7)), said(MALLORY_DID, ran(9)), said(CAROL_DID, claim=9))
    assert (one.state, one.answer) == ("verified", Answer("result", 7))
    assert people(one.contradictions) == {MALLORY_DID, CAROL_DID}


def test_followed_authors_who_differ_leave_it_disputed() -> None:
    found = fitness(said(BOB_DID, ran(7)), said(CAROL_DID, ran(8)))
    assert found.best is None
    (one,) = found.judgements
    assert (one.state, people(one.contradictions)) == ("disputed", {BOB_DID, CAROL_DID})


def test_ones_own_run_settles_it() -> None:
    one = only(said(BOB_DID, ran(7)), said(CAROL_DID, ran(8)), said(ALICE_DID, ran(8)))
    assert (one.state, one.answer) == ("verified", Answer("result", 8))
    assert one.attestors == tuple(sorted({ALICE_DID, CAROL_DID}))
    assert people(one.contradictions) == {BOB_DID}


def test_ones_own_devices_that_differ_settle_nothing() -> None:
    assert only(said(ALICE_DID, ran(7), ran(8)), said(BOB_DID, ran(7))).state == "disputed"


def test_a_claim_of_ones_own_decides_nothing() -> None:
    one = only(said(ALICE_DID, claim=9), said(BOB_DID, ran(7)))
    assert one.answer == Answer("result", 7)
    assert people(one.contradictions) == {ALICE_DID}


def test_two_claims_that_differ_are_a_contradiction() -> None:
    assert people(only(said(BOB_DID, claim=1), said(MALLORY_DID, claim=2)).contradictions) == {
        BOB_DID,
        MALLORY_DID,
    }


def test_a_trap_is_an_answer_that_contradicts_a_result_and_never_ranks() -> None:
    found = fitness(said(BOB_DID, claim=10**12), said(CAROL_DID, ran("trapped")))
    assert found.best is None
    (one,) = found.judgements
    assert (one.state, one.answer) == ("verified", Answer("trapped"))
    assert people(one.contradictions) == {BOB_DID}


def test_it_ranks_by_its_best_evaluation_of_an_evaluator_that_ranks() -> None:
    longer = dataclasses.replace(QUESTION, ticks=200)
    other = dataclasses.replace(QUESTION, evaluator=OTHER)
    rows = [
        said(BOB_DID, ran(7)),
        said(BOB_DID, ran(9), about=longer),
        said(BOB_DID, ran(10**9), about=other),
        said(BOB_DID, ran(99), about=dataclasses.replace(QUESTION, genome=GUN)),
    ]
    best = verified_fitness(GLIDER, rows, TRUST, {JUDGE.hex()}).best
    assert best is not None
    assert (best.id, best.answer) == (longer.id.hex(), Answer("result", 9))
    anyones = verified_fitness(GLIDER, rows, TRUST).best
    assert anyones is not None
    assert anyones.evaluator == OTHER.hex()


AUTHORS = st.sampled_from([ALICE_DID, BOB_DID, CAROL_DID, MALLORY_DID])
QUESTIONS = st.builds(
    Evaluation, st.just(GLIDER), st.sampled_from([JUDGE, OTHER]), st.integers(0, 1), st.just(5)
)
NONE: tuple[Ending, ...] = ("trapped", "unjudged")
RUNS = st.builds(ran, st.one_of(st.integers(-2, 2), st.sampled_from(NONE)))


@st.composite
def attestation_lists(draw: st.DrawFn) -> list[Attestation]:
    """One author speaks of one evaluation in one document."""
    pairs = draw(st.lists(st.tuples(AUTHORS, QUESTIONS), unique=True, max_size=12))
    return [
        said(
            author,
            *draw(st.lists(RUNS, max_size=2)),
            claim=draw(st.none() | st.integers(-2, 2)),
            about=about,
        )
        for author, about in pairs
    ]


@given(attestation_lists(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    rows: list[Attestation], shuffle: random.Random
) -> None:
    once = fitness(*rows)
    again = [*rows, *rows]
    shuffle.shuffle(again)
    assert fitness(*again) == once


@given(attestation_lists())
def test_strangers_and_claims_decide_nothing(rows: list[Attestation]) -> None:
    kept = [
        said(one.author, *one.runs, about=one.evaluation) for one in rows if one.author in TRUST
    ]
    decided = {one.id: one.answer for one in fitness(*kept).judgements}
    found = fitness(*rows)
    assert {one.id: one.answer for one in found.judgements if one.id in decided} == decided
    assert all(one.answer is None for one in found.judgements if one.id not in decided)


@given(attestation_lists())
def test_everybody_who_says_something_else_is_named(rows: list[Attestation]) -> None:
    for one in fitness(*rows).judgements:
        assert len({word.answer for word in one.words}) > 1 or not one.contradictions
        if one.answer is not None:
            differs = {word.author for word in one.words if word.answer != one.answer}
            assert people(one.contradictions) == differs
            assert one.attestors


@pytest.mark.parametrize("trust", [TRUST, Trust(MALLORY_DID)])
def test_nothing_said_is_nothing_known(trust: Trust) -> None:
    assert fitness(trust=trust) == Fitness(GLIDER.hex(), None, ())
