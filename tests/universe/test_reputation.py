"""What others sign of an author, whoever says it, in whatever order it comes."""

import random

from hypothesis import given
from hypothesis import strategies as st

from universe.reputation import FACTS_SHOWN_MAX, About, Fact, Proof, Reputation, reputation_of

DIDS = tuple(f"did:key:z{name}" for name in ("alice", "bob", "carol", "dave", "erin"))
ALICE, BOB, CAROL, DAVE, ERIN = DIDS
KINDS: tuple[About, ...] = ("rating", "same", "other", "advisory", "arrived", "turned-back")


def said(
    kind: About, by: str, of: str = "one", *, at_us: int = 5, stars: int = 0, said: str = ""
) -> Fact:
    return Fact(at_us, kind, by, "module", of, "", said, stars)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    kind = draw(st.sampled_from(KINDS))
    return said(
        kind,
        draw(st.sampled_from(DIDS)),
        draw(st.sampled_from(("one", "two", "three"))),
        at_us=draw(st.integers(0, 3)),
        stars=draw(st.integers(1, 5)) if kind == "rating" else 0,
        said=draw(st.sampled_from(("", "so"))),
    )


ALL = st.lists(facts(), max_size=40)


def of_alice(given: list[Fact], followed: tuple[str, ...] = (BOB, CAROL)) -> Reputation:
    return reputation_of(ALICE, given, followed)


@given(ALL, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_and_hearing_it_twice_neither(
    given: list[Fact], chance: random.Random
) -> None:
    again = [*given, *given]
    chance.shuffle(again)
    assert of_alice(again) == of_alice(given)


@given(ALL, ALL)
def test_what_alice_says_of_herself_counts_nowhere(given: list[Fact], more: list[Fact]) -> None:
    others = [fact for fact in given if fact.by != ALICE]
    own = [said(one.kind, ALICE, one.of, at_us=one.at_us, stars=one.stars) for one in more]
    assert of_alice([*others, *own]) == of_alice(others)
    assert reputation_of(ALICE, own, (ALICE,)).followed == ()


@given(ALL, ALL)
def test_strangers_change_nothing_of_what_followed_authors_say(
    given: list[Fact], more: list[Fact]
) -> None:
    strange = [one for one in more if one.by in (DAVE, ERIN)]
    assert of_alice([*given, *strange]).followed == of_alice(given).followed


@given(ALL)
def test_whoever_says_more_than_one_thing_is_one_signer(given: list[Fact]) -> None:
    for line in (*of_alice(given).followed, *of_alice(given).strangers):
        assert 1 <= line.signers <= min(line.count, len(DIDS) - 1)
        assert line.signers == len({fact.by for fact in line.facts})
        assert all(fact.kind == line.kind for fact in line.facts)


def test_a_signer_of_a_hundred_ratings_weighs_as_one_of_a_single_rating() -> None:
    many = [said("rating", BOB, f"record-{number}", stars=5) for number in range(100)]
    (line,) = of_alice([*many, said("rating", CAROL, stars=2)]).followed
    assert (line.signers, line.count, line.average) == (2, 101, 3.5)
    assert len(line.facts) == FACTS_SHOWN_MAX


def test_of_two_answers_to_one_question_the_later_one_counts() -> None:
    (line,) = of_alice([said("same", BOB, at_us=5), said("other", BOB, at_us=9)]).followed
    assert (line.kind, line.count) == ("other", 1)
    changed = [said("rating", BOB, stars=1), said("rating", BOB, at_us=9, stars=4)]
    (line,) = of_alice(changed).followed
    assert (line.count, line.average) == (1, 4.0)


def test_strangers_stand_beside() -> None:
    found = of_alice([said("rating", BOB, stars=5), said("rating", DAVE, stars=1)])
    assert [line.average for line in found.followed] == [5.0]
    assert [line.average for line in found.strangers] == [1.0]


def test_a_proof_needs_nobodys_word() -> None:
    proof = Proof("did:key:zlaptop", f"{ALICE}/pub/gen/ab", 7, ("01", "02"))
    found = reputation_of(ALICE, [], (), [proof, proof])
    assert found.proofs == (proof,)
    assert (found.followed, found.strangers, found.whole) == ((), (), True)


def test_nobody_knows_anything_of_her() -> None:
    assert of_alice([]) == Reputation(ALICE, (), (), ())
