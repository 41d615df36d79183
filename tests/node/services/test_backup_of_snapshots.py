"""A backup holds each snapshot with all its bytes, however it lies in the home."""

import functools
import io
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crdt import rollover
from crdt.blob import BlobId, Chunking
from crdt.capability import CapabilityCache
from crdt.change import DocumentId, SignedEntry, Signer, check_entry, sign_change
from crdt.document import Document, Editor
from crdt.held import Reason
from crdt.keys import COMMONS
from crdt.rollover import carry_over
from node import drops
from node.drops import read_drop
from node.errors import Unverified
from node.home import Home
from node.services import backup_blobs
from node.services.restore import read_contents
from registry.deletion import undelete
from storage.documents import raw_of
from tests.node.conftest import alice as alice
from tests.node.parts import Alice, open_alice
from tests.node.services.test_backup import backed_up, nobody, restored
from tests.storage.vault.worlds import World
from universe.event import Event, encode_event
from universe.record import CLASS, KIND, add_events

SERIES = World(entities=1_500).series(4)


async def add(alice: Alice) -> None:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    for tick, world in enumerate(SERIES):
        place = f"/api/universe/universe:main/snapshot?tick={tick}"
        assert (await alice.client.post(place, content=world)).status_code == 201
    await alice.node.store.settled()


async def all_are_there(alice: Alice) -> None:
    for tick, world in enumerate(SERIES):
        place = f"/api/universe/universe:main/snapshot/{tick}"
        assert (await alice.client.get(place)).content == world


def deltas(home: Home) -> int:
    with closing(sqlite3.connect(home.database.with_name("snapshots.db"))) as vault:
        ((count,),) = vault.execute("SELECT count(*) FROM delta")
        return int(count)


async def test_what_lies_as_what_it_differs_in_comes_back_byte_for_byte(
    alice: Alice, tmp_path: Path
) -> None:
    await add(alice)
    assert deltas(alice.node.home) > 10
    data = await backed_up(alice)
    assert len(data) < len(SERIES[0]), "four states take less room than one"
    contents = read_contents(io.BytesIO(data), len(data), nobody)
    assert contents.counts[drops.PACKED] > 10
    assert contents.counts[drops.BLOB] == len(SERIES)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        await all_are_there(again)
        await again.node.store.settled()  # as a running node does
        assert deltas(again.node.home) > 10
        await all_are_there(again)
        assert await again.node.store.damaged_blobs() == []
    await all_are_there(alice)


async def test_a_deleted_universe_comes_back_in_a_restored_home(
    alice: Alice, tmp_path: Path
) -> None:
    await add(alice)
    assert (await alice.client.delete("/api/universe/universe:main")).status_code == 200
    data = await backed_up(alice)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert (await again.node.store.gc(grace_us=-1)).blobs == 0
        main = DocumentId(COMMONS, again.node.identity.author, CLASS, KIND, b"universe:main")
        await again.node.store.commit(main, undelete(), await again.node.signers.for_document(main))
        await all_are_there(again)


async def entries_of(alice: Alice, main: DocumentId) -> list[SignedEntry]:
    entries, _ = await alice.node.store.entries_after(main.subspace, 0)
    return [one for one in entries if check_entry(one, CapabilityCache()).document == main]


def winner(
    mine: SignedEntry, before: Sequence[SignedEntry], main: DocumentId, signer: Signer
) -> SignedEntry:
    """What the same device wrote elsewhere in place of `mine`: of equal votes the smaller wins."""
    while True:
        copy = Document.open(CLASS, KIND, signer.device.public)
        copy.receive([raw_of(one.payload) for one in before])
        raw = copy.change(lambda editor: editor.put(("elsewhere",), os.urandom(8)))
        assert raw is not None
        other = sign_change(raw, main, signer=signer, prev=before[-1].id, timestamp=1)
        if other.entry.payload_digest < mine.entry.payload_digest:
            return other


async def test_what_lost_to_a_copy_of_this_home_comes_back_in_a_restored_one(
    alice: Alice, tmp_path: Path
) -> None:
    """Both homes went on with one device; what this one saved since counts no more."""
    await add(alice)
    store = alice.node.store
    main = DocumentId(COMMONS, alice.node.identity.author, CLASS, KIND, b"universe:main")
    before = await entries_of(alice, main)
    place = "/api/universe/universe:main/snapshot?tick=9"
    assert (await alice.client.post(place, content=b"mine alone")).status_code == 201
    mine = [one for one in await entries_of(alice, main) if one not in before]
    row = await store.listing("universe", alice.node.identity.did, "universe:main")
    assert row is not None
    newest = await store.newest_snapshot(row.number)
    assert newest is not None
    signer = await alice.node.signers.for_document(main)
    await store.receive([winner(mine[0], before, main, signer)], source="the copy")
    state = await store.read(main)
    assert state is not None
    assert state.left_out[mine[0].id] == Reason.LOST_BRANCH
    data = await backed_up(alice)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert (await again.node.store.gc(grace_us=-1)).blobs == 0
        assert await again.node.store.read_blob(BlobId(newest.blob)) == b"mine alone"
        await all_are_there(again)


async def saved(alice: Alice, tick: int) -> BlobId:
    place = f"/api/universe/universe:main/snapshot?tick={tick}"
    assert (await alice.client.post(place, content=b"state %d" % tick)).status_code == 201
    row = await alice.node.store.listing("universe", alice.node.identity.did, "universe:main")
    assert row is not None
    newest = await alice.node.store.newest_snapshot(row.number)
    assert newest is not None
    return BlobId(newest.blob)


def event(tick: int) -> bytes:
    said = Event(tick=tick, at_us=1 + tick, type="crisis", title="t", description="x" * 180)
    return encode_event(said)


def first_part(mine: SignedEntry, before: Sequence[SignedEntry], signer: Signer) -> SignedEntry:
    """With which the same device went on elsewhere in the place of `mine`."""
    while True:
        old, new = (Document.open(CLASS, KIND, signer.device.public) for _ in range(2))
        old.receive([raw_of(one.payload) for one in before])
        old.change(lambda editor: editor.put(("body", "elsewhere"), os.urandom(8)))
        raw = carry_over(old, new)[0]
        next_epoch = check_entry(mine, CapabilityCache()).document
        other = sign_change(raw, next_epoch, signer=signer, prev=None, timestamp=1)
        if other.entry.payload_digest < mine.entry.payload_digest:
            return other


async def test_what_lost_to_a_part_of_a_copys_roll_over_comes_back_in_a_restored_home(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands has no head yet, and nothing of it can be shown."""
    await add(alice)
    store = alice.node.store
    main = DocumentId(COMMONS, alice.node.identity.author, CLASS, KIND, b"universe:main")
    signer = await alice.node.signers.for_document(main)
    for first in (0, 150):
        several = [event(tick) for tick in range(first, first + 150)]
        await store.commit(main, add_events(several, now_us=1), signer)
    before = await entries_of(alice, main)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 3)
    blobs = [await saved(alice, 400)]
    monkeypatch.undo()
    blobs.append(await saved(alice, 401))
    mine = await entries_of(alice, replace(main, epoch=1))
    await store.receive([first_part(mine[0], before, signer)], source="the copy")
    state = await store.read(main)
    assert state is not None
    assert state.id.epoch == 0, "of what stands in the next one a part is here"
    data = await backed_up(alice)
    assert (await store.gc(grace_us=-1)).blobs == 0
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert (await again.node.store.gc(grace_us=-1)).blobs == 0
        held = [await again.node.store.read_blob(one) for one in blobs]
        assert held == [b"state 400", b"state 401"]


async def test_a_universe_that_one_wrong_value_made_unreadable_comes_back_in_a_restored_home(
    alice: Alice, tmp_path: Path
) -> None:
    """Whoever may write it may put it; another version, too."""
    await add(alice)
    main = DocumentId(COMMONS, alice.node.identity.author, CLASS, KIND, b"universe:main")
    signer = await alice.node.signers.for_document(main)
    wrong, right = (functools.partial(describes, said) for said in (5, ""))
    await alice.node.store.commit(main, wrong, signer)
    assert (await alice.client.get("/api/universe/universe:main/snapshot/0")).status_code == 404
    data = await backed_up(alice)
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        assert (await again.node.store.gc(grace_us=-1)).blobs == 0
        signer = await again.node.signers.for_document(main)
        await again.node.store.commit(main, right, signer)
        await all_are_there(again)


def describes(said: str | int, editor: Editor) -> None:
    editor.put(("head", "description"), said)


async def test_what_stands_there_already_does_not_stand_there_again(
    alice: Alice, tmp_path: Path
) -> None:
    noise = os.urandom(3 << 20)
    worlds = [noise, noise[:1_000_000] + b"a little" + noise[1_000_000:], noise]
    for number, world in enumerate(worlds):
        blob = await alice.node.store.put_blob(world, chunking=Chunking.CONTENT)
        await alice.node.store.pin_blob(blob, str(number))
    data = await backed_up(alice)
    assert len(noise) < len(data) < len(noise) + 300_000
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        store = again.node.store
        kept = {one.name: one.id for one in await store.pinned_blobs()}
        assert len(kept) == 2, "one of them has the last of its names"
        for name, blob in kept.items():
            assert await store.read_blob(blob) == worlds[int(name)]


async def test_more_than_are_remembered_stand_there_again_and_come_back(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_blobs, "WRITTEN_MAX", 0)
    monkeypatch.setattr(backup_blobs, "CHUNKS_MAX", 0)  # nor is one compared with another
    await add(alice)
    data = await backed_up(alice)
    contents = read_contents(io.BytesIO(data), len(data), nobody)
    assert contents.chunk_bytes == sum(map(len, SERIES))
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        await all_are_there(again)


BAD: dict[str, dict[str, Any]] = {
    "of another size": {"size": 5},
    "longer than any chunk": {"size": 1 << 20},
    "no frame": {"data": b"nothing that zstd knows"},
    "against what is not there": {"base": bytes(32), "count": 1},
    "against no name": {"base": b"none", "count": 1},
    "against more than there can be": {"base": bytes(32), "count": 1 << 40},
    "against less than nothing": {"base": bytes(32), "count": -1, "first": -1},
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_packed_chunk_that_is_none_ends_a_restore(
    alice: Alice, tmp_path: Path, bad: str
) -> None:
    """However it is signed: whoever made the file may have any program."""
    await add(alice)
    head, *others = read_drop(io.BytesIO(await backed_up(alice)))
    writer = drops.DropWriter()
    data = writer.begin(drops.unpacked(head, drops.Head))
    is_first = True
    for one in others[:-1]:
        body = one.body
        if one.kind == drops.PACKED and is_first:
            said = drops.unpacked(one, drops.PackedFrame)
            body = drops.packed(msgspec.structs.replace(said, **BAD[bad]))
            is_first = False
        data += writer.write(one.kind, body)
    with pytest.raises(Unverified) as caught:
        await restored(tmp_path / "new", data + writer.end(alice.node.identity.device))
    assert caught.value.reason == "drop-damaged"
    assert not Home(tmp_path / "new").device_file.exists()
