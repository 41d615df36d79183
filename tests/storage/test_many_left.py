"""Bytes of more travellers than the record of their universe has places to list: they stay."""

import os

import pytest

from crdt import rollover
from crdt.blob import BlobId
from storage.store import Store
from tests.storage.people import ALICE, NOW_US, Person
from tests.storage.test_carried import PHONE, begun, epoch, here, kept, synced
from tests.storage.test_carried import soon as soon
from tests.storage.test_lost_unread import UNIVERSE
from tests.storage.test_snapshots import MAIN
from tests.storage.test_snapshots import store as store
from tests.storage.test_unshown import new as new
from universe import gatebook
from universe.gatebook import put_receipts
from universe.receipts import DEPARTURE, NO_RECEIPT, Receipt, Traveller, Who, sign_receipt

LISTED = 3


async def left(
    store: Store, count: int, who: Person = ALICE, other: str = "universe:b"
) -> list[BlobId]:
    """So many, to another universe, each with bytes that are a blob."""
    blobs, last = list[BlobId](), NO_RECEIPT
    for number in range(1, count + 1):
        data = os.urandom(3_000)
        blobs.append(await store.put_blob(data))
        leaves = Receipt(
            kind=DEPARTURE, universe=UNIVERSE, other=f"{ALICE.did}/{other}",
            gate=who.signer.device.public, epoch=1, seq=number, prev=last,
            migration=bytes([number]) * 16, passage=f"{ALICE.did}/passage:x",
            traveller=Traveller.in_blob(Who(UNIVERSE, f"fox {number}"), data, "json", blobs[-1]),
            tick=0, at_us=NOW_US,
        )  # fmt: skip
        signed = sign_receipt(leaves, who.signer.device)
        last = signed.id
        await store.commit(MAIN, put_receipts([signed], now_us=NOW_US), who.signer)
    return blobs


async def test_an_old_epoch_names_all_who_left_it_too_late_to_come_over(
    store: Store, new: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatebook, "LARGE_MAX", LISTED)
    await begun(store)
    await synced(store, new)
    await kept(store, 9, await store.put_blob(os.urandom(2_000)))
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    blobs = await left(new, LISTED + 2, PHONE)
    await synced(store, new)
    assert [await epoch(one) for one in (store, new)] == [1, 1]
    for _ in range(2):
        assert await here(new, blobs) == [True] * 5
        await new.rematerialise()


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("other", ["universe:b", "dblobX " + "x" * 32])
async def test_who_had_a_place_in_the_list_and_has_none_any_more_is_named_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, other: str, is_old: bool
) -> None:
    """As what another device signed comes before it; and where it goes on in a new epoch then. Also
    where what others call theirs looks as if it said a blob."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await begun(store)
    blobs = await left(store, LISTED + 2, other=other)
    monkeypatch.setattr(gatebook, "LARGE_MAX", LISTED)
    if is_old:
        monkeypatch.setattr(rollover, "CHANGES_FULL", 2)
    await kept(store, 9, await store.put_blob(os.urandom(2_000)))
    assert await epoch(store) == int(is_old)
    assert await here(store, blobs) == [True] * 5
