"""What a record would say undeleted, or if nothing had fallen, is named by the entries alone.

A restored home, or another device of the same person, has them all at once.
"""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.blob import BlobId
from crdt.capability import WRITE, Capability, encode_capability
from crdt.change import SignedEntry, Signer, log_of
from crdt.keys import COMMONS, AuthorKey
from crdt.path import AUTHORITY
from crdt.statement import Revoke, Unrevoke
from node.projection import project
from registry.deletion import delete, undelete
from storage import append
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US
from tests.storage.test_apart import kept_in_old, let_go, went_on
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, all_of, begun, epoch, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_kept import kept_for
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from tests.storage.test_snapshots import store as store
from universe import parts, record

AUTHOR = AuthorKey(ALICE.root.public)
THEIRS = b"theirs" * 500


@asynccontextmanager
async def opened(path: Path, author: AuthorKey = AUTHOR) -> AsyncGenerator[Store]:
    quota = Quota(own=frozenset({author}))
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=quota) as store:
        yield store


@pytest_asyncio.fixture
async def new(tmp_path: Path) -> AsyncGenerator[Store]:
    async with opened(tmp_path / "new.db") as store:
        yield store


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record is full yet."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)


async def restored(source: Store, target: Store) -> None:
    """Its entries, as many at once as `restore` takes, and then its blobs."""
    cursor = 0
    while True:
        entries, cursor = await source.entries_after(AUTHOR, cursor)
        if not entries:
            break
        await target.receive(entries, source="backup")
    for blob in await source.blobs_named(AUTHOR):
        await target.put_blob(await source.read_blob(blob))


async def ticks(store: Store) -> list[int]:
    row = await store.listing("universe", ALICE.did, "universe:main")
    assert row is not None
    return [one.tick for one in await store.snapshots(row.number)]


@pytest.mark.parametrize("makes_anew", [False, True])
async def test_a_deleted_universe_is_restored_with_all_its_states(
    store: Store, new: Store, *, makes_anew: bool
) -> None:
    blobs = await begun(store)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await restored(store, new)
    if makes_anew:
        await new.rematerialise()
    assert await here(new, blobs) == [True] * 4
    assert {*await new.blobs_named(AUTHOR)} == {*blobs}
    await new.commit(MAIN, undelete(), ALICE.signer)
    assert await ticks(new) == [3, 2, 1, 0]
    assert await here(new, blobs) == [True] * 4
    await let_go(new, 0)
    assert await here(new, blobs) == [False, True, True, True]


async def test_what_came_to_a_deleted_universe_keeps_its_bytes(
    store: Store, phone: Store, new: Store
) -> None:
    """The phone had not heard that it is deleted."""
    await begun(store)
    await synced(store, phone)
    await synced(store, new)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await synced(store, new)
    mine = await phone.put_blob(THEIRS)
    await kept(phone, 20, mine, PHONE)
    await new.put_blob(THEIRS)
    await synced(phone, new)
    assert await here(new, [mine]) == [True]
    await new.commit(MAIN, undelete(), ALICE.signer)
    assert await ticks(new) == [20, 3, 2, 1, 0]


async def test_a_deleted_old_epoch_is_restored_with_what_came_late(
    store: Store, phone: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begun(store)
    await synced(store, phone)
    mine = await kept_in_old(phone, 20, PHONE)
    await phone.commit(MAIN, delete(now_us=NOW_US), PHONE.signer)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await went_on(store)
    await synced(store, phone)
    await restored(phone, new)
    assert await epoch(new) == 4
    assert await here(phone, [mine]) == [True]
    assert await here(new, [mine]) == [True]


@dataclass
class Fallen:
    """What a phone kept that is revoked then."""

    blob: BlobId
    entry: SignedEntry
    revocation: SignedEntry


async def fallen(store: Store, phone: Store) -> Fallen:
    await begun(store)
    await synced(store, phone)
    blob = await store.put_blob(THEIRS)
    old = {one.id for one in await all_of(phone)}
    await kept(phone, 20, blob, PHONE)
    (entry,) = [one for one in await all_of(phone) if one.id not in old]
    await synced(store, phone)
    told = await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    return Fallen(blob, entry, told.signed)


@pytest.mark.parametrize("deletes", [False, True])
async def test_what_fell_is_restored_and_may_come_back(
    store: Store, phone: Store, new: Store, *, deletes: bool
) -> None:
    fell = await fallen(store, phone)
    if deletes:
        await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await restored(store, new)
    assert await here(new, [fell.blob]) == [True]
    await new.declare(Unrevoke(fell.revocation.entry.payload_digest), LOG, ROOT)
    if deletes:
        await new.commit(MAIN, undelete(), ALICE.signer)
    assert await ticks(new) == [20, 3, 2, 1, 0]
    assert await here(new, [fell.blob]) == [True]
    await let_go(new, 20)
    assert await here(new, [fell.blob]) == [False]


@pytest.mark.parametrize("order", [*permutations(range(3)), None])
async def test_what_fell_before_it_ever_counted_keeps_its_bytes(
    store: Store, phone: Store, new: Store, order: tuple[int, ...] | None
) -> None:
    """The entry, the revocation, and what both build on, in any order or at once."""
    fell = await fallen(store, phone)
    rest = [one for one in await all_of(store) if one.id not in {fell.entry.id, fell.revocation.id}]
    parts = [[fell.entry], [fell.revocation], rest]
    await new.put_blob(THEIRS)
    for at in order or ():
        await new.receive(parts[at], source="alice")
    await synced(store, new)
    assert await ticks(new) == [3, 2, 1, 0]
    assert await here(new, [fell.blob]) == [True]
    await new.rematerialise()
    assert await here(new, [fell.blob]) == [True]


async def test_what_fell_while_what_it_cites_was_not_here_keeps_its_bytes(
    store: Store, new: Store
) -> None:
    await begun(store)
    blob = await new.put_blob(THEIRS)
    bobs = AuthorKey(BOB.root.public)
    right = encode_capability(Capability(WRITE, COMMONS, bobs))
    signer = Signer(BOB.root, bobs, {AUTHORITY: right})
    log = log_of(COMMONS, bobs, AUTHORITY)
    cited = await store.declare(Revoke(CAROL.signer.device.public), log, signer)
    theirs = PHONE.writes(MAIN, keeps(taken(20, blob, who=PHONE)), cites=[cited.signed.id])
    await store.receive(theirs, source="alice")
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    rest = [one for one in await all_of(store) if one.id != cited.signed.id]
    assert theirs[0].id in {one.id for one in rest}
    await new.receive(rest, source="alice")
    assert await here(new, [blob]) == [True]
    await new.receive([cited.signed], source="alice")
    assert await here(new, [blob]) == [True]


async def nothing(*_: object, **__: object) -> None:
    """As it was before version 9 of what is derived."""


def made_by(path: Path, version: int) -> None:
    """What is derived there."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE store SET derived = ?", (version,))
        database.commit()


async def test_a_home_that_was_restored_before_names_what_it_has(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(store)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    path = tmp_path / "before.db"
    monkeypatch.setattr(append, "name_unshown", nothing)
    async with opened(path) as before:
        await restored(store, before)
        assert await before.blobs_named(AUTHOR) == []
    monkeypatch.undo()
    made_by(path, 8)
    async with opened(path) as now:
        assert await here(now, blobs) == [True] * 4


async def test_of_others_nothing_is_wanted_that_was_never_shown(
    tmp_path: Path, store: Store
) -> None:
    blobs = await begun(store)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    async with opened(tmp_path / "bobs.db", AuthorKey(BOB.root.public)) as bobs:
        await restored(store, bobs)
        assert await here(bobs, blobs) == [False] * 4


async def looked(store: Store) -> None:
    """As the node does between two collections."""
    await store.note_unnamed(await store.unnamed_blobs([AUTHOR], [COMMONS], []))


async def test_what_came_late_and_was_fetched_by_itself_is_kept(
    store: Store, phone: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for it on this device, and the phone may be gone one day."""
    blobs = await begun(store)
    await synced(store, phone, new)
    mine = await kept_in_old(phone, 20, PHONE)
    await synced(phone, new)
    assert await kept_for(new, await phone.read_blob(mine)) == mine
    assert await kept_for(new, await store.read_blob(blobs[0])) == blobs[0]
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 9, blobs[3])
    await synced(store, new)
    await looked(new)
    assert await epoch(new) == 1
    assert mine in await new.blobs_named(AUTHOR)
    assert await here(new, [mine, blobs[0]]) == [True] * 2
    await let_go(new, 0)
    await looked(new)
    assert await here(new, [mine, blobs[0]]) == [True, False]


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_restored_home_keeps_the_states_for_which_its_lists_have_no_place(
    new: Store, phone: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool
) -> None:
    """Two devices that were apart: each keep had its place when it was acknowledged."""
    for module in (parts, record):
        monkeypatch.setattr(module, "SNAPSHOTS_MAX", 4)
    async with opened(tmp_path / "hers.db") as hers:
        await hers.commit(MAIN, created(), ALICE.signer)
        await synced(hers, phone)
        blobs: list[BlobId] = []
        for tick in range(4):
            blobs.append(await hers.put_blob(b"hers %d" % tick * 300))
            await kept(hers, tick, blobs[-1])
            theirs = await phone.put_blob(b"theirs %d" % tick * 300)
            await kept(phone, tick + 10, theirs, PHONE)
            blobs.append(await hers.put_blob(b"theirs %d" % tick * 300))
        await synced(phone, hers)
        assert len(await ticks(hers)) == 4
        if is_deleted:
            await hers.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
        await restored(hers, new)
        assert await here(hers, blobs) == [True] * 8
    assert await here(new, blobs) == [True] * 8
    if is_deleted:
        await new.commit(MAIN, undelete(), ALICE.signer)
    before = await ticks(new)
    for tick in before:
        await let_go(new, tick)
    after = await ticks(new)
    assert (len(after), set(before) & set(after)) == (4, set()), "the others have their places now"
