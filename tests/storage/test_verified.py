"""A snapshot is verified once, not again with each entry that comes late."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from crdt import rollover
from crdt.change import DocumentId
from crdt.keys import AuthorKey
from node.projection import project
from registry.deletion import delete
from storage import verified
from storage.listing import Listing, Projection, SnapshotRow
from storage.quota import Quota
from storage.store import Store, open_store
from storage.verified import Verified
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_carried import PHONE, all_of, begun, epoch, here, kept, kept_late, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_carried import soon as soon
from tests.storage.test_snapshots import EMPTY, MAIN, taken
from tests.storage.test_snapshots import store as store
from universe.parts import read_snapshot
from universe.snapshot import encode_signed

LATE = 6


@dataclass
class Counting:
    """Projects as a node does, and counts each snapshot that is verified."""

    ids: list[bytes] = field(default_factory=list[bytes])

    def project(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        row = project(document, value)
        if not isinstance(row, Listing) or row.parts is None:
            return row
        return msgspec.structs.replace(row, parts=replace(row.parts, read_snapshot=self.read))

    def read(self, id: bytes, data: bytes) -> SnapshotRow | None:
        self.ids.append(id)
        return read_snapshot(id, data)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest_asyncio.fixture
async def new(tmp_path: Path, counting: Counting) -> AsyncGenerator[Store]:
    quota = Quota(own=frozenset({AuthorKey(ALICE.root.public)}))
    path = tmp_path / "new.db"
    async with open_store(
        path, project=counting.project, clock_us=lambda: NOW_US, quota=quota
    ) as opened:
        yield opened


async def test_what_a_hidden_epoch_says_is_verified_once(
    store: Store, phone: Store, new: Store, counting: Counting
) -> None:
    blobs = await begun(store)
    await synced(store, phone, new)
    await kept(store, 9, blobs[0])
    await synced(store, new)
    assert await epoch(new) == 1
    counting.ids.clear()
    for tick in range(20, 20 + LATE):
        blobs.append(await new.put_blob(b"late %d" % tick * 300))
        await kept_late(phone, tick, blobs[-1])
        await new.receive(await all_of(phone), source="alice")
    assert len(counting.ids) == len({*counting.ids}) == 4 + LATE
    assert await here(new, blobs[4:]) == [True] * LATE


async def test_what_a_deleted_universe_says_is_verified_once(
    store: Store, phone: Store, new: Store, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)
    await begun(store)
    await synced(store, phone)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await synced(store, new)
    counting.ids.clear()
    blobs = [await new.put_blob(b"late %d" % tick * 300) for tick in range(LATE)]
    for tick, blob in enumerate(blobs, 20):
        await kept(phone, tick, blob, PHONE)
        await synced(phone, new)
    assert len(counting.ids) == len({*counting.ids}) == LATE
    assert await here(new, blobs) == [True] * LATE


def test_what_is_wrong_is_remembered_and_hides_nothing_that_is_right() -> None:
    said, counting = Verified(), Counting()
    signed = taken(1)
    data = encode_signed(signed)
    for _ in range(2):
        assert said.blob_of(signed.id, b"nothing", counting.read) is None
        assert said.blob_of(bytes(32), data, counting.read) is None
        assert said.blob_of(signed.id, data, counting.read) == EMPTY
    assert len(counting.ids) == 3


def test_no_more_is_remembered_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "VERIFIED_MAX", 3)
    said, counting = Verified(), Counting()
    several = [(one.id, encode_signed(one)) for one in map(taken, range(4))]
    for id, data in (*several, *several[1:]):
        said.blob_of(id, data, counting.read)
    assert len(counting.ids) == 4
    said.blob_of(*several[0], counting.read)
    assert len(counting.ids) == 5
