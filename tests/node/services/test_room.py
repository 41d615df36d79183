"""Whoever leaves has a place to come back to, whatever partners send and however full it gets."""

from dataclasses import replace

import pytest

from crdt.document import Editor
from crdt.keys import COMMONS
from node.services.gatebooks import Books
from node.services.passages import (
    accept_passage,
    close_passage,
    create_passage,
    document_of,
    passage_called,
)
from node.services.passengers import Passenger
from node.services.travel import Sent
from registry.errors import CannotTravel, UniverseFull
from registry.head import Words
from tests.node.halves import flood
from tests.node.services.test_many_travellers import left
from tests.node.services.test_travel import Person
from tests.storage.people import CAROL, NOW_US
from universe import room, shares
from universe.event import Event, encode_event
from universe.gate import Verdict
from universe.gatebook import ROOT, put_hand_over, put_receipts
from universe.gates import BEGINNING, HandOver, Last, sign_hand_over
from universe.passage import Passage, Said
from universe.receipts import (
    DEPARTURE,
    REFUSAL,
    Signed,
    Who,
    check_receipt,
    encode_signed,
    sign_receipt,
)
from universe.record import add_event
from universe.travel import In, InTransit, Refused

UNDER_WAY, ANSWERS, OTHERS = 3, 8, 2
TAKEN_BACK = 9


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", UNDER_WAY)
    monkeypatch.setattr(room, "FOR_ANSWERS", ANSWERS)
    monkeypatch.setattr(room, "FOR_OTHERS", OTHERS)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 0)
    monkeypatch.setattr(room, "VALUES_MAX", 40)


async def joined(alice: Person, bob: Person, source: str, target: str, number: int) -> Passage:
    said = Said(
        source=source, target=target, type="bridge", stability=100, maintained_us=NOW_US,
        arrivals="accept",
    )  # fmt: skip
    await create_passage(alice.ferry, f"passage:{number}", Words("A bridge"), said)
    await alice.gates.take_gate(source)
    await bob.hears(alice)
    theirs = await passage_called(bob.ferry, f"passage:{number}")
    await accept_passage(bob.ferry, theirs, Said(arrivals="accept"))
    await bob.gates.take_gate(target)
    await alice.hears(bob)
    return await passage_called(alice.ferry, f"passage:{number}")


async def goes(by: Person, passage: Passage, number: int, source: str = "universe:meadow") -> Sent:
    hen = Passenger(b"{}", f"hen {number}")
    return await by.gates.send(passage, by.universe(source), bytes([number]) * 16, hen, 7)


async def closes(by: Person, passage: Passage) -> None:
    await close_passage(by.ferry, await passage_called(by.ferry, passage.name))


async def fills_with_events(by: Person, universe: str) -> None:
    """Until there is no room for one."""
    document = document_of(universe, "uni", COMMONS)

    async def tells(tick: int) -> None:
        event = encode_event(Event(tick, NOW_US, "birth", f"Number {tick}"))
        edit = add_event(event, now_us=NOW_US)
        await by.ferry.store.commit(document, edit, by.ferry.identity.signer)

    for tick in range(await places_free(by, universe) - ANSWERS):
        await tells(tick)
    with pytest.raises(UniverseFull):
        await tells(100)


async def places_free(by: Person, universe: str) -> int:
    books = Books(by.ferry)
    await books.load([universe])
    held = books.read[universe].room
    assert held is not None
    return held.for_answers


async def hands_over(by: Person, universe: str, last: Last | None = None) -> None:
    """To the same device, whatever its gate would say; after what counts here, or `last`."""
    line = await Books(by.ferry).ask(lambda lines: lines[universe])
    assert line.gate is not None
    device, epoch = by.ferry.identity.device, line.gate.hand_over.epoch + 1
    said = HandOver(
        universe, epoch, device.public, device.public, line.gate.id, last or line.tip, NOW_US
    )
    edit = put_hand_over(sign_hand_over(said, device), now_us=NOW_US)
    document = document_of(universe, "uni", COMMONS)
    await by.ferry.store.commit(document, edit, by.ferry.identity.signer)


async def flooded(alice: Person, bob: Person, cheat: Passage) -> None:
    """Whom bob's void says to have sent to the meadow, whatever his gate should hold back."""
    meadow, void = alice.universe("universe:meadow"), bob.universe("universe:void")
    said = [left(bob, alice, cheat, n, Who(void, f"imp {n}")) for n in range(25)]
    await bob.signs(*(replace(one, universe=void, other=meadow) for one in said))
    await alice.hears(bob)


async def full_and_flooded(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> tuple[Passage, Passage, list[Sent]]:
    """Three left the meadow, which is full, and bob makes up some who come to it: by which
    passages, and who left."""
    meadow = alice.universe("universe:meadow")
    honest = await joined(alice, bob, meadow, await bob.makes("universe:reef1"), 1)
    cheat = await joined(alice, bob, meadow, await bob.makes("universe:void"), 2)
    hens = [await goes(alice, honest, number) for number in (1, 2, 3)]
    await fills_with_events(alice, meadow)
    monkeypatch.setattr(room, "VALUES_MAX", 9_400)  # bob's own gate is not to hold him back
    await flooded(alice, bob, cheat)
    monkeypatch.setattr(room, "VALUES_MAX", 40)
    return honest, cheat, hens


async def test_all_who_left_by_many_passages_come_back_to_a_universe_that_is_full(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    meadow, sent, busy = alice.universe("universe:meadow"), list[Sent](), list[CannotTravel]()
    passages = [
        await joined(alice, bob, meadow, await bob.makes(f"universe:reef{n}"), n) for n in range(4)
    ]
    for number in range(4 * UNDER_WAY):
        try:
            sent.append(await goes(alice, passages[number // UNDER_WAY], number + 1))
        except CannotTravel as error:
            busy.append(error)
    assert {one.why for one in busy} == {"passage-busy"}
    assert all("may come back: others can go once" in one.detail for one in busy)
    # Half of what is free is left to the other passages.
    through = [one.departure.receipt.passage for one in sent]
    assert [through.count(one.name) for one in passages] == [3, 2, 1, 0]
    await fills_with_events(alice, meadow)
    assert await places_free(alice, meadow) == ANSWERS
    for one in passages:
        await closes(bob, one)
    await bob.hears(alice)
    for n in range(4):
        await bob.gates.answer(bob.universe(f"universe:reef{n}"))
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    assert [await alice.sees(one) for one in sent] == [In(meadow)] * len(sent)


async def test_a_partner_that_answers_nobody_holds_up_no_other_passage_for_good(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    meadow = alice.universe("universe:meadow")
    dead, dead_too, last = [
        await joined(alice, bob, meadow, await bob.makes(f"universe:reef{n}"), n) for n in range(3)
    ]
    stuck = [await goes(alice, dead, n) for n in (1, 2, 3)]
    stuck += [await goes(alice, dead_too, n) for n in (4, 5)]
    await goes(alice, last, 6)
    with pytest.raises(CannotTravel, match=r"6 are under way from .*, 1 of them through"):
        await goes(alice, last, 7)
    for one in stuck:  # that takes their places of what is free
        await alice.gates.recall(meadow, one.departure.receipt.migration)
    await goes(alice, last, 7)


@pytest.mark.parametrize("is_called_back", [False, True])
async def test_what_a_partner_makes_up_takes_no_place_of_who_may_come_back(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, *, is_called_back: bool
) -> None:
    alice, bob = people
    meadow = alice.universe("universe:meadow")
    honest, cheat, hens = await full_and_flooded(alice, bob, monkeypatch)
    let_in = await alice.gates.answer(meadow)
    assert len(let_in) == ANSWERS - len(hens)
    with pytest.raises(CannotTravel, match=r"3 are under way from it and may come back") as full:
        await alice.gates.answer(meadow)
    assert full.value.why == "gate-full"
    assert "nothing in it makes room" in full.value.detail, "it has no snapshots to let go"
    assert "and at least 16 wait for an answer" in full.value.detail, "so many are looked for"
    # Neither by a person's word.
    known = await Books(alice.ferry).ask(lambda lines: lines[bob.universe("universe:void")])
    waiting = known.receipts[-1]
    with pytest.raises(CannotTravel, match="may come back"):
        await alice.gates.decide(meadow, waiting.id, Verdict("refuse", "no room"), 5)
    if is_called_back:
        for hen in hens:
            await alice.gates.recall(meadow, hen.departure.receipt.migration)
        assert await places_free(alice, meadow) == 0
    await closes(alice, cheat)
    await closes(bob, honest)
    await bob.hears(alice)
    assert len(await bob.gates.answer(bob.universe("universe:reef1"))) == len(hens)
    await alice.hears(bob)
    assert [isinstance(await alice.sees(hen), Refused) for hen in hens] == [True] * 3
    assert len(await alice.gates.answer(meadow)) == len(hens)
    assert [await alice.sees(hen) for hen in hens] == [In(meadow)] * 3
    assert await places_free(alice, meadow) == 0


@pytest.mark.parametrize("is_called_back", [False, True])
async def test_a_gate_that_is_handed_over_takes_no_place_of_who_may_come_back(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, *, is_called_back: bool
) -> None:
    alice, bob = people
    meadow = alice.universe("universe:meadow")
    honest, _, hens = await full_and_flooded(alice, bob, monkeypatch)
    assert len(await alice.gates.answer(meadow)) == ANSWERS - len(hens)
    if is_called_back:
        for hen in hens:
            await alice.gates.recall(meadow, hen.departure.receipt.migration)
    await hands_over(alice, meadow)
    await closes(bob, honest)
    await bob.hears(alice)
    assert len(await bob.gates.answer(bob.universe("universe:reef1"))) == len(hens)
    await alice.hears(bob)
    assert len(await alice.gates.answer(meadow)) == len(hens)
    assert [await alice.sees(hen) for hen in hens] == [In(meadow)] * 3


async def went_and_were_taken_back(alice: Person, bob: Person) -> tuple[Passage, Passage]:
    """More than may be under way at once left for bob's void and arrived; then it takes that back.

    Gives an honest passage to the reef, and theirs.
    """
    meadow, void = alice.universe("universe:meadow"), await bob.makes("universe:void")
    honest = await joined(alice, bob, meadow, bob.universe("universe:reef"), 1)
    cheat = await joined(alice, bob, meadow, void, 2)
    for number in range(1, TAKEN_BACK + 1):
        await goes(alice, cheat, number)
        await bob.hears(alice)
        assert len(await bob.gates.answer(void)) == 1
        await alice.hears(bob)
    await hands_over(bob, void, BEGINNING)
    return honest, cheat


async def refuses_all(by: Person, passage: Passage, universe: str, source: str) -> None:
    """Whoever came through that passage, by numbers that the gate of before had given away."""
    lines = await Books(by.ferry).ask(lambda lines: (lines[universe], lines[source]))
    gate, device, last, told = lines[0].gate, by.ferry.identity.device, BEGINNING, list[Signed]()
    assert gate is not None
    for one in lines[1].receipts:
        if one.receipt.kind == DEPARTURE and one.receipt.passage == passage.name:
            said = replace(
                one.receipt, kind=REFUSAL, universe=universe, other=source, gate=device.public,
                epoch=gate.hand_over.epoch, seq=last.seq + 1, prev=last.id, answers=one.id,
                traveller=one.receipt.traveller.told, reason="no room",
            )  # fmt: skip
            told.append(sign_receipt(said, device))
            last = Last(said.seq, check_receipt(told[-1]).id)

    def edit(editor: Editor) -> None:
        for seq, signed in enumerate(told, 1):
            key = f"{seq:08x}-{check_receipt(signed).id.hex()[:16]}"
            editor.put((ROOT, key), encode_signed(signed))

    document = document_of(universe, "uni", COMMONS)
    await by.ferry.store.commit(document, edit, by.ferry.identity.signer)


async def test_who_is_taken_back_keeps_nobody_from_leaving_by_another_passage(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    monkeypatch.setattr(room, "VALUES_MAX", 60)
    honest, cheat = await went_and_were_taken_back(alice, bob)
    await alice.hears(bob)
    sent = await goes(alice, honest, 50)
    assert sent.is_new
    with pytest.raises(CannotTravel, match=f"{TAKEN_BACK} are under way"):
        await goes(alice, cheat, 51)


async def test_who_is_taken_back_keeps_nobody_from_coming_to_a_full_universe(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    monkeypatch.setattr(room, "VALUES_MAX", 60)
    honest, _ = await went_and_were_taken_back(alice, bob)
    eel = Passenger(b"{}", "eel")
    sent = await bob.gates.send(honest, bob.universe("universe:reef"), bytes(16), eel, 1)
    await fills_with_events(alice, alice.universe("universe:meadow"))
    await alice.hears(bob)
    (arrived,) = await alice.gates.answer(alice.universe("universe:meadow"))
    assert arrived.receipt.answers == sent.departure.id
    # And whoever is to leave is told what is so, not to go on from elsewhere.
    with pytest.raises(CannotTravel, match=r"meadow is full; .*: nobody leaves it any more"):
        await goes(alice, honest, 50)


async def test_who_is_taken_back_and_refused_takes_no_place_of_who_left_by_another_passage(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    monkeypatch.setattr(room, "VALUES_MAX", 60)
    honest, cheat = await went_and_were_taken_back(alice, bob)
    meadow = alice.universe("universe:meadow")
    hens = [await goes(alice, honest, 50 + number) for number in range(3)]
    await fills_with_events(alice, meadow)
    await closes(bob, honest)
    await bob.hears(alice)
    await refuses_all(bob, cheat, bob.universe("universe:void"), meadow)
    await alice.hears(bob)
    # Of these as many return as have room beside what is held for the hens and for some of them.
    assert len(await alice.gates.answer(meadow)) == ANSWERS - 2 * UNDER_WAY
    with pytest.raises(CannotTravel, match="wait for an answer"):
        await alice.gates.answer(meadow)
    assert len(await bob.gates.answer(bob.universe("universe:reef"))) == len(hens)
    await alice.hears(bob)
    assert len(await alice.gates.answer(meadow)) == len(hens)
    assert [await alice.sees(hen) for hen in hens] == [In(meadow)] * 3
    # For some of the others places are held, and their owner calls them back into these.
    assert await places_free(alice, meadow) == UNDER_WAY
    taken = ANSWERS - 2 * UNDER_WAY
    for number in range(taken + 1, taken + 1 + UNDER_WAY):
        await alice.gates.recall(meadow, bytes([number]) * 16)
    assert len(await alice.gates.answer(meadow)) == UNDER_WAY


async def test_where_not_all_returns_have_room_as_many_are_written_as_have(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A universe of before, when no places were held."""
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), await bob.makes("universe:reef1")
    passage = await joined(alice, bob, meadow, reef, 1)
    hens = [await goes(alice, passage, number) for number in (1, 2, 3)]
    await closes(bob, passage)
    await bob.hears(alice)
    await bob.gates.answer(reef)
    await alice.hears(bob)
    # Its gate keeps three departures; a hand-over does not count.
    monkeypatch.setattr(room, "VALUES_MAX", 3 + 2)
    assert len(await alice.gates.answer(meadow)) == 2
    with pytest.raises(CannotTravel, match="room for 0 more receipts, 1 are under way"):
        await alice.gates.answer(meadow)
    monkeypatch.setattr(room, "VALUES_MAX", 3 + 3)
    assert len(await alice.gates.answer(meadow)) == 1
    assert [await alice.sees(hen) for hen in hens] == [In(meadow)] * 3


async def test_who_is_under_way_to_a_universe_from_anywhere_has_room_there_first(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    glade = await alice.makes("universe:glade")
    first = await joined(alice, bob, meadow, reef, 1)
    second = await joined(alice, bob, glade, reef, 2)
    monkeypatch.setattr(room, "VALUES_MAX", ANSWERS + 3)
    there = [await goes(alice, first, 1), await goes(alice, second, 2, "universe:glade")]
    there.append(await goes(alice, first, 3))
    with pytest.raises(CannotTravel, match=r"reef is full: .* 3 more receipts, and 3 are") as full:
        await goes(alice, second, 4, "universe:glade")
    assert full.value.why == "gate-full"
    assert "prune" not in full.value.detail
    await bob.hears(alice)
    await bob.gates.answer(reef)
    await alice.hears(bob)
    assert [await alice.sees(one) for one in there] == [In(reef)] * 3


async def test_however_many_passages_others_make_who_is_under_way_counts(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    reef, void = bob.universe("universe:reef"), await bob.makes("universe:void")
    alices = await joined(alice, bob, alice.universe("universe:meadow"), reef, 1)
    said = Said(source=void, target=reef, type="bridge")
    own = await create_passage(bob.ferry, "passage:2", Words("Of bob alone"), said)
    await bob.gates.take_gate(void)
    for number in (1, 2, 3):
        await goes(bob, own, number, "universe:void")
    await alice.hears(bob)
    entries = flood(CAROL, f"{CAROL.did}/universe:a", f"{CAROL.did}/universe:b")
    for at in range(0, len(entries), 250):
        assert not (await alice.ferry.store.receive(entries[at : at + 250], source="sync")).refused
    monkeypatch.setattr(room, "VALUES_MAX", ANSWERS + 3)
    with pytest.raises(CannotTravel, match=r"reef is full: .* 3 more receipts, and 3 are"):
        await goes(alice, alices, 4)


async def test_what_a_cheat_says_to_be_under_way_keeps_nobody_at_home(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than their own gate may send: through that passage so many count and no more."""
    alice, bob = people
    meadow, void = alice.universe("universe:meadow"), await bob.makes("universe:void")
    cheat = await joined(alice, bob, meadow, void, 2)
    honest = await joined(alice, bob, meadow, bob.universe("universe:reef"), 1)
    monkeypatch.setattr(room, "VALUES_MAX", 9_400)
    await flooded(alice, bob, cheat)
    await bob.hears(alice)
    # The meadow has room for as many as those and one more.
    monkeypatch.setattr(room, "VALUES_MAX", ANSWERS + UNDER_WAY + 1)
    eel = Passenger(b"{}", "eel")
    sent = await bob.gates.send(honest, bob.universe("universe:reef"), bytes(16), eel, 1)
    assert isinstance(await bob.sees(sent), InTransit)


async def test_through_passages_that_nobody_agreed_to_nobody_is_under_way(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheat names another one in each departure."""
    alice, bob = people
    meadow, void = alice.universe("universe:meadow"), await bob.makes("universe:void")
    cheat = await joined(alice, bob, meadow, void, 2)
    honest = await joined(alice, bob, meadow, bob.universe("universe:reef"), 1)
    monkeypatch.setattr(room, "VALUES_MAX", 9_400)
    said = [left(bob, alice, cheat, n, Who(void, f"imp {n}")) for n in range(25)]
    await bob.signs(
        *(
            replace(one, universe=void, other=meadow, passage=f"{bob.ferry.did}/passage:x{number}")
            for number, one in enumerate(said)
        )
    )
    await alice.hears(bob)
    await bob.hears(alice)
    monkeypatch.setattr(room, "VALUES_MAX", ANSWERS + 1)
    eel = Passenger(b"{}", "eel")
    sent = await bob.gates.send(honest, bob.universe("universe:reef"), bytes(16), eel, 1)
    assert isinstance(await bob.sees(sent), InTransit)


async def test_a_return_takes_the_place_of_its_call_and_nobody_else_comes_in_by_it(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in one change with somebody who is let in, while there is no place at all."""
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    passage = await joined(alice, bob, meadow, reef, 1)
    sent = await goes(alice, passage, 1)
    await alice.gates.recall(meadow, sent.departure.receipt.migration)
    first = sent.departure.receipt
    returned = replace(
        first, kind="return", seq=2, prev=sent.departure.id, answers=bytes([1]) * 32,
        traveller=first.traveller.told,
    )  # fmt: skip
    back = sign_receipt(returned, alice.ferry.identity.device)
    arrived = replace(returned, kind="arrival", seq=3, prev=back.id)
    both = [back, sign_receipt(arrived, alice.ferry.identity.device)]
    monkeypatch.setattr(room, "VALUES_MAX", room.VALUES_MAX - await places_free(alice, meadow))
    document, signer = document_of(meadow, "uni", COMMONS), alice.ferry.identity.signer
    edit = put_receipts(both, now_us=NOW_US, returned={sent.departure.id})
    with pytest.raises(CannotTravel) as full:
        await alice.ferry.store.commit(document, edit, signer)
    assert full.value.why == "gate-full"
    edit = put_receipts([back], now_us=NOW_US, returned={sent.departure.id})
    await alice.ferry.store.commit(document, edit, signer)
