"""Whatever strangers' travellers went through, and whatever rotted, one's own view is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from node.services import coming, crossings, gatebooks, histories
from node.services.crossings import Journeys
from node.services.histories import Told, told_around
from node.services.passages import document_of
from node.services.passengers import Passenger
from node.services.timelines import universe_named
from registry.head import Words
from tests.node.services.test_cost_of_a_look import comes_through
from tests.node.services.test_many_travellers import left
from tests.node.services.test_rotted_gates import owl_and_hen, rots
from tests.node.services.test_travel import Person, opened
from tests.registry.people import ALICE_LAPTOP
from tests.storage.people import NOW_US
from tests.universe.families import crossing, told
from tests.universe.worlds import PLAIN
from universe.event import Event, encode_event
from universe.passage import Passage
from universe.receipts import Who
from universe.record import Facts, add_event, fork_universe
from universe.snapshot import sign_snapshot
from universe.souls import follow


async def tells(by: Person, universe: str, event: Event) -> None:
    document = document_of(universe, "uni", COMMONS)
    edit = add_event(encode_event(event), now_us=NOW_US)
    await by.ferry.store.commit(document, edit, by.ferry.identity.signer)


async def told_of(by: Person, universe: str) -> Told:
    store = by.ferry.store
    store.quota = replace(store.quota, own=frozenset({by.ferry.identity.author}))
    await store.prepare_quota()
    row = await universe_named(store, universe, [COMMONS])
    assert row is not None
    return await told_around(by.ferry, row)


def stays(seen: Told, name: str) -> list[tuple[str, int, int | None]]:
    """(id of the universe, since, until)."""
    found = follow(name, seen.histories).stays
    return [(one.universe.partition("/")[2], one.since, one.until) for one in found]


async def from_afar(alice: Person, bob: Person, whos: int = 1) -> tuple[Passage, list[Who]]:
    """Bob's ant left his reef for the meadow, and to the reef imps of alice's came the long way."""
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    imps = [Who(way[0], f"imp {number}") for number in range(whos)]
    for number, who in enumerate(imps):
        leaves = left(alice, bob, passage, number, who)
        await comes_through(alice, leaves, way)
        await alice.signs(leaves)
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == whos
    await tells(bob, reef, told(3, "birth", "ant"))
    await bob.gates.send(passage, reef, bytes([7]) * 16, Passenger(b"{}", "ant"), 9)
    await alice.hears(bob)
    await alice.gates.answer(alice.universe("universe:meadow"))
    await bob.hears(alice)
    return passage, imps


async def test_a_strangers_story_that_is_too_long_takes_away_no_journey_of_ones_own(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    _, (imp,) = await from_afar(alice, bob)
    reef = bob.universe("universe:reef")
    whole = await told_of(bob, reef)
    assert (whole.is_whole, whole.left_out) == (True, ())
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    seen = await told_of(bob, reef)
    assert stays(seen, "ant") == [("universe:reef", 3, 9), ("universe:meadow", 0, None)]
    assert stays(seen, "ant") == stays(whole, "ant")
    assert (seen.is_whole, seen.left_out, seen.unread) == (False, (imp,), ())


async def test_where_not_all_can_be_read_together_ones_own_are_read_first_and_the_rest_is_named(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them costs all that is read."""
    alice, bob = people
    _, imps = await from_afar(alice, bob, 3)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    monkeypatch.setattr(coming, "READ_MAX", 1)
    for universe in (bob.universe("universe:reef"), alice.universe("universe:meadow")):
        seen = await told_of(bob, universe)
        assert stays(seen, "ant") == [("universe:reef", 3, 9), ("universe:meadow", 0, None)]
        assert (seen.is_whole, seen.left_out) == (False, tuple(imps))


async def test_journeys_of_others_take_no_room_from_ones_own(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    _, (imp,) = await from_afar(alice, bob)
    reef = bob.universe("universe:reef")
    for most, left_out in ((10, ()), (9, (imp,)), (1, (imp,)), (0, (Who(reef, "ant"), imp))):
        monkeypatch.setattr(crossings, "CROSSINGS_MAX", most)
        seen = await told_of(bob, reef)
        assert (seen.left_out, seen.is_whole) == (left_out, most == 10)
        assert len(seen.histories.crossings) == (10 if most == 10 else min(most, 1))


async def test_whom_a_stranger_makes_up_of_ones_own_world_takes_nothing_from_who_is_of_it(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from the stranger's world, where they are named before it."""
    alice, bob = people
    passage, (imp,) = await from_afar(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    await bob.gates.send(passage, reef, bytes([8]) * 16, Passenger(b"{}", "aa"), 9)
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    ghosts = [Who(reef, f"ab {number}") for number in range(3)]
    await alice.signs(*(left(alice, bob, passage, 50 + n, who) for n, who in enumerate(ghosts)))
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    monkeypatch.setattr(coming, "READ_MAX", 1)
    seen = await told_of(bob, meadow)
    assert stays(seen, "ant") == [("universe:reef", 3, 9), ("universe:meadow", 0, None)]
    assert seen.left_out == tuple(sorted([*ghosts, imp]))
    journeys = Journeys(bob.ferry, {bob.ferry.did})
    found = await journeys.through([meadow, reef], COMMONS)
    assert [one.soul for one in journeys.crossings] == ["aa", "ant"]
    assert sorted(one.soul for one in found) == ["aa", "ant"]
    assert {*journeys.left_out} == {*ghosts[1:], imp}
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 1)
    monkeypatch.setattr(coming, "READ_MAX", 0)
    unread = Journeys(bob.ferry, {bob.ferry.did})
    gone = await unread.through([meadow, reef], COMMONS)
    assert [(one.soul, one.target, one.arrived_tick) for one in gone] == [
        ("aa", meadow, None), ("ant", meadow, None),
    ]  # fmt: skip
    assert unread.left_out[:2] == (Who(reef, "aa"), Who(reef, "ant"))
    assert {*unread.left_out[2:]} == {*ghosts, imp}


async def test_what_rotted_on_a_strangers_way_takes_away_nobody_elses_journey(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage = await owl_and_hen(alice, bob)
    meadow, far = alice.universe("universe:meadow"), alice.universe("universe:far")
    reef = bob.universe("universe:reef")
    await bob.gates.answer(reef)
    await tells(bob, reef, told(3, "birth", "ant"))
    await bob.gates.send(passage, reef, bytes([7]) * 16, Passenger(b"{}", "ant"), 9)
    rots(tmp_path / "bob", "universe:far")
    seen = await told_of(bob, reef)
    assert stays(seen, "ant") == [("universe:reef", 3, 9)]
    assert [one.universe for one in follow("hen", seen.histories).stays] == [meadow, reef]
    assert (seen.is_whole, seen.left_out, seen.unread) == (False, (Who(far, "owl"),), ())


async def test_of_whoever_went_where_all_is_rotted_it_is_told_that_they_left(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    """Else the ant would be said to be at home still."""
    alice, bob = people
    await from_afar(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    rots(tmp_path / "bob", "universe:meadow")
    seen = await told_of(bob, reef)
    ant = follow("ant", seen.histories)
    assert [(one.universe, one.since, one.until, one.went_to) for one in ant.stays] == [
        (reef, 3, 9, meadow)
    ]
    assert [one.target for one in ant.in_transit] == [meadow]
    assert Who(reef, "ant") in seen.left_out
    assert (seen.is_whole, seen.unread) == (False, (meadow,))
    of_it = await told_of(bob, meadow)
    assert (of_it.is_whole, of_it.unread, of_it.left_out) == (False, (meadow,), ())


async def test_who_is_at_home_again_by_its_own_gate_is_there_though_its_way_cannot_be_read(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    await tells(bob, reef, told(3, "birth", "ant"))
    await bob.gates.send(passage, reef, bytes([7]) * 16, Passenger(b"{}", "ant"), 9)
    await alice.hears(bob)
    await alice.gates.answer(meadow)
    goes = replace(left(alice, bob, passage, 8, Who(reef, "ant")), tick=12)
    await alice.signs(goes)
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 1
    whole = stays(await told_of(bob, reef), "ant")
    assert [one[0] for one in whole] == ["universe:reef", "universe:meadow", "universe:reef"]
    rots(tmp_path / "bob", "universe:meadow")
    seen = await told_of(bob, reef)
    assert stays(seen, "ant") == [("universe:reef", 3, None)]
    assert seen.left_out == (Who(reef, "ant"),)


async def forks(by: Person, universe: str, id: str) -> str:
    """At tick 1,000."""
    edit = fork_universe(
        Words("Fork"), Facts(owner="player:x"), universe, sign_snapshot(PLAIN, ALICE_LAPTOP),
        now_us=NOW_US,
    )  # fmt: skip
    name = by.universe(id)
    await by.ferry.store.commit(document_of(name, "uni", COMMONS), edit, by.ferry.identity.signer)
    return name


async def test_a_guest_who_came_through_many_universes_takes_the_place_of_no_fork_of_ones_own(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    await from_afar(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    await tells(bob, reef, told(3, "birth", "bee"))
    fork = await forks(bob, reef, "universe:z")
    farther = await forks(bob, fork, "universe:zz")
    everywhere = [("universe:reef", 3), ("universe:z", PLAIN.tick), ("universe:zz", PLAIN.tick)]
    for most in (64, 5):
        monkeypatch.setattr(histories, "UNIVERSES_MAX", most)
        for universe in (reef, fork, farther):
            seen = await told_of(bob, universe)
            assert [one[:2] for one in stays(seen, "bee")] == everywhere
            assert len(seen.histories.universes()) == min(most, 12)
            assert seen.is_whole == (most == 64)
    for at in (*(alice.universe(f"universe:{n}") for n in range(8)), meadow):
        await tells(alice, at, told(1, "harvest", "corn"))
    await tells(bob, farther, told(PLAIN.tick + 1, "death", "bee"))
    await bob.hears(alice)
    monkeypatch.setattr(histories, "UNIVERSES_MAX", 64)
    monkeypatch.setattr(histories, "EVENTS_MAX", 6)
    seen = await told_of(bob, reef)
    assert stays(seen, "bee")[-1] == ("universe:zz", PLAIN.tick, PLAIN.tick + 1)
    assert not seen.is_whole


async def test_ones_own_and_what_they_were_forked_from_come_before_what_strangers_fork(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their parent is theirs alone to fork from what they like."""
    alice, bob = people
    before = await alice.makes("universe:p")
    parent = await forks(alice, before, "universe:a")
    await bob.hears(alice)
    mine = [await forks(bob, parent, id) for id in ("universe:z", "universe:zz")]
    theirs = [await forks(alice, mine[0], f"universe:a{number}") for number in range(3)]
    for tick in range(3):
        await tells(alice, parent, told(tick, "birth", f"bee {tick}"))
    await tells(bob, mine[1], told(PLAIN.tick, "birth", "ant"))
    await bob.hears(alice)
    monkeypatch.setattr(histories, "UNIVERSES_MAX", 3)
    seen = (await told_of(bob, mine[0])).histories
    assert {*seen.universes()} == {parent, *mine}
    of_it = (await told_of(bob, parent)).histories
    assert {parent, before} < {*of_it.universes()}
    monkeypatch.setattr(histories, "UNIVERSES_MAX", 64)
    whole = await told_of(bob, mine[0])
    assert {*whole.histories.universes()} == {before, parent, *mine, *theirs}
    assert whole.is_whole
    monkeypatch.setattr(histories, "EVENTS_MAX", 2)
    seen = (await told_of(bob, mine[0])).histories
    assert [len(seen.events(one)) for one in (parent, mine[1])] == [1, 1]


async def test_who_is_sent_home_under_one_migration_with_another_is_at_home(
    people: tuple[Person, Person],
) -> None:
    """The partner's gate names a migration as it likes. Bob's let them in, each for itself."""
    alice, bob = people
    passage = await opened(alice, bob)
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    for number, soul in enumerate(("ant", "bee")):
        await tells(bob, reef, told(3, "birth", soul))
        migration = bytes([number]) * 16
        await bob.gates.send(passage, reef, migration, Passenger(b"{}", soul), 9)
    await alice.hears(bob)
    assert len(await alice.gates.answer(meadow)) == 2
    await alice.signs(*(left(alice, bob, passage, 8, Who(reef, soul)) for soul in ("ant", "bee")))
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 2
    seen = await told_of(bob, reef)
    for soul in ("ant", "bee"):
        assert follow(soul, seen.histories).present == (reef,)
        assert [one[0] for one in stays(seen, soul)] == [
            "universe:reef", "universe:meadow", "universe:reef",
        ]  # fmt: skip


async def test_where_a_traveller_is_told_of_in_two_namespaces_the_same_one_is_the_last(
    people: tuple[Person, Person],
) -> None:
    """Each has a universe of that name: whichever was read first."""
    alice, bob = people
    reef, meadow = bob.universe("universe:reef"), alice.universe("universe:meadow")
    here, there = NamespaceKey(bytes(32)), NamespaceKey(b"\1" * 32)
    ways = {here: crossing(reef, meadow, 1, 2), there: crossing(reef, meadow, 1, 3)}
    for places in ((here, there), (there, here)):
        journeys = Journeys(bob.ferry, {bob.ferry.did})
        journeys.ways = {(place, Who(reef, "eve")): [ways[place]] for place in places}
        assert journeys.crossings == [ways[here], ways[there]]
