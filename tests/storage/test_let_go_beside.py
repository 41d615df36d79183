"""What is let go gives its room back, though something beside it does not count or is not listed.

One entry of a device that was lost, or of a copy of a home, kept all that was ever let go.
"""

import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from crdt import rollover
from crdt.blob import BlobId
from crdt.capability import CapabilityCache
from crdt.change import SignedEntry, check_entry, sign_change
from crdt.held import Reason
from crdt.statement import Revoke
from storage import snapshots, unshown
from storage.documents import raw_of
from storage.store import Store
from tests.storage.people import ALICE, person
from tests.storage.test_apart import TABLET, kept_in_old, let_go
from tests.storage.test_apart import tablet as tablet
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, all_of, begun, epoch, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_doubts_of_epochs import all_signed, opened_with
from tests.storage.test_lost_states import copied
from tests.storage.test_snapshots import MAIN, created
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import late as late
from tests.storage.test_unshown import new as new
from tests.storage.test_unshown import opened, restored, ticks
from universe import parts, record

FELL = 20
"""The tick of what the phone kept."""


async def revoked(new: Store, phone: Store, *, lets_go: bool = False) -> list[BlobId]:
    """Four states, and one of a phone that was lost then; or that kept it and let it go since."""
    blobs = await begun(new)
    await synced(new, phone)
    blobs.append(await new.put_blob(os.urandom(2_000)))
    await kept(phone, FELL, blobs[-1], PHONE)
    if not lets_go:
        await synced(new, phone)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    if lets_go:
        await let_go(phone, FELL, PHONE)
        await synced(phone, new)
    return blobs


async def went_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into a new epoch."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 2)
    await kept(store, 99, await store.put_blob(os.urandom(2_000)))
    assert await epoch(store) > 0
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)


async def of_the_phone(phone: Store, old: set[bytes]) -> list[SignedEntry]:
    """What it wrote since, the last one first."""
    fresh = [one for one in await all_of(phone) if one.id not in old]
    return sorted(fresh, key=lambda one: -check_entry(one, CapabilityCache()).seq)


async def waiting(new: Store, phone: Store) -> tuple[list[BlobId], SignedEntry]:
    """Four states, and two that the phone kept, of which the last one is here and waits for the
    first: that entry."""
    blobs = await begun(new)
    await synced(new, phone)
    old = {one.id for one in await all_of(phone)}
    for tick in (FELL, FELL + 1):
        blobs.append(await new.put_blob(os.urandom(2_000)))
        await kept(phone, tick, blobs[-1], PHONE)
    last, first = await of_the_phone(phone, old)
    await new.receive([last], source="alice")
    return blobs, first


async def test_what_is_let_go_beside_what_fell_goes(new: Store, phone: Store) -> None:
    blobs = await revoked(new, phone)
    await let_go(new, 0)
    assert await here(new, blobs) == [False, True, True, True, True]
    await let_go(new, 1)
    assert await here(new, blobs) == [False, False, True, True, True]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("is_whole", [False, True])
async def test_what_is_let_go_while_another_branch_may_win_stays(
    new: Store, tablet: Store, monkeypatch: pytest.MonkeyPatch, is_old: bool, is_whole: bool
) -> None:
    """Two devices that are away went on with the branch that loses, so it wins as they come; or of
    that only the end was here, which waits."""
    blobs, base = await begun(new), await all_of(new)
    stands, lost = await copied(new, 2)
    known = lost.entries if is_whole else lost.entries[1:]
    await new.receive([*known, *stands.entries], source="alice")
    await tablet.receive([*base, *lost.entries], source="alice")
    for tick, who in ((300, TABLET), (301, person(1, device=9))):
        await kept(tablet, tick, await new.put_blob(os.urandom(2_000)), who)
    away = await all_of(tablet)
    await let_go(new, 0)
    if is_old:
        await went_on(new, monkeypatch)
    assert await here(new, blobs) == [True] * 4
    await new.receive(away, source="alice")
    assert await here(new, blobs) == [True] * 4
    if not is_old:
        assert {0, 300, 301} <= {*await ticks(new)}


async def test_what_was_let_go_beside_both_branches_goes_with_the_epoch(
    new: Store, tablet: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a device that had heard of neither. Also what came and went on the one that counts."""
    blobs = await begun(new)
    await synced(new, tablet)
    await let_go(tablet, 0, TABLET)
    stands, lost = await copied(new, 2)
    await new.receive([*stands.entries, *lost.entries], source="alice")
    passing = await new.put_blob(os.urandom(2_000))
    await kept(new, 300, passing)
    await let_go(new, 300)
    await synced(tablet, new)
    every = [*blobs, passing, *stands.blobs, *lost.blobs]
    assert await here(new, every) == [True] * 9, "no act looks for what that costs"
    await went_on(new, monkeypatch)
    assert await here(new, every) == [False, True, True, True, False, *[True] * 4]


@pytest.mark.parametrize("is_whole", [True, False])
async def test_what_a_branch_let_go_stays_in_a_restored_home(
    new: Store, tablet: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    """Where it was never shown; also of what came over, until the record goes on once more."""
    blobs = await begun(new)
    await went_on(new, monkeypatch)
    await synced(new, tablet)
    await let_go(tablet, 1, TABLET)
    stands, lost = await copied(new, 2, replace(MAIN, epoch=1))
    known = lost.entries if is_whole else lost.entries[1:]
    await new.receive([*stands.entries, *known], source="alice")
    await let_go(new, 0)
    await synced(tablet, new)
    async with opened(tmp_path / "restored.db") as home:
        await restored(new, home)
        assert not {0, 1} & {*await ticks(home)}
        assert await here(home, blobs) == [True] * 4
        await went_on(home, monkeypatch)
        assert await here(home, blobs) == [True, False, True, True]


async def test_what_came_over_and_was_let_go_on_a_branch_before_the_other_came_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the old epoch, which names it on until `gc` has looked: nothing else does in a home of
    others, as this one is."""
    blobs = await begun(store)
    await went_on(store, monkeypatch)
    await let_go(store, 1)
    stands, lost = await copied(store, 2, replace(MAIN, epoch=1))
    await store.receive(stands.entries, source="alice")
    await let_go(store, 0)
    await store.receive(lost.entries, source="alice")
    assert await here(store, blobs) == [True, False, True, True]


async def test_what_came_over_by_a_branch_that_may_lose_stays_in_the_old_epoch(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two went on apart, one with a state that it alone had; of that one a copy was put back."""
    await begun(new)
    await synced(new, phone)
    alone = await kept_in_old(phone, FELL, PHONE)
    await new.put_blob(await phone.read_blob(alone))
    monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
    for one, tick, who in ((new, 30, ALICE), (phone, 31, PHONE)):
        await kept(one, tick, await one.put_blob(os.urandom(2_000)), who)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await synced(new, phone)
    await let_go(new, FELL)
    copy = opened_with(replace(MAIN, epoch=1), PHONE, [])
    await new.receive(
        all_signed([copy.change(created())], replace(MAIN, epoch=1), PHONE), source="alice"
    )
    assert FELL not in await ticks(new)
    assert 31 in await ticks(new)
    assert await here(new, [alone]) == [True]


async def test_what_a_branch_had_let_go_stays_once_the_other_is_heard_of(
    new: Store, tablet: Store
) -> None:
    """Unless it was collected by then."""
    blobs, base = await begun(new), await all_of(new)
    stands, lost = await copied(new, 2)
    await tablet.receive([*base, *lost.entries], source="alice")
    for tick, who in ((300, TABLET), (301, person(1, device=9))):
        await kept(tablet, tick, await new.put_blob(os.urandom(2_000)), who)
    away = await all_of(tablet)
    await new.receive(stands.entries, source="alice")
    await let_go(new, 0)
    await new.receive(lost.entries, source="alice")
    assert await here(new, blobs) == [True] * 4
    await new.receive(away, source="alice")
    assert 0 in await ticks(new)


async def test_what_is_let_go_stays_while_a_branch_waits_that_ends_one_act_later(
    new: Store, tablet: Store
) -> None:
    """What it builds on is another act than the one that is here by that number."""
    blobs, base = await begun(new), await all_of(new)
    stands, lost = await copied(new, 2)
    await new.receive([stands.entries[0], lost.entries[1]], source="alice")
    await tablet.receive([*base, *lost.entries], source="alice")
    for tick, who in ((300, TABLET), (301, person(1, device=9))):
        await kept(tablet, tick, await new.put_blob(os.urandom(2_000)), who)
    away = await all_of(tablet)
    await let_go(new, 0)
    assert await here(new, blobs) == [True] * 4
    await new.receive(away, source="alice")
    assert 0 in await ticks(new)


async def test_what_is_let_go_beside_what_waits_goes(new: Store, phone: Store) -> None:
    blobs, first = await waiting(new, phone)
    await let_go(new, 0)
    assert await new.has_blob(blobs[1])
    await new.receive([first], source="alice")
    assert await here(new, blobs) == [False, *[True] * 5]


async def test_what_was_signed_again_does_not_keep_what_is_let_go(new: Store) -> None:
    """The same change in two entries, of which one counts."""
    blobs = await begun(new)
    first, *_ = [one for one in await all_of(new) if bytes(blobs[0]) in bytes(one.payload)]
    said = check_entry(first, CapabilityCache())
    again = sign_change(
        raw_of(first.payload), MAIN, signer=ALICE.signer, prev=said.prev, timestamp=3_000
    )
    await new.receive([again], source="alice")
    state = await new.read(MAIN)
    assert state is not None
    assert {*state.left_out.values()} == {Reason.REPEATED}
    await let_go(new, 0)
    assert await here(new, blobs) == [False, True, True, True]


async def test_what_is_let_go_beside_what_has_no_place_goes(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = await begun(new)
    await synced(new, phone)
    for tick, (one, who) in enumerate([(new, ALICE), (phone, PHONE)], FELL):
        blobs.append(await one.put_blob(b"state %d" % tick * 300))
        await new.put_blob(b"state %d" % tick * 300)
        await kept(one, tick, blobs[-1], who)
    for module in (parts, record):
        monkeypatch.setattr(module, "SNAPSHOTS_MAX", 4)
    await synced(new, phone)
    listed = await ticks(new)
    assert len(listed) == 4
    await let_go(new, listed[0])
    assert (await here(new, blobs)).count(False) == 1
    assert len(await ticks(new)) == 4


@pytest.mark.parametrize(
    ("module", "bound"), [(unshown, "READ_AT_ONCE"), (snapshots, "LOOKED_AT_BYTES_MAX")]
)
async def test_where_too_much_fell_to_look_at_it_goes_with_the_epoch(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, module: ModuleType, bound: str
) -> None:
    """Of two changes there is room for one: one of them, or some bytes."""
    monkeypatch.setattr(module, bound, 1)
    blobs = await revoked(new, phone, lets_go=True)
    await let_go(new, 0)
    assert await here(new, blobs) == [True] * 5
    await went_on(new, monkeypatch)
    assert await here(new, blobs) == [False, True, True, True, True]


async def test_nobody_else_has_what_they_wrote_looked_through(
    store: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a moment with each of their acts; here alice is somebody else."""
    blobs = await revoked(store, phone)
    await let_go(store, 0)
    assert await here(store, blobs) == [True] * 5
    await went_on(store, monkeypatch)
    assert await here(store, blobs) == [False, True, True, True, True]


async def test_what_waited_until_the_next_epoch_kept_nothing_but_its_own(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LOOKED_AT_BYTES_MAX", 0)
    blobs, first = await waiting(new, phone)
    await let_go(new, 0)
    await went_on(new, monkeypatch)
    await new.receive([first], source="alice")
    assert await here(new, blobs) == [False, *[True] * 5]


async def test_what_fell_with_what_let_it_go_stays_in_an_old_epoch(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two the first may count some day without the other."""
    blobs = await revoked(new, phone, lets_go=True)
    await let_go(new, 0)
    assert await here(new, blobs) == [False, True, True, True, True]
    await went_on(new, monkeypatch)
    assert await here(new, blobs) == [False, True, True, True, True]


async def test_a_home_that_was_never_restored_names_no_more_than_one_that_was(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blobs = await revoked(new, phone)
    await let_go(new, 0)
    await went_on(new, monkeypatch)
    await let_go(new, 1)
    assert await here(new, blobs) == [False, False, True, True, True]
    async with opened(tmp_path / "restored.db") as home:
        await restored(new, home)
        assert await here(home, blobs) == [False, False, True, True, True]
        author = ALICE.signer.author
        assert {*await home.blobs_named(author)} == {*await new.blobs_named(author)}
