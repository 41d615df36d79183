"""A blob that a person waits for while this node keeps it for others: it is the person's."""

from functools import partial

import pytest

from crdt.blob import BlobId, manifest_of
from crdt.keys import AuthorKey
from storage import blob_rows
from storage.database import Database
from storage.store import Store
from tests.storage.people import ALICE
from tests.storage.test_kept import BLOB, WASM, fetched, kept_for, names

HERS = AuthorKey(ALICE.root.public)
MANIFEST = manifest_of(WASM)


async def test_what_is_begun_while_a_person_waits_for_it_is_theirs(store: Store) -> None:
    """Whoever stops it, and the process that is killed, leaves a part that nothing takes away."""
    with store.keeping(BLOB, HERS), store.asking(BLOB):
        await store.begin_blob(BLOB, MANIFEST.root)
    assert not await store.kept_blobs()
    with store.keeping(BLOB, HERS):
        await fetched(store, WASM)
    assert not await store.kept_blobs(), "it goes on with what was theirs"


async def test_who_asks_while_its_root_waits_to_be_written_has_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is, is read when the root is written."""
    lazily = Database.lazily

    async def late(database: Database, work: partial[object]) -> object:
        with store.asking(BLOB):
            return await lazily(database, work)

    monkeypatch.setattr(Database, "lazily", late)
    with store.keeping(BLOB, HERS):
        await store.begin_blob(BLOB, MANIFEST.root)
    assert not await store.kept_blobs()


async def test_what_one_asks_for_is_no_reason_for_another(store: Store) -> None:
    with store.asking(BlobId(b"o" * 32)):
        await kept_for(store, WASM)
    with store.asking(BLOB), store.asking(BLOB):
        pass
    assert [one.id for one in await store.kept_blobs()] == [BLOB]


@pytest.mark.parametrize("how", ["asked", "kept"])
async def test_what_is_being_fetched_neither_gc_nor_others_take_away(
    store: Store, how: str
) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    with store.keeping(BLOB, HERS):
        await store.begin_blob(BLOB, MANIFEST.root)
    await store.note_unnamed([BLOB])
    during = store.asking(BLOB) if how == "asked" else store.keeping(BLOB, HERS)
    with during:
        await store.add_page(BLOB, 0, MANIFEST.pages[0])
        assert await store.let_go([BLOB]) == 0
        assert (await store.gc(grace_us=-1)).blobs == 0
        assert await store.add_chunks(BLOB, [(0, WASM)])
    assert (await store.gc(grace_us=-1)).blobs == 1, "after that it goes as any"


async def test_two_places_that_keep_one_blob_do_not_end_each_other(store: Store) -> None:
    with store.keeping(BLOB, HERS):
        with store.keeping(BLOB, HERS):
            pass
        await store.begin_blob(BLOB, MANIFEST.root)
    assert [one.id for one in await store.kept_blobs()] == [BLOB]


async def test_what_is_added_while_it_is_kept_stays_until_it_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept goes, and a collection comes, just before it is said that it is here."""
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    await store.note_unnamed([BLOB])
    add_pages, tried = blob_rows.add_pages, list[int]()
    lazily = Database.lazily

    async def late(database: Database, work: partial[object]) -> object:
        if getattr(work, "func", None) is add_pages and not tried:
            tried.append(await store.let_go([BLOB]))
            tried.append((await store.gc()).blobs)
        return await lazily(database, work)

    monkeypatch.setattr(Database, "lazily", late)
    assert await store.put_blob(WASM) == BLOB
    assert tried == [0, 0]
    assert not await store.kept_blobs()
    assert await store.read_blob(BLOB) == WASM
