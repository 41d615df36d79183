"""Rows of universes: of what a document holds by the thousand only the difference is written."""

import dataclasses
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest_asyncio
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.change import DocumentId
from crdt.document import Editor
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS
from node.projection import project
from registry.deletion import delete, undelete
from registry.edits import Edit
from registry.head import Words
from storage.listings import ListedRow
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, NOW_US, Person
from universe.event import Event, encode_event, event_id
from universe.gate import Now, Wish, hand_over, send
from universe.gatebook import put_receipts
from universe.gates import check_hand_over, sign_hand_over
from universe.lines import Lines
from universe.receipts import Receipt, Traveller, Who, sign_receipt
from universe.record import (
    CLASS,
    KIND,
    Facts,
    add_event,
    add_snapshot,
    create_universe,
    drop_snapshots,
    fork_universe,
)
from universe.snapshot import SignedSnapshot, Snapshot, encode_signed, sign_snapshot

MAIN = DocumentId(COMMONS, ALICE.signer.author, CLASS, KIND, b"universe:main")
FORK = DocumentId(COMMONS, BOB.signer.author, CLASS, KIND, b"universe:fork")
EMPTY = BlobId(bytes(32))


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as opened:
        yield opened


def created(name: str = "Main") -> Edit:
    return create_universe(Words(name), Facts(owner="player:alice"), now_us=NOW_US)


def taken(
    tick: int,
    blob: BlobId = EMPTY,
    *,
    kind: str = "auto",
    who: Person = ALICE,
    at_us: int | None = None,
) -> SignedSnapshot:
    state = b"%d" % tick
    said = Snapshot(
        f"{ALICE.did}/universe:main", tick, kind, blob, len(state), blake3(state).digest(),
        "application/json", NOW_US + tick if at_us is None else at_us,
    )  # fmt: skip
    return sign_snapshot(said, who.signer.device)


def keeps(signed: SignedSnapshot) -> Edit:
    return add_snapshot(signed, now_us=NOW_US)


async def listed(store: Store, document: DocumentId = MAIN) -> ListedRow:
    author = ALICE if document is MAIN else BOB
    row = await store.listing("universe", author.did, document.record.decode())
    assert row is not None
    return row


def rows(store_at: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store_at)) as database:
        return database.execute(sql).fetchall()


async def test_the_newest_the_nearest_and_the_very_tick_are_found(store: Store) -> None:
    await store.commit(MAIN, created(), ALICE.signer)
    several = [taken(tick) for tick in (400, 100, 900)]
    canon = taken(400, kind="canonical")
    for one in (*several, canon):
        await store.commit(MAIN, keeps(one), ALICE.signer)
    number = (await listed(store)).number
    newest = await store.newest_snapshot(number)
    assert newest is not None
    assert newest.tick == 900
    nearest = await store.snapshot_before(number, 899)
    assert nearest is not None
    assert nearest.tick == 400
    assert await store.snapshot_before(number, 99) is None
    assert await store.snapshot_at(number, 401) is None
    ticks = [one.tick for one in await store.snapshots(number)]
    assert ticks == [900, 400, 400, 100]
    first = await store.snapshots(number, limit=2)
    rest = await store.snapshots(number, limit=9, after=first[-1].order)
    assert [one.tick for one in rest] == [400, 100]
    assert len({one.id for one in (*first, *rest)}) == 4
    same = await store.same_snapshots(number, 400, blake3(b"400").digest())
    assert [one.id for one in same if one.kind == "canonical"] == [canon.id]
    assert len(same) == 2
    assert await store.same_snapshots(number, 400, blake3(b"400").digest(), "{}") == []
    assert await store.signed_snapshot(number, canon.id) == encode_signed(canon)
    counts = await store.universe_counts([number])
    assert (counts[number].snapshots, counts[number].newest_us) == (4, NOW_US + 900)


async def test_beside_a_snapshot_stand_the_nearest_states_that_are_here(store: Store) -> None:
    """Also where many universes and ticks have the same bytes, and whatever else is known of it."""
    await store.commit(MAIN, created(), ALICE.signer)
    worlds = {tick: await store.put_blob(b"world %d" % tick) for tick in (0, 10, 20, 40, 80, 160)}
    lost = BlobId(blake3(b"not here").digest())
    for tick, blob in (*worlds.items(), (21, lost), (500, worlds[0])):
        await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
    found = await store.beside(worlds[20])
    assert [one.blob for one in found] == [worlds[tick] for tick in (10, 0, 40, 80)] or [
        one.blob for one in found
    ] == [worlds[tick] for tick in (10, 40, 0, 80)]
    near = await store.beside(lost)
    assert [one.blob for one in near] == [worlds[tick] for tick in (20, 10, 40, 0)]
    assert [one.is_later for one in near] == [False, False, True, False]
    assert await store.beside(await store.put_blob(b"no snapshot")) == []


async def test_of_several_each_is_paired_with_what_is_right_before_and_after_it(
    store: Store,
) -> None:
    """Of a burst the next one is none of the nearest by ticks, and at one tick the time decides.
    What is right after one may be a difference already: so the newest is tried, too."""
    await store.commit(MAIN, created(), ALICE.signer)
    worlds = [await store.put_blob(b"world %d" % at) for at in range(9)]
    lost = BlobId(blake3(b"not here").digest())
    burst = (*range(5), 1_000, 1_001, 1_001, 1_003)
    for at, tick in enumerate(burst):
        for blob in (worlds[at], lost):
            await store.commit(MAIN, keeps(taken(tick, blob, at_us=NOW_US + at)), ALICE.signer)
    number = (await listed(store)).number
    of = {worlds[at]: at for at in range(9)}

    async def pairs(*numbers: int, universe: int = number) -> list[tuple[int, int]]:
        found = await store.pairs_beside([worlds[at] for at in numbers], universe)
        return [(of[older], of[newer]) for older, newer in found]

    assert await pairs(4) == [(3, 4), (3, 8), (4, 5), (4, 8)]
    of_both = [(at, newer) for at in (0, 1, 5, 6) for newer in (at + 1, 8)]
    assert await pairs(6, 7, 0, 1) == [*of_both, (7, 8)]
    assert await pairs(0, 8, universe=0) == [(0, 1), (0, 8), (7, 8)]
    await store.commit(MAIN, keeps(taken(2_000, worlds[0])), ALICE.signer)
    last = [(7, 8), (7, 0), (8, 0)]
    assert await pairs(8, 0) == last, "of the last of equal bytes what is after it"
    assert await pairs(8, 0, universe=number + 1) == last, "where it does stand"
    assert await store.pairs_beside([await store.put_blob(b"no snapshot")]) == []


async def test_what_a_snapshot_names_stays_while_the_universe_could_come_back(store: Store) -> None:
    blob = await store.put_blob(b"x" * 50_000, chunking=Chunking.CONTENT)
    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(MAIN, keeps(taken(1, blob)), ALICE.signer)
    await store.commit(MAIN, keeps(taken(2)), ALICE.signer)
    await store.gc(grace_us=-1)
    assert await store.has_blob(blob)
    number = (await listed(store)).number
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    assert await store.listing("universe", ALICE.did, "universe:main") is None
    assert await store.snapshots(number) == []
    await store.gc(grace_us=-1)
    assert await store.has_blob(blob)
    await store.commit(MAIN, undelete(), ALICE.signer)
    assert len(await store.snapshots(number)) == 2
    await store.commit(MAIN, drop_snapshots((taken(1, blob).id,), now_us=NOW_US), ALICE.signer)
    await store.gc(grace_us=-1)
    assert not await store.has_blob(blob)
    assert [one.tick for one in await store.snapshots(number)] == [2]


async def test_a_traveller_is_named_no_longer_than_its_departure(store: Store) -> None:
    """Also of a universe in which nobody takes a snapshot any more."""
    data = b"z" * 50_000
    blob = await store.put_blob(data, chunking=Chunking.CONTENT)
    source, target = f"{ALICE.did}/universe:main", f"{BOB.did}/universe:fork"
    gate = SigningKey.from_seed(bytes(32))
    fox = Traveller.in_blob(Who(source, "fox"), data, "json", blob)
    wish = Wish(bytes(16), f"{ALICE.did}/passage:1", target, fox)
    opened = hand_over(source, gate.public, gate.public, Lines([], []), NOW_US)
    gates = [check_hand_over(sign_hand_over(opened, gate))]
    left = send(source, gate.public, wish, Lines([], gates), Now(1, NOW_US))
    assert isinstance(left, Receipt)
    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(MAIN, keeps(taken(1)), ALICE.signer)
    edit = put_receipts([sign_receipt(left, gate)], now_us=NOW_US)
    await store.commit(MAIN, edit, ALICE.signer)
    await store.gc(grace_us=-1)
    assert await store.read_blob(blob) == data
    await store.commit(MAIN, lambda editor: editor.delete(("gate",)), ALICE.signer)
    await store.gc(grace_us=-1)
    assert not await store.has_blob(blob)
    assert [one.tick for one in await store.snapshots((await listed(store)).number)] == [1]


async def test_a_fork_names_what_it_began_with_whatever_becomes_of_its_parent(store: Store) -> None:
    blob = await store.put_blob(b"y" * 50_000, chunking=Chunking.CONTENT)
    origin = taken(7, blob)
    parent = f"{ALICE.did}/universe:main"
    forked = fork_universe(Words("Fork"), Facts(owner="player:bob"), parent, origin, now_us=NOW_US)
    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(MAIN, keeps(origin), ALICE.signer)
    await store.commit(FORK, forked, BOB.signer)
    forks = await store.universes_forked_from(parent, [COMMONS])
    assert [one.listing.record for one in forks] == ["universe:fork"]
    await store.commit(MAIN, drop_snapshots((origin.id,), now_us=NOW_US), ALICE.signer)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await store.gc(grace_us=-1)
    assert await store.has_blob(blob)
    number = (await listed(store, FORK)).number
    (only,) = await store.snapshots(number)
    assert (only.id, only.is_inherited) == (origin.id, True)
    assert (await store.universe_counts([number]))[number].snapshots == 0


async def test_what_nobody_can_read_is_passed_over_and_asked_once(
    tmp_path: Path, store: Store
) -> None:
    good, forged = taken(1), dataclasses.replace(taken(2), signature=bytes(64))

    def edit(editor: Editor) -> None:
        for key, data in (
            (good.id.hex(), encode_signed(good)),
            (forged.id.hex(), encode_signed(forged)),
            (taken(3).id.hex(), encode_signed(good)),
            ("00" * 32, b"\xff"),
            ("AB" * 32, encode_signed(good)),
            ("short", b""),
        ):
            editor.put(("snapshots", key), data)
        editor.put(("snapshots", "11" * 32), 5)
        editor.put(("events", "22" * 16), b"no event")

    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(MAIN, edit, ALICE.signer)
    row = await listed(store)
    assert [one.id for one in await store.snapshots(row.number)] == [good.id]
    assert await store.events_of(row.number) == []
    assert (await store.universe_counts([row.number]))[row.number].events == 0
    before = rows(tmp_path / "p.db", "SELECT number, id FROM snapshot ORDER BY number")
    await store.commit(MAIN, keeps(taken(9)), ALICE.signer)
    assert rows(tmp_path / "p.db", "SELECT number, id FROM snapshot ORDER BY number")[:-1] == before


async def test_events_have_rows_and_the_same_rows_come_of_the_entries_alone(
    tmp_path: Path, store: Store
) -> None:
    born = encode_event(Event(5, NOW_US, "birth", "A child is born"))
    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(MAIN, add_event(born, now_us=NOW_US), ALICE.signer)
    canon = taken(5, kind="canonical")
    await store.commit(MAIN, add_snapshot(canon, born, now_us=NOW_US), ALICE.signer)
    number = (await listed(store)).number
    (event,) = await store.events_of(number)
    assert (event.id, event.tick, event.event) == (event_id(born), 5, born)
    assert await store.events_each(number, [event.id, bytes(16)]) == {event.id: event}
    tables = {
        table: f"SELECT * FROM {table} ORDER BY document, 2"
        for table in ("happened", "universe_count", "blob_use")
    }
    before = {table: rows(tmp_path / "p.db", sql) for table, sql in tables.items()}
    await store.rematerialise()
    assert before == {table: rows(tmp_path / "p.db", sql) for table, sql in tables.items()}
    totals = await store.universe_totals([COMMONS])
    assert (totals.universes, totals.snapshots, totals.events) == (1, 1, 1)


async def test_only_the_difference_is_written(tmp_path: Path, store: Store) -> None:
    await store.commit(MAIN, created(), ALICE.signer)
    for tick in range(3):
        await store.commit(MAIN, keeps(taken(tick)), ALICE.signer)
    before: dict[bytes, int] = dict(rows(tmp_path / "p.db", "SELECT id, number FROM snapshot"))
    edit = add_snapshot(taken(3), now_us=NOW_US, also_drop=(taken(0).id,))
    await store.commit(MAIN, edit, ALICE.signer)
    after: dict[bytes, int] = dict(rows(tmp_path / "p.db", "SELECT id, number FROM snapshot"))
    assert after.keys() == {taken(tick).id for tick in (1, 2, 3)}
    assert all(after[id] == before[id] for id in after.keys() & before.keys())


async def test_universes_are_found_by_their_players_and_by_their_ids(store: Store) -> None:
    await store.commit(MAIN, created(), ALICE.signer)
    await store.commit(FORK, created("Other"), BOB.signer)
    found = await store.universes_of_owner("player:alice", [COMMONS])
    assert [one.listing.record for one in found] == ["universe:fork", "universe:main"]
    assert await store.universes_of_owner("player:bob", [COMMONS]) == []
    for first, author in (((), BOB.did), ((ALICE.did,), ALICE.did), ((BOB.did,), BOB.did)):
        (one,) = await store.universes_of_owner("player:alice", [COMMONS], 1, first=first)
        assert one.listing.author == author, "strangers hide nothing of hers"
    called = await store.called("universe", "universe:main", [COMMONS])
    assert [one.listing.author for one in called] == [ALICE.did]
