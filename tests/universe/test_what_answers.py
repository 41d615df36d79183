"""What is an answer and what only looks like one, and what is given up of answers."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import CannotTravel
from tests.universe.passengers import (
    ACCEPT,
    EEL,
    FOX,
    KEYS,
    MEADOW,
    NO_ROOM,
    NOW,
    REEF,
    VOID,
    answered,
    lines_of,
    sent,
    signed,
)
from universe.behind import given_up_with, missing_of, place_in_chain
from universe.gate import decide, were_back
from universe.receipts import Receipt
from universe.travel import In, InTransit, Refused, place_of

WRONG: dict[str, Callable[[Receipt], Receipt]] = {
    "other": lambda one: replace(one, other=VOID),
    "migration": lambda one: replace(one, migration=bytes([9]) * 16),
    "passage": lambda one: replace(one, passage=f"{VOID}:2"),
    "hash": lambda one: replace(one, traveller=replace(one.traveller, hash=bytes(32))),
    "who": lambda one: replace(one, traveller=EEL.told),
    "answers": lambda one: replace(one, answers=bytes([9]) * 32),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", ["arrival", "refusal", "return"])
def test_who_answers_says_the_same_journey_of_the_same_traveller(kind: str, wrong: str) -> None:
    left = sent(FOX, MEADOW, REEF)
    if kind != "return":
        said = WRONG[wrong](replace(answered(REEF, left)[0].receipt, kind=kind))
        assert place_of(FOX.who, lines_of(left, signed(said))) == InTransit(MEADOW, REEF, left.id)
        return
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    (back,) = answered(MEADOW, left, refused)
    lines = lines_of(left, refused, signed(WRONG[wrong](back.receipt)))
    assert isinstance(place_of(FOX.who, lines), Refused)


def test_an_answer_that_does_not_count_where_it_was_signed_was_signed_all_the_same() -> None:
    """What is before it is not here: who left by what is missing would leave twice."""
    (arrived,) = answered(REEF, sent(FOX, MEADOW, REEF))
    apart = signed(replace(arrived.receipt, seq=7, prev=bytes([7]) * 32))
    lines = lines_of(apart)
    assert lines[REEF].apart == (apart,)
    assert missing_of(MEADOW, REEF, lines, known=(), given_up={}) == [apart]


def test_in_whatever_order_answers_are_given_up_all_of_them_are() -> None:
    (first,) = answered(REEF, sent(FOX, MEADOW, REEF))
    second = signed(replace(first.receipt, seq=2, prev=first.id))
    place = place_in_chain(second.receipt)
    for missing in ([first, second], [second, first]):
        assert given_up_with(missing, {VOID: 3}) == {VOID: 3, REEF: place}
    assert given_up_with([first], {REEF: place}) == {REEF: place}


def test_a_person_turns_back_who_is_home_again_and_lets_them_in_no_more() -> None:
    """The refusal is lost: by what is held here it is on its way."""
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    (back,) = answered(MEADOW, left, refused)
    lines, key = lines_of(left, back), KEYS[REEF].public
    assert place_of(FOX.who, lines) == InTransit(MEADOW, REEF, left.id)
    with pytest.raises(CannotTravel, match="home again") as home:
        decide(REEF, key, left, ACCEPT, lines, NOW)
    assert home.value.why == "not-on-its-way"
    said = decide(REEF, key, left, NO_ROOM, lines, NOW)
    assert isinstance(said, Receipt)
    assert (said.kind, said.answers) == ("refusal", left.id)
    assert place_of(FOX.who, lines_of(left, back, signed(said))) == In(MEADOW)


def test_who_was_back_before_they_left_again_is_under_way() -> None:
    """The refusal is lost; the second departure names the same journey, and nobody refused it."""
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    (back,) = answered(MEADOW, left, refused)
    again = signed(replace(left.receipt, seq=3, prev=back.id))
    lines = lines_of(left, back, again)
    assert lines[MEADOW].receipts == (left, back, again)
    assert were_back(REEF, MEADOW, lines) == [left]
