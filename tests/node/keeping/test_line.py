"""Whose turn it is; and that what nobody gives is asked for seldom, whoever names it."""

from collections import Counter
from collections.abc import Sequence

import pytest

from crdt.blob import BlobId
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.line import OF_PARTY_MAX, Line
from node.keeping.patience import AUTHOR_LONGEST_S, BLOB_LONGEST_S, HELD_MAX, Patience
from node.keeping.plan import Wanted

ALICE, MALLORY = AuthorKey(b"a" * 32), AuthorKey(b"m" * 32)


def wanted(who: AuthorKey, number: int, size: int = 1) -> Wanted:
    return Wanted(BlobId(number.to_bytes(32, "big")), size, who, None)


def fail_all(queue: Sequence[Wanted], patience: Patience, *, until_s: float) -> list[float]:
    """When something was tried, each time in vain."""
    line, now_s, tries = Line(queue, patience), 0.0, list[float]()
    while now_s < until_s:
        if (one := line.take(now_s=now_s, busy={})) is None:
            wait_s = line.wait_s(now_s=now_s, busy={})
            if wait_s is None:
                break
            now_s += max(wait_s, 0.001)
            continue
        tries.append(now_s)
        patience.fail(one.blob, one.whose, "nobody gives it", now_s=now_s)
    return tries


def test_who_names_a_thousand_that_nobody_has_is_asked_once_a_minute() -> None:
    tries = fail_all([wanted(MALLORY, n) for n in range(1_000)], Patience(), until_s=3_600)
    assert len(tries) < 75
    assert tries[-1] - tries[-2] == AUTHOR_LONGEST_S


def test_others_do_not_wait_for_whoever_has_to_rest() -> None:
    patience = Patience()
    queue = [wanted(MALLORY, n) for n in range(100)]
    queue += [wanted(ALICE, 1_000 + n, size=1 << 20) for n in range(10)]
    line, came = Line(queue, patience), 0
    while (one := line.take(now_s=0.0, busy={})) is not None:
        if one.author == MALLORY:
            patience.fail(one.blob, one.whose, "nobody gives it", now_s=0.0)
        else:
            patience.succeed(one.blob, one.whose)
            came += 1
    assert came == 10, "all of hers, at once"


def test_what_stands_still_keeps_out_no_other() -> None:
    queue = [wanted(MALLORY, n) for n in range(100)] + [wanted(ALICE, 1_000, size=1 << 20)]
    line, busy = Line(queue, Patience()), Counter[bytes]()
    taken: list[AuthorKey] = []
    while (one := line.take(now_s=0.0, busy=busy)) is not None:
        busy[one.party] += 1
        taken.append(one.author)
    assert Counter(taken) == {MALLORY: OF_PARTY_MAX, ALICE: 1}
    busy[MALLORY] -= 1
    assert line.take(now_s=0.0, busy=busy) is not None


def test_of_who_had_as_many_turns_the_small_one_comes_first() -> None:
    queue = [wanted(ALICE, 1, size=9), wanted(MALLORY, 2, size=1), wanted(ALICE, 3, size=1)]
    line = Line(queue, Patience())
    taken = [line.take(now_s=0.0, busy={}) for _ in queue]
    assert [one.size for one in taken if one] == [1, 9, 1]


def test_of_a_universe_what_was_tried_in_vain_comes_behind_what_was_not() -> None:
    """Also where it is the newest, and due again."""
    patience = Patience()
    queue = [Wanted(wanted(ALICE, n).blob, 1, ALICE, None, 7) for n in range(3)]
    patience.fail(queue[0].blob, queue[0].whose, "nobody gives it", now_s=-BLOB_LONGEST_S)
    line = Line(queue, patience)
    assert [line.take(now_s=0.0, busy={}) for _ in queue] == [*queue[1:], queue[0]]


def test_whoever_has_many_universes_has_as_many_turns_as_others() -> None:
    """As often as one of them goes on: its next state comes from behind."""
    queue = [
        *(Wanted(wanted(MALLORY, n).blob, 1, MALLORY, None, 1 + n % 20) for n in range(80)),
        *(wanted(ALICE, 1_000 + n) for n in range(80)),
    ]
    line = Line(queue, Patience())
    taken = [line.take(now_s=0.0, busy={}) for _ in range(100)]
    assert Counter(one.author for one in taken if one) == {ALICE: 50, MALLORY: 50}


@pytest.mark.parametrize("is_hoped", [False, True], ids=["time passes", "peers come"])
def test_however_many_new_ones_nobody_has_the_older_ones_have_their_turn(is_hoped: bool) -> None:
    """Each look makes a new line, and a peer that comes makes all due that was tried."""
    patience, came = Patience(), set[BlobId]()
    queue = [wanted(MALLORY, n) for n in range(100)]  # the newest first; of 80 nobody has any
    given = {one.blob for one in queue[80:]}
    for look in range(200):
        now_s = look * AUTHOR_LONGEST_S
        if is_hoped:
            patience.hope(now_s=now_s)
        line = Line([one for one in queue if one.blob not in came], patience)
        while (one := line.take(now_s=now_s, busy={})) is not None:
            if one.blob in given:
                came.add(one.blob)
                patience.succeed(one.blob, one.whose)
            else:
                patience.fail(one.blob, one.whose, "nobody gives it", now_s=now_s)
    assert came == given


def test_who_could_not_come_for_long_is_before_the_others_once() -> None:
    """They do not wait for as many as they had meanwhile; who is new waits for nobody's."""
    hers = [wanted(ALICE, n) for n in range(8)]
    his = [wanted(MALLORY, 100 + n, size=9) for n in range(5)]
    line = Line(hers, Patience())
    for _ in range(4):
        line.take(now_s=0.0, busy={})
    line = Line([*hers[4:], *his], Patience(), had={**line.had, his[0].whose: 0})
    turns = [line.take(now_s=0.0, busy={}) for _ in range(4)]
    assert [one and one.author for one in turns] == [MALLORY, ALICE, MALLORY, ALICE]
    new = Wanted(BlobId(bytes(32)), 9, AuthorKey(b"n" * 32), None)
    line = Line([*hers[6:], *his[2:], new], Patience(), had=line.had)
    taken = {line.take(now_s=0.0, busy={}) for _ in range(2)}
    assert taken == {his[2], new}


def test_what_was_tried_in_vain_is_tried_in_turn_again() -> None:
    """Also where a peer comes each time: of those tried less often one is always first."""
    patience, tried = Patience(), Counter[BlobId]()
    for look in range(30):
        patience.hope(now_s=look * AUTHOR_LONGEST_S)
        line = Line([wanted(MALLORY, n) for n in range(10)], patience)
        one = line.take(now_s=look * AUTHOR_LONGEST_S, busy={})
        assert one is not None
        tried[one.blob] += 1
        patience.fail(one.blob, one.whose, "nobody gives it", now_s=look * AUTHOR_LONGEST_S)
    assert set(tried.values()) == {3}


def test_a_blob_that_two_name_comes_once_in_the_first_turn_of_either() -> None:
    blob = BlobId(bytes(32))
    both = [Wanted(blob, 1, who, None) for who in (ALICE, MALLORY)]
    patience = Patience()
    patience.fail(BlobId(b"x" * 32), both[0].whose, "nobody gives it", now_s=0.0)
    line = Line(both, patience)
    assert line.take(now_s=0.0, busy={}) == both[1], "her own rest is hers alone"
    assert line.take(now_s=1.0, busy={}) is None


def test_a_blob_is_tried_after_twice_as_long_each_time_and_at_once_where_somebody_came() -> None:
    patience, one = Patience(), wanted(ALICE, 1)
    waits = list[float]()
    now_s = 0.0
    for _ in range(12):
        patience.fail(one.blob, one.whose, "nobody gives it", now_s=now_s)
        wait_s = patience.next_s(now_s=now_s)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
    assert waits[:3] == [10.0, 20.0, 40.0]
    assert waits[-1] == BLOB_LONGEST_S
    patience.fail(one.blob, one.whose, "nobody gives it", now_s=now_s)
    assert Line([one], patience).take(now_s=now_s, busy={}) is None
    patience.hope(now_s=now_s)
    assert Line([one], patience).take(now_s=now_s, busy={}) == one


def test_what_is_remembered_has_a_bound() -> None:
    patience = Patience()
    for number in range(HELD_MAX + 500):
        one = wanted(AuthorKey(number.to_bytes(32, "big")), number)
        patience.fail(one.blob, one.whose, "nobody gives it", now_s=0.0)
    assert len(patience.absent) == HELD_MAX
    assert patience.why(wanted(ALICE, 1).blob) == "", "the first ones are forgotten"


def test_who_has_all_its_places_is_waited_for_by_nobody() -> None:
    """Though one of its authors rested and may be tried by now."""
    garden, patience = NamespaceKey(b"g" * 32), Patience()
    queue = [
        Wanted(BlobId(bytes([n]) * 32), 1, who, garden)
        for n, who in enumerate((MALLORY, *[ALICE] * (OF_PARTY_MAX + 1)))
    ]
    line, busy = Line(queue, patience), Counter[bytes]()
    another = BlobId(b"x" * 32)
    patience.fail(another, queue[0].whose, "nobody gives it", now_s=0.0)
    for _ in range(OF_PARTY_MAX):
        one = line.take(now_s=0.0, busy=busy)
        assert one is not None
        busy[one.party] += 1
    assert line.take(now_s=AUTHOR_LONGEST_S, busy=busy) is None
    assert line.wait_s(now_s=AUTHOR_LONGEST_S, busy=busy) is None
    assert line.wait_s(now_s=AUTHOR_LONGEST_S, busy={}) == 0.0
