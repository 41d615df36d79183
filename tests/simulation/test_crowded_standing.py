"""Keys are free: whoever makes many records hides nobody from a standing, and renames nobody."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest_asyncio

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS
from node.services.challenges import genome_names, standing
from registry import genome
from registry.content import Content
from registry.head import Words
from registry.listings import project
from storage.store import Store, open_store
from tests.registry.test_challenge import TERMS
from tests.simulation.test_standing import BOB, IN_TIME, enters
from tests.storage.people import NOW_US, Person, person

# By did:key, which anybody may grind: whatever is read in that order, MALLORY is read before ANNA.
MALLORY, *_, ANNA = sorted((person(number) for number in range(20, 30)), key=lambda one: one.did)
OWN = person(61).did


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as opened:
        await opened.set_petname("bob", BOB.did)
        yield opened


async def receive(store: Store, entries: Sequence[SignedEntry]) -> None:
    assert not (await store.receive(entries, source="somebody")).refused


def publishes(who: Person, content: Content, name: str) -> list[SignedEntry]:
    document = DocumentId(COMMONS, who.signer.author, genome.CLASS, genome.KIND, content.identity)
    edit = genome.publish_genome(content, Words(name), genome.Facts(), now_us=NOW_US)
    return who.writes(document, edit)


async def test_an_entrant_is_called_what_followed_authors_call_it(store: Store) -> None:
    content = Content.of(b"bo$2bo$3o!")
    await receive(store, publishes(MALLORY, content, "Buy coins"))
    await receive(store, enters(BOB, content.identity, (5, 5), IN_TIME))
    found = (await standing(store, OWN, TERMS)).entrants
    assert await genome_names(store, found, COMMONS) == {content.id: "Buy coins"}
    await receive(store, publishes(ANNA, content, "Glider"))
    await store.set_petname("anna", ANNA.did)
    assert await genome_names(store, found, COMMONS) == {content.id: "Glider"}
