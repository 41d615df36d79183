"""What gates of others answered to a player's travellers, read from the records that are held."""

import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from crdt.keys import COMMONS
from node.config import Config
from node.home import Home
from node.identity import load_or_create
from node.projection import project
from node.quotas import quota_of
from node.services.passages import Ferry, document_of
from node.services.players import reputation
from registry.head import Words
from storage.store import open_store
from tests.node.services.test_travel import Person, opened, sends
from tests.storage.people import NOW_US
from universe.gate import Verdict
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
