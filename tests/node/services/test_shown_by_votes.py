"""Of two things that a gate says, people are shown the one by which gates act."""

from dataclasses import replace

import pytest

from crdt.document import Editor
from crdt.keys import COMMONS
from node.services import gatebooks, journeys, timelines
from node.services.journeys import journeys_of
from node.services.passages import document_of
from node.services.timelines import timeline_of
from storage.listings import ListedRow
from tests.node.services.test_cheats import equivocates, home_passage, line_at, writes
from tests.node.services.test_cost_of_a_look import reads_of
from tests.node.services.test_many_travellers import left
from tests.node.services.test_travel import Person, opened
from tests.registry.attested import CAROL_DID
from tests.storage.people import NOW_US
from universe.receipts import Receipt, Traveller, Who, check_receipt, sign_receipt
from universe.record import WORD


async def row_of(by: Person, universe: str) -> ListedRow:
    author, _, id = universe.partition("/")
    row = await by.ferry.store.listing(WORD, author, id, COMMONS)
    assert row is not None
    return row


async def receipts_shown(by: Person, universe: str) -> list[bytes]:
    line = await timeline_of(by.ferry, await row_of(by, universe))
    return [one.receipt for one in line.entries if one.receipt is not None]


def lets_in(departure: Receipt, id: bytes) -> Receipt:
    return replace(
        departure, kind="arrival", universe=departure.other, other=departure.universe,
        answers=id, traveller=departure.traveller.told,
    )  # fmt: skip


async def test_a_timeline_has_the_receipt_that_others_built_on(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    await home_passage(bob)
    meadow, lagoon = alice.universe("universe:meadow"), bob.universe("universe:lagoon")
    hen = replace(left(alice, bob, passage, 0, Who(meadow, "hen")), other=lagoon)
    first, second = await equivocates(alice, [hen])
    await bob.hears(alice)
    assert await receipts_shown(bob, meadow) == [first.id], "by their ids, while nobody answers"
    await bob.signs(lets_in(hen, second.id))
    acted_on = [one.id for one in (await line_at(bob, meadow)).receipts]
    assert await receipts_shown(bob, meadow) == acted_on == [second.id]


async def test_a_timeline_asks_so_many_of_whom_a_gate_names_ones_own_first(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says that it did not ask all of them."""
    alice, bob = people
    passage = await opened(alice, bob)
    await home_passage(bob)
    meadow, lagoon = alice.universe("universe:meadow"), bob.universe("universe:lagoon")
    hen = replace(left(alice, bob, passage, 0, Who(meadow, "hen")), other=lagoon)
    named = [
        replace(hen, other=f"{CAROL_DID}/universe:{number}", migration=number.to_bytes(16))
        for number in range(1, 31)
    ]
    _, second, *_ = await equivocates(alice, [hen, *named])
    await bob.hears(alice)
    await bob.signs(lets_in(hen, second.id))
    row = await row_of(bob, meadow)
    assert (await timeline_of(bob.ferry, row)).is_whole
    monkeypatch.setattr(timelines, "VOTING_MAX", 4)
    reads = reads_of(bob, monkeypatch)
    line = await timeline_of(bob.ferry, row)
    assert reads.total() == 5
    assert second.id in {one.receipt for one in line.entries}
    assert not line.is_whole


async def test_a_timeline_says_that_it_did_not_ask_all_where_too_much_stands_in_their_documents(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One's own are asked first."""
    alice, bob = people
    passage = await opened(alice, bob)
    await home_passage(bob)
    meadow, lagoon = alice.universe("universe:meadow"), bob.universe("universe:lagoon")
    hen = replace(left(alice, bob, passage, 0, Who(meadow, "hen")), other=lagoon)
    named = replace(hen, other=f"{CAROL_DID}/universe:0", migration=bytes([1]) * 16)
    _, second, _ = await equivocates(alice, [hen, named])
    await bob.hears(alice)
    await bob.signs(lets_in(hen, second.id))
    row, held = await row_of(bob, meadow), 1 + 3  # a hand-over, and receipts
    for most, is_whole in ((held + 3, True), (held + 2, False), (held, False)):
        monkeypatch.setattr(gatebooks, "RECEIPTS_MAX", most)
        line = await timeline_of(bob.ferry, row)
        assert line.is_whole == is_whole
        assert (second.id in {one.receipt for one in line.entries}) == (most > held)


async def answered(by: Person, author: str) -> list[tuple[str, str]]:
    """(kind, departure) of what gates of others answered, as a reputation has it."""
    facts, is_whole = await journeys_of(by.ferry, author, [by.ferry.did])
    assert is_whole
    return [(one.kind, one.part) for one in facts]


async def test_what_a_gate_signed_is_shown_though_its_owner_names_no_gate(
    people: tuple[Person, Person],
) -> None:
    """Its row says that it has none, and its hand-overs are there; no passage is listed."""
    alice, bob = people
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    await alice.gates.take_gate(meadow)
    await bob.gates.take_gate(reef)
    device = alice.ferry.identity.device.public
    fox = Receipt(
        kind="departure", universe=meadow, other=reef, gate=device, epoch=1, seq=1,
        prev=bytes(32), migration=bytes(16), passage=f"{alice.ferry.did}/passage:1",
        traveller=Traveller.of(Who(meadow, "fox"), b"x", "json"), tick=0, at_us=NOW_US,
    )  # fmt: skip
    await alice.signs(fox)
    (went,) = (await line_at(alice, meadow)).receipts

    def unnamed(editor: Editor) -> None:
        editor.delete(("body", "gate"))

    document = document_of(meadow, "uni", COMMONS)
    await alice.ferry.store.commit(document, unnamed, alice.ferry.identity.signer)
    await bob.hears(alice)
    assert await receipts_shown(bob, meadow) == [went.id]
    await bob.signs(lets_in(fox, went.id))
    assert await answered(bob, alice.ferry.did) == [("arrived", went.id.hex())]


async def test_a_reputation_has_the_journey_that_others_answered(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is her word alone that the hen went elsewhere."""
    alice, bob = people
    passage = await opened(alice, bob)
    await home_passage(bob)
    meadow, lagoon = alice.universe("universe:meadow"), bob.universe("universe:lagoon")
    hen, device = left(alice, bob, passage, 0, Who(meadow, "hen")), alice.ferry.identity.device
    ways = [
        [
            sign_receipt(replace(hen, other=other, gate=device.public, at_us=n), device)
            for other in (f"{CAROL_DID}/universe:void", lagoon)
        ]
        for n in range(64)
    ]
    (elsewhere, to_lagoon) = next(pair for pair in ways if pair[0].id < pair[1].id)
    await writes(alice, meadow, [elsewhere, to_lagoon])
    await bob.hears(alice)
    assert await answered(bob, alice.ferry.did) == []
    went = check_receipt(to_lagoon)
    await bob.signs(lets_in(went.receipt, went.id))
    assert [one.id for one in (await line_at(bob, meadow)).receipts] == [went.id]
    assert await answered(bob, alice.ferry.did) == [("arrived", went.id.hex())]
    monkeypatch.setattr(journeys, "VOTING_MAX", 0)
    assert await journeys_of(bob.ferry, alice.ferry.did, [bob.ferry.did]) == ([], False)
