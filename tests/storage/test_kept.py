"""Blobs that are here only because records name them, and those that are a person's."""

import asyncio
from pathlib import Path

import pytest

from crdt.blob import BlobId, manifest_of
from crdt.keys import COMMONS, AuthorKey
from storage import claimed
from storage.collecting import GRACE_US
from storage.installed import InstallChanges, Installed
from storage.kept import KeptSum
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, project

WASM = b"the bytes of a module" * 1_000
BLOB = manifest_of(WASM).id
INSTALLED = Installed("did:key:z/io.a", "1.0.0", "00", BLOB, 1, True, "^1", {}, NOW_US)
AUTHORS = {AuthorKey(one.root.public) for one in (ALICE, BOB)}


async def fetched(store: Store, data: bytes, *, by: Person | None = None) -> BlobId:
    """As from a peer; `by`: whose record names it, where no person asked for it."""
    manifest = manifest_of(data)
    await store.begin_blob(manifest.id, manifest.root)
    for number, page in enumerate(manifest.pages):
        await store.add_page(manifest.id, number, page)
    assert await store.add_chunks(manifest.id, [(0, data)])
    return manifest.id


async def kept_for(store: Store, data: bytes, by: Person = ALICE) -> BlobId:
    with store.keeping(manifest_of(data).id, AuthorKey(by.root.public)):
        return await fetched(store, data)


async def names(store: Store, who: Person, record: str, data: bytes, at: int = 0) -> BlobId:
    """A record of theirs says that there is such a blob."""
    blob = manifest_of(data).id
    edit = named(record, blob=blob.hex(), size=len(data), at=at)
    await store.receive([who.publishes(record, edit)], source="peer")
    return blob


async def test_what_is_kept_for_others_is_told_apart(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    assert await kept_for(store, WASM) == BLOB
    await fetched(store, b"asked for")
    (one,) = await store.kept_blobs()
    assert (one.id, one.author, one.size, one.is_whole) == (BLOB, ALICE.root.public, 21_000, True)
    assert await store.kept_sum() == KeptSum(1, 21_000)
    assert await store.kept_sum(without=[BLOB]) == KeptSum()


async def test_what_is_waited_for_and_was_seen_whole_is_collected_by_nobody(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    await store.note_unnamed([BLOB])
    with store.asking(BLOB):
        assert await store.adopt_whole([BLOB, BLOB]) == {BLOB}
        assert await store.kept_sum() == KeptSum()
        assert (await store.gc(grace_us=-1)).blobs == 0
    other = await fetched(store, b"of nobody")
    with store.asking(other):
        assert await store.adopt_whole([other]) == {other}
        assert (await store.gc(grace_us=-1)).blobs == 0
    assert (await store.gc(grace_us=-1)).blobs == 1
    assert not await store.adopt_whole([other, BLOB]) - {BLOB}


async def test_what_goes_in_this_moment_is_not_seen_whole(store: Store) -> None:
    """Who only reads sees it until the change that takes it is there."""
    blob = await fetched(store, b"of nobody")
    # As `gc`, which had asked before what is waited for.
    async with store._database.transaction() as write:  # pyright: ignore[reportPrivateUsage]
        with store.asking(blob):
            seen = asyncio.create_task(store.adopt_whole([blob]))
            await write.run("DELETE FROM blob WHERE id = ?", (blob,))
            for _ in range(10):
                assert await store.has_blob(blob)
            assert not seen.done()
    assert not await seen


@pytest.mark.parametrize("how", ["asked", "installed", "pinned", "added"])
async def test_what_a_person_wants_is_kept_for_nobody_else(store: Store, how: str) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    match how:
        case "asked":
            await store.adopt_blob(BLOB)
        case "installed":
            await store.apply_install(InstallChanges(put=[INSTALLED]))
        case "pinned":
            await store.pin_blob(BLOB, "mine")
        case _:
            await store.put_blob(WASM)
    assert await store.kept_sum() == KeptSum()
    assert await store.let_go([BLOB]) == 0, "it is none of those that may go"
    await store.note_unnamed([BLOB])
    assert (await store.gc(grace_us=-1)).blobs == 0
    assert await store.has_blob(BLOB)
    assert not (await store.blobs_of_authors(AUTHORS, [COMMONS])).rows, (
        "and it takes nobody's share"
    )


async def test_gc_takes_what_nobody_who_counts_names_any_more_and_nothing_else(
    store: Store,
) -> None:
    for who, data in ((ALICE, WASM), (BOB, b"bob's")):
        await names(store, who, f"io.{who.did[-6:].lower()}.it", data)
        await kept_for(store, data, who)
    assert (await store.gc(grace_us=-1)).blobs == 0
    await store.note_unnamed([BLOB])
    assert (await store.gc(grace_us=-1)).blobs == 1
    assert not await store.has_blob(BLOB)
    assert await store.has_blob(manifest_of(b"bob's").id)


async def test_whoever_is_followed_again_keeps_what_is_here_still(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    await kept_for(store, WASM)
    await store.note_unnamed([BLOB])
    await store.note_unnamed([])
    assert (await store.gc(grace_us=-1)).blobs == 0


async def test_what_was_let_go_gives_its_room_back_and_may_come_again(store: Store) -> None:
    await names(store, ALICE, "io.alice.clock", WASM)
    for _ in range(2):
        await kept_for(store, WASM)
        assert await store.let_go([BLOB]) == 1
        assert (await store.counts()).blob_bytes == 0
        assert await store.kept_sum() == KeptSum()
    ((blob, author, place, size, *_),) = (await store.blobs_of_authors(AUTHORS, [COMMONS])).rows
    assert (blob, author, place, size) == (BLOB, ALICE.root.public, COMMONS, len(WASM))


async def test_what_was_begun_when_the_process_ended_is_still_kept_for_others(
    tmp_path: Path,
) -> None:
    """Of a fetch that stopped, nothing is left that belongs to nobody and stays for ever."""
    path, manifest = tmp_path / "p.db", manifest_of(WASM)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await names(store, ALICE, "io.alice.clock", WASM)
        with store.keeping(BLOB, AuthorKey(ALICE.root.public)):
            await store.begin_blob(BLOB, manifest.root)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        (one,) = await store.kept_blobs()
        assert (one.id, one.is_whole) == (BLOB, False)
        await store.add_page(BLOB, 0, manifest.pages[0])
        assert await store.add_chunks(BLOB, [(0, WASM)]), "it goes on where it stopped"
        assert [one.is_whole for one in await store.kept_blobs()] == [True]


async def test_what_a_person_had_begun_stays_theirs(store: Store) -> None:
    manifest = manifest_of(WASM)
    await store.begin_blob(BLOB, manifest.root)
    await kept_for(store, WASM)
    assert await store.kept_sum() == KeptSum()


async def test_only_what_is_shown_is_named(store: Store) -> None:
    """What a record named before is here for `gc`, and is fetched for nobody."""
    edits = [
        named("clock", blob=manifest_of(data).id.hex(), size=len(data)) for data in (b"old", WASM)
    ]
    await store.receive(ALICE.writes(ALICE.document("io.alice.clock"), *edits), source="peer")
    rows = (await store.blobs_of_authors(AUTHORS, [COMMONS])).rows
    assert [row[0] for row in rows] == [BLOB]


async def test_strangers_and_other_namespaces_are_not_looked_at(store: Store) -> None:
    await names(store, CAROL, "io.carol.clock", WASM)
    assert not (await store.blobs_of_authors(AUTHORS, [COMMONS])).rows
    assert not (await store.blobs_of_authors([AuthorKey(CAROL.root.public)], [])).rows
    (row,) = (await store.blobs_in_namespaces([COMMONS], AUTHORS)).rows
    assert row[1] == CAROL.root.public
    assert not (await store.blobs_in_namespaces([COMMONS], [AuthorKey(CAROL.root.public)])).rows


async def test_whoever_names_more_than_is_looked_at_hides_nobodys(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimed, "NAMED_MAX", 4)
    for number in range(20):
        await names(store, BOB, f"io.bob.n{number}", b"%d" % number, at=100 + number)
    await names(store, ALICE, "io.alice.clock", WASM, at=1)
    for found in (
        await store.blobs_of_authors(AUTHORS, [COMMONS]),
        await store.blobs_in_namespaces([COMMONS], []),
    ):
        rows = found.rows
        assert (len(rows), found.left_out) == (4, 17), "and how many there are is known"
        assert [row[0] for row in rows if row[1] == ALICE.root.public] == [BLOB]
        newest = [row[4] for row in rows if row[1] == BOB.root.public]
        assert newest == [119, 118, 117]


async def test_a_blob_whose_record_is_gone_for_good_is_collected_as_any(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await kept_for(store, WASM)
        now_us += GRACE_US + 1
        assert (await store.gc()).blobs == 1
        assert await store.kept_sum() == KeptSum()
