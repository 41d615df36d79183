"""What gates of others answered to a player's travellers, read from the records that are held."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.keys import COMMONS
from node.config import Config
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from node.quotas import quota_of
from node.services.passages import Ferry, create_passage, document_of
from node.services.players import reputation
from registry.head import Words
from storage.store import open_store
from tests.node.services.test_travel import FOX, Person, opened, sends
from tests.storage.people import NOW_US
from universe.gate import Verdict
from universe.passage import Said
from universe.record import Facts, create_universe


@pytest_asyncio.fixture
async def travellers(tmp_path: Path) -> AsyncGenerator[list[Person]]:
    """Alice with a meadow, bob with a reef, and carol, who has heard of nobody."""
    async with AsyncExitStack() as stack:
        found: list[Person] = []
        for name, id in (("alice", "universe:meadow"), ("bob", "universe:reef"), ("carol", "c")):
            home = Home(tmp_path / name)
            home.make()
            identity = load_or_create(home, os.urandom)
            store = await stack.enter_async_context(
                open_store(
                    home.database,
                    project=project,
                    clock_us=lambda: NOW_US,
                    quota=quota_of(Config().quota, identity.author),
                )
            )
            found.append(Person(Ferry(store, identity, lambda: NOW_US)))
            edit = create_universe(Words(id), Facts(visibility="public"), now_us=NOW_US)
            place = document_of(found[-1].universe(id), "uni", COMMONS)
            await store.commit(place, edit, identity.signer)
        yield found


async def test_who_let_her_travellers_in_and_who_did_not(travellers: list[Person]) -> None:
    alice, bob, carol = travellers
    her = alice.ferry.did
    passage = await opened(alice, bob, arrivals="ask")
    reef = bob.universe("universe:reef")
    for migration, verdict in ((1, Verdict("refuse", "no room")), (2, Verdict("accept"))):
        sent = await sends(alice, passage, migration)
        await bob.hears(alice)
        await bob.gates.decide(reef, sent.departure.id, verdict, 5)
        await alice.hears(bob)
        await alice.gates.answer(alice.universe("universe:meadow"))
    await carol.hears(alice)
    await carol.hears(bob)
    own = await reputation(bob.ferry, her)
    assert [(line.kind, line.signers, line.count) for line in own.followed] == [
        ("arrived", 1, 1), ("turned-back", 1, 1),
    ]  # fmt: skip
    (refused,) = own.followed[1].facts
    assert (refused.by, refused.of, refused.said) == (bob.ferry.did, reef, "no room")
    far = await reputation(carol.ferry, her)
    assert (far.followed, far.strangers) == ((), own.followed), "to carol bob is a stranger"
    await carol.ferry.store.set_petname("bob", bob.ferry.did)
    assert (await reputation(carol.ferry, her)).followed == own.followed
    assert (await reputation(carol.ferry, bob.ferry.did)).strangers == ()


async def kinds(person: Person, author: str) -> tuple[list[tuple[str, int]], bool]:
    """(kind, count) of what followed authors, then strangers say; whether all was looked at."""
    found = await reputation(person.ferry, author)
    lines = (*found.followed, *found.strangers)
    return [(line.kind, line.count) for line in lines], found.whole


async def test_universes_that_she_makes_hide_nothing_that_others_signed(
    travellers: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, carol = travellers
    her, meadow = alice.ferry.did, alice.universe("universe:meadow")
    passage = await opened(alice, bob, arrivals="ask")
    sent = await sends(alice, passage)
    await bob.hears(alice)
    reef = bob.universe("universe:reef")
    await bob.gates.decide(reef, sent.departure.id, Verdict("refuse", "no room"), 5)
    await alice.hears(bob)
    await alice.gates.answer(meadow)

    async def told() -> None:
        await bob.hears(alice)
        await carol.hears(alice)
        await carol.hears(bob)

    for number in range(9):  # without a gate, and with one that signed nothing
        await alice.makes(f"universe:z{number}")
    for number in range(3):
        await alice.gates.take_gate(alice.universe(f"universe:z{number}"))
    await told()
    refused = [("turned-back", 1)]
    assert await kinds(bob, her) == await kinds(carol, her) == (refused, True)
    monkeypatch.setattr("node.services.journeys.LEFT_MAX", 1)
    # A passage of her own, with a traveller: both ends have receipts, and are newer.
    one, other = alice.universe("universe:z1"), alice.universe("universe:z2")
    said = Said(source=one, target=other, type="bridge", maintained_us=NOW_US)
    own = await create_passage(alice.ferry, "passage:own", Words("Own"), said)
    await alice.gates.send(own, one, bytes([9]) * 16, FOX, 1)
    await alice.gates.answer(other)
    await told()
    assert await kinds(bob, her) == await kinds(carol, her) == (refused, False)
    await alice.deletes(meadow)
    await told()
    assert await kinds(bob, her) == await kinds(carol, her) == (refused, False)
    monkeypatch.setattr("node.services.journeys.LEFT_MAX", 32)
    assert await kinds(bob, her) == await kinds(carol, her) == (refused, True)


async def test_of_what_was_not_looked_at_it_is_not_said_that_there_is_nothing(
    travellers: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, carol = travellers
    passage = await opened(alice, bob)
    await sends(alice, passage)
    await bob.hears(alice)
    await bob.gates.answer(bob.universe("universe:reef"))
    await carol.hears(alice)
    await carol.hears(bob)
    her = alice.ferry.did
    assert await kinds(carol, her) == ([("arrived", 1)], True)
    for bound in ("LEFT_MAX", "ANSWERING_MAX", "FAR_RECEIPTS_MAX", "FAR_BYTES_MAX", "PAGES_MAX"):
        with monkeypatch.context() as patched:
            patched.setattr(f"node.services.journeys.{bound}", 0)
            # By a passage with bob the meadow is found all the same, also with no page looked at.
            found = [("arrived", 1)] if bound == "PAGES_MAX" else []
            assert await kinds(carol, her) == (found, False), bound
    with monkeypatch.context() as patched:  # what those who count agreed to is read all the same
        patched.setattr("node.services.journeys.FAR_RECEIPTS_MAX", 0)
        assert await kinds(bob, her) == ([("arrived", 1)], True)
