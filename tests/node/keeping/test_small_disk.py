"""On a disk that is smaller than the budget, what is kept leaves room, and gives way to a person.

A disk of 32 MiB, that is really full.
"""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId, chunks_of, manifest_of
from crdt.did import encode_did_key
from crdt.keys import AuthorKey
from node.keeping.keeping import Keeping
from node.keeping.room import budget_on_disk
from node.services.fetch import hold_blob
from p2p.protocol.errors import NotStored
from storage.errors import OverQuota
from storage.store import Store
from tests.node.keeping.test_keeping import Givers, Kept
from tests.node.parts import Wish
from tests.storage.people import ALICE
from tests.storage.test_small_disk import fill, opened

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own: root only")

MIB = 1 << 20
BUDGET = 1 << 30
EACH = 2 * MIB


class Large(Givers):
    """Peers who give blobs of any size, as the swarm takes them: not without room."""

    async def bring(self, wish: Wish) -> None:
        self.asked.append((wish.blob, wish.size_bytes_max))
        assert self.alice is not None
        manifest = manifest_of(self.given[wish.blob])
        try:
            await self.alice.begin_blob(wish.blob, manifest.root)
            await self.alice.add_page(wish.blob, 0, manifest.pages[0])
            await self.alice.check_room(wish.blob)
            for chunk in enumerate(chunks_of(self.given[wish.blob])):
                await self.alice.add_chunks(wish.blob, [chunk])
        except OverQuota as error:
            raise NotStored("not-stored", str(error)) from error
        finally:
            self.alice.release_room(wish.blob)


def noise(name: str, size: int = EACH) -> bytes:
    return blake3(name.encode()).digest(length=size)


@pytest.fixture
async def small(disk: Path) -> AsyncGenerator[Kept]:
    async with opened(disk) as store:
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        network = Large(alice=store)
        keeping = Keeping(store, network, BUDGET)
        keeping.came("a session", lambda: False)
        yield Kept(store, network, keeping)


async def full_of_kept(small: Kept) -> list[BlobId]:
    """The names of those that are offered, the newest last: more than the disk has room for."""
    blobs = [await small.offer(ALICE, f"io.alice.n{n}", noise(f"n{n}"), at=n) for n in range(20)]
    await small.work()
    return blobs


async def test_no_more_is_kept_than_leaves_room_on_the_disk(small: Kept) -> None:
    blobs = await full_of_kept(small)
    held, asked = await small.held(), len(small.network.asked)
    assert held
    assert held == {*blobs[-len(held) :]}, "the newest"
    assert small.why()[blobs[0].hex()] == "the share is full"
    await small.work()
    assert (await small.held(), len(small.network.asked)) == (held, asked), "and so it stays"
    await small.store.put_blob(noise("a person's"))
    assert await small.held() == held


async def test_where_others_fill_the_disk_what_is_kept_shrinks_with_it(
    small: Kept, disk: Path
) -> None:
    blobs = await full_of_kept(small)
    before = await small.held()
    fill(disk, leave=MIB)
    await small.work()
    held = await small.held()
    assert 0 < len(held) < len(before)
    assert held == {*blobs[-len(held) :]}


async def test_what_is_kept_gives_way_to_what_a_person_fetches(small: Kept) -> None:
    blobs = await full_of_kept(small)
    wanted = small.network.give(noise("a person's", 12 * MIB))
    await hold_blob(small.store, small.network, wanted, BUDGET)
    assert await small.store.has_blob(wanted)
    held = await small.held()
    assert held
    assert held == {*blobs[-len(held) :]}, "the newest stay"
    asked = len(small.network.asked)
    await small.work()
    assert await small.store.has_blob(wanted)
    assert await small.held() <= held
    assert len(small.network.asked) == asked, "nothing that went comes back for it to go again"


async def test_what_is_kept_gives_way_to_what_a_person_adds(small: Kept) -> None:
    await full_of_kept(small)
    data = noise("a person's", 12 * MIB)
    pieces = (data[at : at + MIB] for at in range(0, len(data), MIB))
    blob = await small.store.put_blob(pieces, size_bytes=len(data))
    assert await small.store.has_blob(blob)
    assert await small.held()


async def test_for_what_does_not_fit_in_any_case_nothing_goes(small: Kept) -> None:
    await full_of_kept(small)
    held = await small.held()
    wanted = small.network.give(noise("too large", 40 * MIB))
    with pytest.raises(NotStored, match=r"keep\.budget"):
        await hold_blob(small.store, small.network, wanted, BUDGET)
    assert await small.held() == held


async def test_what_is_being_kept_holds_no_room_against_a_person(disk: Path) -> None:
    """The first was promised most of the disk before the second was asked for."""
    kept, asked = noise("kept", 20 * MIB), noise("asked", 20 * MIB)
    async with opened(disk) as store:
        for_others, theirs = manifest_of(kept).id, manifest_of(asked).id
        with store.keeping(for_others, AuthorKey(ALICE.root.public)):
            await begin(store, kept)
            with store.asking(theirs):
                await begin(store, asked)
                with pytest.raises(OverQuota):
                    await store.add_chunks(for_others, [*enumerate(chunks_of(kept))])
                for chunk in enumerate(chunks_of(asked)):
                    await store.add_chunks(theirs, [chunk])
                assert await store.has_blob(theirs)


async def begin(store: Store, data: bytes) -> None:
    manifest = manifest_of(data)
    await store.begin_blob(manifest.id, manifest.root)
    await store.add_page(manifest.id, 0, manifest.pages[0])
    await store.check_room(manifest.id)


def test_the_budget_follows_the_disk_and_not_every_file() -> None:
    assert budget_on_disk(640, 10_000, 0) == 640
    assert budget_on_disk(640, 800, 640) == 640, "more than an eighth is left"
    assert budget_on_disk(640, 400, 640) == 350
    assert budget_on_disk(640, 376, 350) == 350, "less than an eighth, and more than half of one"
    assert budget_on_disk(640, 368, 350) == 322
    assert budget_on_disk(640, 410, 350) == 350, "a little more is not worth a fetch"
    assert budget_on_disk(640, 440, 350) == 385
    assert budget_on_disk(300, 340, 310) == 300, "no more than the setting says"
    assert budget_on_disk(640, 0, 70) == 0
    assert budget_on_disk(640, -5, 70) == 0
    assert budget_on_disk(0, 10_000, 0) == 0
