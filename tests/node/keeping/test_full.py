"""A disk without room for one blob may have it for others; not all that fails is a full disk."""

from dataclasses import dataclass

import pytest

from crdt.blob import BlobId, chunks_of, manifest_of
from node.keeping.keeping import Keeping
from node.keeping.plan import Wanted
from node.keeping.room import DISK_S, SMALL_BYTES
from node.keeping.shown import keep_state
from node.keeping.waiting import DISK, NOBODY, UNSTORED
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

    begins: int = 0
    """Chunks that come, before it turns out that it has no room; its root, and its page."""

    async def bring(self, wish: Wish) -> None:
        if self.begins and wish.size_bytes_max:
            await self.begin(wish.blob)
        size = len(self.given.get(wish.blob, b""))
        if (size > self.room or self.is_damaged) and wish.size_bytes_max >= size:
            self.asked.append((wish.blob, wish.size_bytes_max))
            kind = NotStored if self.is_damaged else NoRoom
            raise kind("not-stored", "It cannot be stored.")
        await super().bring(wish)

    async def begin(self, blob: BlobId) -> None:
        assert self.alice is not None
        manifest, chunks = manifest_of(self.given[blob]), [*chunks_of(self.given[blob])]
        await self.alice.begin_blob(blob, manifest.root)
        await self.alice.add_page(blob, 0, manifest.pages[0])
        for chunk in [*enumerate(chunks)][: self.begins - 1]:
            await self.alice.add_chunks(blob, [chunk])

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


@pytest.mark.parametrize("chunks", [0, 1])
async def test_of_what_was_refused_before_a_byte_came_nothing_is_left(
    kept: Kept, short: Short, clock: Clock, chunks: int
) -> None:
    """Its root alone would count as all of it, and others would leave for it."""
    short.begins = 1 + chunks
    blob = await kept.offer(ALICE, "io.alice.large", some("large", LARGE))
    await kept.work()
    assert kept.why() == {blob.hex(): DISK}
    assert [one.id for one in await kept.store.kept_blobs()] == [blob] * chunks
    assert (await kept.store.kept_sum()).bytes == LARGE * chunks


async def test_what_could_not_come_takes_no_room_from_what_is_tried_next(
    kept: Kept, short: Short, clock: Clock
) -> None:
    kept.keeping.budget = 100
    missing = await kept.publish(ALICE, "io.alice.missing", some("missing", 100), at=9)
    here = await kept.offer(ALICE, "io.alice.here", some("here", 90), at=1)
    short.room = LARGE
    await kept.work()
    await kept.work()
    assert await kept.held() == {here}
    assert kept.why()[missing.hex()] == NOBODY


def _next(keeping: Keeping) -> Wanted | None:
    return keeping._take()  # pyright: ignore[reportPrivateUsage]  # what a place does next
