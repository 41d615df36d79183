"""Where the disk is short, what is kept gives a person its room: really, and no more than that.

The packs of a store are all that lies on its disk, which has so many bytes: nothing else counts.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from blake3 import blake3

from crdt.blob import BlobId, Chunking, chunks_of, manifest_of
from crdt.keys import AuthorKey
from storage import collecting
from storage import packs as packs_module
from storage.database import packs_beside
from storage.disk_room import DiskRoom
from storage.errors import OverQuota
from storage.packs import Packs, Place
from storage.store import Store, open_store
from tests.storage.people import ALICE, NOW_US, project

MIB = 1 << 20
PACK_BYTES = 8 * MIB
HERS = AuthorKey(ALICE.root.public)
Wanted: TypeAlias = Sequence[tuple[bytes, Place]]
Copied: TypeAlias = list[tuple[bytes, Place, Place]]


def noise(name: str, size: int) -> bytes:
    return blake3(name.encode()).digest(length=size)


@dataclass
class ShortDisk:
    """`size` bytes, of which the packs take some."""

    folder: Path
    size: int = 1 << 40

    def taken(self) -> int:
        if not self.folder.exists():
            return 0
        found = 0
        for file in self.folder.iterdir():
            with suppress(FileNotFoundError):  # it goes at this very moment
                found += file.stat().st_size
        return found

    def left(self) -> int:
        return self.size - self.taken()

    def left_of(self, room: DiskRoom) -> int:
        """For the store that lies there, and none that lies elsewhere."""
        return self.left() if room.folder == self.folder.parent else 1 << 40

    def stands_for_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever looks at a disk is told by this one."""

        def left_now(room: DiskRoom) -> int:
            return self.left_of(room)

        monkeypatch.setattr(DiskRoom, "_left_now", left_now)

    def leave(self, size: int) -> None:
        """From now on so much is left."""
        self.size = self.taken() + size


@dataclass
class Short:
    """A store on such a disk, where what is kept goes in the order of `kept`."""

    store: Store
    disk: ShortDisk
    kept: list[BlobId]
    asked: list[int]

    async def give_way(self, size: int, in_rows: bool) -> int:
        self.asked.append(size)
        going = await self.store.to_give_back(self.kept, size, in_rows=in_rows)
        return await self.store.drop_kept(going)

    async def keep(self, *datas: bytes) -> list[BlobId]:
        """All at once, a chunk of each in turn, as they come from peers."""
        for data in datas:
            await self.begin(data)
        chunks = [list(chunks_of(data)) for data in datas]
        for number in range(max(map(len, chunks))):
            for data, of_one in zip(datas, chunks, strict=True):
                if number < len(of_one):
                    await self.store.add_chunks(manifest_of(data).id, [(number, of_one[number])])
        blobs = [manifest_of(data).id for data in datas]
        self.kept += blobs
        return blobs

    async def begin(self, data: bytes) -> BlobId:
        manifest = manifest_of(data)
        with self.store.keeping(manifest.id, HERS):
            await self.store.begin_blob(manifest.id, manifest.root)
            for place, page in enumerate(manifest.pages):
                await self.store.add_page(manifest.id, place, page)
        return manifest.id

    async def fetch(self, data: bytes) -> BlobId:
        """For a person, as the swarm does. Raises `OverQuota`."""
        manifest = manifest_of(data)
        with self.store.asking(manifest.id):
            await self.store.begin_blob(manifest.id, manifest.root)
            await self.store.check_room(manifest.id)
            try:
                for place, page in enumerate(manifest.pages):
                    await self.store.add_page(manifest.id, place, page)
                await self.store.check_room(manifest.id)
                for chunk in enumerate(chunks_of(data)):
                    await self.store.add_chunks(manifest.id, [chunk])
            finally:
                self.store.release_room(manifest.id)
        assert await self.store.has_blob(manifest.id)
        return manifest.id

    async def held(self) -> set[BlobId]:
        return {one.id for one in await self.store.kept_blobs()}


@pytest.fixture
async def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Short]:
    monkeypatch.setattr(packs_module, "PACK_BYTES", PACK_BYTES)
    path = tmp_path / "panspermia.db"
    disk = ShortDisk(packs_beside(path))
    disk.stands_for_all(monkeypatch)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        found = Short(store, disk, [], [])
        store.on_lack_of_room(found.give_way)
        yield found


async def test_copies_that_came_to_nothing_are_taken_back_by_the_next_try(
    short: Short, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a disk that has no room for the rows: each try would leave as much behind."""
    datas = [noise(f"kept{n}", 4 * MIB) for n in range(4)]
    blobs = await short.keep(*datas)
    short.disk.leave(8 * MIB)
    await short.store.drop_kept(blobs[:1])
    before = short.disk.taken()

    async def full(*_: object) -> bool:
        raise OverQuota("no room for rows")

    with monkeypatch.context() as failing:
        failing.setattr(collecting, "_move", full)
        with pytest.raises(OverQuota):
            await short.store.reclaim(4 * MIB)
        for _ in range(3):
            with suppress(OverQuota):  # what the try before left may be enough
                await short.store.reclaim(4 * MIB)
            assert short.disk.taken() <= before + PACK_BYTES
    await short.store.compact()
    assert short.disk.taken() <= before
    for blob, data in zip(blobs[1:], datas[1:], strict=True):
        assert await short.store.read_blob(blob) == data


async def test_of_blobs_that_came_together_no_more_goes_than_a_person_needs(short: Short) -> None:
    """Each pack holds chunks of all of them: to let one go leaves seven eighths of each."""
    datas = [noise(f"kept{n}", 4 * MIB) for n in range(8)]
    await short.keep(*datas)
    short.disk.leave(MIB)
    wanted = await short.fetch(noise("a person's", 6 * MIB))
    assert await short.store.has_blob(wanted)
    held = await short.held()
    assert held == {*short.kept[2:]}, "two of them make it, and these go"
    for blob, data in zip(short.kept[2:], datas[2:], strict=True):
        assert await short.store.read_blob(blob) == data
    assert short.disk.left() >= 0


async def test_what_is_dead_already_is_taken_before_anything_goes(short: Short) -> None:
    datas = [noise(f"kept{n}", 4 * MIB) for n in range(8)]
    blobs = await short.keep(*datas)
    assert await short.store.let_go(blobs[:2]) == 2
    short.disk.leave(MIB)
    await short.fetch(noise("a person's", 6 * MIB))
    assert (await short.held(), short.asked) == ({*blobs[2:]}, [])


async def test_what_gives_nothing_back_stays(short: Short) -> None:
    """A root alone, a small one, and one of which another is here with the same bytes."""
    same = noise("same", 3 * MIB)
    mine = await short.store.put_blob(same)
    stub = await short.begin(noise("stub", 64 * MIB))
    short.kept.append(stub)
    (small,) = await short.keep(noise("small", MIB // 2))
    (twice,) = await short.keep(same + noise("small", 1))
    (large,) = await short.keep(noise("large", 4 * MIB))
    short.disk.leave(MIB // 4)
    await short.fetch(noise("a person's", 3 * MIB))
    assert await short.held() == {stub, small, twice}
    assert not await short.store.has_blob(large)
    assert await short.store.read_blob(mine) == same


async def test_what_two_of_them_share_is_given_back_with_the_last(short: Short) -> None:
    shared = noise("shared", 4 * MIB)
    blobs = await short.keep(shared + b"1", shared + b"2", noise("other", 4 * MIB))
    short.disk.leave(0)
    await short.fetch(noise("a person's", 3 * MIB))
    assert await short.held() == {blobs[2]}
    with pytest.raises(OverQuota):
        await short.fetch(noise("more", 6 * MIB))
    assert await short.held() == {blobs[2]}, "it is not enough, so it stays"


async def test_a_part_counts_for_what_is_here_of_it(short: Short) -> None:
    data = noise("a part", 8 * MIB)
    part = await short.begin(data)
    await short.store.add_chunks(part, [*enumerate([*chunks_of(data)][:4])])
    short.kept.append(part)
    (large,) = await short.keep(noise("large", 4 * MIB))
    short.disk.leave(MIB // 4)
    with pytest.raises(OverQuota):
        await short.fetch(noise("too much", 8 * MIB))
    assert await short.held() == {part, large}
    await short.fetch(noise("a person's", 5 * MIB - 2_048 * 20))
    assert not await short.held()


async def test_a_retry_of_what_cannot_fit_lets_nothing_go(short: Short) -> None:
    await short.keep(*(noise(f"kept{n}", 4 * MIB) for n in range(8)))
    short.disk.leave(MIB)
    for _ in range(3):
        with pytest.raises(OverQuota):
            await short.fetch(noise("too large", 40 * MIB))
    assert len(await short.held()) == 8


async def test_while_something_is_added_nothing_goes_in_vain(short: Short) -> None:
    """Its chunks have no names until its end: none goes meanwhile."""
    await short.keep(*(noise(f"kept{n}", 4 * MIB) for n in range(4)))
    short.disk.leave(4 * MIB)
    goes_on, has_begun = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        yield noise("upload", 3 * MIB)
        yield noise("upload2", 3 * MIB // 4)
        has_begun.set()
        await goes_on.wait()

    async with asyncio.TaskGroup() as tasks:
        upload = tasks.create_task(short.store.put_blob(slow(), size_bytes=3 * MIB + 3 * MIB // 4))
        await has_begun.wait()
        with pytest.raises(OverQuota):
            await short.fetch(noise("a person's", 6 * MIB))
        assert len(await short.held()) == 4
        goes_on.set()
    assert await short.store.has_blob(upload.result())
    await short.fetch(noise("a person's", 6 * MIB))
    assert len(await short.held()) == 2


async def test_what_a_person_adds_has_room_made_for_it(short: Short) -> None:
    await short.keep(*(noise(f"kept{n}", 4 * MIB) for n in range(8)))
    short.disk.leave(MIB)
    data = noise("a person's", 6 * MIB)
    blob = await short.store.put_blob(data, chunking=Chunking.CONTENT)
    assert await short.store.read_blob(blob) == data
    assert await short.held() == {*short.kept[2:]}


async def test_two_persons_at_once_have_room_made_for_both(short: Short) -> None:
    await short.keep(*(noise(f"kept{n}", 4 * MIB) for n in range(8)))
    short.disk.leave(0)
    wanted = [noise(f"a person's {n}", 6 * MIB) for n in range(2)]
    async with asyncio.TaskGroup() as tasks:
        for one in wanted:
            tasks.create_task(short.fetch(one))
    assert await short.held() == {*short.kept[4:]}


async def test_rows_of_small_ones_give_way_to_small_ones(short: Short) -> None:
    """The file of the database does not shrink; but what goes of it is for others."""
    datas = [noise(f"small{n}", MIB // 2) for n in range(8)]
    blobs = await short.keep(*datas)
    short.disk.leave(0)
    wanted = noise("a person's", MIB)
    with pytest.raises(OverQuota):
        await short.fetch(wanted)
    assert len(await short.held()) == 8, "for what lies in a pack none of them goes"
    await short.fetch(noise("a small one", MIB // 2 + 5))
    await short.store.put_blob(noise("another small one", MIB // 2 + 5))
    held = await short.held()
    assert held == {*blobs[-len(held) :]}
    assert 4 <= len(held) <= 6
    for blob, data in zip(blobs[-len(held) :], datas[-len(held) :], strict=True):
        assert await short.store.read_blob(blob) == data
    assert await short.store.kept_room(1 << 40) >= len(held) * MIB // 2, "and it bounds the budget"


async def test_copies_take_nobodys_room_at_any_moment(
    short: Short, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes while a pack is written anew finds as much room as before, and then more."""
    await short.keep(*(noise(f"kept{n}", 4 * MIB) for n in range(4)))
    short.disk.leave(MIB)
    changes: list[int] = []
    copy, unlink = collecting._copy, Packs.unlink  # pyright: ignore[reportPrivateUsage] - its end is a moment that nothing else tells of

    def copied(database: sqlite3.Connection, *, packs: Packs, wanted: Wanted) -> Copied:
        before = packs.room.left_bytes()
        done = copy(database, packs=packs, wanted=wanted)
        changes.append(packs.room.left_bytes() - before)
        return done

    def unlinked(packs: Packs, going: Sequence[int]) -> None:
        if packs.room.copies_bytes:
            assert packs.room.turn.locked(), "who looks now waits until both are counted"
            changes.append(0)
        unlink(packs, going)

    monkeypatch.setattr(collecting, "_copy", copied)
    monkeypatch.setattr(Packs, "unlink", unlinked)
    await short.fetch(noise("a person's", 3 * MIB))
    assert len(changes) > 1
    assert set(changes) == {0}
