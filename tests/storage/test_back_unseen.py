"""A state is back as what let it go falls: its bytes stay also where that is not shown."""

import os
from pathlib import Path

import pytest

from crdt.statement import Revoke
from registry.deletion import delete, undelete
from storage.store import Store
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_apart import TABLET, let_go, snapshots
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, begun, here, kept, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_snapshots import MAIN
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import AUTHOR, opened, restored, ticks
from tests.storage.test_unshown import late as late
from tests.storage.test_unshown import new as new
from universe import parts, record

STOLEN = Revoke(PHONE.signer.device.public)


@pytest.mark.parametrize("makes_anew", [False, True])
async def test_a_deleted_universe_keeps_what_a_thief_let_go(
    new: Store, store: Store, phone: Store, tmp_path: Path, *, makes_anew: bool
) -> None:
    """The tablet deletes it, and had not heard of that; the phone is revoked then."""
    blobs = await begun(new)
    await synced(new, phone, store)
    await let_go(phone, 2, PHONE)
    await store.commit(MAIN, delete(now_us=NOW_US), TABLET.signer)
    await synced(phone, new)
    await synced(store, new)
    await new.declare(STOLEN, LOG, ROOT)
    if makes_anew:
        await new.rematerialise()
    assert {*blobs} == {*await new.blobs_named(AUTHOR)}
    async with opened(tmp_path / "restored.db") as home:
        await restored(new, home)
        assert await here(home, blobs) == [True] * 4
    assert await here(new, blobs) == [True] * 4
    await new.commit(MAIN, undelete(), ALICE.signer)
    assert await ticks(new) == [3, 2, 1, 0]


async def test_a_universe_that_cannot_be_read_keeps_what_a_thief_let_go(
    new: Store, store: Store, phone: Store
) -> None:
    blobs = await begun(new)
    await synced(new, phone, store)
    await let_go(phone, 2, PHONE)
    await store.commit(MAIN, lambda e: e.put(("body", "forked_from"), 5), TABLET.signer)
    await synced(phone, new)
    await synced(store, new)
    await new.declare(STOLEN, LOG, ROOT)
    assert await new.listing("universe", ALICE.did, "universe:main") is None
    assert await here(new, blobs) == [True] * 4
    await new.commit(MAIN, lambda e: e.delete(("body", "forked_from")), ALICE.signer)
    assert await ticks(new) == [3, 2, 1, 0]


async def test_what_has_no_place_is_kept_as_what_let_it_go_falls(
    new: Store, phone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_tick = dict(enumerate(await begun(new)))
    for tick in (20, 21):
        by_tick[tick] = await new.put_blob(os.urandom(2_000))
        await kept(new, tick, by_tick[tick])
    await synced(new, phone)
    gone = max(await snapshots(new), key=lambda one: one.id).tick  # those of smaller ids are listed
    await let_go(phone, gone, PHONE)
    for module in (parts, record):
        monkeypatch.setattr(module, "SNAPSHOTS_MAX", 4)
    await synced(phone, new)
    assert by_tick[gone] not in await new.blobs_named(AUTHOR)
    await new.declare(STOLEN, LOG, ROOT)
    assert gone not in await ticks(new)
    assert await here(new, [*by_tick.values()]) == [True] * 6
