"""States that fell, or of which no row can be made, are named by the bytes of what says them: that
needs neither a head, nor a row, nor what else is here or revoked.
"""

import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.change import DocumentId, SignedEntry, sign_change
from crdt.document import Editor
from crdt.held import Reason, Revocation
from crdt.keys import COMMONS, AuthorKey
from crdt.rollover import carry_over
from crdt.statement import Frontier, Revoke
from node.projection import project
from registry.deletion import delete
from storage import unshown
from storage.listing import Projection
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, named
from tests.storage.test_apart import let_go
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, all_of, begun, epoch, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_doubts_of_epochs import NEXT, all_signed, opened_with, raws_of, signed
from tests.storage.test_lost_states import Side, copied
from tests.storage.test_snapshots import MAIN, keeps, taken
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import late as late
from tests.storage.test_unshown import new as new
from tests.storage.test_unshown import restored, ticks
from universe.event import Event, encode_event
from universe.gatebook import put_receipts
from universe.receipts import DEPARTURE, NO_RECEIPT, Receipt, Traveller, Who, sign_receipt
from universe.record import add_events

UNIVERSE = f"{ALICE.did}/universe:main"
BAD: Mapping[str, Callable[[Editor], None]] = {
    "head": lambda editor: editor.put(("head", "name"), 5),
    "times": lambda editor: editor.put(("head", "created_us"), "late"),
}


# ── of which no row can be made ──────────────────────────────────────────────────────────────────


@pytest.fixture
def piecewise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unshown, "READ_AT_ONCE", 2)


@pytest.mark.usefixtures("piecewise")
@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("makes_anew", [False, True])
async def test_a_universe_that_cannot_be_read_keeps_its_states(
    store: Store, new: Store, phone: Store, *, what: str, makes_anew: bool
) -> None:
    """One wrong value, of a guest, of a device that was stolen or of another version, is enough."""
    blobs = await begun(store)
    await synced(store, phone)
    await phone.commit(MAIN, BAD[what], PHONE.signer)
    await synced(store, phone)
    assert await store.listing("universe", ALICE.did, "universe:main") is None
    await restored(store, new)
    if makes_anew:
        await new.rematerialise()
    assert await here(new, blobs) == [True] * 4
    assert {*await new.blobs_named(ALICE.signer.author)} == {*blobs}, "so the next backup too"
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await new.settle()
    assert await ticks(new) == [3, 2, 1, 0]
    assert await here(new, blobs) == [True] * 4


async def test_an_epoch_of_before_that_cannot_be_read_keeps_its_states(
    store: Store, new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begun(store)
    await synced(store, phone)
    theirs = await store.put_blob(b"theirs" * 500)
    await kept(phone, 20, theirs, PHONE)
    await phone.commit(MAIN, BAD["head"], PHONE.signer)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 9, await store.put_blob(b"9" * 500))
    await synced(store, phone)
    assert await epoch(store) == 1
    await restored(store, new)
    await new.put_blob(await store.read_blob(theirs))
    assert await here(new, [theirs]) == [True]


async def test_a_deleted_universe_that_cannot_be_read_keeps_its_states(
    store: Store, new: Store
) -> None:
    blobs = await begun(store)
    await store.commit(MAIN, BAD["head"], ALICE.signer)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await restored(store, new)
    assert await here(new, blobs) == [True] * 4


def event(tick: int) -> bytes:
    said = Event(tick=tick, at_us=NOW_US + tick, type="crisis", title="t", description="x" * 180)
    return encode_event(said)


async def happens(store: Store, first: int, count: int) -> None:
    several = [event(tick) for tick in range(first, first + count)]
    await store.commit(MAIN, add_events(several, now_us=NOW_US), ALICE.signer)


async def went_on_twice(store: Store) -> tuple[Side, Side]:
    """(what stands, what lost): a home and its copy go on in the same epoch, by a roll-over of
    several parts of which the first has no head, and keep two states each there."""
    await begun(store)
    for first in (0, 150):
        await happens(store, first, 150)
    sides = list[Side]()
    for first in (1_000, 2_000):
        old, home = opened_with(MAIN, PHONE, await raws_of(store)), opened_with(NEXT, PHONE, [])
        side, changes = Side([], []), list[bytes | None](carry_over(old, home))
        assert len(changes) > 2
        for tick in (first, first + 1):
            side.blobs.append(await store.put_blob(b"state %d" % tick * 300))
            changes.append(home.change(keeps(taken(tick, side.blobs[-1], who=PHONE))))
        side.entries = all_signed(changes, NEXT, PHONE)
        sides.append(side)
        await happens(store, first, 20)  # so that what the other one carries over is other
    assert sides[0].entries[0] != sides[1].entries[0]
    sides.sort(key=lambda one: one.entries[0].entry.payload_digest)
    return sides[0], sides[1]


async def test_what_lost_to_the_first_part_of_a_roll_over_is_kept(store: Store, new: Store) -> None:
    """The rest of it is nowhere yet: what stands has no head."""
    stands, lost = await went_on_twice(store)
    await store.receive(lost.entries, source="alice")
    assert await epoch(store) == 1
    await store.receive(stands.entries[:1], source="alice")
    assert await epoch(store) == 0
    await restored(store, new)
    assert await here(new, lost.blobs) == [True] * 2
    assert {*lost.blobs} <= {*await new.blobs_named(ALICE.signer.author)}


async def test_what_lost_while_what_stands_had_no_head_is_kept_once_it_has_one(
    store: Store, new: Store
) -> None:
    stands, lost = await went_on_twice(store)
    await new.receive(await all_of(store), source="alice")
    for blob in (*stands.blobs, *lost.blobs):
        await new.put_blob(await store.read_blob(blob))
    for one in (stands.entries[0], *lost.entries, *stands.entries[1:]):
        await new.receive([one], source="alice")
    assert await epoch(new) == 1
    assert await here(new, [*stands.blobs, *lost.blobs]) == [True] * 4


# ── what fell ────────────────────────────────────────────────────────────────────────────────────


async def left_twice(store: Store) -> tuple[Side, Side]:
    """(what stands, what lost): a traveller leaves a home and its copy, each time as a blob."""
    raws, gate, sides = await raws_of(store), PHONE.signer.device, list[Side]()
    for number in (1, 2):
        data = os.urandom(3_000)
        blob = await store.put_blob(data)
        leaves = Receipt(
            kind=DEPARTURE,
            universe=UNIVERSE,
            other=f"{ALICE.did}/universe:b",
            gate=gate.public,
            epoch=1,
            seq=1,
            prev=NO_RECEIPT,
            migration=bytes([number]) * 16,
            passage=f"{ALICE.did}/passage:x",
            traveller=Traveller.in_blob(Who(UNIVERSE, "fox"), data, "json", blob),
            tick=0,
            at_us=NOW_US,
        )
        home = opened_with(MAIN, PHONE, raws)
        change = home.change(put_receipts([sign_receipt(leaves, gate)], now_us=NOW_US))
        sides.append(Side(all_signed([change], MAIN, PHONE), [blob]))
    sides.sort(key=lambda one: one.entries[0].entry.payload_digest)
    return sides[0], sides[1]


async def test_a_traveller_that_left_a_universe_that_is_deleted_is_kept(
    store: Store, new: Store
) -> None:
    await begun(store)
    left, _ = await left_twice(store)
    await store.receive(left.entries, source="alice")
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await restored(store, new)
    assert await here(new, left.blobs) == [True]


async def test_a_traveller_that_left_in_a_branch_that_lost_is_kept(
    store: Store, new: Store
) -> None:
    await begun(store)
    stands, lost = await left_twice(store)
    await store.receive(lost.entries, source="alice")
    assert lost.blobs[0] in await store.blobs_named(ALICE.signer.author)
    await store.receive(stands.entries, source="alice")
    await restored(store, new)
    assert await here(new, [*stands.blobs, *lost.blobs]) == [True] * 2


async def test_beside_what_fell_only_that_is_named(store: Store, new: Store) -> None:
    """What was let go by changes that count, a restored home does not keep."""
    blobs = await begun(store)
    fell = await store.put_blob(b"kept by the phone" * 100)
    await store.commit(MAIN, keeps(taken(100, fell, who=PHONE)), PHONE.signer)
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await let_go(store, 0)
    await restored(store, new)
    await new.put_blob(await store.read_blob(blobs[0]))
    assert await here(new, [blobs[0], blobs[1], fell]) == [False, True, True]


async def test_what_was_revoked_while_it_waited_and_loses_then_is_kept(
    store: Store, new: Store
) -> None:
    await begun(store)
    stands, lost = await copied(store)
    await synced(store, new)
    for blob in (*stands.blobs, *lost.blobs):
        await new.put_blob(await store.read_blob(blob))
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    for one in (lost.entries[1], stands.entries[0], lost.entries[0], stands.entries[1]):
        await new.receive([one], source="alice")
    assert await here(new, [*stands.blobs, *lost.blobs]) == [True] * 4


async def test_what_waited_for_long_and_loses_then_is_kept(store: Store, new: Store) -> None:
    """In a document that is loaded as it was saved: what waits is not in memory."""
    await begun(store)
    stands, lost = await copied(store)
    for tick in range(10, 20):
        await kept(store, tick, stands.blobs[0])
    await synced(store, new)
    for blob in lost.blobs:
        await new.put_blob(await store.read_blob(blob))
    await new.receive([*stands.entries, lost.entries[1]], source="alice")
    await kept(new, 30, stands.blobs[0])
    state = await new.read(MAIN)
    assert state is not None
    assert state.left_out == {lost.entries[1].id: Reason.MISSING_DEPENDENCY}
    await new.receive(lost.entries[:1], source="alice")
    assert await here(new, lost.blobs) == [True] * 2


# ── what it costs ────────────────────────────────────────────────────────────────────────────────


class Rows:
    """Makes rows as a node does, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        self.made += 1
        return project(document, value)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest_asyncio.fixture
async def counting(tmp_path: Path, rows: Rows) -> AsyncGenerator[Store]:
    quota = Quota(own=frozenset({AuthorKey(ALICE.root.public)}))
    path = tmp_path / "counting.db"
    async with open_store(path, project=rows, clock_us=lambda: NOW_US, quota=quota) as opened:
        yield opened


CLOCK = ALICE.document("io.alice.clock")


@pytest.mark.parametrize("document", [MAIN, CLOCK])
async def test_what_is_said_twice_makes_no_row_of_what_would_be_with_each_change(
    counting: Store, rows: Rows, document: DocumentId
) -> None:
    """A change under two entries, beside one that fell as its device is revoked."""
    if document == MAIN:
        await begun(counting)
    else:
        await counting.commit(CLOCK, named("clock"), ALICE.signer)
    raws = await raws_of(counting, document)
    home = opened_with(document, PHONE, raws)
    first, second = (home.change(named(f"by the phone {number}")) for number in (1, 2))
    assert first is not None
    assert second is not None
    counts = signed(first, document, PHONE)
    falls = signed(second, document, PHONE, counts)
    await counting.receive([counts], source="alice")
    device = PHONE.signer.device.public
    seen = await counting.frontier_now(COMMONS, Revocation(ALICE.root.public, device))
    await counting.declare(Revoke(device, Frontier(seen)), LOG, ROOT)
    await counting.receive([falls, again(first, document)], source="alice")
    state = await counting.read(document)
    assert state is not None
    assert {*state.left_out.values()} == {Reason.REVOKED, Reason.REPEATED}
    rows.made = 0
    for number in range(3):
        await counting.commit(document, named(f"by alice {number}"), ALICE.signer)
    assert rows.made == 3


async def test_what_falls_in_a_universe_makes_no_row_of_what_would_be(
    store: Store, phone: Store, counting: Store, rows: Rows
) -> None:
    await begun(store)
    await synced(store, phone)
    await kept(phone, 20, await phone.put_blob(b"theirs" * 500), PHONE)
    await synced(store, counting)
    await counting.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    rows.made = 0
    await synced(phone, counting)
    state = await counting.read(MAIN)
    assert state is not None
    assert [*state.left_out.values()] == [Reason.REVOKED]
    assert rows.made == 1


async def test_where_nothing_is_revoked_what_loses_makes_no_row_of_what_would_be(
    counting: Store, rows: Rows
) -> None:
    one, other = (ALICE.writes(CLOCK, named(name)) for name in ("one", "other"))
    await counting.receive(one, source="alice")
    rows.made = 0
    await counting.receive(other, source="alice")
    assert rows.made == 1


async def test_what_is_not_in_memory_is_found_by_an_index(tmp_path: Path, new: Store) -> None:
    """There may be a million entries beside it."""
    assert await all_of(new) == []
    with closing(sqlite3.connect(tmp_path / "new.db")) as database:
        asked = unshown.PAYLOADS.replace("(*)", "(?, ?)")
        plan = database.execute(f"EXPLAIN QUERY PLAN {asked}", (b"", b"")).fetchall()
    assert [step[3] for step in plan] == ["SEARCH entry USING INDEX entry_by_id (<expr>=?)"]


def again(raw: bytes, document: DocumentId) -> SignedEntry:
    """The same change in another entry."""
    return sign_change(
        raw, document, signer=PHONE.signer, prev=None, auth_heads=(), timestamp=2_001
    )
