"""Which universes are a player's, and when the author signed last."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.projection import project
from registry.head import Words
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, Person
from universe.player import register_player
from universe.record import Facts, create_universe

ME, OTHER = "player:me", "player:other"
OTHER_PLACE = NamespaceKey(bytes([7]) * 32)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        yield store


def universe(who: Person, id: str, owner: str | None, *, at_us: int = 5) -> SignedEntry:
    document = DocumentId(COMMONS, AuthorKey(who.root.public), "pub", "uni", id.encode())
    edit = create_universe(Words(id), Facts(owner=owner, visibility="public"), now_us=at_us)
    return who.writes(document, edit)[0]


async def test_a_players_universes_are_those_that_name_the_player_or_nobody_else(
    store: Store,
) -> None:
    assert await store.last_signed_us(ALICE.did) == 0
    received = await store.receive(
        [
            universe(ALICE, "c", ME), universe(ALICE, "a", None, at_us=9),
            universe(ALICE, "b", ALICE.did), universe(ALICE, "d", OTHER),
            universe(BOB, "e", ME, at_us=99),
        ],
        source="somebody",
    )  # fmt: skip
    assert not received.refused
    rows = await store.universes_of_player(ALICE.did, ME)
    assert [row.listing.record for row in rows] == ["a", "b", "c"], "bob may say what he likes"
    assert await store.count_universes(ALICE.did, ME) == 3
    assert await store.count_universes(ALICE.did, OTHER) == 3
    assert await store.count_universes(ALICE.did, "player:nobody") == 2
    (one,) = await store.universes_of_player(ALICE.did, ME, limit=1, after=("a", rows[0].number))
    assert one.listing.record == "b"
    assert await store.universes_of_player(ALICE.did, ME, (OTHER_PLACE,)) == []
    assert await store.last_signed_us(ALICE.did) == 9


async def test_whom_universes_name_and_nobody_registered_counts_once_of_each_author(
    store: Store,
) -> None:
    assert await store.count_unregistered() == 0
    me = DocumentId(COMMONS, AuthorKey(ALICE.root.public), "pub", "player", ME.encode())
    received = await store.receive(
        [
            universe(ALICE, "a", ME), universe(ALICE, "b", OTHER), universe(ALICE, "c", OTHER),
            universe(ALICE, "d", None), universe(ALICE, "e", ALICE.did),
            universe(ALICE, "f", f"{BOB.did}/{ME}"), universe(BOB, "a", ME),
            ALICE.writes(me, register_player("Me", now_us=5))[0],
        ],
        source="somebody",
    )  # fmt: skip
    assert not received.refused
    assert await store.count_unregistered() == 2, "her other player, and his"
    assert await store.count_unregistered((OTHER_PLACE,)) == 0
