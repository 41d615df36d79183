"""States of a branch that lost, or of what no longer fits: a restored home keeps them, too."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from crdt import authority, rollover
from crdt.blob import BlobId
from crdt.change import DocumentId, SignedEntry
from crdt.held import Reason
from crdt.statement import Revoke
from registry.deletion import delete
from storage import append
from storage.store import Store
from tests.storage.people import ALICE, named
from tests.storage.test_apart import let_go
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, begun, epoch, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_doubts_of_epochs import all_signed, opened_with, raws_of
from tests.storage.test_snapshots import MAIN, keeps, taken
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import late as late
from tests.storage.test_unshown import made_by, nothing, opened, restored, ticks
from tests.storage.test_unshown import new as new


@dataclass
class Side:
    """What one of two homes wrote that had the same device."""

    entries: list[SignedEntry]
    blobs: list[BlobId]


async def copied(store: Store, states: int = 2, document: DocumentId = MAIN) -> tuple[Side, Side]:
    """(what stands, what lost): so many states of each; their bytes are in `store`."""
    raws, sides = await raws_of(store, document), list[Side]()
    for first in (100, 200):
        home, side = opened_with(document, PHONE, raws), Side([], [])
        changes: list[bytes | None] = []
        for tick in range(first, first + states):
            side.blobs.append(await store.put_blob(b"state %d" % tick * 300))
            changes.append(home.change(keeps(taken(tick, side.blobs[-1], who=PHONE))))
        side.entries = all_signed(changes, document, PHONE)
        sides.append(side)
    # Of equal votes the smaller one wins.
    sides.sort(key=lambda one: one.entries[0].entry.payload_digest)
    return sides[0], sides[1]


async def split(store: Store) -> tuple[Side, Side]:
    """`store` is the home whose branch counted until it heard of the other one."""
    await begun(store)
    stands, lost = await copied(store)
    await store.receive(lost.entries, source="alice")
    await store.receive(stands.entries, source="alice")
    state = await store.read(MAIN)
    assert state is not None
    assert state.left_out == {
        lost.entries[0].id: Reason.LOST_BRANCH,
        lost.entries[1].id: Reason.EXCLUDED_DEPENDENCY,
    }
    return stands, lost


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("makes_anew", [False, True])
async def test_a_restored_home_keeps_the_states_of_a_branch_that_lost(
    store: Store, new: Store, *, is_deleted: bool, makes_anew: bool
) -> None:
    stands, lost = await split(store)
    if is_deleted:
        await store.commit(MAIN, delete(now_us=1), ALICE.signer)
    await restored(store, new)
    if makes_anew:
        await new.rematerialise()
    assert await here(new, [*stands.blobs, *lost.blobs]) == [True] * 4
    assert {*lost.blobs} <= {*await new.blobs_named(ALICE.signer.author)}, "so the next backup too"


async def test_they_are_kept_whichever_change_comes_first_and_one_by_one(
    store: Store, new: Store
) -> None:
    """What they build on comes last: until then they wait."""
    base = await begun(store)
    before = [*await raws_of(store)]
    stands, lost = await split_of(store, new)
    assert len(await raws_of(new)) == len(before) + 4
    assert await here(new, [*base, *stands.blobs, *lost.blobs]) == [False] * 4 + [True] * 4


async def split_of(store: Store, new: Store) -> tuple[Side, Side]:
    stands, lost = await copied(store)
    for one in (*stands.entries, *lost.entries):
        await new.receive([one], source="alice")
    for blob in (*stands.blobs, *lost.blobs):
        await new.put_blob(await store.read_blob(blob))
    await synced(store, new)
    return stands, lost


async def test_a_branch_that_lost_and_was_revoked_then_keeps_them(store: Store, new: Store) -> None:
    stands, lost = await split(store)
    await store.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    await restored(store, new)
    assert await ticks(new) == [3, 2, 1, 0]
    assert await here(new, [*stands.blobs, *lost.blobs]) == [True] * 4


async def test_it_keeps_them_in_an_epoch_of_before(
    store: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands, lost = await split(store)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    await kept(store, 300, stands.blobs[0])
    assert await epoch(store) == 1
    await restored(store, new)
    assert await epoch(new) == 1
    for tick in (100, 101, 200, 201):
        await let_go(new, tick)
    assert await here(new, [stands.blobs[1], *lost.blobs]) == [False, True, True]


async def test_a_restored_home_keeps_the_states_for_which_a_document_has_no_room(
    store: Store, phone: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two devices that were apart wrote more than counts."""
    blobs = await begun(store)
    await synced(store, phone)
    for tick in (20, 21):
        blobs.append(await store.put_blob(b"state %d" % tick * 300))
        await kept(store, tick, blobs[-1])
        blobs.append(await store.put_blob(b"theirs %d" % tick * 300))
        await kept(phone, tick, blobs[-1], PHONE)
    await synced(phone, store)
    monkeypatch.setattr(authority, "CHANGES_MAX", 7)
    await restored(store, new)
    state = await new.read(MAIN)
    assert state is not None
    assert {*state.left_out.values()} == {Reason.OVER_LIMIT}
    assert len(await ticks(new)) == 6
    assert await here(new, blobs) == [True] * 8


async def test_a_home_that_was_restored_before_names_them(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lost = await split(store)
    path = tmp_path / "before.db"
    monkeypatch.setattr(append, "name_unshown", nothing)
    async with opened(path) as before:
        await restored(store, before)
    monkeypatch.undo()
    made_by(path, 9)
    async with opened(path) as now:
        assert await here(now, lost.blobs) == [True] * 2


async def test_of_other_records_a_branch_that_lost_stops_nothing(new: Store) -> None:
    """How blobs stand in their changes is not known."""
    clock = ALICE.document("io.alice.clock")
    one, other = (ALICE.writes(clock, named(name)) for name in ("one", "other"))
    await new.receive([*one, *other], source="backup")
    state = await new.read(clock)
    assert state is not None
    assert [*state.left_out.values()] == [Reason.LOST_BRANCH]
    await new.rematerialise()
    assert await new.read(clock) == state
