"""Lines that grow while they are asked say what those say that were made of all of it at once."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

from tests.registry.attested import CAROL_DID, MALLORY_DID
from tests.universe.passengers import (
    FOX,
    GATES,
    KEYS,
    MEADOW,
    REEF,
    VOID,
    answered,
    handed,
    key_of,
    lines_of,
    sent,
    signed,
)
from tests.universe.test_travel import both_ways
from universe.gates import CheckedHandOver, HandOver, check_hand_over, sign_hand_over
from universe.lines import Lines
from universe.receipts import Checked
from universe.travel import story_of

NAMES = (MEADOW, REEF, VOID)


def grows(receipts: Sequence[Checked], hand_overs: Sequence[CheckedHandOver]) -> None:
    """One after the other, asked after each."""
    whos = {one.receipt.traveller.who for one in receipts}
    for order in permutations(range(len(receipts) + len(hand_overs))):
        grown = Lines()
        for place in order:
            before = [grown[name] for name in NAMES]
            forked = grown.copied()
            if place < len(receipts):
                forked.add([receipts[place]], [])
            else:
                forked.add([], [hand_overs[place - len(receipts)]])
            for who in whos:
                story_of(who, forked)
            assert [grown[name] for name in NAMES] == before, "it is not in that one"
            grown = forked
        whole = Lines(receipts, hand_overs)
        for name in NAMES:
            assert grown[name] == whole[name]
        assert [story_of(who, grown) for who in whos] == [story_of(who, whole) for who in whos]
        assert grown.votes_asked == whole.votes_asked


def test_who_answers_one_of_two_receipts_with_one_number_is_heard_whenever_it_comes() -> None:
    one, other = both_ways()
    falls = max((one, other), key=lambda each: each.id)
    (arrived,) = answered(falls.receipt.other, falls)
    assert lines_of(one, other, arrived)[VOID].receipts == (falls,)
    gates = [gate for gate in GATES if gate.hand_over.universe in (VOID, falls.receipt.other)]
    grows([one, other, arrived], gates)


def test_who_answers_under_one_of_two_first_gates_is_heard_whenever_it_comes() -> None:
    left = sent(FOX, MEADOW, REEF)
    (arrived,) = answered(REEF, left)
    (first,) = (one for one in GATES if one.hand_over.universe == MEADOW)
    others = (
        HandOver(MEADOW, 1, key_of(78).public, KEYS[MEADOW].public, at_us=n) for n in range(99)
    )
    checked = (check_hand_over(sign_hand_over(one, KEYS[MEADOW])) for one in others)
    smaller = next(one for one in checked if one.id < first.id)
    (reef,) = (one for one in GATES if one.hand_over.universe == REEF)
    assert lines_of(left, arrived, gates=(first, smaller, reef))[MEADOW].gate == first
    grows([left, arrived], [first, smaller, reef])


def test_a_story_found_before_depends_on_what_it_depended_on() -> None:
    left = sent(FOX, MEADOW, REEF)
    lines = lines_of(left)
    story_of(FOX.who, lines)
    lines.asked = set()
    story_of(FOX.who, lines)
    assert lines.asked == {MEADOW, REEF}


def test_who_has_no_vote_has_no_line_worked_out_anew() -> None:
    """However many small universes a gate that signed two things has answer what it signed."""
    one, other = both_ways()
    lines = lines_of(one, other)
    line = lines[VOID]
    for number, author in enumerate((MALLORY_DID, CAROL_DID)):
        name, key = f"{author}/universe:small", key_of(110 + number)
        gate = handed(name, key, Lines())
        said = replace(
            one.receipt, kind="arrival", universe=name, gate=key.public, other=VOID, answers=one.id,
            traveller=one.receipt.traveller.told,
        )  # fmt: skip
        lines.add([signed(said, key)], [gate])
        assert lines[VOID] is line
    (arrived,) = answered(one.receipt.other, one)
    lines.add([arrived], [])
    line = lines[VOID]
    assert line.receipts == (one,), "who was spoken to has one"
    again = replace(arrived.receipt, seq=2, prev=arrived.id)
    lines.add([signed(again)], [])
    assert lines[VOID] is line
