"""What is chosen to be kept: never over the budget, fair, steady, and the same in any order."""

from collections.abc import Collection, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import BlobId
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.line import Line
from node.keeping.patience import Patience
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


def carried_out(
    plan: Plan, kept: Sequence[Kept], sizes: Sequence[int], absent: Collection[BlobId] = ()
) -> list[Kept]:
    """What comes of it: room is made as it says, and what is larger than it says does not come.

    `sizes`: how large the blobs are, whatever records say; `absent`: what nobody has.
    """
    held = {one.blob: one for one in kept}
    for one in (*plan.queue, *plan.beside):
        size = sizes[int.from_bytes(one.blob, "big")]
        if size > one.size or one.blob in absent:
            continue
        over = sum(each.size for each in held.values()) + size - plan.budget
        if one.blob in plan.chosen.blobs:
            for gone in to_go(plan.leaving, over, ()):
                held.pop(gone.blob, None)
        elif over > 0:
            continue
        held[one.blob] = Kept(one.blob, one.author, size)
    return list(held.values())


def line_of(plan: Plan, patience: Patience) -> Line:
    return Line(plan.turns, patience)


def turns_of(choice: Choice, who: AuthorKey) -> list[BlobId]:
    """Of whoever was chosen, in turn."""
    return [one.blob for one in choice.turns if (one.author, one.namespace) == (who, None)]


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
    for share in choice.shares:
        assert share.chosen_bytes <= share.bytes_max
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


@given(
    many_claims,
    many_claims,
    st.sets(st.integers(0, 30).map(blob)),
    st.lists(st.integers(1, BUDGET), min_size=31, max_size=31),
)
def test_for_what_nobody_gives_nothing_goes(
    before: list[Claim], after: list[Claim], absent: set[BlobId], sizes: list[int]
) -> None:
    """What is chosen beside it only takes room that is free, and keeps it while it may."""
    kept = carried_out(decide(before, (), BUDGET, absent), (), sizes, absent)
    plan = decide(after, kept, BUDGET, absent)
    assert {one.blob for one in plan.beside}.isdisjoint({*plan.chosen.blobs, *absent})
    held = carried_out(plan, kept, sizes, absent)
    assert sum(one.size for one in held) <= BUDGET
    if absent.issuperset(one.blob for one in plan.queue):
        assert {one.blob for one in kept} <= {one.blob for one in held}
    again = decide(after, held, BUDGET, absent)
    assert carried_out(again, held, sizes, absent) == held, "and what comes then stays"


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


def test_who_names_anothers_blobs_too_neither_delays_them_nor_makes_them_wait() -> None:
    """Mallory says that they are larger, and names a hundred newer ones that nobody has."""
    hers = [claim(ALICE, 200 + n, 10, at=n) for n in range(5)]
    theirs = [claim(MALLORY, n, 1, at=9, place=GARDEN) for n in range(100)]
    theirs += [Claim(one.blob, MALLORY, GARDEN, one.size + 1, 0) for one in hers]
    plan, patience = decide([*hers, *theirs], (), BUDGET), Patience()
    line, came = line_of(plan, patience), list[BlobId]()
    while (one := line.take(now_s=0.0, busy={})) is not None:
        if one.blob < blob(200):
            patience.fail(one.blob, one.whose, "nobody gives it", now_s=0.0)
        else:
            came.append(one.blob)
            patience.succeed(one.blob, one.whose)
    assert came == [one.blob for one in reversed(hers)], "once each, though two name it"


@given(st.lists(claims_of, max_size=15), many_claims)
def test_where_all_fits_what_others_name_changes_no_authors_turns(
    hers: list[Claim], others: list[Claim]
) -> None:
    """Whatever size and time they state, of the same blobs or of others."""
    mine = [Claim(one.blob, ALICE, None, one.size, one.at_us) for one in hers]
    theirs = [one for one in others if one.namespace or one.author != ALICE]
    enough = sum(max(1, one.size) for one in (*mine, *theirs)) * (len(mine) + len(theirs))
    alone, among = choose(mine, enough), choose([*mine, *theirs], enough)
    assert turns_of(among, ALICE) == turns_of(alone, ALICE)
    for one in among.turns:
        assert one.size == among.blobs[one.blob].size


def test_who_says_less_of_a_blob_than_there_is_keeps_it_from_nobody() -> None:
    choice = choose([claim(ALICE, 1, 1), claim(BOB, 1, 400)], BUDGET)
    assert [(one.size, one.author) for one in choice.turns] == [(400, ALICE), (400, BOB)]
    assert {one.author: one.chosen_bytes for one in choice.shares} == {ALICE: 1, BOB: 400}


def test_of_two_records_of_one_author_the_larger_size_counts() -> None:
    """Whoever is let in to one of her records cannot keep her blobs from coming."""
    choice = choose([claim(ALICE, 1, 400, at=2), claim(ALICE, 1, 1, at=3)], BUDGET)
    assert [(one.size, one.author) for one in choice.turns] == [(400, ALICE)]


def test_what_is_named_and_was_not_looked_at_may_go_and_is_not_unnamed() -> None:
    """Of more claims than are looked at, the records are there still."""
    plan = decide((), [Kept(blob(1), ALICE, 100)], BUDGET, left_out=1)
    assert [one.blob for one in plan.leaving] == [blob(1)]
    assert not plan.unnamed


def test_what_nobody_who_counts_names_goes_first_and_is_told_of() -> None:
    kept = [Kept(blob(n), ALICE, 100) for n in (1, 2)] + [Kept(blob(3), BOB, 100, is_named=False)]
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


def test_of_what_several_claim_each_one_is_told_the_few_universes_of_the_others() -> None:
    """Of whoever was chosen first; what is no state of any universe has none."""
    claims = [
        *(Claim(blob(1), author(who), None, 5, 0, 10 + who) for who in range(1, 4)),
        *(Claim(blob(1), author(who), GARDEN, 5, 0, 10 + who) for who in range(4, 9)),
        claim(author(9), 1, 5),
        Claim(blob(2), author(9), None, 5, 0, 30),
        claim(author(9), 3, 5),
    ]
    turns = choose(claims, BUDGET).turns
    told = {(one.blob, one.author): one.universes for one in turns}
    assert told[blob(1), author(1)] == [11, 12, 13, 14]
    assert told[blob(1), author(3)] == [13, 11, 12, 14]
    assert told[blob(1), author(8)] == [18, 11, 12, 13, 14]
    assert told[blob(1), author(9)] == [11, 12, 13, 14]
    assert told[blob(2), author(9)] == [30]
    assert told[blob(3), author(9)] == []
