"""What a record says that it has is told from bytes, whether or not it is signed well."""

import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from crdt import rollover
from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.document import Document, Editor
from crdt.keys import AuthorKey
from crdt.leb128 import uleb
from crdt.preflight import CHUNK_ROWS_MAX
from node.projection import project
from registry.deletion import delete
from storage.listing import Listing, Projection, SnapshotRow
from storage.quota import Quota
from storage.said import APART_BYTES_MIN, blob_said, said_in
from storage.store import Store, open_store
from tests.crdt import bombs
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_carried import PHONE, all_of, begun, epoch, here, kept, kept_late, synced
from tests.storage.test_carried import phone as phone
from tests.storage.test_carried import soon as soon
from tests.storage.test_lost_states import copied
from tests.storage.test_snapshots import MAIN, taken
from tests.storage.test_snapshots import store as store
from universe.parts import encode_origin, read_snapshot
from universe.receipts import DEPARTURE, NO_RECEIPT, Receipt, Traveller, Who, sign_receipt
from universe.receipts import encode_signed as encode_receipt
from universe.snapshot import Decay, Snapshot, encode_signed, sign_snapshot

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


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record is full yet."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", 100)


async def test_what_comes_late_to_a_hidden_epoch_is_not_verified(
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
    assert counting.ids == []
    assert await here(new, blobs[4:]) == [True] * LATE


@pytest.mark.usefixtures("late")
async def test_what_comes_to_a_deleted_universe_is_not_verified(
    store: Store, phone: Store, new: Store, counting: Counting
) -> None:
    await begun(store)
    await synced(store, phone)
    await store.commit(MAIN, delete(now_us=NOW_US), ALICE.signer)
    await synced(store, new)
    counting.ids.clear()
    blobs = [await new.put_blob(b"late %d" % tick * 300) for tick in range(LATE)]
    for tick, blob in enumerate(blobs, 20):
        await kept(phone, tick, blob, PHONE)
        await synced(phone, new)
    assert counting.ids == []
    assert await here(new, blobs) == [True] * LATE


@pytest.mark.usefixtures("late")
async def test_what_waited_and_loses_at_once_is_not_verified(
    store: Store, new: Store, counting: Counting
) -> None:
    """One entry made thousands of snapshots be verified in one transaction."""
    await begun(store)
    stands, lost = await copied(store, LATE)
    await synced(store, new)
    counting.ids.clear()
    await new.receive([*stands.entries, *lost.entries[1:]], source="alice")
    for blob in lost.blobs:
        await new.put_blob(await store.read_blob(blob))
    assert len(counting.ids) == len(stands.blobs), "what is shown"
    await new.receive(lost.entries[:1], source="alice")
    assert len(counting.ids) == len(stands.blobs)
    assert await here(new, lost.blobs) == [True] * LATE


async def test_of_what_is_signed_badly_the_blob_is_named(new: Store, counting: Counting) -> None:
    signed = taken(1, BlobId(b"b" * 32))
    wrong = encode_signed(replace(signed, signature=bytes(64)))
    assert blob_said(wrong) == b"b" * 32
    assert counting.read(signed.id, wrong) is None


NAME = f"{ALICE.did}/a:b"
PLAIN = Snapshot(NAME, 0, "auto", BlobId(b"b" * 32), 1, bytes(32), "a/b", 0)
LEAVING = Receipt(
    kind=DEPARTURE,
    universe=NAME,
    other=f"{ALICE.did}/a:c",
    gate=ALICE.signer.device.public,
    epoch=1,
    seq=1,
    prev=NO_RECEIPT,
    migration=bytes(16),
    passage=f"{ALICE.did}/a:d",
    traveller=Traveller.in_blob(Who(NAME, "s"), b"x", "j", BlobId(b"b" * 32)),
    tick=0,
    at_us=0,
)
SNAPSHOT = encode_signed(sign_snapshot(PLAIN, ALICE.signer.device))


@pytest.mark.parametrize(
    "said",
    [
        SNAPSHOT,
        encode_signed(sign_snapshot(replace(PLAIN, day=1, parent=bytes(32)), ALICE.signer.device)),
        encode_origin(NAME, sign_snapshot(PLAIN, ALICE.signer.device)),
        encode_receipt(sign_receipt(LEAVING, ALICE.signer.device)),
    ],
)
def test_each_statement_says_its_blob_and_none_hides_another(said: bytes) -> None:
    """Nor does a text before it that ends as if it were one."""
    assert blob_said(said) == b"b" * 32
    other = said.replace(b"b" * 32, b"c" * 32)
    raw = put({"a": "dblobX ", "b": said, "c": "dblobX " * 3, "d": other, "e": said})
    assert said_in([raw]) >= {b"b" * 32, b"c" * 32}
    assert len(said) - said.index(b"\x64blob") > APART_BYTES_MIN


def put(values: Mapping[str, str | bytes]) -> bytes:
    draft = Document.open(MAIN.cls, MAIN.kind, ALICE.signer.device.public)

    def edit(editor: Editor) -> None:
        for key, value in values.items():
            editor.put(("gate", key), value)

    raw = draft.change(edit)
    assert raw is not None
    return raw


def test_words_of_somebody_stand_far_enough_behind_a_blob() -> None:
    """Whoever may write into a statement of another takes its blob no name."""
    words = "dblobX " * 9
    who = Traveller.in_blob(Who(NAME, words), b"x", "j", BlobId(b"b" * 32))
    said = sign_receipt(replace(LEAVING, traveller=who), ALICE.signer.device)
    leaving = encode_receipt(said)
    decay = replace(PLAIN, decay=Decay(is_never=True, reason=words))
    kept_for_ever = encode_signed(sign_snapshot(decay, ALICE.signer.device))
    for one in (leaving, kept_for_ever):
        assert one.count(b"\x64blob\x58\x20") == 10
        assert b"b" * 32 in said_in([put({"a": one})])


def test_what_one_change_names_is_bounded() -> None:
    many = b"".join(b"\x64blob\x58\x20" + bytes([n]) * 32 for n in range(200))
    raw = put({"many": many, "leaves": SNAPSHOT})
    assert said_in([raw]) == {b"b" * 32}
    assert said_in([put({"none": b"\x64blob"})]) == set()


def test_a_change_of_many_runs_is_no_more_work() -> None:
    """40 KB took 16 ms, and hundreds may fall at once, in one transaction."""
    rows = CHUNK_ROWS_MAX
    values = [(0x15, bombs.sleb(rows) + uleb(1) + b"a"), (0x42, bombs.sleb(rows) + uleb(1))]
    raw = bombs.chunk(bombs.body([*values, (0x56, b"\x01\x06" * rows), (0x57, SNAPSHOT)]))
    calls = list[str]()
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    try:
        found = said_in([raw])
    finally:
        sys.setprofile(None)
    assert found == {b"b" * 32}
    assert len(calls) < 200
