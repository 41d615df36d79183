"""What several places work on at a time, and what takes long: on the way to a blob."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from node.keeping import keeping as service
from node.keeping import patience as rests
from node.keeping.patience import AUTHOR_FIRST_S, BLOB_FIRST_S
from node.keeping.waiting import NOBODY, SLOW
from p2p.transport.fetching import NoPeerHasIt
from tests.node.keeping.test_beside_persons import Slow, slow
from tests.node.keeping.test_keeping import Givers, Kept, next_of, some
from tests.node.parts import Wish
from tests.storage.people import ALICE, BOB

__all__ = ["slow"]


@dataclass
class Trickle(Givers):
    """Something of it comes each time, and never all."""

    is_coming: bool = True

    async def bring(self, wish: Wish) -> None:
        for done in (100, 200) if self.is_coming else (100, 100):
            wish.progress(done, 900)
        await asyncio.Event().wait()


@dataclass
class Away(Givers):
    """Nobody has it, as it turns out when everybody was asked; then somebody has."""

    asking: asyncio.Event = field(default_factory=asyncio.Event)
    may_fail: asyncio.Event = field(default_factory=asyncio.Event)

    async def bring(self, wish: Wish) -> None:
        if not self.may_fail.is_set():
            self.asking.set()
            await self.may_fail.wait()
            raise NoPeerHasIt("no-peer-has-it", "No peer could give it.")
        await super().bring(wish)


async def test_what_fails_long_after_a_look_is_tried_again_when_it_is_due(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when there is news next, or after five minutes."""
    for module, constant in ((rests, "BLOB_FIRST_S"), (service, "LOOK_AGAIN_S")):
        monkeypatch.setattr(module, constant, 0.01)
    monkeypatch.setattr(service, "LOOK_S", 0.0)
    network = kept.network = kept.keeping.network = Away(alice=kept.store)
    kept.keeping.patience = rests.Patience()
    blob = await kept.offer(ALICE, "io.alice.clock", b"alice's")
    looked = asyncio.Event()

    async def sleep(_: float) -> None:
        looked.set()
        await asyncio.sleep(0)

    kept.keeping.sleep = sleep
    running = asyncio.create_task(kept.keeping.run())
    try:
        async with asyncio.timeout(60):
            await network.asking.wait()
            await looked.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            network.may_fail.set()
            assert await network.came.get() == blob
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.mark.parametrize("is_coming", [True, False])
async def test_what_comes_slowly_rests_no_longer_each_time(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, *, is_coming: bool
) -> None:
    """A large blob on a slow line goes on where it stopped, and its author's others with it."""
    monkeypatch.setattr(service, "TRY_S", 0.0)
    kept.keeping.network = Trickle(alice=kept.store, is_coming=is_coming)
    blob = await kept.publish(ALICE, "io.alice.clock", some("a", 900))
    keeping, patience = kept.keeping, kept.keeping.patience
    keeping.clock_s = lambda: 0.0
    for _ in range(3):
        await kept.work()
    assert kept.why() == {blob.hex(): SLOW}
    (one,) = keeping.plan.queue
    times = 1 if is_coming else 4
    assert patience.next_s(now_s=0.0) == times * BLOB_FIRST_S
    assert patience.rests_until_s(one.whose) == times * AUTHOR_FIRST_S
    assert patience.tries(blob) == 3, "those that were not tried come first all the same"


async def test_what_one_place_works_on_no_other_takes_though_it_is_only_asked_for(
    kept: Kept, slow: Slow
) -> None:
    """Room is made for it when somebody has it, and till then others have theirs."""
    slow.may_give.set()
    old = await kept.offer(ALICE, "io.alice.old", some("old", 900), at=1)
    await kept.work()
    slow.may_give.clear()
    slow.began.clear()
    new = await kept.offer(ALICE, "io.alice.new", some("new", 900), at=2)
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        (one,) = (await kept.keeping.look()).queue
        place = tasks.create_task(kept.keeping.fetch(one))
        await slow.began.wait()
        await kept.keeping.look()
        assert next_of(kept.keeping) is None
        asked = len(slow.asked)
        assert await kept.keeping.fetch(one)
        assert len(slow.asked) == asked
        small = await kept.offer(BOB, "io.bob.small", some("b", 50), at=2)
        await kept.keeping.look()
        other = next_of(kept.keeping)
        assert other is not None
        slow.may_give.set()
        assert await kept.keeping.fetch(other)
        assert await kept.held() >= {small}
        assert await place
    assert await kept.held() == {new, small}
    assert old not in await kept.held()


async def test_what_came_after_a_look_began_is_not_asked_for_again(kept: Kept, slow: Slow) -> None:
    await kept.offer(ALICE, "io.alice.clock", b"alice's")
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        (one,) = (await kept.keeping.look()).queue
        place = tasks.create_task(kept.keeping.fetch(one))
        await slow.began.wait()
        await kept.keeping.look()
        slow.may_give.set()
        assert await place
    assert next_of(kept.keeping) is None


async def test_of_what_only_has_room_by_chance_no_more_is_gone_through_than_fits(
    kept: Kept,
) -> None:
    """Each of them costs a look at all that is kept."""
    kept.keeping.clock_s = lambda: 0.0
    old = await kept.offer(BOB, "io.bob.old", some("old", 450))
    await kept.work()
    await kept.store.remove_petname("bob")
    for number in range(5):
        await kept.offer(ALICE, f"io.alice.n{number}", some(f"n{number}", 100), at=100)
    await kept.work()
    absent = await kept.publish(ALICE, "io.alice.absent", some("absent", 500), at=200)
    small = [
        await kept.offer(ALICE, f"io.alice.s{number}", some(f"s{number}", 40), at=50 - number)
        for number in range(12)
    ]
    await kept.work()
    kept.keeping.came("another session", lambda: False)
    plan = await kept.keeping.look()
    assert (len(plan.queue), len(plan.beside), len(plan.leaving)) == (1, 12, 1)
    taken: list[BlobId] = []
    while (one := next_of(kept.keeping)) is not None:
        taken.append(one.blob)
        await kept.keeping.fetch(one)
    assert taken == [*small[:2], absent], "the first has room, and of the others none"
    assert kept.why()[absent.hex()] == NOBODY
    assert {old, small[0]} < await kept.held()


async def test_with_news_before_each_they_still_take_turns(kept: Kept) -> None:
    """Not whoever's next one is the smallest each time."""
    for number in range(3):
        await kept.offer(ALICE, f"io.alice.small{number}", some(f"small{number}", 10))
        await kept.offer(BOB, f"io.bob.large{number}", some(f"large{number}", 100))
    taken = list[AuthorKey]()
    for _ in range(6):
        await kept.keeping.look()
        one = next_of(kept.keeping)
        assert one is not None
        taken.append(one.author)
        assert await kept.keeping.fetch(one)
    assert taken == [ALICE.signer.author, BOB.signer.author] * 3
