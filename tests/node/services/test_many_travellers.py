"""Passages through which many go, or a gate says so: they are shown, and each is decided."""

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter
from typing import Any

import pytest

from node.errors import Conflict, NotFound, Rejected
from node.services import gatebooks, travellers
from node.services.gatebooks import Books
from node.services.passages import accept_passage, create_passage
from node.services.passengers import MIGRATION_FORMAT, Passenger, migration_passenger
from node.services.travellers import (
    Asked,
    Page,
    story_held,
    travellers_through,
    travellers_under,
    who_waits,
)
from registry.errors import CannotTravel
from registry.formats.primordium_migration import write_migration
from registry.head import Words
from tests.node.services.test_travel import Person, opened, sends
from tests.node.services.test_travellers import joined
from tests.registry.formats.files import GENOTYPE
from tests.storage.people import NOW_US
from universe.gate import Verdict
from universe.lines import Lines
from universe.passage import Passage, Said
from universe.receipts import Checked, Receipt, Traveller, Who
from universe.travel import In, InTransit

MANY = 300
"""More than the universes that are read for one story."""


def left(by: Person, to: Person, passage: Passage, number: int, who: Who) -> Receipt:
    """What the gate of the meadow may say of whoever it likes."""
    return Receipt(
        kind="departure", universe=by.universe("universe:meadow"),
        other=to.universe("universe:reef"), gate=bytes(32), epoch=1, seq=1, prev=bytes(32),
        migration=number.to_bytes(16), passage=passage.name,
        traveller=Traveller.of(who, b"x", "json"), tick=0, at_us=NOW_US,
    )  # fmt: skip


def arrived(departure: Checked) -> Receipt:
    """That it was let in where it went."""
    left = departure.receipt
    return replace(
        left, kind="arrival", universe=left.other, other=left.universe, answers=departure.id,
        traveller=left.traveller.told,
    )  # fmt: skip


async def all_pages(by: Person, passage: Passage, limit: int) -> list[Page]:
    pages = [await travellers_through(by.ferry, passage, limit=limit)]
    while pages[-1].next is not None:
        after = pages[-1].next
        pages.append(await travellers_through(by.ferry, passage, after=after, limit=limit))
    return pages


async def test_whatever_they_are_called_each_is_on_one_page(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    meadow, home = alice.universe("universe:meadow"), await alice.makes("universe:a world")
    await alice.gates.take_gate(home)
    imps = [Who(home, f"imp {number}") for number in range(2)]
    going = [left(alice, bob, passage, *each) for each in enumerate(imps)]
    await alice.signs(*(replace(one, universe=home, other=meadow) for one in going))
    came = (await Books(alice.ferry).ask(itemgetter(home))).receipts
    await alice.signs(*(arrived(one) for one in came))
    hen = Who(meadow, "hen")
    await alice.signs(*going, left(alice, bob, passage, 2, hen))
    await bob.hears(alice)
    found, after = list[Who](), None
    for _ in range(3):
        page = await travellers_through(bob.ferry, passage, after=after, limit=1)
        found += [one.who for one in page.stories]
        after = page.next
    assert (found, after) == ([*imps, hen], None)


async def test_whatever_a_partner_says_who_waits_is_shown_and_decided(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    sent = await sends(alice, passage)
    # Of none is it known that it was ever in the meadow; one has the migration of the fox.
    migration = sent.departure.receipt.migration
    numbers = [int.from_bytes(migration), *range(1, MANY)]
    ghosts = [Who(f"{alice.ferry.did}/universe:{number}", "fox") for number in numbers]
    await alice.signs(
        *(left(alice, bob, passage, *each) for each in zip(numbers, ghosts, strict=True))
    )
    await bob.hears(alice)
    (page,) = await all_pages(bob, passage, 1_000)
    assert ([one.who for one in page.stories], page.is_whole) == ([sent.story.who], True)
    found, departures = await travellers_under(bob.ferry, passage, migration, Asked())
    assert ([one.who for one in found.stories], departures) == ([sent.story.who], [sent.departure])
    waiting = await who_waits(bob.ferry, passage, migration, Asked())
    assert waiting == (sent.departure, None)
    reef = bob.universe("universe:reef")
    decided = await bob.gates.decide(reef, sent.departure.id, Verdict("accept"), 5)
    story = await story_held(bob.ferry, sent.story.who)
    assert (decided.is_new, story.place) == (True, In(reef))
    with pytest.raises(NotFound):
        await who_waits(bob.ferry, passage, bytes([99]) * 16, Asked())


async def test_a_hub_of_many_guests_shows_and_decides_each(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 16)  # to make 300 homes takes long
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    hub, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    homes = [await alice.makes(f"universe:{number}") for number in range(20)]
    came = list[Checked]()
    for number, home in enumerate(homes):
        await alice.gates.take_gate(home)
        going = left(alice, bob, passage, number, Who(home, "fox"))
        await alice.signs(replace(going, universe=home, other=hub))
        came += (await Books(alice.ferry).ask(itemgetter(home))).receipts
    await alice.signs(*(arrived(one) for one in came))
    foxes = [Who(home, "fox") for home in homes]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(foxes)))
    await bob.hears(alice)
    assert await bob.gates.answer(reef) == []  # a person is asked
    (page,) = await all_pages(bob, passage, 1_000)
    assert page.is_whole
    assert [one.who.origin for one in page.stories] == sorted(homes)
    assert all(isinstance(one.place, InTransit) for one in page.stories)
    waiting, _ = await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked())
    assert waiting.receipt.traveller.who.origin == homes[7]
    await bob.gates.decide(reef, waiting.id, Verdict("accept"), 5)
    pages = await all_pages(bob, passage, 9)
    assert [len(one.stories) for one in pages] == [9, 9, 2]
    shown = [one for page in pages for one in page.stories]
    assert shown[-1].place == In(reef)  # who is under way is first
    assert {one.who.origin for one in shown} == {*homes}


async def test_however_many_namesakes_came_ones_own_is_sent(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    onward = await joined(bob, "passage:7", reef, await bob.makes("universe:lagoon"))
    meadow = alice.universe("universe:meadow")
    first, *homes = [await alice.makes(f"universe:{number}") for number in range(6)]
    for home in (first, *homes):
        await alice.gates.take_gate(home)
    entity = write_migration(GENOTYPE.decode(), {})
    # One went through all of these, the others came from there.
    longest = Who(first, "fox")
    goes = [(longest, *way) for way in pairwise((first, *homes, meadow))]
    goes += [(Who(home, "fox"), home, meadow) for home in homes]
    for number, (who, source, target) in enumerate(goes):
        going = left(alice, bob, passage, number, who)
        told = Traveller.of(who, entity, MIGRATION_FORMAT)
        await alice.signs(replace(going, universe=source, other=target, traveller=told))
        (*_, departure) = (await Books(alice.ferry).ask(itemgetter(source))).receipts
        await alice.signs(arrived(departure))
    foxes = [longest, *(Who(home, "fox") for home in homes)]
    await alice.signs(
        *(
            replace(
                left(alice, bob, passage, number + 99, who),
                traveller=Traveller.of(who, entity, MIGRATION_FORMAT),
            )
            for number, who in enumerate(foxes)
        )
    )
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == len(foxes)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 6)
    migration, fox = migration_passenger(entity, "fox")
    with pytest.raises(CannotTravel) as several:
        await bob.gates.send(onward, reef, migration, fox, 1)
    assert several.value.why == "ambiguous"
    assert "5 of the soul fox are here, and of 1 more how they came" in several.value.detail
    assert several.value.detail.endswith(f"; that of its own is {reef}")
    with pytest.raises(Rejected, match="5 travellers of this dna are here, and of 1 more how"):
        await bob.gates.send(onward, reef, migration, replace(fox, soul=""), 1)
    sent = await bob.gates.send(onward, reef, migration, replace(fox, origin=reef), 1)
    assert sent.story.who == Who(reef, "fox")


async def test_of_who_comes_by_what_was_only_proposed_it_is_decided_once_it_is_accepted(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    said = Said(source=meadow, target=reef, type="bridge", maintained_us=NOW_US, arrivals="accept")
    proposed = await create_passage(alice.ferry, "passage:1", Words(None), said)
    await alice.gates.take_gate(meadow)
    await bob.gates.take_gate(reef)
    who, migration = Who(meadow, "fox"), (1).to_bytes(16)
    await alice.signs(left(alice, bob, proposed, 1, who))
    await bob.hears(alice)
    assert await bob.gates.answer(reef) == []
    with pytest.raises(NotFound):
        await who_waits(bob.ferry, proposed, bytes(16), Asked())
    with pytest.raises(Conflict, match="panspermia passage accept") as closed:
        await who_waits(bob.ferry, proposed, migration, Asked())
    assert closed.value.reason == "passage-closed"
    passage = await accept_passage(bob.ferry, proposed, Said(arrivals="ask"))
    waiting, _ = await who_waits(bob.ferry, passage, migration, Asked())
    decided = await bob.gates.decide(reef, waiting.id, Verdict("accept"), 5)
    assert (await story_held(bob.ferry, who)).place == In(reef)
    assert await who_waits(bob.ferry, proposed, migration, Asked()) == (waiting, decided.answer)


async def test_of_several_under_one_migration_it_is_said_who(
    people: tuple[Person, Person],
) -> None:
    alice, _ = people
    near, far = await alice.makes("universe:near"), await alice.makes("universe:far")
    passage = await joined(alice, "passage:1", near, far, arrivals="ask")
    migration = bytes([1]) * 16
    for end in (near, far):
        own = Passenger(b"{}", "fox", origin=end)
        await alice.gates.send(passage, end, migration, own, 1)
    with pytest.raises(Conflict) as several:
        await who_waits(alice.ferry, passage, migration, Asked("fox"))
    assert several.value.candidates == tuple(sorted((near, far)))
    which = f"(`origin`, --origin UNIVERSE in the shell): {far} or {near}"
    assert which in several.value.detail
    hen = Passenger(b"{}", "hen", origin=near)
    await alice.gates.send(passage, near, bytes([2]) * 16, hen, 1)
    await alice.gates.send(passage, far, bytes([2]) * 16, replace(hen, soul="owl", origin=far), 1)
    with pytest.raises(Conflict) as two:
        await who_waits(alice.ferry, passage, bytes([2]) * 16, Asked())
    assert two.value.detail == (
        f"2 travellers left under {'02' * 16}: say which one is meant"
        " (`soul`, --soul NAME in the shell): hen or owl"
    )
    fox, _ = await who_waits(alice.ferry, passage, migration, Asked(origin=far))
    assert (fox.receipt.universe, fox.receipt.other) == (far, near)
    found, _ = await travellers_under(alice.ferry, passage, migration, Asked(origin=near))
    assert [one.who.origin for one in found.stories] == [near]


async def test_bytes_of_another_journey_are_not_those_that_left_here(
    people: tuple[Person, Person],
) -> None:
    """Who has a traveller later may name any passage and migration, and other bytes."""
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await sends(alice, passage)
    await bob.hears(alice)
    await bob.gates.answer(bob.universe("universe:reef"))
    void = await bob.makes("universe:void")
    await bob.gates.take_gate(void)
    migration, who = sent.departure.receipt.migration, sent.story.who
    going = replace(left(alice, bob, passage, 9, who), universe=bob.universe("universe:reef"))
    await bob.signs(replace(going, other=void, passage=f"{bob.ferry.did}/passage:2"))
    (*_, onward) = (await Books(bob.ferry).ask(itemgetter(going.universe))).receipts
    await bob.signs(arrived(onward))
    evil = Traveller.of(who, b"evil", "json")
    there = alice.universe("universe:meadow")
    await bob.signs(replace(going, universe=void, other=there, migration=migration, traveller=evil))
    await alice.hears(bob)
    found, departures = await travellers_under(alice.ferry, passage, migration, Asked())
    assert len(found.stories[0].receipts) > 3, "its story goes on"
    assert departures == [sent.departure]


async def test_a_page_ends_with_the_receipts_that_it_has_room_for(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(travellers, "RECEIPTS_MAX", 3)
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    names = [Who(alice.universe("universe:meadow"), f"hen {number}") for number in range(7)]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(names)))
    pages = await all_pages(alice, passage, 1_000)
    assert [len(one.stories) for one in pages] == [3, 3, 1]
    assert [one.who for page in pages for one in page.stories] == names


async def test_what_many_receipts_say_is_worked_out_beside_the_loop(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    await sends(alice, passage)
    where = set[int]()

    for name in ("__getitem__", "copied"):
        real = getattr(Lines, name)

        def noted(*held: Any, real: Callable[..., Any] = real) -> Any:  # noqa: ANN401 - as it is
            where.add(threading.get_ident())
            return real(*held)

        monkeypatch.setattr(Lines, name, noted)
    await travellers_through(alice.ferry, passage)
    await bob.hears(alice)
    await bob.gates.answer(bob.universe("universe:reef"))
    assert where
    assert threading.get_ident() not in where
