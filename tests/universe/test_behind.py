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


def test_who_is_believed_is_who_agreed_and_at_last_nobody_by_a_closed_passage() -> None:
    hill, few, many = MINE.target, 1, EPOCHS_GIVEN_UP_MAX
    (both,) = passages_of([PROPOSED, ACCEPTED])
    for epoch in (few, many):
        assert believed(MEADOW, [both], epoch=epoch) == {REEF: (PASSAGE,)}
        assert believed(REEF, [both], epoch=epoch) == {MEADOW: (PASSAGE,)}
        assert believed(hill, [both], epoch=epoch) == {}
        assert believed(MEADOW, passages_of([PROPOSED]), epoch=epoch) == {}  # nobody left by it
    here = passages_of([replace(PROPOSED, is_closed=True), ACCEPTED])
    # It may have been closed after somebody left by it, and before the backup was put back.
    assert believed(MEADOW, here, epoch=few) == {REEF: (PASSAGE,)}
    assert believed(MEADOW, here, epoch=many) == {}
    assert believed(REEF, here, epoch=many) == {MEADOW: (PASSAGE,)}  # its owner did not close it
    again = replace(PROPOSED, id="passage:3")
    second = passages_of([again, replace(ACCEPTED, id="passage:3", proposal=again.full_name)])
    assert believed(MEADOW, [*second, *here], epoch=many) == {REEF: (again.full_name,)}
    own = passages_of([replace(MINE, is_closed=True)])
    assert believed(MEADOW, own, epoch=few) == {hill: (MINE.full_name,)}
    assert believed(MEADOW, own, epoch=many) == {}


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
        missing = missing_of(MEADOW, REEF, lines, known={left.id}, given_up=marks)
        with pytest.raises(CannotTravel, match=r"panspermia passage gate .* --anyway`"):
            check_none_missing(MEADOW, missing)
        gate = lines[MEADOW].gate
        assert gate is not None
        epoch = gate.hand_over.epoch
        told = believed(MEADOW, [shared], epoch=epoch)
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
    assert believed(MEADOW, closed, epoch=EPOCHS_GIVEN_UP_MAX) == {}
    lines = lines_of(left, *chain, gates=gates)
    hen = replaced(FOX, who=replaced(FOX.who, soul="hen"))
    said = send(MEADOW, KEYS[MEADOW].public, wish_of(hen, VOID, 2), lines, NOW)
    assert isinstance(said, Receipt)
    assert said.epoch == EPOCHS_GIVEN_UP_MAX
    new = handed(MEADOW, key_of(77), lines)
    there = Checked(id_of(said), said)
    assert lines_of(left, *chain, there, gates=[*gates, new])[MEADOW].gate == new


def test_of_several_passages_to_be_closed_each_has_its_command() -> None:
    left = sent(FOX, MEADOW, REEF)
    names = [f"{PASSAGE}-{number}" for number in range(4)]
    with pytest.raises(CannotTravel) as over:
        check_may_give_up(MEADOW, EPOCHS_GIVEN_UP_MAX, [left], names)
    commands = [f"`panspermia passage close {one}`" for one in names[:3]]
    assert str(over.value).endswith(": " + ", ".join(commands) + " …")
