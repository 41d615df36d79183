"""One author keeps the same record in commons and in a group: neither is taken for the other."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.change import Signer, device_capabilities
from crdt.document import Editor
from crdt.keys import COMMONS, DeviceKey, NamespaceKey
from storage.list_pages import Sort
from storage.listings import ListedRow
from storage.search_index import SearchIndex, open_search_index
from storage.store import Store
from tests.storage.people import ALICE, BOB, Person, named, rated, tagged

GROUP, OTHER = (NamespaceKey(bytes([byte]) * 32) for byte in (2, 4))
"""Communal, and not commons."""
BOTH = (COMMONS, GROUP)
CLOCK = f"{ALICE.did}/io.alice.clock"


def hand(person: Person, namespace: NamespaceKey) -> Signer:
    device = DeviceKey(person.signer.device.public)
    return replace(person.signer, capabilities=device_capabilities(person.root, device, namespace))


async def publish(store: Store, namespace: NamespaceKey, name: str, **head: str | int) -> None:
    document = ALICE.document("io.alice.clock", namespace=namespace)
    signer = hand(ALICE, namespace)
    await store.commit(document, named(name, **head), signer)
    await store.commit(document, tagged(name), signer)


async def rate(store: Store, namespace: NamespaceKey, stars: int) -> None:
    document = BOB.document(CLOCK, cls="rate", namespace=namespace)
    await store.commit(document, rated(stars, installs=stars), hand(BOB, namespace))


@pytest.fixture
async def both(store: Store) -> Store:
    await publish(store, COMMONS, "public", at=7)
    await publish(store, GROUP, "private", at=7)
    return store


@pytest.fixture
async def index(tmp_path: Path, both: Store) -> AsyncGenerator[SearchIndex]:
    async with open_search_index(tmp_path / "index", both) as opened:
        yield opened


def shown(rows: "tuple[ListedRow, ...] | list[ListedRow]") -> list[tuple[str, NamespaceKey]]:
    return [(row.listing.name, row.namespace) for row in rows]


async def test_lists_show_commons_unless_others_are_named(both: Store) -> None:
    assert shown((await both.listings()).rows) == [("public", COMMONS)]
    assert shown((await both.listings(namespaces=[GROUP])).rows) == [("private", GROUP)]
    assert len((await both.listings("module", namespaces=BOTH)).rows) == 2
    assert (await both.listings(namespaces=[OTHER])).rows == ()
    assert (await both.listings(tag="private")).rows == ()
    assert await both.count_listings() == 1
    assert await both.count_listings(tag="private", namespaces=BOTH) == 1


async def test_one_record_is_that_of_its_namespace(both: Store) -> None:
    author, record = ALICE.did, "io.alice.clock"
    public = await both.listing("module", author, record)
    private = await both.listing("module", author, record, GROUP)
    assert public
    assert private
    assert shown([public, private]) == [("public", COMMONS), ("private", GROUP)]
    assert await both.listing("module", author, record, OTHER) is None
    assert shown(await both.candidates("module", record)) == [("public", COMMONS)]
    assert shown(await both.candidates("module", record, GROUP)) == [("private", GROUP)]


async def test_ratings_count_where_they_were_said(both: Store) -> None:
    await rate(both, COMMONS, 5)
    await rate(both, GROUP, 2)

    async def told(namespace: NamespaceKey) -> tuple[int, int, int]:
        row = await both.listing("module", ALICE.did, "io.alice.clock", namespace)
        assert row
        return row.stars_sum, row.stars_count, row.installs

    assert (await told(COMMONS), await told(GROUP)) == ((5, 1, 5), (2, 1, 2))
    assert [one.stars for one in await both.ratings(CLOCK)] == [5]
    assert [one.stars for one in await both.ratings(CLOCK, namespace=GROUP)] == [2]
    await both.rematerialise()
    assert (await told(COMMONS), await told(GROUP)) == ((5, 1, 5), (2, 1, 2))


async def test_a_rating_that_is_taken_back_is_taken_back_there(both: Store) -> None:
    await rate(both, COMMONS, 5)
    await rate(both, GROUP, 2)

    def take_back(editor: Editor) -> None:
        editor.put(("rating", "stars"), None)

    document = BOB.document(CLOCK, cls="rate", namespace=GROUP)
    await both.commit(document, take_back, hand(BOB, GROUP))
    rows = (await both.listings(namespaces=BOTH)).rows
    assert {row.namespace: row.stars_count for row in rows} == {COMMONS: 1, GROUP: 0}


@pytest.mark.parametrize("sort", ["recent", "rating", "downloads", "name"])
async def test_pages_over_namespaces_neither_skip_nor_repeat_what_ties(
    store: Store, sort: Sort
) -> None:
    everywhere = (OTHER, COMMONS, GROUP)
    for namespace in everywhere:
        await publish(store, namespace, "same", at=7)
    whole = shown((await store.listings(sort=sort, namespaces=everywhere)).rows)
    assert len(set(whole)) == 3
    paged: list[tuple[str, NamespaceKey]] = []
    cursor: str | None = None
    for _ in range(3):
        page = await store.listings(sort=sort, namespaces=everywhere, limit=1, cursor=cursor)
        paged += shown(page.rows)
        cursor = page.next
    assert cursor is None
    assert paged == whole


async def test_a_search_finds_in_the_namespaces_that_it_names(index: SearchIndex) -> None:
    async def found(text: str, *namespaces: NamespaceKey) -> list[tuple[str, NamespaceKey]]:
        hits = await index.search(text, namespaces=namespaces or (COMMONS,))
        assert hits.total == len(hits.hits)
        return shown([hit.row for hit in hits.hits])

    for text in ("clock", ""):
        assert await found(text) == [("public", COMMONS)]
        assert await found(text, GROUP) == [("private", GROUP)]
        assert sorted(await found(text, *BOTH)) == [("private", GROUP), ("public", COMMONS)]
        assert await found(text, OTHER) == []
    assert await found("private") == []


async def test_who_wrote_in_a_namespace_is_known(both: Store) -> None:
    await rate(both, GROUP, 5)
    assert await both.authors_in([GROUP]) == [ALICE.root.public, BOB.root.public], (
        "who wrote most is first"
    )
    assert await both.authors_in([COMMONS, OTHER]) == [ALICE.root.public]
    assert await both.authors_in([GROUP, COMMONS], 1) == [ALICE.root.public]
    assert await both.authors_in([]) == []
