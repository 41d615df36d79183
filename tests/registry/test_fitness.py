import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.attestation import Attestation
from registry.evaluation import STANDARD_SEED, STANDARD_TICKS, Answer, Ending, Evaluation
from registry.fitness import Fitness, Judgement, Name, Trust, Word, verified_fitness
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


STANDARD = dataclasses.replace(QUESTION, seed=STANDARD_SEED, ticks=STANDARD_TICKS)
LIFE = Name("io.panspermia.life-score", "1.0.0")


def test_it_ranks_by_an_evaluator_that_ranks() -> None:
    other = dataclasses.replace(STANDARD, evaluator=OTHER)
    rows = [
        said(BOB_DID, ran(7), about=STANDARD),
        said(BOB_DID, ran(10**9), about=other),
        said(BOB_DID, ran(99), about=dataclasses.replace(STANDARD, genome=GUN)),
    ]
    best = verified_fitness(GLIDER, rows, TRUST, {JUDGE.hex(): LIFE}).best
    assert best is not None
    assert (best.id, best.answer, best.name) == (STANDARD.id.hex(), Answer("result", 7), LIFE)
    anyones = verified_fitness(GLIDER, rows, TRUST).best
    assert anyones is not None
    assert anyones.evaluator == OTHER.hex()


def test_results_of_other_seeds_and_ticks_rank_behind_that_of_the_standard_question() -> None:
    """Else whoever tries enough seeds, or waits long enough, is first."""
    lucky = dataclasses.replace(STANDARD, seed=4_711)
    longer = dataclasses.replace(STANDARD, ticks=10**6)
    rows = [said(BOB_DID, ran(9), about=lucky), said(BOB_DID, ran(10**9), about=longer)]
    odd = fitness(*rows, said(CAROL_DID, ran(9), about=lucky))
    assert odd.best is not None
    assert (odd.best.is_standard, odd.best.seed) == (False, 4_711), "more found that one"
    even = fitness(*rows, said(BOB_DID, ran(-5), about=STANDARD))
    assert even.best is not None
    assert (even.best.is_standard, even.best.answer) == (True, Answer("result", -5))
    assert even.place is not None
    assert odd.place is not None
    assert even.place < odd.place
    better = fitness(said(BOB_DID, ran(1), about=STANDARD))
    assert better.place is not None
    assert better.place < even.place
    assert fitness(said(MALLORY_DID, ran(1), about=STANDARD)).place is None


def test_running_out_of_fuel_decides_nothing_and_contradicts_nobody() -> None:
    """Engines count it differently: one more version, and an honest author would be a liar."""
    one = only(said(ALICE_DID, ran("out-of-fuel")), said(BOB_DID, ran(7)))
    assert (one.state, one.answer, one.contradictions) == ("verified", Answer("result", 7), ())
    alone = only(said(ALICE_DID, ran("out-of-fuel")), said(MALLORY_DID, claim=7))
    assert (alone.state, alone.answer, alone.contradictions) == ("unverified", None, ())
    assert {word.answer.ending for word in alone.words} == {"out-of-fuel", "result"}


def test_only_runs_that_count_dispute_a_result() -> None:
    strangers = only(said(ALICE_DID, ran(7)), said(MALLORY_DID, ran(9)), said(BOB_DID, claim=8))
    assert people(strangers.contradictions) == {MALLORY_DID, BOB_DID}
    assert strangers.disputes == ()
    followed = fitness(said(ALICE_DID, ran(7)), said(MALLORY_DID, ran(9)), said(BOB_DID, ran(8)))
    (one,) = followed.judgements
    assert people(one.disputes) == {BOB_DID}
    assert (followed.disputed, followed.contradictions) == (1, 1)
    open_ = only(said(BOB_DID, ran(7)), said(CAROL_DID, ran(8)), said(MALLORY_DID, ran(9)))
    assert people(open_.disputes) == {BOB_DID, CAROL_DID}


def test_an_evaluator_has_the_name_of_its_bytes_not_of_what_somebody_says() -> None:
    one = only(said(BOB_DID, ran(7), module="io.panspermia.life-score"))
    assert (one.name, str(one.said_to_be)) == (None, "io.panspermia.life-score 1.0.0")
    rows = [said(MALLORY_DID, ran(7), module="org.example.best")]
    (known,) = verified_fitness(GLIDER, rows, TRUST, {JUDGE.hex(): LIFE}).judgements
    assert (known.name, known.said_to_be.module) == (LIFE, "org.example.best")


AUTHORS = st.sampled_from([ALICE_DID, BOB_DID, CAROL_DID, MALLORY_DID])
QUESTIONS = st.builds(
    Evaluation, st.just(GLIDER), st.sampled_from([JUDGE, OTHER]), st.integers(0, 1), st.just(5)
)
NONE: tuple[Ending, ...] = ("trapped", "unjudged", "out-of-fuel")
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
            differs = {
                word.author
                for word in one.words
                if word.answer != one.answer and word.answer.decides
            }
            assert people(one.contradictions) == differs
            assert one.attestors
            assert one.answer.decides
        assert people(one.disputes) <= {ALICE_DID, BOB_DID, CAROL_DID}


@pytest.mark.parametrize("trust", [TRUST, Trust(MALLORY_DID)])
def test_nothing_said_is_nothing_known(trust: Trust) -> None:
    assert fitness(trust=trust) == Fitness(GLIDER.hex(), None, ())
