"""A person asks for what this node keeps too: what comes is theirs, and nothing takes it away."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

from crdt.blob import BlobId, manifest_of
from node.keeping import keeping as service
from node.keeping.waiting import SLOW
from node.services.fetch import hold_blob
from storage.kept import KeptSum
from tests.node.keeping.test_keeping import BUDGET, Givers, Kept, some
from tests.node.parts import Wish
from tests.storage.people import ALICE

Task: TypeAlias = "asyncio.Task[bool] | asyncio.Task[None]"


@dataclass
class Slow(Givers):
    """They give the beginning of a blob, and the rest when they may."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    may_give: asyncio.Event = field(default_factory=asyncio.Event)
    is_silent: bool = False
    """Not even its root."""

    async def bring(self, wish: Wish) -> None:
        assert self.alice is not None
        manifest = manifest_of(self.given[wish.blob])
        if manifest.size <= wish.size_bytes_max and not self.is_silent:
            await self.alice.begin_blob(wish.blob, manifest.root)
        self.began.set()
        await self.may_give.wait()
        await super().bring(wish)


@pytest.fixture
def slow(kept: Kept) -> Slow:
    slow = Slow(alice=kept.store)
    kept.network = kept.keeping.network = slow
    return slow


@pytest.fixture
async def both(kept: Kept, slow: Slow) -> AsyncGenerator[tuple[BlobId, Task, Task]]:
    """A blob that this node keeps was asked of peers; then a person asks, and it begins to come."""
    blob = await kept.offer(ALICE, "io.alice.clock", some("a", 600))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        plan = await kept.keeping.look()
        slow.is_silent = True
        keeping = tasks.create_task(kept.keeping.fetch(plan.queue[0]))
        await slow.began.wait()
        slow.began.clear()
        slow.is_silent = False
        person = tasks.create_task(hold_blob(kept.store, slow, blob, BUDGET))
        await slow.began.wait()
        yield blob, keeping, person
        for task in (keeping, person):
            task.cancel()


async def test_what_came_for_a_person_is_theirs_though_it_is_kept_too(
    kept: Kept, both: tuple[BlobId, Task, Task]
) -> None:
    """They stop before it is whole, and what they had of it stays."""
    blob, keeping, person = both
    person.cancel()
    await asyncio.wait([person])
    assert await kept.store.kept_sum() == KeptSum()
    keeping.cancel()
    await asyncio.wait([keeping])
    kept.keeping.budget = 0
    await kept.keeping.look()
    assert await kept.store.blob_state(blob) is not None


async def test_what_a_person_fetches_is_let_go_by_nothing_meanwhile(
    kept: Kept, slow: Slow, both: tuple[BlobId, Task, Task]
) -> None:
    """Whatever the plan says of it since."""
    blob, keeping, person = both
    keeping.cancel()  # its time was over
    await asyncio.wait([keeping])
    await kept.store.remove_petname("alice")
    kept.keeping.budget = 0
    await kept.keeping.look()
    await kept.store.gc(grace_us=-1)
    slow.may_give.set()
    await person
    assert await kept.store.has_blob(blob)


class Beginning(Givers):
    """The row of what is begun for nobody is written in the moment in which a person asks."""

    async def bring(self, wish: Wish) -> None:
        await super().bring(wish)
        assert self.alice is not None
        database = self.alice._database  # pyright: ignore[reportPrivateUsage]  # no act is so quick
        async with database.transaction() as write:
            await write.run(
                "INSERT INTO kept (blob, author) SELECT number, ? FROM blob WHERE id = ?",
                (ALICE.root.public, wish.blob),
            )


async def test_what_was_being_begun_for_nobody_is_a_persons_who_asked_meanwhile(kept: Kept) -> None:
    network = Beginning(alice=kept.store)
    blob = network.give(some("a", 600))
    await hold_blob(kept.store, network, blob, BUDGET)
    assert await kept.store.kept_sum() == KeptSum()


async def test_what_is_being_kept_goes_only_when_it_came(kept: Kept, slow: Slow) -> None:
    blob = await kept.offer(ALICE, "io.alice.clock", some("a", 600))
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        plan = await kept.keeping.look()
        keeping = tasks.create_task(kept.keeping.fetch(plan.queue[0]))
        await slow.began.wait()
        await kept.store.remove_petname("alice")
        await kept.keeping.look()
        assert (await kept.store.gc(grace_us=-1)).blobs == 0
        slow.may_give.set()
        assert await keeping
    assert await kept.held() == {blob}
    assert (await kept.store.gc()).blobs == 1


async def test_whoever_answers_nothing_holds_no_place_for_ever(
    kept: Kept, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the root is here, where room would have to be made for it."""
    slow.may_give.set()
    old = await kept.offer(ALICE, "io.alice.old", some("old", 900), at=1)
    await kept.work()
    assert await kept.held() == {old}
    slow.may_give.clear()
    slow.is_silent = True
    monkeypatch.setattr(service, "TRY_S", 0.0)
    new = await kept.offer(ALICE, "io.alice.new", some("new", 900), at=2)
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            await kept.work()
    assert kept.why()[new.hex()] == SLOW
    assert await kept.held() == {old}
