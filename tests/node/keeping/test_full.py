"""A disk without room for one blob may have it for others; not all that fails is a full disk."""

from dataclasses import dataclass

import pytest

from crdt.blob import BlobId
from node.keeping.keeping import Keeping
from node.keeping.plan import Wanted
from node.keeping.room import DISK_S, SMALL_BYTES
from node.keeping.shown import keep_state
from node.keeping.waiting import DISK, UNSTORED
from p2p.protocol.errors import NoRoom, NotStored
from tests.node.keeping.test_keeping import Givers, Kept, some
from tests.node.parts import Wish
from tests.storage.people import ALICE, BOB

LARGE = SMALL_BYTES + 100


@dataclass
class Short(Givers):
    """This node's disk has room for blobs of so many bytes."""

    room: int = 0
    is_damaged: bool = False

    async def bring(self, wish: Wish) -> None:
        is_short = len(self.given[wish.blob]) > self.room
        if (is_short or self.is_damaged) and wish.size_bytes_max >= len(self.given[wish.blob]):
            self.asked.append((wish.blob, wish.size_bytes_max))
            kind = NotStored if self.is_damaged else NoRoom
            raise kind("not-stored", "It cannot be stored.")
        await super().bring(wish)

    def times(self, blob: BlobId) -> int:
        return [asked for asked, _ in self.asked].count(blob)


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(kept: Kept) -> Clock:
    kept.keeping.clock_s = clock = Clock()
    kept.keeping.budget = 10 * LARGE
    return clock


@pytest.fixture
def short(kept: Kept) -> Short:
    short = Short(alice=kept.store)
    kept.network = kept.keeping.network = short
    return short


async def test_where_a_large_one_has_no_room_small_ones_come_all_the_same(
    kept: Kept, short: Short, clock: Clock
) -> None:
    short.room = SMALL_BYTES
    large = [
        await kept.offer(who, f"io.x.large{n}", some(f"large{n}", LARGE + n), at=9)
        for n, who in enumerate((ALICE, BOB))
    ]
    await kept.work()
    assert [short.times(one) for one in large] == [1, 0], "what is not smaller is not tried"
    small = await kept.offer(ALICE, "io.alice.small", b"small", at=1)
    await kept.work()
    assert await kept.held() == {small}
    assert kept.why() == {one.hex(): DISK for one in large}
    kept.keeping.came("another session", lambda: False)
    await kept.work()
    assert sum(map(short.times, large)) == 1, "nor at each peer that comes"
    clock.now_s += DISK_S
    await kept.work()
    assert sum(map(short.times, large)) > 1


async def test_where_not_even_a_small_one_has_room_nothing_is_asked_for_meanwhile(
    kept: Kept, short: Short, clock: Clock
) -> None:
    blob = await kept.offer(ALICE, "io.alice.clock", b"alice's")
    await kept.work()
    assert kept.why() == {blob.hex(): DISK}
    state = await keep_state(kept.keeping)
    assert [(one.why, one.count) for one in state.waits] == [(DISK, 1)]
    await kept.offer(BOB, "io.bob.clock", b"b")
    await kept.keeping.look()
    assert _next(kept.keeping) is None
    clock.now_s += DISK_S
    assert _next(kept.keeping) is not None


async def test_what_cannot_be_stored_for_another_reason_holds_up_nobody(
    kept: Kept, short: Short, clock: Clock
) -> None:
    short.room, short.is_damaged = LARGE, True
    blob = await kept.offer(ALICE, "io.alice.clock", b"alice's")
    await kept.work()
    assert kept.why() == {blob.hex(): UNSTORED}
    short.is_damaged = False
    others = {await kept.offer(one, "io.x.other", one.did.encode()) for one in (ALICE, BOB)}
    await kept.keeping.look()
    assert _next(kept.keeping) is not None, "her author does not rest for it either"
    for one in kept.keeping.plan.queue:
        if one.blob in others:
            await kept.keeping.fetch(one)
    assert await kept.held() == others


def _next(keeping: Keeping) -> Wanted | None:
    return keeping._take()  # pyright: ignore[reportPrivateUsage]  # what a place does next
