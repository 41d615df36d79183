"""A partner's gate signs what it likes: the travellers of others stay where they are, and move."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.document import Editor
from crdt.keys import COMMONS
from node import traveller_turns
from node.errors import Unreachable
from node.events import Events
from node.gates import Gates
from node.services import gatebooks
from node.services.gatebooks import Books
from node.services.passages import close_passage, create_passage, document_of, passage_called
from node.services.passengers import Passenger
from node.services.verdicts import Wanted, judge_of
from node.traveller_turns import Turns
from registry.head import Words
from storage.documents import DocumentState
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import joined
from tests.node.services.test_travel import Person, opened
from tests.registry.attested import CAROL_DID
from tests.storage.people import NOW_US
from tests.universe.passengers import EEL, MEADOW, PASSAGE, REEF, VOID
from tests.universe.passengers import sent as signed_departure
from tests.universe.test_passage import ACCEPTED, PROPOSED
from universe import shares, travel
from universe.gatebook import ROOT, put_recall
from universe.gates import Last
from universe.lines import Line, Lines
from universe.passage import Passage, Said, passages_of
from universe.receipts import Checked, Receipt, Signed, Traveller, Who, encode_signed, sign_receipt
from universe.travel import In, InTransit, place_of

MANY = 300
"""More than the universes that are read for one story."""


async def line_at(by: Person, universe: str) -> Line:
    return await Books(by.ferry).ask(lambda lines: lines[universe])


async def home_passage(bob: Person) -> Passage:
    """From the reef to a lagoon of bob's own."""
    said = Said(
        source=bob.universe("universe:reef"), target=await bob.makes("universe:lagoon"),
        type="bridge", stability=100, maintained_us=NOW_US, arrivals="accept",
    )  # fmt: skip
    await create_passage(bob.ferry, "passage:7", Words("Home"), said)
    await bob.gates.take_gate(bob.universe("universe:lagoon"))
    return await passage_called(bob.ferry, "passage:7")


async def writes(by: Person, universe: str, signed: list[Signed]) -> None:
    """Whatever its gate holds back."""
    for at in range(0, len(signed), 32):
        few = signed[at : at + 32]

        def put(editor: Editor, few: list[Signed] = few) -> None:
            for number, one in enumerate(few):
                editor.put((ROOT, f"{number:08x}-{one.id.hex()[:16]}"), encode_signed(one))

        document = document_of(universe, "uni", COMMONS)
        await by.ferry.store.commit(document, put, by.ferry.identity.signer)


async def equivocates(by: Person, said: list[Receipt]) -> list[Signed]:
    """The first of them twice, with another tick, of which the second has the greater id; then the
    others after that."""
    universe, device = said[0].universe, by.ferry.identity.device
    line = await Books(by.ferry).ask(lambda lines: lines[universe])
    last, signed = line.tip, list[Signed]()
    for one in said:
        next_one = replace(one, gate=device.public, seq=last.seq + 1, prev=last.id)
        signed.append(sign_receipt(next_one, device))
        if len(signed) == 1:
            signed.append(sign_receipt(replace(next_one, tick=9), device))
            signed.sort(key=lambda each: each.id)
        last = Last(next_one.seq, signed[-1].id)
    await writes(by, universe, signed)
    return signed


async def visits(alice: Person, bob: Person, passage: Passage, soul: str) -> None:
    """From the reef to the meadow, and home."""
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    who = Passenger(b"{}", soul)
    await bob.gates.send(passage, reef, soul.encode().ljust(16), who, 1)
    await alice.hears(bob)
    assert len(await alice.gates.answer(meadow)) == 1
    await bob.hears(alice)
    await alice.gates.send(
        passage, meadow, soul.encode().ljust(16, b"2"), replace(who, origin=reef), 1
    )
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 1


async def test_however_many_a_proven_cheat_names_who_was_with_it_travels_on(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By names of what is nowhere, and of universes that are here and might have a vote."""
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 8)
    alice, bob = people
    passage = await opened(alice, bob)
    reef, lagoon = bob.universe("universe:reef"), bob.universe("universe:lagoon")
    home = await home_passage(bob)
    for soul in ("fox", "owl"):
        await visits(alice, bob, passage, soul)
    fox = await bob.gates.send(home, reef, bytes([1]) * 16, Passenger(b"{}", "fox"), 1)
    held = [await bob.makes(f"universe:{number}") for number in range(12)]
    made_up = [f"{CAROL_DID}/universe:{number}" for number in range(MANY)]
    imp = left(alice, bob, passage, 0, Who(alice.universe("universe:meadow"), "imp"))
    named = [
        replace(imp, other=other, migration=number.to_bytes(16))
        for number, other in enumerate([*held, *made_up])
    ]
    await equivocates(alice, named)
    await bob.hears(alice)
    assert [one.receipt.kind for one in await bob.gates.answer(lagoon)] == ["arrival"]
    assert await bob.sees(fox) == In(lagoon)
    owl = await bob.gates.send(home, reef, bytes([2]) * 16, Passenger(b"{}", "owl"), 1)
    await close_passage(bob.ferry, await passage_called(bob.ferry, passage.name))
    assert [one.receipt.kind for one in await bob.gates.answer(lagoon)] == ["arrival"]
    assert await bob.sees(owl) == In(lagoon)


async def test_who_answered_a_cheat_has_a_vote_though_nothing_else_of_it_is_read(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    await home_passage(bob)
    meadow, lagoon = alice.universe("universe:meadow"), bob.universe("universe:lagoon")
    hen = left(alice, bob, passage, 0, Who(meadow, "hen"))
    first, second = await equivocates(alice, [replace(hen, other=lagoon)])
    assert first.id < second.id
    await bob.hears(alice)
    books = Books(bob.ferry)
    assert [one.id for one in (await books.ask(lambda lines: lines[meadow])).receipts] == [first.id]
    said = replace(hen, universe=lagoon, other=meadow, kind="arrival", answers=second.id)
    filler = replace(said, answers=bytes(32), traveller=hen.traveller.told)
    await bob.signs(filler, replace(said, traveller=hen.traveller.told))
    books = Books(bob.ferry)
    line = await books.ask(lambda lines: lines[meadow])
    assert [one.id for one in line.receipts] == [second.id]
    assert lagoon not in books.read
    assert await books.ask(lambda lines: place_of(hen.traveller.who, lines)) == In(lagoon)


async def test_however_often_a_gate_speaks_of_one_traveller_its_story_is_worked_out_once(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends one imp again and again; and it refuses one fox again and again."""
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    imps = [left(alice, bob, passage, number, Who(meadow, "imp")) for number in range(60)]
    sent = await bob.gates.send(passage, reef, bytes([1]) * 16, Passenger(b"{}", "fox"), 1)
    fox = sent.departure.receipt
    no = [
        replace(
            fox, kind="refusal", universe=meadow, other=reef, answers=sent.departure.id,
            traveller=fox.traveller.told, reason=str(number),
        )
        for number in range(60)
    ]  # fmt: skip
    await alice.signs(*imps, *no)
    await bob.hears(alice)
    asked, real = list[Who](), travel.answer_to

    def noted(to: Checked, of: str, lines: Lines, kinds: tuple[str, ...]) -> Checked | None:
        asked.append(to.receipt.traveller.who)
        return real(to, of, lines, kinds)

    monkeypatch.setattr(travel, "answer_to", noted)  # as stories ask
    signed = await bob.gates.answer(reef)
    assert sorted(one.receipt.kind for one in signed) == ["arrival", "return"]
    assert len(asked) < 30
    assert isinstance(sent.story.place, InTransit)
    assert await bob.sees(sent) == In(reef)


async def test_a_story_that_is_too_long_is_read_once_however_often_its_traveller_left(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 6
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
    alice, bob = people
    passage = await opened(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    way = [*[await alice.makes(f"universe:u{number}") for number in range(most + 2)], meadow]
    imp = Who(way[0], "imp")
    said = replace(left(alice, bob, passage, 0, imp), gate=alice.ferry.identity.device.public)
    for number, (here, there) in enumerate(pairwise(way), 1):
        if number < len(way):
            await alice.gates.take_gate(here)
        goes = replace(said, universe=here, other=there, migration=number.to_bytes(16))
        await alice.signs(goes)
        line = await line_at(alice, here)
        comes = replace(
            goes, kind="arrival", universe=there, other=here,
            answers=line.tip.id, traveller=goes.traveller.told,
        )  # fmt: skip
        if there != meadow:
            await alice.gates.take_gate(there)
        await alice.signs(comes)
    await alice.signs(*(replace(said, migration=bytes([9, number]) * 8) for number in range(9)))
    await bob.hears(alice)
    reads, real = list[DocumentId](), bob.ferry.store.read

    async def noted(document: DocumentId) -> DocumentState | None:
        reads.append(document)
        return await real(document)

    monkeypatch.setattr(bob.ferry.store, "read", noted)
    assert not await bob.gates.answer(reef)
    assert len(reads) < 3 * most


async def test_whoever_names_a_passage_between_others_is_not_answered_through_it(
    people: tuple[Person, Person],
) -> None:
    """By the refusals of who is called back its row would fill, and nobody could go by it."""
    alice, bob = people
    await opened(alice, bob)
    reef, lagoon = bob.universe("universe:reef"), bob.universe("universe:lagoon")
    home = await home_passage(bob)
    meadow = alice.universe("universe:meadow")
    await alice.signs(
        *(left(alice, bob, home, number, Who(meadow, f"imp {number}")) for number in range(1, 9))
    )
    document = document_of(meadow, "uni", COMMONS)
    for one in (await line_at(alice, meadow)).receipts:
        edit = put_recall(one.id, now_us=NOW_US)
        await alice.ferry.store.commit(document, edit, alice.ferry.identity.signer)
    await bob.hears(alice)
    assert not await bob.gates.answer(reef)
    await bob.gates.send(home, lagoon, bytes([9]) * 16, Passenger(b"{}", "hen"), 1)
    (hen,) = await bob.gates.answer(reef)
    assert (hen.receipt.kind, hen.receipt.traveller.who.soul) == ("arrival", "hen")


async def test_blobs_that_nobody_has_keep_no_bytes_of_another_passage_from_being_asked_for(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheat also says of the honest one's blob that it is a single byte."""
    monkeypatch.setattr(traveller_turns, "TRIED_MAX", 8)
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", 24)
    alice, bob = people
    cheat = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    near = await alice.makes("universe:near")
    honest = await joined(alice, bob, near, reef, 2)
    whale = Passenger(Random(6).randbytes(300_000), "whale", "bin")
    sent = await alice.gates.send(honest, near, bytes([6]) * 16, whale, 1)
    blob = sent.departure.receipt.traveller.blob
    assert blob is not None
    blobs = [blob, *(BlobId(Random(number).randbytes(32)) for number in range(40))]
    made_up = [
        Traveller.in_blob(Who(meadow, f"imp {number}"), b"x", "bin", named)
        for number, named in enumerate(blobs)
    ]
    await alice.signs(
        *(
            replace(left(alice, bob, cheat, number, one.who), traveller=one)
            for number, one in enumerate(made_up)
        )
    )
    await bob.hears(alice)
    assert await bob.gates.answer(reef) == []
    assert bob.gates.wanted[blob] == Wanted(300_000, frozenset({cheat.name, honest.name}))
    assert len(bob.gates.wanted) == 24, "an honest gate has no more under way"
    asked = list[BlobId]()

    async def fetch(one: BlobId, size_bytes_max: int) -> None:
        asked.append(one)
        if one != blob:
            raise Unreachable("nobody has it", code="blob-unreachable")
        assert size_bytes_max == 300_000
        await bob.ferry.store.put_blob(whale.data)

    async def rest(seconds: float) -> None:
        await asyncio.sleep(0)

    events = Events()
    told = events.follow(0, ("traveller",))
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, events, fetch=fetch, pause=rest)
    task = asyncio.create_task(gates.run(rest))
    try:
        async with asyncio.timeout(60):
            while b'"kind":"arrival"' not in (await anext(told)).data:
                pass
    finally:
        await told.aclose()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert blob in asked[:4]
    assert await bob.sees(sent) == In(reef)


def test_of_several_who_name_one_blob_none_keeps_it_from_another() -> None:
    honest, cheat = (300_000, "passage:1"), (1, "passage:2")
    for first, second in ((honest, cheat), (cheat, honest)):
        both = Wanted(0, frozenset()).with_(*first).with_(*second)
        assert both == Wanted(300_000, frozenset({"passage:1", "passage:2"}))


def test_passages_take_turns_and_none_takes_all_places() -> None:
    turns = Turns()
    one, two, three, four, five, six = (BlobId(bytes([number]) * 32) for number in range(6))
    wanted = {each: Wanted(1, frozenset({"a"})) for each in (one, two, three, four, five)}
    assert turns.take(wanted, []) == [one, two, three], "a place is left for others"
    assert turns.take(wanted, [frozenset({"a"})] * 3) == []
    both = {**wanted, six: Wanted(1, frozenset({"b"}))}
    assert turns.take(both, [frozenset({"a"})] * 3) == [six]
    assert turns.take(both, [frozenset({"a"})] * 4) == []
    assert turns.take(both, [frozenset({"c"})] * 2) == [one, six], "whose turn was longest ago"
    turns.failed(one)
    assert turns.take(wanted, []) == [two, three, four]
    turns.failed(two)
    turns.came(two)
    assert turns.take(wanted, []) == [two, three, four]


def test_what_was_deleted_refuses_nobody_who_came_through_a_passage_of_nobodys() -> None:
    """Whoever makes passages up would fill its chain."""
    (both,) = passages_of([PROPOSED, ACCEPTED])
    gone = judge_of({PASSAGE: both}, (), {}, [], is_gone=True)
    assert gone(signed_departure(EEL, REEF, MEADOW)).word == "refuse"
    assert gone(signed_departure(EEL, REEF, VOID)).word == "wait", "it leads elsewhere"
    assert (
        judge_of({}, (), {}, [], is_gone=True)(signed_departure(EEL, REEF, MEADOW)).word == "wait"
    )
