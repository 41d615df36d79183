"""A gate that others say is behind: whose word counts, and that a lie ends with the passage."""

from dataclasses import replace as replaced

import pytest
from msgspec.structs import replace

from registry.errors import CannotTravel
from tests.universe.passengers import (
    FOX,
    GATES,
    KEYS,
    MEADOW,
    NOW,
    PASSAGE,
    REEF,
    VOID,
    answered,
    handed,
    key_of,
    lines_of,
    sent,
    signed,
    wish_of,
)
from tests.universe.test_passage import ACCEPTED, MINE, PROPOSED
from universe.behind import (
    EPOCHS_GIVEN_UP_MAX,
    believed,
    check_may_give_up,
    check_none_missing,
    given_up_with,
    missing_of,
)
from universe.gate import send
from universe.gates import EPOCHS_MAX
from universe.passage import passages_of
from universe.receipts import Checked, Receipt, id_of


def test_who_is_believed_is_who_agreed_until_the_passage_is_closed_here() -> None:
    hill = MINE.target
    (both,) = passages_of([PROPOSED, ACCEPTED])
    assert believed(MEADOW, [both]) == {REEF: (PASSAGE,)}
    assert believed(REEF, [both]) == {MEADOW: (PASSAGE,)}
    assert believed(hill, [both]) == {}
    assert believed(MEADOW, passages_of([PROPOSED])) == {}  # nobody ever left by it
    here = passages_of([replace(PROPOSED, is_closed=True), ACCEPTED])
    assert believed(MEADOW, here) == {}
    assert believed(REEF, here) == {MEADOW: (PASSAGE,)}  # its owner did not close theirs
    again = replace(PROPOSED, id="passage:3")
    second = passages_of([again, replace(ACCEPTED, id="passage:3", proposal=again.full_name)])
    assert believed(MEADOW, [*second, *here]) == {REEF: (again.full_name,)}
    # Between two universes of one owner closing ends it too, for both.
    own = passages_of([MINE])
    assert believed(MEADOW, own) == {hill: (MINE.full_name,)}
    assert believed(hill, own) == {MEADOW: (MINE.full_name,)}
    own = passages_of([replace(MINE, is_closed=True)])
    assert believed(MEADOW, own) == believed(hill, own) == {}


def test_who_lies_about_answers_uses_up_no_gate_and_is_silenced_by_closing() -> None:
    (shared,) = passages_of([PROPOSED, ACCEPTED])
    left = sent(FOX, MEADOW, REEF)
    gates, marks = [*GATES], dict[str, int]()
    chain = [answered(REEF, left)[0]]
    refusals = 0
    for number in range(EPOCHS_MAX + 44):
        last = chain[-1]
        lie = replaced(
            last.receipt, seq=last.receipt.seq + 1, prev=last.id, answers=number.to_bytes(32)
        )
        chain.append(signed(lie))
        lines = lines_of(left, *chain, gates=gates)
        told = believed(MEADOW, [shared])
        missing = missing_of(MEADOW, REEF, lines, known={left.id}, given_up=marks)
        with pytest.raises(CannotTravel, match=f"panspermia passage close {PASSAGE}`"):
            check_none_missing(MEADOW, missing, told[REEF])
        gate = lines[MEADOW].gate
        assert gate is not None
        epoch = gate.hand_over.epoch
        if epoch == EPOCHS_GIVEN_UP_MAX:
            with pytest.raises(CannotTravel, match=f"passage close {PASSAGE}`") as over:
                check_may_give_up(MEADOW, epoch, missing, told[REEF])
            assert over.value.why == "too-many-gates"
            refusals += 1
            continue
        check_may_give_up(MEADOW, epoch, missing, told[REEF])
        gates.append(handed(MEADOW, KEYS[MEADOW], lines, anyway=True))
        marks = given_up_with(missing, marks)
    assert refusals == EPOCHS_MAX + 44 - (EPOCHS_GIVEN_UP_MAX - 1)
    # Then its owner closes it: nothing is missing, everybody else is sent, and a device that is
    # lost has a successor.
    closed = passages_of([replace(PROPOSED, is_closed=True), ACCEPTED])
    assert believed(MEADOW, closed) == {}
    lines = lines_of(left, *chain, gates=gates)
    hen = replaced(FOX, who=replaced(FOX.who, soul="hen"))
    said = send(MEADOW, KEYS[MEADOW].public, wish_of(hen, VOID, 2), lines, NOW)
    assert isinstance(said, Receipt)
    assert said.epoch == EPOCHS_GIVEN_UP_MAX
    new = handed(MEADOW, key_of(77), lines)
    there = Checked(id_of(said), said)
    assert lines_of(left, *chain, there, gates=[*gates, new])[MEADOW].gate == new
