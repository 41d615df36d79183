"""Devices of one person, a copy of a home, and homes that are restored, at random.

What a device kept, and nobody let go, is in a home that is restored from its backup: after its
first `gc`, and made anew.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from crdt import rollover
from crdt.change import SignedEntry
from storage.store import Store
from tests.storage.test_apart_at_random import PEOPLE, SELDOM, SOON, Act, Devices
from tests.storage.test_unshown import AUTHOR, opened

STEPS = 40
HOMES = [*PEOPLE, PEOPLE[1]]  # the last is a copy: it goes on with the device of the second
SEEDS = [0, 2, 20, 22]  # where what is not shown was named by nobody, these lost states


@dataclass(slots=True)
class Homes(Devices):
    """Each acts on with its own store; what is restored of it is looked at and left."""

    folder: Path = Path()
    restored: int = 0

    def acts(self, alone: int, together: int) -> list[Act]:
        return [*Devices.acts(self, alone, together), (self.restore, SELDOM)]

    async def restore(self) -> None:
        one = self.any()
        self.restored += 1
        async with opened(self.folder / f"restored {self.restored}.db") as home:
            await self.bring(self.stores[one], home)
            await self.look_at(home, one, "restored")
            await home.rematerialise()
            await self.look_at(home, one, "made anew")
        self.told.append(f"{one} is restored")

    async def bring(self, source: Store, home: Store) -> None:
        """Entries in any order, some at once, and blobs."""
        entries, cursor = list[SignedEntry](), 0
        while True:
            some, cursor = await source.entries_after(AUTHOR, cursor)
            if not some:
                break
            entries += some
        if self.random.random() < 0.5:
            self.random.shuffle(entries)
        count = self.random.choice([1, 7, 200])
        for at in range(0, len(entries), count):
            await home.receive(entries[at : at + count], source="backup")
        for blob in await source.blobs_named(AUTHOR):
            await home.put_blob(await source.read_blob(blob))

    async def look_at(self, home: Store, one: int, what: str) -> None:
        await home.gc(grace_us=-1)
        lost = [
            kept.tick
            for kept in self.kept
            if kept.device == one
            and kept.id not in self.let_go
            and not await home.has_blob(kept.blob)
        ]
        assert not lost, f"{one} {what} lost {lost}:\n" + "\n".join(self.told)


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_nobody_let_go_is_in_a_home_that_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(rollover, "CHANGES_FULL", SOON)  # and put back
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(opened(tmp_path / f"{n}.db")) for n in range(len(HOMES))
        ]
        all = Homes(Random(seed), stores, people=HOMES, folder=tmp_path)
        await all.begin()
        for at in range(STEPS):
            await all.step(at)
            await all.check()
        for one, other in ((0, 1), (1, 2), (2, 3), (3, 0), (0, 1), (1, 2)):
            await all.tell(one, other, 1.0)
        for store in all.stores:
            await store.gc(grace_us=-1)
        await all.check()
        await all.restore()
