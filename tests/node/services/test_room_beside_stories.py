"""Places are held for who may come back however much is read for the story of who travels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.keys import NamespaceKey
from node.services import gatebooks, passage_lists
from node.services.passages import create_passage
from node.services.passengers import Passenger
from node.services.travellers import Asked, who_waits
from registry.errors import CannotTravel
from registry.head import Words
from storage.listings import ListedRow
from tests.node.services.test_cost_of_a_look import comes_through
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import ANSWERS, goes, joined, places_free
from tests.node.services.test_rotted_gates import away, rots
from tests.node.services.test_travel import Person, opened
from tests.registry.attested import CAROL_DID
from tests.storage.people import NOW_US
from universe import room, shares
from universe.gate import Verdict
from universe.passage import Passage, Said
from universe.receipts import Who

LONG = 5
UNDER_WAY = 3


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", UNDER_WAY)
    monkeypatch.setattr(room, "FOR_ANSWERS", ANSWERS)
    monkeypatch.setattr(room, "FOR_OTHERS", 2)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 0)
    monkeypatch.setattr(room, "VALUES_MAX", 40)


async def hen_leaves(alice: Person, bob: Person, passage: Passage) -> Who:
    """From the meadow to bob's reef. With both her story goes through `LONG` and two universes."""
    way = [await alice.makes(f"universe:{number}") for number in range(LONG)]
    hen = Who(way[0], "hen")
    leaves = left(alice, bob, passage, 7, hen)
    await comes_through(alice, leaves, way)
    await alice.signs(leaves)
    await bob.hears(alice)
    return hen


async def test_a_person_lets_nobody_into_a_place_that_is_held_however_long_their_story_is(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    reef, far = bob.universe("universe:reef"), await alice.makes("universe:far")
    out = await joined(bob, alice, reef, far, 2)
    for number in (1, 2, 3):
        await goes(bob, out, number, "universe:reef")
    await hen_leaves(alice, bob, passage)
    monkeypatch.setattr(room, "VALUES_MAX", room.VALUES_MAX - await places_free(bob, reef) + 3)
    comes, _ = await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked())
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", LONG + 2)
    with pytest.raises(CannotTravel, match=r"room for 3 more receipts, 3 are under way"):
        await bob.gates.decide(reef, comes.id, Verdict("accept"), 1)
    monkeypatch.setattr(room, "VALUES_MAX", room.VALUES_MAX + 1)
    decided = await bob.gates.decide(reef, comes.id, Verdict("accept"), 1)
    assert decided.answer.receipt.kind == "arrival"


@pytest.mark.parametrize("is_long", [True, False])
async def test_who_is_sent_to_a_full_universe_is_counted_with_all_others_however_long_the_story_is(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    """Of who comes from where no more can be read as many count as may be under way."""
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    said = Said(
        source=await alice.makes("universe:glade"), target=meadow, type="bridge", stability=100,
        maintained_us=NOW_US, arrivals="accept",
    )  # fmt: skip
    near = await create_passage(alice.ferry, "passage:3", Words("Near"), said)
    await alice.gates.take_gate(alice.universe("universe:glade"))
    under_way = UNDER_WAY if is_long else 0
    for number in range(under_way):
        await goes(alice, near, number, "universe:glade")
    hen = await hen_leaves(alice, bob, passage)
    assert len(await bob.gates.answer(reef)) == 1
    who = Passenger(b"{}", "hen", origin=hen.origin) if is_long else Passenger(b"{}", "eel")
    most = room.VALUES_MAX - await places_free(bob, meadow) + ANSWERS
    monkeypatch.setattr(room, "VALUES_MAX", most + UNDER_WAY)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", LONG + 2 if is_long else 2)
    with pytest.raises(CannotTravel, match=r"meadow is full: .* 3 more receipts, and 3 are"):
        await bob.gates.send(passage, reef, bytes([8]) * 16, who, 2)
    monkeypatch.setattr(room, "VALUES_MAX", most + UNDER_WAY + 1)
    assert (await bob.gates.send(passage, reef, bytes([8]) * 16, who, 2)).is_new


async def test_who_is_sent_to_a_full_universe_is_counted_with_all_who_may_come_from_a_damaged_one(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has no passage with the universe that sends, and stops nobody who leaves that."""
    alice, bob = people
    passage = await opened(alice, bob)
    meadow = alice.universe("universe:meadow")
    said = Said(
        source=await alice.makes("universe:glade"), target=meadow, type="bridge", stability=100,
        maintained_us=NOW_US, arrivals="accept",
    )  # fmt: skip
    await create_passage(alice.ferry, "passage:3", Words("Near"), said)
    await alice.gates.take_gate(alice.universe("universe:glade"))
    await bob.hears(alice)
    rots(tmp_path / "bob", "universe:glade")
    most = room.VALUES_MAX - await places_free(bob, meadow) + ANSWERS
    monkeypatch.setattr(room, "VALUES_MAX", most + UNDER_WAY)
    with pytest.raises(CannotTravel, match=r"meadow is full: .* 3 more receipts, and 3 are"):
        await goes(bob, passage, 8, "universe:reef")
    monkeypatch.setattr(room, "VALUES_MAX", most + UNDER_WAY + 1)
    assert (await goes(bob, passage, 8, "universe:reef")).is_new
    monkeypatch.setattr(room, "VALUES_MAX", most + 3 * UNDER_WAY)
    assert (await goes(bob, passage, 9, "universe:reef")).is_new, "however many are under way"


async def test_however_many_passages_the_owner_of_a_universe_made_so_many_are_looked_up(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That by which somebody leaves is one of these, however much was said of others since."""
    monkeypatch.setattr(passage_lists, "AGREED_MAX", 4)
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    gone = [left(alice, bob, passage, n, Who(meadow, f"ant {n}")) for n in range(9)]
    await alice.signs(*(replace(one, other=f"{CAROL_DID}/universe:far") for one in gone))
    said = Said(source=meadow, target=reef, type="bridge")
    for number in range(12):
        await create_passage(alice.ferry, f"passage:x{number}", Words("Another"), said)
    await bob.hears(alice)
    for number in (1, 2):
        await goes(bob, passage, number, "universe:reef")
    most = room.VALUES_MAX - await places_free(bob, meadow) + ANSWERS
    monkeypatch.setattr(room, "VALUES_MAX", most + 2)
    asked, real = set[str](), bob.ferry.store.listing_each

    async def noted(
        kind: str, names: Sequence[tuple[str, str, NamespaceKey]]
    ) -> list[ListedRow | None]:
        asked.update(id for _, id, _ in names)
        return await real(kind, names)

    monkeypatch.setattr(bob.ferry.store, "listing_each", noted)
    with pytest.raises(CannotTravel, match=r"meadow is full: .* 2 more receipts, and 2 are"):
        await goes(bob, passage, 3, "universe:reef")
    assert len([id for id in asked if id.startswith("passage:x")]) == 4


async def test_who_left_for_where_too_much_depends_on_others_may_come_back(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    reef, far = bob.universe("universe:reef"), await alice.makes("universe:far")
    out = await joined(bob, alice, reef, far, 2)
    sent = await goes(bob, out, 1, "universe:reef")
    await alice.hears(bob)
    assert len(await alice.gates.answer(far)) == 1
    await bob.hears(alice)
    assert await away(bob, reef) == []
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 1)
    assert await away(bob, reef) == [sent.departure], "how it was answered is not read"
