"""What rots of a universe on somebody's way keeps nobody else waiting, and stops no node."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.keys import COMMONS
from node.errors import Conflict, Rejected
from node.events import Events
from node.gates import Gates
from node.services import travellers
from node.services.ends import away_from
from node.services.gatebooks import Books
from node.services.passages import create_passage
from node.services.passengers import Passenger
from node.services.taking import only_one
from node.services.travellers import Asked, travellers_through, travellers_under
from registry.head import Words
from storage.errors import Corrupt
from tests.node.passing_time import PassingTime
from tests.node.services.test_cheats import line_at
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import joined
from tests.node.services.test_travel import Person, opened
from tests.storage.people import NOW_US
from tests.storage.test_folding import rows
from universe.gate import Verdict
from universe.passage import Passage, Said
from universe.receipts import Checked, Who
from universe.travel import In

OWLS, HENS = bytes([1]) * 16, bytes([9]) * 16


def rots(home: Path, universe: str) -> None:
    """The last byte of what was written there last; a second time it is as it was."""
    of = "WHERE document = (SELECT number FROM document WHERE record = ?)"
    ((number, payload),) = rows(
        home,
        f"SELECT number, payload FROM entry {of} ORDER BY number DESC LIMIT 1",
        (universe.encode(),),
    )
    assert isinstance(payload, bytes)
    rotted = payload[:-1] + bytes([payload[-1] ^ 0xFF])
    rows(home, "UPDATE entry SET payload = ? WHERE number = ?", (rotted, number))


async def owl_and_hen(alice: Person, bob: Person, owls: bytes = OWLS) -> Passage:
    """They are under way to the reef: the owl from far away, the hen from next door."""
    passage = await opened(alice, bob)
    meadow, far = alice.universe("universe:meadow"), await alice.makes("universe:far")
    await alice.gates.take_gate(far)
    goes = replace(left(alice, bob, passage, 0, Who(far, "owl")), universe=far, other=meadow)
    await alice.signs(goes)
    went = (await line_at(alice, far)).receipts[-1]
    told = went.receipt.traveller.told
    came = replace(went.receipt, kind="arrival", universe=meadow, other=far, answers=went.id)
    await alice.signs(replace(came, traveller=told))
    await alice.gates.send(passage, meadow, HENS, Passenger(b"{}", "hen"), 1)
    leaves = left(alice, bob, passage, 0, Who(far, "owl"))
    await alice.signs(replace(leaves, migration=owls))
    await bob.hears(alice)
    return passage


async def test_who_passed_a_universe_that_rotted_waits_and_the_others_are_answered(
    people: tuple[Person, Person], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = people
    passage = await owl_and_hen(alice, bob)
    rots(tmp_path / "bob", "universe:far")
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events())
    with caplog.at_level(logging.WARNING):
        assert [await gates.answer(COMMONS) for _ in range(3)] == [1, 0, 0]
    (told,) = [one.message for one in caplog.records]
    assert "'universe:far' are damaged" in told
    line = await line_at(bob, bob.universe("universe:reef"))
    assert [one.receipt.traveller.who.soul for one in line.receipts] == ["hen"]
    page = await travellers_through(bob.ferry, passage)
    assert [one.who.soul for one in page.stories] == ["hen"]
    assert not page.is_whole


async def test_a_gate_whose_partner_rotted_is_looked_at_again_and_the_node_goes_on(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    await owl_and_hen(alice, bob)
    rots(tmp_path / "bob", "universe:meadow")
    passing = PassingTime()

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events(), passing.clock_s)
    task = asyncio.create_task(gates.run(rest, passing.wait))
    try:
        async with asyncio.timeout(60):
            while len(passing.waits) < 3:
                assert not task.done()
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert passing.waits[:3] == [10, 20, 40]


async def proposed_to(alice: Person, bob: Person) -> tuple[Passage, str]:
    """Bob proposed a passage to alice's far, beside the one from her meadow to his reef: what far
    answers stops no gate."""
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    far = await alice.makes("universe:far")
    await bob.hears(alice)
    said = Said(
        source=reef, target=far, type="bridge", stability=100, maintained_us=NOW_US,
        arrivals="accept",
    )  # fmt: skip
    await create_passage(bob.ferry, "passage:2", Words("To nowhere yet"), said)
    return passage, far


async def test_an_end_that_rotted_keeps_those_of_no_other_one_waiting(
    people: tuple[Person, Person], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = people
    passage, _ = await proposed_to(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    hen = await alice.gates.send(passage, meadow, HENS, Passenger(b"{}", "hen"), 1)
    await bob.hears(alice)
    rots(tmp_path / "bob", "universe:far")
    passing = PassingTime()
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events(), passing.clock_s)
    with caplog.at_level(logging.WARNING):
        assert [await gates.answer(COMMONS) for _ in range(3)] == [1, 0, 0]
    assert await bob.sees(hen) == In(reef)
    (told,) = [one.message for one in caplog.records]
    assert "who comes from there waits" in told
    assert "'universe:far' are damaged" in told
    assert gates.put_off.first_s(now_s=passing.clock_s()) == 10, "it is looked at again"


async def test_a_person_decides_of_who_comes_from_a_partner_while_another_one_is_damaged(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage, far = await proposed_to(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    hen = await alice.gates.send(passage, meadow, HENS, Passenger(b"{}", "hen"), 1)
    await alice.gates.take_gate(far)
    ant = replace(left(alice, bob, passage, 0, Who(far, "ant")), universe=far, other=reef)
    await alice.signs(ant)
    ants = (await line_at(alice, far)).receipts[-1].id
    await bob.hears(alice)
    rots(tmp_path / "bob", "universe:far")
    no = Verdict("refuse", "no room")
    decided = await bob.gates.decide(reef, hen.departure.id, no, 1)
    assert decided.answer.receipt.answers == hen.departure.id
    with pytest.raises(Corrupt, match="universe:far"):
        await bob.gates.decide(reef, ants, no, 1)


async def test_a_gate_signs_nothing_over_what_it_cannot_read_though_it_was_read_before(
    people: tuple[Person, Person], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Far was whole, and nothing was missing: what it answered since is not known all the same."""
    alice, bob = people
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    meadow, far = alice.universe("universe:meadow"), await alice.makes("universe:far")
    beyond = await joined(bob, alice, reef, far, 2)
    owl = await bob.gates.send(beyond, reef, OWLS, Passenger(b"{}", "owl"), 1)
    await alice.hears(bob)
    assert len(await alice.gates.answer(far)) == 1
    await alice.gates.send(beyond, far, bytes([3]) * 16, Passenger(b"{}", "eel"), 1)
    await bob.hears(alice)
    passing = PassingTime()
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events(), passing.clock_s)
    assert [await gates.answer(COMMONS) for _ in range(2)] == [1, 0], "the eel"
    assert await away(bob, reef) == [], "the owl arrived"
    before = (await line_at(bob, reef)).receipts
    hen = await alice.gates.send(passage, meadow, HENS, Passenger(b"{}", "hen"), 1)
    await bob.hears(alice)
    rots(tmp_path / "bob", "universe:far")
    with caplog.at_level(logging.WARNING):
        assert [await gates.answer(COMMONS) for _ in range(2)] == [0, 0]
    (told,) = [one.message for one in caplog.records]
    assert "'universe:far' are damaged" in told
    assert "Restore it from a backup" in told
    assert gates.put_off.first_s(now_s=passing.clock_s()) is not None
    with pytest.raises(Corrupt, match="universe:far"):
        await bob.gates.send(passage, reef, bytes([5]) * 16, Passenger(b"{}", "ant"), 1)
    with pytest.raises(Corrupt, match="universe:far"):
        await bob.gates.decide(reef, hen.departure.id, Verdict("refuse", "no room"), 1)
    with pytest.raises(Corrupt, match="universe:far"):
        await bob.gates.take_gate(reef, anyway=True)
    assert (await line_at(bob, reef)).receipts == before
    assert await away(bob, reef) == [owl.departure], "what is not known is as not answered"
    rots(tmp_path / "bob", "universe:far")  # which makes it whole again
    assert await gates.answer(COMMONS) == 1
    assert await bob.sees(hen) == In(reef)
    assert gates.put_off.first_s(now_s=passing.clock_s()) is None


async def away(by: Person, universe: str) -> list[Checked]:
    books = Books(by.ferry)
    await books.load([universe])
    return await away_from(books, universe)


async def test_bytes_of_nobody_are_taken_where_it_is_not_known_who_left(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    """The owl may be the one that is meant, or not: whoever asks says which one."""
    alice, bob = people
    passage = await owl_and_hen(alice, bob)
    rots(tmp_path / "bob", "universe:far")
    with pytest.raises(Rejected, match="how owl came here cannot be read"):
        only_one(OWLS, *await travellers_under(bob.ferry, passage, OWLS, Asked()))
    assert only_one(HENS, *await travellers_under(bob.ferry, passage, HENS, Asked())).inline


@pytest.mark.parametrize("is_owl_too", [False, True])
async def test_where_not_all_who_left_under_a_migration_were_read_the_one_meant_is_to_be_named(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, is_owl_too: bool
) -> None:
    """Else the owl's bytes would be taken for the hen's, or nobody's be said to have left."""
    monkeypatch.setattr(travellers, "PAGE_MAX", 3)
    alice, bob = people
    passage = await owl_and_hen(alice, bob, HENS if is_owl_too else OWLS)
    ghosts = [Who(alice.universe(f"universe:ghost{number}"), "imp") for number in range(4)]
    hens = [replace(left(alice, bob, passage, 0, one), migration=HENS) for one in ghosts]
    await alice.signs(*hens)
    await bob.hears(alice)
    with pytest.raises(Conflict, match="travellers left under") as several:
        only_one(HENS, *await travellers_under(bob.ferry, passage, HENS, Asked()))
    assert "hen" in several.value.candidates
    page, departures = await travellers_under(bob.ferry, passage, HENS, Asked("hen"))
    assert only_one(HENS, page, departures).inline == b"{}"
