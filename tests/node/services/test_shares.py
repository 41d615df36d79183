"""A partner who sends without end costs a gate so much and no more, in real records."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from crdt.document import Editor
from crdt.keys import COMMONS
from node.events import Events
from node.gates import LOOK_ANYWAY_S, Gates
from node.services.gatebooks import Books
from node.services.passages import (
    accept_passage,
    close_passage,
    document_of,
    passage_called,
)
from node.services.passengers import Passenger
from node.services.travel import Sent
from node.services.travellers import travellers_through
from registry.errors import CannotTravel
from tests.node.passing_time import PassingTime
from tests.node.services.test_many_travellers import left
from tests.node.services.test_travel import Person, opened, sends
from tests.storage.people import NOW_US
from universe import room, shares
from universe.passage import Passage, Said
from universe.receipts import Who
from universe.shares import DAY_US
from universe.travel import In


async def floods(alice: Person, bob: Person, passage: Passage, many: int) -> None:
    """Whatever her gate should hold back, and bob hears all of it."""
    meadow = alice.universe("universe:meadow")
    hens = [Who(meadow, f"hen {number}") for number in range(many)]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(hens)))
    await bob.hears(alice)


def gates_of(person: Person, clock_us: int) -> Gates:
    later = replace(person.ferry, clock_us=lambda: clock_us)
    return Gates(lambda _: later, person.gates.lock, Events(), lambda: 0.0)


async def rests(by: Person, passage: Passage) -> Mapping[str, str]:
    """Ends whose gates answer nobody now, as it is shown."""
    held = await passage_called(by.ferry, passage.name)
    return (await travellers_through(by.ferry, held)).rests


async def test_who_sends_on_through_a_closed_passage_is_answered_no_more(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "REFUSALS_MAX", 20)
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await sends(alice, passage)  # honest, and under way when it closes
    await close_passage(bob.ferry, passage)
    await floods(alice, bob, passage, 40)
    gates = gates_of(bob, NOW_US)
    assert await rests(bob, passage) == {}
    assert await gates.answer(COMMONS) == 20
    reef = document_of(bob.universe("universe:reef"), "uni", COMMONS)
    record = await bob.ferry.store.read(reef)
    assert await gates.answer(COMMONS) == 0
    assert await gates_of(bob, NOW_US + 400 * DAY_US).answer(COMMONS) == 0
    assert gates.put_off.first_s(now_s=0) is None, "nothing to look at again"
    assert await bob.ferry.store.read(reef) == record
    assert await rests(bob, passage) == {bob.universe("universe:reef"): "refused"}
    await alice.hears(bob)
    await alice.gates.answer(alice.universe("universe:meadow"))
    assert await alice.sees(sent) == In(alice.universe("universe:meadow"))


@pytest.mark.parametrize("is_closed", [False, True])
async def test_where_all_who_were_under_way_came_back_others_go_once_the_passage_is_open(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, *, is_closed: bool
) -> None:
    """Called back by their owner, or turned back by a passage that opens again."""
    monkeypatch.setattr(shares, "REFUSALS_MAX", 5)
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", 3)
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")

    async def goes(number: int) -> Sent:
        hen = Passenger(b"{}", f"hen{number}")
        return await alice.gates.send(passage, meadow, bytes([number]) * 16, hen, 7)

    async def calls_back(sent: Sent) -> None:
        await alice.gates.recall(meadow, sent.departure.receipt.migration)

    async def bob_answers() -> None:
        await bob.hears(alice)
        await bob.gates.answer(reef)
        await alice.hears(bob)
        await alice.gates.answer(meadow)

    went = [await goes(number) for number in range(3)]
    with pytest.raises(CannotTravel) as busy:  # bob is away
        await goes(3)
    assert busy.value.why == "passage-busy"
    if is_closed:
        await close_passage(bob.ferry, passage)
    else:
        for sent in went:
            await calls_back(sent)
    await bob_answers()
    for sent in went:
        assert await alice.sees(sent) == In(meadow)
    if is_closed:
        await accept_passage(bob.ferry, passage, Said())
        await alice.hears(bob)
    # One at a time, until one is let in; the first is called back as well.
    again = await goes(4)
    with pytest.raises(CannotTravel) as busy:
        await goes(5)
    assert busy.value.why == "passage-busy"
    await calls_back(again)
    await bob_answers()
    fox = await goes(6)
    await bob_answers()
    assert (await alice.sees(again), await alice.sees(fox)) == (In(meadow), In(reef))
    more = [await goes(number) for number in range(7, 10)]
    await bob_answers()
    for sent in more:
        assert await alice.sees(sent) == In(reef)


async def test_who_comes_beyond_what_a_day_takes_is_let_in_the_next(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "DAY_ANSWERS_MAX", 20)
    alice, bob = people
    passage = await opened(alice, bob)
    await floods(alice, bob, passage, 30)
    gates = gates_of(bob, NOW_US)
    assert await gates.answer(COMMONS) == 20
    assert gates.put_off.first_s(now_s=0) == LOOK_ANYWAY_S, "it looks again by itself"
    assert await gates.answer(COMMONS) == 0
    assert gates.put_off.first_s(now_s=0) == LOOK_ANYWAY_S
    evening = gates_of(bob, NOW_US + DAY_US - 90_000_000)
    assert await evening.answer(COMMONS) == 0
    assert evening.put_off.first_s(now_s=0) == 90, "when the first answers are a day old"
    assert await rests(bob, passage) == {bob.universe("universe:reef"): "day"}
    tomorrow = gates_of(bob, NOW_US + DAY_US)
    assert await tomorrow.answer(COMMONS) == 10
    assert tomorrow.put_off.first_s(now_s=0) is None


async def test_a_gate_that_waits_for_the_next_day_seldom_looks(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And answers as soon as the day is over, though nothing comes that would wake it."""
    monkeypatch.setattr(shares, "DAY_ANSWERS_MAX", 20)
    alice, bob = people
    passage = await opened(alice, bob)
    await floods(alice, bob, passage, 50)
    events, time, looks = Events(), PassingTime(), list[float]()
    enough = asyncio.Event()
    ferry = replace(bob.ferry, clock_us=lambda: NOW_US + round(time.now_s * 1_000_000))
    told = events.follow(0, ("traveller",))

    async def rest(_: float) -> None:
        looks.append(time.now_s)
        if time.now_s >= 2 * DAY_US / 1_000_000:
            enough.set()
            await asyncio.Event().wait()

    gates = Gates(lambda _: ferry, bob.gates.lock, events, time.clock_s)
    task = asyncio.create_task(gates.run(rest, time.wait))
    async with asyncio.timeout(60):
        await enough.wait()
        for _ in range(50):
            await anext(told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await told.aclose()
    assert len(looks) < 60, "each hour, and as things change"
    reef = bob.universe("universe:reef")
    answers = (await Books(ferry).ask(lambda lines: lines[reef])).receipts
    days = Counter((one.receipt.at_us - NOW_US) // DAY_US for one in answers)
    assert days == {0: 20, 1: 20, 2: 10}


async def test_nobody_leaves_for_a_universe_that_is_full(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")

    def fill(editor: Editor) -> None:
        for number in range(3):
            editor.put(("gate", f"recall-{number}"), number)

    there = document_of(reef, "uni", COMMONS)
    await bob.ferry.store.commit(there, fill, bob.ferry.identity.signer)
    await alice.hears(bob)
    monkeypatch.setattr(room, "VALUES_MAX", 504)  # of 500 for snapshots
    first = await sends(alice, passage)
    here = document_of(meadow, "uni", COMMONS)
    record = await alice.ferry.store.read(here)
    hen = Passenger(b"{}", "hen")
    with pytest.raises(CannotTravel, match=r"reef is full: .* 1 more receipts, and 1 are") as full:
        await alice.gates.send(passage, meadow, bytes([2]) * 16, hen, 7)
    assert full.value.why == "gate-full"
    assert await alice.ferry.store.read(here) == record
    assert (await sends(alice, passage)).departure == first.departure  # the same wish again
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 1
    await alice.hears(bob)
    assert await alice.sees(first) == In(reef)
    monkeypatch.setattr(room, "VALUES_MAX", 505)  # a snapshot went
    assert (await alice.gates.send(passage, meadow, bytes([2]) * 16, hen, 7)).is_new
