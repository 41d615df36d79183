"""What is chosen to be kept: never over the budget, fair, steady, and the same in any order."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import BlobId
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.plan import Choice, Claim, Kept, Plan, Why, choose, decide, to_go
from node.keeping.shares import fair_shares

GARDEN = NamespaceKey(b"g" * 32)
BUDGET = 1_000


def author(number: int) -> AuthorKey:
    return AuthorKey(bytes([number]) * 32)


def blob(number: int) -> BlobId:
    return BlobId(number.to_bytes(32, "big"))


ALICE, BOB, MALLORY = author(1), author(2), author(3)


def claim(
    who: AuthorKey, number: int, size: int, at: int = 0, *, place: NamespaceKey | None = None
) -> Claim:
    return Claim(blob(number), who, place, size, at)


claims_of = st.builds(
    Claim,
    st.integers(0, 30).map(blob),
    st.integers(1, 5).map(author),
    st.sampled_from([None, GARDEN, NamespaceKey(b"h" * 32)]),
    st.integers(0, 2 * BUDGET),
    st.integers(0, 9),
)
many_claims = st.lists(claims_of, max_size=40)


def carried_out(plan: Plan, kept: Sequence[Kept], sizes: Sequence[int]) -> list[Kept]:
    """What comes of it: room is made as it says, and what is larger than it says does not come.

    `sizes`: how large the blobs are, whatever records say.
    """
    held = {one.blob: one for one in kept}
    for one in plan.queue:
        if (size := sizes[int.from_bytes(one.blob, "big")]) > one.size:
            continue
        over = sum(each.size for each in held.values()) + size - plan.budget
        for gone in to_go(plan.leaving, over, ()):
            held.pop(gone.blob, None)
        held[one.blob] = Kept(one.blob, one.author, size)
    return list(held.values())


def chosen_of(choice: Choice, who: AuthorKey) -> set[BlobId]:
    return {one.blob for one in choice.blobs.values() if one.author == who}


@given(st.dictionaries(st.integers(), st.integers(0, 100)), st.integers(0, 300))
def test_shares_are_max_min_fair(demands: dict[int, int], whole: int) -> None:
    shares = fair_shares(demands, whole)
    assert all(0 <= shares[one] <= demands[one] for one in demands)
    assert sum(shares.values()) <= whole
    short = [one for one in demands if shares[one] < demands[one]]
    if short:  # none of them has less than another has, but for what cannot be divided
        assert max(shares.values()) - min(shares[one] for one in short) <= 1
        assert whole - sum(shares.values()) < len(demands)


@given(many_claims, st.integers(0, 2 * BUDGET))
def test_it_is_never_over_the_budget(claims: list[Claim], budget: int) -> None:
    choice = choose(claims, budget)
    assert sum(one.size for one in choice.blobs.values()) <= budget
    by_share = {(one.namespace, one.author): one for one in choice.shares}
    for one in choice.blobs.values():
        assert one.size <= by_share[one.namespace, one.author].bytes_max
    assert sum(one.bytes_max for one in choice.shares) <= budget


@given(many_claims, st.lists(claims_of, max_size=40))
def test_a_flood_pushes_out_none_of_what_others_have_within_their_share(
    claims: list[Claim], flood: list[Claim]
) -> None:
    """Whatever mallory names, others keep what they would in an equal part of the budget."""
    others = [one for one in claims if one.author != MALLORY]
    theirs = [Claim(one.blob, MALLORY, None, one.size, one.at_us) for one in flood]
    parties = {one.namespace or one.author for one in others}
    if not parties:
        return
    fair = BUDGET // (len(parties) + 1)
    choice = choose([*others, *theirs], BUDGET)
    for party in parties:
        alone = [one for one in others if (one.namespace or one.author) == party]
        if sum(max(1, one.size) for one in alone) <= fair:
            for one in alone:
                assert one.blob in choice.blobs, "all of it fits an equal part"


@given(many_claims)
def test_one_writer_of_a_namespace_pushes_out_none_of_another(claims: list[Claim]) -> None:
    quiet = [claim(ALICE, 100 + n, 50, n, place=GARDEN) for n in range(5)]
    loud = [Claim(one.blob, MALLORY, GARDEN, one.size, one.at_us) for one in claims]
    choice = choose([*loud, *quiet], BUDGET)
    assert chosen_of(choice, ALICE) == {one.blob for one in quiet}


@given(many_claims, st.randoms(use_true_random=False))
def test_the_order_in_which_it_came_makes_no_difference(
    claims: list[Claim], random: Random
) -> None:
    shuffled = list(claims)
    random.shuffle(shuffled)
    assert decide(shuffled, (), BUDGET) == decide(claims, (), BUDGET)


@given(many_claims, many_claims, st.lists(st.integers(1, BUDGET), min_size=31, max_size=31))
def test_what_was_let_go_is_not_fetched_again(
    before: list[Claim], after: list[Claim], sizes: list[int]
) -> None:
    """Also where records lie about sizes, and those of two authors contradict each other."""
    kept = carried_out(decide(before, (), BUDGET), (), sizes)
    held = carried_out(decide(after, kept, BUDGET), kept, sizes)
    assert sum(one.size for one in held) <= BUDGET
    again = decide(after, held, BUDGET)
    assert carried_out(again, held, sizes) == held, "nothing comes, and nothing goes"


@given(many_claims, st.sets(st.integers(0, 30).map(blob)))
def test_for_what_nobody_gives_nothing_goes(claims: list[Claim], absent: set[BlobId]) -> None:
    """What is chosen beside it only takes room that is free."""
    plan = decide(claims, (), BUDGET, absent)
    assert {one.blob for one in plan.beside}.isdisjoint(plan.chosen.blobs)
    assert {one.blob for one in plan.beside}.isdisjoint(absent)


def test_the_newest_of_an_author_come_first() -> None:
    claims = [claim(ALICE, n, 300, at=n) for n in range(6)]
    choice = choose(claims, BUDGET)
    assert list(choice.blobs) == [blob(5), blob(4), blob(3)]
    assert [why for _, why in choice.without_room] == [Why.FULL] * 3


def test_of_two_authors_the_small_ones_come_first_and_nobody_waits_for_all_of_the_other() -> None:
    claims = [claim(MALLORY, n, 1, at=n) for n in range(50)] + [claim(ALICE, 100, 400)]
    turns = list(choose(claims, BUDGET).blobs)
    assert turns[:3] == [blob(49), blob(100), blob(48)]


def test_what_is_larger_than_the_share_is_told_of_and_takes_nothing_from_others() -> None:
    giant = claim(MALLORY, 1, 1 << 40)
    claims = [giant, *(claim(ALICE, 10 + n, 100) for n in range(10))]
    choice = choose(claims, BUDGET)
    assert chosen_of(choice, ALICE) == {blob(10 + n) for n in range(10)}
    assert list(choice.without_room) == [(giant, Why.TOO_LARGE)]


def test_one_blob_counts_once_for_the_first_who_names_it() -> None:
    both = [claim(ALICE, 1, 500), claim(BOB, 1, 500), claim(BOB, 2, 500)]
    choice = choose(both, BUDGET)
    assert {one: each.author for one, each in choice.blobs.items()} == {
        blob(1): ALICE,
        blob(2): BOB,
    }


def test_who_says_less_of_a_blob_than_there_is_keeps_it_from_nobody() -> None:
    choice = choose([claim(ALICE, 1, 1), claim(BOB, 1, 400)], BUDGET)
    assert (choice.blobs[blob(1)].size, choice.blobs[blob(1)].author) == (400, BOB)


def test_what_nobody_who_counts_names_goes_first_and_is_told_of() -> None:
    kept = [Kept(blob(n), ALICE, 100) for n in (1, 2)] + [Kept(blob(3), BOB, 100)]
    claims = [claim(ALICE, 1, 100), claim(ALICE, 2, 100)]
    plan = decide(claims, kept, 150)
    assert [one.blob for one in plan.leaving] == [blob(3), blob(2)]
    assert plan.unnamed == {blob(3)}


def test_what_is_larger_than_records_say_by_now_goes_and_does_not_come_again() -> None:
    plan = decide([claim(ALICE, 1, 10)], [Kept(blob(1), ALICE, 900)], BUDGET)
    assert [one.blob for one in plan.leaving] == [blob(1)]
    assert not plan.queue
    assert not plan.unnamed


def test_without_a_budget_nothing_is_wanted_and_all_of_it_goes() -> None:
    plan = decide([claim(ALICE, 1, 100)], [Kept(blob(1), ALICE, 100)], 0)
    assert not plan.queue
    assert plan.unnamed == {blob(1)}
    assert [one.blob for one in plan.leaving] == [blob(1)]


def test_room_is_free_for_others_while_nobody_gives_what_was_chosen() -> None:
    claims = [*(claim(MALLORY, n, 100, at=9) for n in range(10))]
    claims += [claim(ALICE, 20 + n, 100) for n in range(10)]
    absent = [blob(n) for n in range(10)]
    plan = decide(claims, [Kept(blob(20 + n), ALICE, 100) for n in range(5)], BUDGET, absent)
    assert {one.blob for one in plan.beside} == {blob(20 + n) for n in range(5, 10)}
