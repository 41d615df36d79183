"""Alice, bob and mallory with a store each: travellers between their universes, by real records."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.document import Editor
from crdt.keys import COMMONS, AuthorKey
from node.errors import Conflict, NotAllowed, NotFound, Rejected
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from node.services.gatebooks import Books
from node.services.passage_lists import passages_agreed
from node.services.passages import (
    Ferry,
    accept_passage,
    close_passage,
    create_passage,
    document_of,
    maintain_passage,
    passage_called,
)
from node.services.passengers import MIGRATION_FORMAT, Passenger, migration_passenger
from node.services.travel import Gatekeeper, Sent
from node.services.travellers import Asked, who_waits
from registry.deletion import delete
from registry.errors import CannotTravel
from registry.formats.primordium_migration import write_migration
from registry.head import Words, put_head, touch
from storage.store import open_store
from tests.registry.formats.files import GENOTYPE
from tests.storage.people import NOW_US
from universe.gate import Verdict
from universe.gatebook import put_receipts
from universe.gates import Last
from universe.passage import Arrivals, Passage, Said
from universe.receipts import Receipt, Signed, sign_receipt
from universe.travel import In, InTransit, Place, Refused, place_of

FOX = Passenger(b'{"legs":4}', "fox")


class Person:
    """A node's store and keys, and what reached it."""

    def __init__(self, ferry: Ferry) -> None:
        self.ferry = ferry
        self.gates = Gatekeeper(ferry)

    def universe(self, id: str) -> str:
        return f"{self.ferry.did}/{id}"

    async def makes(self, id: str) -> str:
        name = self.universe(id)
        document = document_of(name, "uni", COMMONS)

        def edit(editor: Editor) -> None:
            put_head(editor, Words(id), now_us=NOW_US)
            touch(editor, NOW_US)

        await self.ferry.store.commit(document, edit, self.ferry.identity.signer)
        return name

    async def deletes(self, name: str) -> None:
        document = document_of(name, "uni", COMMONS)
        await self.ferry.store.commit(document, delete(now_us=NOW_US), self.ferry.identity.signer)

    async def hears(self, other: "Person", about: "Person | None" = None) -> None:
        """Everything the other holds of itself, or of somebody, as a sync brings it."""
        store = other.ferry.store
        entries, _ = await store.entries_after((about or other).ferry.identity.author, 0)
        received = await self.ferry.store.receive(entries, source="sync")
        assert not received.refused

    async def signs(self, *receipts: Receipt) -> None:
        """Whatever they say, at its own gate, one after the other."""
        name = receipts[0].universe
        device = self.ferry.identity.device
        line = await Books(self.ferry).ask(lambda lines: lines[name])
        last, signed = line.tip, list[Signed]()
        for one in receipts:
            said = replace(one, gate=device.public, seq=last.seq + 1, prev=last.id)
            signed.append(sign_receipt(said, device))
            last = Last(said.seq, signed[-1].id)
        document = document_of(name, "uni", COMMONS)
        for first in range(0, len(signed), 16):
            edit = put_receipts(signed[first : first + 16], now_us=NOW_US)
            await self.ferry.store.commit(document, edit, self.ferry.identity.signer)

    async def sees(self, sent: Sent) -> Place:
        who = sent.departure.receipt.traveller.who
        return await Books(self.ferry).ask(lambda lines: place_of(who, lines))


async def opened_people(stack: AsyncExitStack, path: Path) -> tuple[Person, Person]:
    """alice with a meadow and bob with a reef, who know nothing of each other."""
    found: list[Person] = []
    for name, id in (("alice", "universe:meadow"), ("bob", "universe:reef")):
        home = Home(path / name)
        home.make()
        identity = load_or_create(home, os.urandom)
        store = await stack.enter_async_context(
            open_store(home.database, project=project, clock_us=lambda: NOW_US)
        )
        one = Person(Ferry(store, identity, lambda: NOW_US))
        await one.makes(id)
        found.append(one)
    return found[0], found[1]


async def opened(alice: Person, bob: Person, arrivals: Arrivals = "accept") -> Passage:
    """A passage from the meadow to the reef that both agreed to, and a gate at each end."""
    proposed = Said(
        source=alice.universe("universe:meadow"), target=bob.universe("universe:reef"),
        type="bridge", stability=100, maintained_us=NOW_US, arrivals="accept", by="alice",
    )  # fmt: skip
    passage = await create_passage(alice.ferry, "passage:1", Words("Old bridge"), proposed)
    assert passage.state == "proposed"
    await alice.gates.take_gate(alice.universe("universe:meadow"))
    await bob.hears(alice)
    found = await passage_called(bob.ferry, "passage:1")
    accepted = await accept_passage(bob.ferry, found, Said(arrivals=arrivals))
    assert accepted.is_open
    await bob.gates.take_gate(bob.universe("universe:reef"))
    await alice.hears(bob)
    return await passage_called(alice.ferry, "passage:1")


async def sends(alice: Person, passage: Passage, migration: int = 1) -> Sent:
    meadow = alice.universe("universe:meadow")
    return await alice.gates.send(passage, meadow, bytes([migration]) * 16, FOX, 7)


async def test_a_traveller_leaves_one_universe_and_is_in_the_other(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    agreed = await passages_agreed(alice.ferry, bob.universe("universe:reef"))
    assert [one.state for one in agreed] == ["open"]
    sent = await sends(alice, passage)
    assert isinstance(sent.story.place, InTransit)
    again = await sends(alice, passage)  # nobody heard the answer, and asked once more
    assert (again.departure, again.is_new) == (sent.departure, False)
    reef = bob.universe("universe:reef")
    assert await bob.gates.answer(reef) == []  # nothing came yet
    await bob.hears(alice)
    (arrived,) = await bob.gates.answer(reef, tick=9)
    assert (arrived.receipt.kind, arrived.receipt.tick) == ("arrival", 9)
    assert await bob.gates.answer(reef) == []
    assert await bob.sees(sent) == In(reef)
    assert isinstance(await alice.sees(sent), InTransit)
    await alice.hears(bob)
    assert await alice.sees(sent) == In(reef)
    with pytest.raises(CannotTravel, match="not here"):
        await sends(alice, passage, migration=2)
    # And home again, grown: bob's game names the soul alone.
    older = Passenger(b'{"legs":4,"age":3}', "fox")
    back = await bob.gates.send(passage, reef, bytes([3]) * 16, older, 20)
    assert back.departure.receipt.traveller.who == sent.departure.receipt.traveller.who
    await alice.hears(bob)
    (home,) = await alice.gates.answer(alice.universe("universe:meadow"))
    assert home.receipt.kind == "arrival"
    assert await alice.sees(back) == In(alice.universe("universe:meadow"))


async def test_those_who_leave_at_once_have_a_number_each(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    souls = ["fox", "hen", "owl", "eel"]
    sent = await asyncio.gather(
        *(
            alice.gates.send(passage, meadow, bytes([n]) * 16, Passenger(b"{}", soul), 7)
            for n, soul in enumerate(souls)
        )
    )
    assert sorted(one.departure.receipt.seq for one in sent) == [1, 2, 3, 4]
    assert [one.departure.receipt.traveller.who.soul for one in sent] == souls
    for one in sent:
        assert isinstance(await alice.sees(one), InTransit)
    await bob.hears(alice)
    await bob.gates.answer(reef)
    assert [await bob.sees(one) for one in sent] == [In(reef)] * 4


async def test_who_is_refused_comes_back(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    sent = await sends(alice, passage)
    await bob.hears(alice)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    assert await bob.gates.answer(reef) == []
    waiting, answer = await who_waits(bob.ferry, passage, bytes([1]) * 16, Asked())
    assert (waiting.id, answer) == (sent.departure.id, None)
    refused = await bob.gates.decide(reef, waiting.id, Verdict("refuse", "no room"), 5)
    again = await bob.gates.decide(reef, waiting.id, Verdict("accept"), 5)
    assert (again.answer, refused.is_new, again.is_new) == (refused.answer, True, False)
    assert await who_waits(bob.ferry, passage, bytes([1]) * 16, Asked()) == (waiting, again.answer)
    await alice.hears(bob)
    assert isinstance(await alice.sees(sent), Refused)
    (back,) = await alice.gates.answer(meadow)
    assert back.receipt.kind == "return"
    assert await alice.sees(sent) == In(meadow)


async def test_a_recall_is_answered_by_the_other_gate(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await sends(alice, passage)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    story = await alice.gates.recall(meadow, bytes([1]) * 16)
    assert isinstance(story.place, InTransit)  # it is the other gate that says whether
    await bob.hears(alice)
    (refused,) = await bob.gates.answer(reef)
    assert refused.receipt.reason == "called back"
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    assert await alice.sees(sent) == In(meadow)
    with pytest.raises(NotFound, match="no migration"):
        await alice.gates.recall(meadow, bytes([9]) * 16)


async def test_through_what_is_closed_nobody_leaves_and_who_is_under_way_comes_back(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await sends(alice, passage)
    closed = await close_passage(bob.ferry, await passage_called(bob.ferry, passage.name))
    assert closed.state == "closed"
    await bob.hears(alice)
    (refused,) = await bob.gates.answer(bob.universe("universe:reef"))
    assert refused.receipt.reason == "the passage is closed"
    await alice.hears(bob)
    await alice.gates.answer(alice.universe("universe:meadow"))
    assert await alice.sees(sent) == In(alice.universe("universe:meadow"))
    passage = await passage_called(alice.ferry, "passage:1")
    with pytest.raises(Conflict, match="closed, not open"):
        await sends(alice, passage, migration=2)


async def test_each_owner_opens_their_own_half_again(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob, "ask")
    with pytest.raises(Conflict, match="open already"):
        await accept_passage(alice.ferry, passage, Said())
    closed = await close_passage(alice.ferry, passage)
    again = await accept_passage(alice.ferry, closed, Said(stability=60))
    assert (again.state, again.proposed.stability, again.proposed.arrivals) == (
        "open",
        60,
        "accept",
    )
    assert (again.name, again.proposed.name) == (passage.name, "Old bridge")
    await sends(alice, again)
    theirs = await passage_called(bob.ferry, passage.name)
    await close_passage(bob.ferry, theirs)
    await close_passage(alice.ferry, again)
    await alice.hears(bob)
    mine = await passage_called(alice.ferry, passage.name)
    assert (await accept_passage(alice.ferry, mine, Said())).state == "closed"
    with pytest.raises(Conflict, match="the other owner closed theirs"):
        await accept_passage(alice.ferry, await passage_called(alice.ferry, passage.name), Said())
    await bob.hears(alice)
    both = await accept_passage(bob.ferry, await passage_called(bob.ferry, passage.name), Said())
    his = both.half_of(bob.ferry.did)
    assert his is not None
    assert (both.state, his.arrivals) == ("open", "ask")


async def test_who_is_to_leave_for_what_was_deleted_stays_here(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    sent = await sends(alice, passage)  # who left before it was heard of comes back
    await bob.deletes(reef)
    await bob.hears(alice)
    (refused,) = await bob.gates.answer(reef)
    assert refused.receipt.reason == "the universe was deleted"
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    assert await alice.sees(sent) == In(meadow)
    with pytest.raises(Conflict, match="was deleted by its owner") as gone:
        await sends(alice, passage, migration=2)
    assert gone.value.reason == "passage-closed"
    assert not (await sends(alice, passage)).is_new


async def test_who_may_mend_a_passage_of_no_stability_is_told_how(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    worn = await maintain_passage(alice.ferry, passage, 0)
    with pytest.raises(Conflict, match=f"as {alice.ferry.did} gave .*--stability 100"):
        await sends(alice, worn)
    mended = await maintain_passage(alice.ferry, worn, 100)
    assert isinstance((await sends(alice, mended)).story.place, InTransit)


async def test_what_nobody_looks_after_carries_nobody_and_strands_nobody(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    hour = 3_600_000_000
    await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    again = Said(source=meadow, target=reef, every_us=hour)
    passage = await create_passage(alice.ferry, "passage:1", Words(None), again)
    sent = await sends(alice, passage)
    later = replace(alice.ferry, clock_us=lambda: NOW_US + 10 * hour)
    gates = Gatekeeper(later)
    with pytest.raises(Conflict, match="panspermia passage maintain") as worn:
        await gates.send(passage, meadow, bytes([2]) * 16, Passenger(b"{}", "hen"), 0)
    assert (worn.value.reason, bob.ferry.did in worn.value.detail) == ("passage-unstable", True)
    # Who had left is no wish anew, and is let in whatever bob's clock says.
    assert not (await gates.send(passage, meadow, bytes([1]) * 16, FOX, 7)).is_new
    await bob.hears(alice)
    late = Gatekeeper(replace(bob.ferry, clock_us=lambda: NOW_US + 99 * hour))
    (arrived,) = await late.answer(reef)
    assert arrived.receipt.kind == "arrival"
    assert await bob.sees(sent) == In(reef)
    # Either owner may: bob's clock is his own.
    at = replace(bob.ferry, clock_us=lambda: NOW_US + 5 * hour)
    kept = await maintain_passage(at, await passage_called(bob.ferry, "passage:1"), 60)
    assert (kept.stability, kept.stability_at(NOW_US + 10 * hour)) == (60, 30)
    await alice.hears(bob)
    passage = await passage_called(alice.ferry, "passage:1")
    hen = await gates.send(passage, meadow, bytes([2]) * 16, Passenger(b"{}", "hen"), 0)
    assert hen.is_new
    mallory = replace(
        alice.ferry, identity=replace(alice.ferry.identity, author=AuthorKey(bytes(32)))
    )
    with pytest.raises(NotAllowed, match="not yours to look after"):
        await maintain_passage(mallory, passage)
    with pytest.raises(Conflict, match="closed"):
        await maintain_passage(alice.ferry, await close_passage(alice.ferry, passage))


async def test_what_is_asked_at_once_is_signed_once(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await asyncio.gather(*(sends(alice, passage) for _ in range(4)))
    assert len({one.departure.id for one in sent}) == 1
    await bob.hears(alice)
    reef = bob.universe("universe:reef")
    answers = await asyncio.gather(*(bob.gates.answer(reef) for _ in range(4)))
    assert sum(map(len, answers)) == 1


async def test_another_device_of_the_owner_takes_the_gate_only_when_told(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    reef = bob.universe("universe:reef")
    assert (await bob.gates.take_gate(reef)).is_changed
    assert not (await bob.gates.take_gate(reef)).is_changed
    with pytest.raises(NotFound):
        await bob.gates.take_gate(bob.universe("universe:none"))
    with pytest.raises(NotFound):
        await alice.gates.take_gate(reef)  # it is not even here
    meadow = alice.universe("universe:meadow")
    far = await alice.makes("universe:far")
    ends = Said(source=meadow, target=far, type="gate", maintained_us=NOW_US)
    passage = await create_passage(alice.ferry, "passage:1", Words(None), ends)
    with pytest.raises(CannotTravel, match="no gate yet"):  # nor by sending
        await alice.gates.send(passage, meadow, bytes(16), FOX, 0)
    assert (await alice.gates.take_gate(meadow, only_first=True)).is_changed


async def test_what_is_not_ones_own_nobody_proposes_accepts_or_closes(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    ends = Said(source=bob.universe("universe:a"), target=bob.universe("universe:b"), type="gate")
    with pytest.raises(NotAllowed):
        await create_passage(alice.ferry, "passage:2", Words(None), ends)
    none = Said(source=alice.universe("universe:none"), target=ends.target, type="gate")
    with pytest.raises(NotFound, match="universe:none"):
        await create_passage(alice.ferry, "passage:2", Words(None), none)
    moved = Said(source=alice.universe("universe:meadow"), target=ends.target, type="gate")
    with pytest.raises(Conflict, match="accepted as it is"):
        await create_passage(alice.ferry, "passage:1", Words(None), moved)
    with pytest.raises(Conflict, match="your own"):
        await accept_passage(alice.ferry, passage, Said())
    with pytest.raises(NotFound):
        await passage_called(alice.ferry, "passage:none")
    with pytest.raises(Rejected, match="does not lead"):
        await alice.gates.send(passage, alice.universe("universe:x"), bytes(16), FOX, 0)
    meadow = alice.universe("universe:meadow")
    for big in (
        Passenger(bytes((8 << 20) + 1), "whale"), Passenger(bytes(33_000), "fox", MIGRATION_FORMAT)
    ):  # fmt: skip
        with pytest.raises(Rejected, match=f"{len(big.data)} bytes"):
            await alice.gates.send(passage, meadow, bytes(16), big, 0)


async def test_a_migrate_entity_travels_as_it_is(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    message = write_migration(GENOTYPE.decode(), {"energy": "42.5", "generation": "3"})
    migration, who = migration_passenger(message, None)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    await alice.gates.send(passage, meadow, migration, who, 1)
    torn = message.replace(b'"generation":3', b'"generation":4')
    assert torn != message
    await alice.gates.send(passage, meadow, bytes(16), Passenger(torn, "torn", MIGRATION_FORMAT), 1)
    await bob.hears(alice)
    answers = await bob.gates.answer(reef)
    assert [one.receipt.kind for one in answers] == ["arrival", "refusal"]
    assert answers[1].receipt.reason == "it is no MigrateEntity whose checksum holds"
    (arrived, _) = answers
    assert arrived.receipt.migration == migration
