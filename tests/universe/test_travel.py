from dataclasses import replace
from itertools import permutations

import pytest

from registry.errors import CannotTravel
from tests.universe.passengers import (
    EEL,
    FOX,
    GATES,
    KEYS,
    MEADOW,
    NO_ROOM,
    NOW,
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
from universe.behind import (
    check_none_missing,
    given_up_with,
    missing_of,
    place_in_chain,
)
from universe.gate import SENT_BYTES_MAX, SENT_MAX, Verdict, decide, due, send, where
from universe.gates import CheckedHandOver, HandOver, check_hand_over, sign_hand_over
from universe.receipts import Checked, Receipt, Traveller, Who, id_of
from universe.travel import (
    In,
    InTransit,
    Refused,
    out_of_turn,
    place_of,
    story_of,
    timeline_entries,
    travellers,
)


def test_a_traveller_is_at_home_until_it_leaves() -> None:
    assert place_of(FOX.who, lines_of()) == In(MEADOW)


def test_it_leaves_arrives_and_goes_on_from_there() -> None:
    left = sent(FOX, MEADOW, REEF)
    assert place_of(FOX.who, lines_of(left)) == InTransit(MEADOW, REEF, left.id)
    (arrived,) = answered(REEF, left)
    assert place_of(FOX.who, lines_of(left, arrived)) == In(REEF)
    older = Traveller.of(FOX.who, b'{"legs":4,"age":2}', "json")
    on = sent(older, REEF, VOID, left, arrived, migration=2)
    (there,) = answered(VOID, left, arrived, on)
    home = sent(older, VOID, MEADOW, left, arrived, on, there, migration=3)
    (back,) = answered(MEADOW, left, arrived, on, there, home)
    lines = lines_of(left, arrived, on, there, home, back)
    story = story_of(FOX.who, lines)
    assert story.place == In(MEADOW)
    assert story.receipts == (left, arrived, on, there, home, back)
    assert travellers(lines) == [FOX.who]
    assert not any(out_of_turn(name, lines) for name in KEYS)


def test_every_part_of_the_receipts_in_any_order_gives_one_place_of_the_same_story() -> None:
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    (returned,) = answered(MEADOW, left, refused)
    again = sent(FOX, MEADOW, REEF, left, refused, returned, migration=2)
    whole = story_of(FOX.who, lines_of(left, refused, returned, again)).receipts
    assert whole == (left, refused, returned, again)
    for order in permutations(whole):
        for count in range(len(order) + 1):
            told = story_of(FOX.who, lines_of(*order[:count])).receipts
            assert told == whole[: len(told)]


def test_who_is_refused_is_on_the_way_back_until_the_return() -> None:
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    place = place_of(FOX.who, lines_of(left, refused))
    assert place == Refused(MEADOW, REEF, left.id, refused.id, "no room")
    assert where(place) == f"on its way back to {MEADOW}, refused by {REEF}"
    (returned,) = answered(MEADOW, left, refused)
    assert returned.receipt.kind == "return"
    assert place_of(FOX.who, lines_of(left, refused, returned)) == In(MEADOW)


def test_a_wish_that_is_repeated_signs_nothing_twice() -> None:
    left = sent(FOX, MEADOW, REEF)
    assert sent(FOX, MEADOW, REEF, left) == left
    with pytest.raises(CannotTravel) as another:
        sent(FOX, MEADOW, VOID, left)
    assert another.value.why == "migration-exists"
    with pytest.raises(CannotTravel) as gone:
        sent(FOX, MEADOW, REEF, left, migration=2)
    assert gone.value.why == "not-here"
    (arrived,) = answered(REEF, left)
    assert answered(REEF, left, arrived) == []
    assert answered(REEF, left, arrived, verdict=NO_ROOM) == []


@pytest.mark.parametrize(("count", "size"), [(SENT_MAX, 1), (SENT_BYTES_MAX >> 15, 1 << 15)])
def test_a_gate_sends_nobody_while_there_is_only_room_for_answers(count: int, size: int) -> None:
    said, chain = sent(FOX, MEADOW, REEF).receipt, list[Checked]()
    for number in range(1, count):
        hen = Traveller.of(Who(MEADOW, f"hen {number}"), bytes(size), "json")
        prev = chain[-1].id if chain else said.prev
        migration = number.to_bytes(16)
        one = replace(said, seq=number, prev=prev, migration=migration, traveller=hen,
                      passage=f"{said.passage}-{number // 100}")  # fmt: skip
        chain.append(Checked(id_of(one), one))  # as if verified: to sign 10,000 takes seconds
    last = Traveller.of(FOX.who, bytes(size), "json")
    chain.append(sent(last, MEADOW, REEF, *chain, migration=255))
    cub = Traveller.of(Who(MEADOW, "cub"), bytes(size), "json")
    with pytest.raises(CannotTravel, match="nobody is sent beyond") as full:
        sent(cub, MEADOW, REEF, *chain, migration=254)
    assert full.value.why == "gate-full"
    left = sent(EEL, REEF, MEADOW)
    assert [one.receipt.kind for one in answered(MEADOW, *chain, left)] == ["arrival"]


def test_a_gate_answers_only_what_it_holds_all_of() -> None:
    first = sent(EEL, REEF, MEADOW)
    second = sent(replace(EEL, who=replace(EEL.who, soul="ray")), REEF, MEADOW, first, migration=2)
    assert answered(MEADOW, second) == []  # what the one before it said, nobody knows here
    assert [one.receipt.seq for one in answered(MEADOW, second, first)] == [1, 2]


def test_a_recall_succeeds_only_where_the_other_gate_refuses() -> None:
    left = sent(FOX, MEADOW, REEF)
    reef = KEYS[REEF].public
    (said,) = due(
        REEF, reef, lines_of(left), NOW, judge=lambda one: Verdict("accept"), recalled={left.id}
    )
    assert (said.kind, said.reason) == ("refusal", "called back")
    (arrived,) = answered(REEF, left)
    late = due(
        REEF, reef, lines_of(left, arrived), NOW, judge=lambda one: NO_ROOM, recalled={left.id}
    )
    assert late == []


def test_a_person_is_asked_and_decides_once() -> None:
    left = sent(FOX, MEADOW, REEF)
    key = KEYS[REEF].public
    assert answered(REEF, left, verdict=Verdict("ask")) == []
    said = decide(REEF, key, left, Verdict("accept"), lines_of(left), NOW)
    assert isinstance(said, Receipt)
    arrived = signed(said)
    again = decide(REEF, key, left, NO_ROOM, lines_of(left, arrived), NOW)
    assert again == arrived


def test_what_is_not_theirs_nobody_sends() -> None:
    """Mallory's gate signs a departure of alice's fox, which never was there."""
    stolen = signed(replace(sent(EEL, REEF, VOID).receipt, universe=VOID, other=REEF,
                            gate=KEYS[VOID].public, traveller=FOX))  # fmt: skip
    lines = lines_of(stolen)
    assert place_of(FOX.who, lines) == In(MEADOW)
    assert out_of_turn(VOID, lines) == [stolen]
    assert answered(REEF, stolen) == []
    with pytest.raises(CannotTravel) as nobody:
        decide(REEF, KEYS[REEF].public, stolen, Verdict("accept"), lines, NOW)
    assert nobody.value.why == "not-on-its-way"


def test_a_person_lets_in_nobody_who_is_elsewhere_by_then() -> None:
    """Of an imp that left two ways, the one that does not stand is on its way to nobody."""
    one, other = both_ways()
    (arrived,) = answered(one.receipt.other, one)
    target, lines = other.receipt.other, lines_of(one, other, arrived)
    with pytest.raises(CannotTravel) as gone:
        decide(target, KEYS[target].public, other, Verdict("accept"), lines, NOW)
    assert gone.value.why == "not-on-its-way"


def test_a_receipt_of_a_key_that_is_no_gate_does_not_count() -> None:
    forged = signed(replace(sent(FOX, MEADOW, REEF).receipt, gate=key_of(66).public), key_of(66))
    assert place_of(FOX.who, lines_of(forged)) == In(MEADOW)
    with pytest.raises(CannotTravel) as other:
        send(MEADOW, key_of(66).public, wish_of(FOX, REEF), lines_of(), NOW)
    assert other.value.why == "not-the-gate"
    with pytest.raises(CannotTravel) as none:
        send(MEADOW, key_of(66).public, wish_of(FOX, REEF), lines_of(gates=()), NOW)
    assert none.value.why == "no-gate"


def both_ways() -> tuple[Checked, Checked]:
    """Mallory's imp leaves for the meadow and for the reef under one number."""
    imp = Traveller.of(replace(FOX.who, origin=VOID, soul="imp"), b"{}", "json")
    return sent(imp, VOID, MEADOW), sent(imp, VOID, REEF, migration=2)


def test_two_receipts_with_one_number_are_proof_and_one_of_them_stands() -> None:
    one, other = both_ways()
    stands = min((one, other), key=lambda each: each.id)
    for held in ((one, other), (other, one)):
        line = lines_of(*held)[VOID]
        assert line.is_suspect
        (proof,) = line.equivocations
        assert {each.id for each in proof.receipts} == {one.id, other.id}
        assert line.receipts == (stands,)


def test_a_gate_that_equivocated_signs_nothing_until_it_is_handed_over() -> None:
    held = (*both_ways(), comes := sent(EEL, REEF, VOID))
    ape, lines = Traveller.of(Who(VOID, "ape"), b"{}", "json"), lines_of(*held)
    old, new = KEYS[VOID].public, key_of(104)
    for act in (
        lambda: send(VOID, old, wish_of(ape, REEF, 9), lines, NOW),
        lambda: due(VOID, old, lines, NOW, judge=lambda _: Verdict("accept")),
        lambda: decide(VOID, old, comes, Verdict("accept"), lines, NOW),
    ):
        with pytest.raises(CannotTravel, match="two receipts with one number") as doubted:
            act()
        assert doubted.value.why == "gate-in-doubt"
    after = lines_of(*held, gates=(*GATES, handed(VOID, new, lines)))
    assert isinstance(send(VOID, new.public, wish_of(ape, REEF, 9), after, NOW), Receipt)
    said = decide(VOID, new.public, comes, Verdict("accept"), after, NOW)
    assert isinstance(said, Receipt)


def test_the_branch_that_another_gate_answered_stands() -> None:
    one, other = both_ways()
    for left in (one, other):
        (arrived,) = answered(left.receipt.other, left)
        lines = lines_of(one, other, arrived)
        assert lines[VOID].receipts == (left,)
        assert place_of(one.receipt.traveller.who, lines) == In(left.receipt.other)


def test_what_a_gate_says_after_it_equivocated_counts_as_far_as_others_built_on_it() -> None:
    one, other = both_ways()
    stands = min((one, other), key=lambda each: each.id)
    later = sent(
        Traveller.of(replace(FOX.who, origin=VOID, soul="ape"), b"{}", "json"),
        VOID, MEADOW, stands, migration=3,
    )  # fmt: skip
    assert lines_of(one, other, later)[VOID].receipts == (stands,)
    answers = answered(MEADOW, stands, later)
    assert lines_of(one, other, later, *answers)[VOID].receipts == (stands, later)


def test_a_stranger_has_no_vote() -> None:
    """The reef answers what was sent to the meadow: nothing for it to answer."""
    one, other = both_ways()
    stands = min((one, other), key=lambda each: each.id)
    falls = max((one, other), key=lambda each: each.id)
    name = REEF if falls.receipt.other == MEADOW else MEADOW
    said = replace(falls.receipt, kind="arrival", universe=name, other=VOID,
                   gate=KEYS[name].public, traveller=falls.receipt.traveller.told,
                   answers=falls.id)  # fmt: skip
    assert lines_of(one, other, signed(said))[VOID].receipts == (stands,)


def test_a_gate_is_handed_over_and_what_the_old_one_says_later_does_not_count() -> None:
    left = sent(FOX, MEADOW, REEF)
    (refused,) = answered(REEF, left, verdict=NO_ROOM)
    late = answered(MEADOW, left, refused)[0]  # signed by the old gate when nobody listened
    new = key_of(77)
    gates = (*GATES, handed(MEADOW, new, lines_of(left, refused)))
    lines = lines_of(left, refused, late, gates=gates)
    assert lines[MEADOW].receipts == (left,)
    assert isinstance(place_of(FOX.who, lines), Refused)
    with pytest.raises(CannotTravel):
        due(MEADOW, KEYS[MEADOW].public, lines, NOW, judge=lambda one: NO_ROOM)
    (said,) = due(MEADOW, new.public, lines, NOW, judge=lambda one: NO_ROOM)
    assert (said.epoch, said.seq, said.prev) == (2, 2, left.id)
    home = lines_of(left, refused, late, signed(said, new), gates=gates)
    assert place_of(FOX.who, home) == In(MEADOW)


def test_a_new_gate_waits_for_the_receipts_that_its_hand_over_names() -> None:
    left = sent(FOX, MEADOW, REEF)
    new = key_of(77)
    gates = (*GATES, handed(MEADOW, new, lines_of(left)))
    with pytest.raises(CannotTravel) as behind:
        send(MEADOW, new.public, wish_of(FOX, REEF, 2), lines_of(gates=gates), NOW)
    assert behind.value.why == "gate-behind"


def test_a_gate_that_lacks_what_others_answered_signs_nothing() -> None:
    left = sent(FOX, MEADOW, REEF)
    (arrived,) = answered(REEF, left)
    lines = lines_of(arrived)  # an older home of the meadow, and what the reef said
    missing = missing_of(MEADOW, REEF, lines, known=(), given_up={})
    assert missing == [arrived]
    with pytest.raises(CannotTravel, match=r"universe:reef answered 1 .* about fox") as behind:
        check_none_missing(MEADOW, missing)
    assert behind.value.why == "gate-behind"
    assert missing_of(MEADOW, REEF, lines, known={left.id}, given_up={}) == []
    assert missing_of(REEF, MEADOW, lines_of(left, arrived), known=(), given_up={}) == []
    marks = given_up_with(missing, {VOID: 7})
    assert marks == {VOID: 7, REEF: place_in_chain(arrived.receipt)}
    assert missing_of(MEADOW, REEF, lines, known=(), given_up=marks) == []
    later = replace(arrived.receipt, seq=2, prev=arrived.id, answers=bytes([5]) * 32)
    more = lines_of(arrived, signed(later))
    assert missing_of(MEADOW, REEF, more, known=(), given_up=marks) == [signed(later)]


def test_a_gate_that_holds_its_later_receipts_and_not_all_before_signs_nothing() -> None:
    left = sent(FOX, MEADOW, REEF)
    other = Traveller.of(Who(MEADOW, "hen"), b"{}", "json")
    later = sent(other, MEADOW, REEF, left, migration=2)
    lines = lines_of(later)
    with pytest.raises(CannotTravel, match="after its number 0 are missing") as behind:
        send(MEADOW, KEYS[MEADOW].public, wish_of(FOX, REEF, 3), lines, NOW)
    assert behind.value.why == "gate-behind"
    with pytest.raises(CannotTravel):
        handed(MEADOW, key_of(77), lines)
    new = handed(MEADOW, key_of(77), lines, anyway=True)
    line = lines_of(later, gates=(*GATES, new))[MEADOW]
    assert (line.is_whole, line.has_gap, line.tip.seq) == (True, False, 0)


def test_a_second_first_gate_voids_nothing_that_others_answered() -> None:
    left = sent(FOX, MEADOW, REEF)
    (arrived,) = answered(REEF, left)
    key = KEYS[MEADOW]

    def other(at_us: int) -> CheckedHandOver:
        said = HandOver(MEADOW, 1, key_of(78).public, key.public, at_us=at_us)
        return check_hand_over(sign_hand_over(said, key))

    (first,) = (one for one in GATES if one.hand_over.universe == MEADOW)
    smaller = next(one for one in map(other, range(1_000)) if one.id < first.id)
    lines = lines_of(left, arrived, gates=(*GATES, smaller))
    assert lines[MEADOW].gate == first
    assert place_of(FOX.who, lines) == In(REEF)
    # Whose answers decide is read before anything is said of it, and without one the id decides.
    alone = lines_of(left, gates=(*GATES, smaller))
    assert alone[MEADOW].gate == smaller
    assert (REEF, MEADOW) in alone.votes_asked


def test_a_hand_over_settles_which_of_two_stands() -> None:
    one, other = both_ways()
    falls = max((one, other), key=lambda each: each.id)
    gates = (*GATES, handed(VOID, key_of(77), lines_of(falls)))
    lines = lines_of(one, other, gates=gates)
    assert lines[VOID].receipts == (falls,)
    assert not lines[VOID].is_suspect  # the new gate has signed nothing twice
    assert lines[VOID].equivocations


def test_the_timeline_says_it_in_words() -> None:
    left = sent(FOX, MEADOW, REEF)
    (entry,) = timeline_entries(lines_of(left)[MEADOW].receipts)
    assert (entry.type, entry.title) == ("passage:departure", "fox left for universe:reef")
    assert (entry.tick, entry.receipt) == (NOW.tick, id_of(left.receipt))
    assert (entry.souls, entry.can_fork, entry.is_canonical) == (("fox",), False, False)
    assert entry.order == (NOW.tick, NOW.at_us, left.id)
