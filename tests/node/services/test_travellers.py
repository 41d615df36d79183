"""Travellers of one soul, of universes that are gone, and of gates that say anything."""

from dataclasses import replace

import pytest

from node.api.passage_models import show_traveller
from node.errors import Conflict, Rejected
from node.services.passages import create_passage
from node.services.passengers import Passenger, migration_passenger, say_which_soul
from node.services.travellers import travellers_through
from registry.errors import CannotTravel
from registry.formats.primordium_migration import write_migration
from registry.head import Words
from tests.node.services.test_travel import FOX, Person, opened, sends
from tests.registry.formats.files import GENOTYPE
from tests.storage.people import NOW_US
from universe.passage import Arrivals, Passage, Said
from universe.receipts import Receipt, Traveller, Who
from universe.travel import In


async def joined(
    alice: Person, id: str, source: str, target: str, arrivals: Arrivals = "accept"
) -> Passage:
    """A passage between two universes of one owner, with a gate at each end."""
    said = Said(source=source, target=target, type="gate", maintained_us=NOW_US, arrivals=arrivals)
    for end in (source, target):
        await alice.gates.take_gate(end, only_first=True)
    return await create_passage(alice.ferry, id, Words(None), said)


async def came_near(alice: Person) -> tuple[str, str, Passage, Passage]:
    """The fox came from meadow to near, where a passage goes on to far: both, and the passages."""
    meadow = alice.universe("universe:meadow")
    near, far = await alice.makes("universe:near"), await alice.makes("universe:far")
    there = await joined(alice, "passage:there", meadow, near)
    on = await joined(alice, "passage:on", near, far)
    await alice.gates.send(there, meadow, bytes([1]) * 16, FOX, 0)
    await alice.gates.answer(near)
    return near, far, there, on


async def test_a_wish_repeated_after_one_from_afar_left_is_for_nobody(
    people: tuple[Person, Person],
) -> None:
    alice, _ = people
    near, _, _, on = await came_near(alice)
    await alice.gates.send(on, near, bytes([2]) * 16, FOX, 0)
    with pytest.raises(CannotTravel, match="not here any more") as gone:
        await alice.gates.send(on, near, bytes([3]) * 16, FOX, 0)
    assert gone.value.why == "not-here"
    assert "(`origin`, --origin UNIVERSE in the shell), as " + near in gone.value.detail
    # Another fox, of here: then its game says so.
    own = Passenger(FOX.data, "fox", origin=near)
    sent = await alice.gates.send(on, near, bytes([4]) * 16, own, 0)
    assert sent.departure.receipt.traveller.who.origin == near


def test_of_many_a_message_names_a_few() -> None:
    assert say_which_soul("abcdefg").endswith(": a or b or c or d or e or 2 more")


async def test_of_two_of_one_soul_it_is_said_how_to_name_the_one_that_is_meant(
    people: tuple[Person, Person],
) -> None:
    """By its soul, and by the dna that they share; in the shell, and in a request."""
    alice, _ = people
    meadow = alice.universe("universe:meadow")
    near, far = await alice.makes("universe:near"), await alice.makes("universe:far")
    passages = {end: await joined(alice, f"passage:{end[-4:]}", end, near) for end in (meadow, far)}

    def fox(age: int, soul: str | None = "fox") -> tuple[bytes, Passenger]:
        return migration_passenger(
            write_migration(GENOTYPE.decode(), {"generation": str(age)}), soul
        )

    for age, (end, passage) in enumerate(passages.items()):
        await alice.gates.send(passage, end, *fox(age), 0)
    await alice.gates.answer(near)
    on = passages[far]
    which = "(`origin`, --origin UNIVERSE in the shell)"
    with pytest.raises(CannotTravel) as by_soul:
        await alice.gates.send(on, near, *fox(2), 0)
    assert by_soul.value.why == "ambiguous"
    assert f"{which}: {far} or {meadow}" in by_soul.value.detail
    with pytest.raises(Rejected) as by_dna:
        await alice.gates.send(on, near, *fox(2, None), 0)
    assert f"{which}: {far} or {meadow}" in by_dna.value.detail
    for soul in ("fox", None):
        migration, who = fox(2, soul)
        sent = await alice.gates.send(on, near, migration, replace(who, origin=meadow), 0)
        assert sent.departure.receipt.traveller.who == Who(meadow, "fox")


async def test_a_migrate_entity_that_comes_back_is_who_left(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")

    def older(generation: int) -> tuple[bytes, Passenger]:
        return migration_passenger(
            write_migration(GENOTYPE.decode(), {"generation": str(generation)}), None
        )

    sent = await alice.gates.send(passage, meadow, *older(1), 0)
    again = await alice.gates.send(passage, meadow, *older(1), 0)
    assert again.departure == sent.departure
    with pytest.raises(Rejected, match=r"\(`soul`, --soul NAME in the shell\)"):
        await alice.gates.send(passage, meadow, *older(2), 0)  # it is on its way
    await bob.hears(alice)
    await bob.gates.answer(reef)
    back = await bob.gates.send(passage, reef, *older(2), 0)
    assert back.departure.receipt.traveller.who == sent.departure.receipt.traveller.who
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    assert await alice.sees(sent) == In(meadow)
    once_more = await alice.gates.send(passage, meadow, *older(3), 0)
    assert once_more.departure.receipt.traveller.who == sent.departure.receipt.traveller.who


async def test_who_passed_through_a_universe_that_was_deleted_is_where_it_went(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    near, far, there, on = await came_near(alice)
    sent = await alice.gates.send(on, near, bytes([2]) * 16, FOX, 0)
    await alice.gates.answer(far)
    await alice.deletes(near)
    await bob.hears(alice)
    assert await alice.sees(sent) == await bob.sees(sent) == In(far)
    with pytest.raises(Conflict, match="was deleted"):  # and into it nobody goes
        await alice.gates.send(on, far, bytes([3]) * 16, FOX, 0)
    assert [one.place for one in (await travellers_through(alice.ferry, there)).stories] == [
        In(far)
    ]
    with pytest.raises(Conflict, match="--undo brings it back"):
        await alice.gates.send(on, near, bytes([4]) * 16, FOX, 0)


async def test_what_a_gate_says_of_who_never_left_is_in_nobodys_story(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    ghost = Receipt(
        kind="arrival", universe=reef, other=meadow, gate=bytes(32), epoch=1, seq=1,
        prev=bytes(32), migration=bytes([7]) * 16, passage=passage.name,
        traveller=Traveller(Who(meadow, "ghost"), bytes([1]) * 32, 1, "json"),
        tick=0, at_us=NOW_US, answers=bytes([3]) * 32,
    )  # fmt: skip
    sent = await sends(alice, passage)
    await bob.signs(ghost)
    await alice.hears(bob)
    told = (await travellers_through(alice.ferry, passage)).stories
    assert [one.who for one in told] == [sent.story.who]
    assert [show_traveller(one).soul for one in told] == ["fox"]


async def test_a_gate_answers_whatever_else_a_partner_says(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    reef = bob.universe("universe:reef")

    def left(number: int, who: Who) -> Receipt:
        return Receipt(
            kind="departure", universe=alice.universe("universe:meadow"), other=reef,
            gate=bytes(32), epoch=1, seq=1, prev=bytes(32), migration=number.to_bytes(16),
            passage=passage.name, traveller=Traveller.of(who, b"x", "json"), tick=0, at_us=NOW_US,
        )  # fmt: skip

    await alice.gates.take_gate(alice.universe("universe:meadow"), only_first=True)
    # Travellers of more universes than are read for one answer, that were never in the meadow.
    far = [Who(f"{alice.ferry.did}/universe:{number}", "ghost") for number in range(300)]
    fox = Who(alice.universe("universe:meadow"), "fox")
    await alice.signs(*(left(number, who) for number, who in enumerate([*far, fox])))
    await bob.hears(alice)
    (arrived,) = await bob.gates.answer(reef)
    assert arrived.receipt.traveller.who == fox
    assert await bob.gates.answer(reef) == []
