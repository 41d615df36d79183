"""A node keeps what records name: fetched from whoever gives it, within the budget, and no more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from crdt.blob import BlobId, manifest_of
from crdt.did import encode_did_key
from crdt.keys import COMMONS, AuthorKey
from node.keeping import keeping as service
from node.keeping.keeping import Keeping
from node.keeping.patience import AUTHOR_LONGEST_S
from node.keeping.plan import Wanted
from node.keeping.planned import kept_of
from node.keeping.room import gives_way
from node.keeping.shown import keep_state, show_waiting
from node.keeping.waiting import LIES, NOBODY
from node.services.fetch import hold_blob
from p2p.transport.fetching import LargerThanWanted, NoPeerHasIt
from storage import claimed
from storage.quota import Quota
from storage.store import Store, open_store
from tests.node.parts import Wish, Wishes
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, project
from tests.storage.test_claimed import BLOB, BOBS, DATA, of_guild
from tests.storage.test_namers import GUILD

BUDGET = 1_000


@dataclass
class Givers(Wishes):
    """Peers who have the bytes of these, and whom nobody asks for more than is wanted."""

    given: dict[BlobId, bytes] = field(default_factory=dict[BlobId, bytes])
    asked: list[tuple[BlobId, int]] = field(default_factory=list[tuple[BlobId, int]])
    came: asyncio.Queue[BlobId] = field(default_factory=asyncio.Queue[BlobId])

    def give(self, data: bytes) -> BlobId:
        blob = manifest_of(data).id
        self.given[blob] = data
        return blob

    async def bring(self, wish: Wish) -> None:
        self.asked.append((wish.blob, wish.size_bytes_max))
        assert self.alice is not None
        if await self.alice.has_blob(wish.blob):
            return
        if wish.blob not in self.given:
            raise NoPeerHasIt("no-peer-has-it", "No peer could give it.")
        manifest = manifest_of(self.given[wish.blob])
        if manifest.size > wish.size_bytes_max:
            raise LargerThanWanted("no-peer-has-it", "It is larger.")
        await self.alice.begin_blob(wish.blob, manifest.root)
        await self.alice.add_page(wish.blob, 0, manifest.pages[0])
        await self.alice.add_chunks(wish.blob, [(0, self.given[wish.blob])])
        self.came.put_nowait(wish.blob)


@dataclass
class Kept:
    """A store that follows alice and bob, and what keeps for it."""

    store: Store
    network: Givers
    keeping: Keeping

    async def publish(
        self, who: Person, record: str, data: bytes, at: int = 0, *, size: int | None = None
    ) -> BlobId:
        blob = manifest_of(data).id
        edit = named(record, blob=blob.hex(), size=len(data) if size is None else size, at=at)
        await self.store.receive([who.publishes(record, edit)], source="peer")
        return blob

    async def offer(self, who: Person, record: str, data: bytes, at: int = 0) -> BlobId:
        """It is published, and somebody has it."""
        self.network.give(data)
        return await self.publish(who, record, data, at)

    async def work(self) -> None:
        """One look, and each blob of its plan once, in turn."""
        plan = await self.keeping.look()
        for one in (*plan.queue, *plan.beside):
            await self.keeping.fetch(one)

    async def held(self) -> set[BlobId]:
        return {one.id for one in await self.store.kept_blobs() if one.is_whole}

    def why(self) -> dict[str, str]:
        return {one.id: one.why for one in show_waiting(self.keeping)}


def some(name: str, size: int) -> bytes:
    return (name.encode() * size)[:size]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncGenerator[Kept]:
    own = AuthorKey(CAROL.root.public)
    async with open_store(
        tmp_path / "p.db",
        project=project,
        clock_us=lambda: NOW_US,
        quota=Quota(own=frozenset({own})),
    ) as store:
        for name, one in (("alice", ALICE), ("bob", BOB)):
            await store.set_petname(name, encode_did_key(one.root.public))
        network = Givers(alice=store)
        keeping = Keeping(store, network, BUDGET)
        keeping.came("a session", lambda: False)
        yield Kept(store, network, keeping)


async def test_what_followed_authors_and_other_own_devices_name_is_kept(kept: Kept) -> None:
    theirs = await kept.offer(ALICE, "io.alice.clock", b"alice's")
    mine = await kept.offer(CAROL, "io.carol.clock", b"of another device of mine")
    await kept.work()
    assert await kept.held() == {theirs, mine}
    asked = len(kept.network.asked)
    await kept.work()
    assert len(kept.network.asked) == asked, "what is here is asked of nobody"


async def test_of_commons_nothing_of_strangers_is(kept: Kept) -> None:
    await kept.store.remove_petname("bob")
    await kept.offer(BOB, "io.bob.clock", b"bob's")
    await kept.work()
    assert not kept.network.asked


async def test_a_relay_keeps_what_lies_in_the_namespaces_that_were_chosen(kept: Kept) -> None:
    await kept.offer(ALICE, "io.alice.clock", b"alice's")
    kept.keeping.only = frozenset()
    await kept.work()
    assert not kept.network.asked
    kept.keeping.only = frozenset({COMMONS})
    await kept.work()
    assert len(await kept.held()) == 1


async def test_the_newer_take_the_room_of_the_older_of_the_same_author(kept: Kept) -> None:
    blobs = [await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 300), at=n) for n in range(3)]
    await kept.work()
    assert await kept.held() == {*blobs}
    newest = await kept.offer(ALICE, "io.alice.n9", some("n9", 300), at=9)
    await kept.work()
    assert await kept.held() == {*blobs[1:], newest}
    assert (await kept.store.kept_sum()).bytes <= BUDGET
    before = list(kept.network.asked)
    await kept.work()
    assert kept.network.asked == before, "what was let go is not fetched again"
    assert kept.why() == {blobs[0].hex(): "the share is full"}


async def test_what_this_person_published_by_another_device_goes_last(kept: Kept) -> None:
    """Of what was not chosen any more, and of what was chosen where a person needs its room."""
    datas = sorted((some(f"n{n}", 200) for n in range(4)), key=lambda data: manifest_of(data).id)
    mine = [await kept.offer(CAROL, f"io.carol.n{n}", datas[n], at=n) for n in range(2)]
    hers = [await kept.offer(ALICE, f"io.alice.n{n}", datas[2 + n], at=n) for n in range(2)]
    await kept.work()
    assert await kept.held() == {*mine, *hers}
    order = gives_way(kept.keeping.plan, map(kept_of, await kept.store.kept_blobs()))
    assert {one.blob for one in order[:2]} == {*hers}
    kept.keeping.budget = 700
    await kept.work()
    assert await kept.held() == {*mine, hers[1]}
    kept.keeping.budget = 500
    await kept.work()
    assert await kept.held() == {mine[1], hers[1]}, "its share is no larger for that"


async def test_for_what_nobody_has_nothing_is_let_go(kept: Kept) -> None:
    blobs = [await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 300), n) for n in range(3)]
    await kept.work()
    missing = [await kept.publish(BOB, f"io.bob.n{n}", some(f"b{n}", 250), n) for n in range(2)]
    await kept.work()
    assert await kept.held() == {*blobs}
    assert {kept.why()[one.hex()] for one in missing} == {NOBODY}
    for number in range(2):  # and now somebody has
        kept.network.give(some(f"b{number}", 250))
    await kept.work()
    assert await kept.held() == {blobs[2], *missing}


async def test_beside_what_nobody_has_the_small_come_where_the_large_have_no_room(
    kept: Kept,
) -> None:
    """What is not chosen makes no room for itself, and leaves the others theirs."""
    bobs = await kept.offer(BOB, "io.bob.clock", some("bob", 450))
    await kept.work()
    await kept.store.remove_petname("bob")
    missing = await kept.publish(ALICE, "io.alice.n9", some("n9", 900), at=9)
    await kept.offer(ALICE, "io.alice.n5", some("n5", 600), at=5)
    small = await kept.offer(ALICE, "io.alice.n1", some("n1", 150), at=1)
    for now_s in (0.0, AUTHOR_LONGEST_S):
        kept.keeping.clock_s = partial(float, now_s)
        plan = await kept.keeping.look()
        while one := next_of(kept.keeping):
            await kept.keeping.fetch(one)
    assert [one.size for one in plan.beside] == [600, 150]
    assert kept.keeping.patience.why(missing) == NOBODY
    assert await kept.held() == {bobs, small}


async def test_a_flood_of_one_author_takes_nothing_of_anothers_share(kept: Kept) -> None:
    hers = [await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 100), n) for n in range(5)]
    await kept.work()
    for number in range(40):
        await kept.offer(BOB, f"io.bob.n{number}", some(f"b{number}", 100), 1_000 + number)
    await kept.work()
    held = await kept.held()
    assert {*hers} <= held
    assert len(held) == 10


async def test_a_record_that_lies_about_a_size_brings_no_more_than_it_says(kept: Kept) -> None:
    large = kept.network.give(some("large", 5_000))
    await kept.publish(ALICE, "io.alice.small", some("large", 5_000), size=10)
    giant = await kept.publish(BOB, "io.bob.giant", b"giant", size=1 << 40)
    await kept.work()
    assert not await kept.held()
    assert kept.why() == {large.hex(): LIES, giant.hex(): "larger than the share"}
    assert (await kept.store.kept_sum()).bytes == 0


async def test_what_a_person_asks_for_counts_against_nobody_and_stays(kept: Kept) -> None:
    old = await kept.offer(ALICE, "io.alice.old", some("old", 900), at=1)
    await kept.work()
    await hold_blob(kept.store, kept.network, old, BUDGET)
    new = await kept.offer(ALICE, "io.alice.new", some("new", 900), at=2)
    await kept.work()
    assert await kept.held() == {new}
    assert await kept.store.has_blob(old)
    kept.keeping.budget = 0
    await kept.work()
    await kept.store.gc(grace_us=-1)
    assert await kept.store.has_blob(old)
    assert not await kept.store.has_blob(new)


async def test_what_was_kept_of_whoever_is_followed_no_more_goes_with_the_next_gc(
    kept: Kept,
) -> None:
    blob = await kept.offer(ALICE, "io.alice.clock", some("a", 600))
    await kept.work()
    await kept.store.remove_petname("alice")
    await kept.work()
    assert await kept.held() == {blob}, "not before its room is needed"
    other = await kept.offer(BOB, "io.bob.clock", some("b", 600))
    await kept.work()
    assert await kept.held() == {other}, "then it goes first"
    await kept.store.remove_petname("bob")
    foreseen = await kept.store.foresee_gc(await kept.keeping.unnamed())
    assert [one.blob for one in foreseen.going] == [other]
    assert (await kept.store.gc()).blobs == 0, "that only asked"
    await kept.keeping.look()
    assert (await kept.store.gc()).blobs == 1


async def test_what_is_named_beyond_what_is_looked_at_stays_and_is_told_of(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = [await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 10), n) for n in range(5)]
    await kept.work()
    monkeypatch.setattr(claimed, "NAMED_MAX", 2)
    await kept.work()
    assert (await kept.store.gc(grace_us=-1)).blobs == 0
    assert await kept.held() == {*blobs}
    state = await keep_state(kept.keeping)
    assert [(one.why, one.count) for one in state.waits] == [("there are too many to look at", 3)]


async def test_a_smaller_budget_is_kept_to_at_once(kept: Kept) -> None:
    blobs = [await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 300), n) for n in range(3)]
    await kept.work()
    kept.keeping.budget = 700
    await kept.keeping.look()
    assert await kept.held() == {*blobs[1:]}


async def test_it_runs_until_it_is_stopped_and_hears_of_what_comes(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.0)
    running = asyncio.create_task(kept.keeping.run())
    try:
        async with asyncio.timeout(60):
            for number in range(3):
                await kept.offer(ALICE, f"io.alice.n{number}", b"%d" % number)
                await kept.network.came.get()
                assert len(await kept.held()) == number + 1
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_writers_of_an_owned_namespace_whom_nobody_follows_share_what_it_has(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is beyond what is looked at is counted, of them as of who is followed."""
    await kept.store.remove_petname("bob")
    await kept.store.join(GUILD, "guild")
    await kept.store.receive([of_guild("io.bob.mine", BOBS, len(DATA))], source="peer")
    (wanted,) = (await kept.keeping.look()).queue
    assert (wanted.blob, wanted.namespace, wanted.party) == (BLOB, GUILD, GUILD)
    await kept.offer(ALICE, "io.alice.clock", b"alice's")
    others = len((await kept.keeping.look()).queue)
    monkeypatch.setattr(claimed, "NAMED_MAX", 1)
    await kept.store.receive([of_guild("io.bob.too", BOBS, 7)], source="peer")
    plan = await kept.keeping.look()
    assert (others, len(plan.queue), plan.left_out) == (2, 2, 1)


async def test_it_hears_of_what_anybody_writes_in_an_owned_namespace_that_was_joined(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whom nobody follows: not at the next look in five minutes."""
    monkeypatch.setattr(service, "LOOK_S", 0.0)
    await kept.store.remove_petname("bob")
    await kept.store.join(GUILD, "guild")
    kept.network.give(DATA)
    looked = asyncio.Event()

    async def sleep(_: float) -> None:
        looked.set()
        await asyncio.sleep(0)

    kept.keeping.sleep = sleep
    running = asyncio.create_task(kept.keeping.run())
    try:
        async with asyncio.timeout(60):
            await looked.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            await kept.store.receive([of_guild("io.bob.mine", BOBS, len(DATA))], source="peer")
            assert await kept.network.came.get() == BLOB
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_thousands_of_names_that_nobody_has_delay_nobody_and_are_asked_for_seldom(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.0)
    monkeypatch.setattr(service, "FAILED_S", 0.0)
    invented = [
        BOB.publishes(f"io.bob.n{n}", named("x", blob=f"{n:064x}", size=1, at=n))
        for n in range(1, 2_001)
    ]
    await kept.store.receive(invented, source="peer")
    hers = {await kept.offer(ALICE, f"io.alice.n{n}", some(f"n{n}", 40), n) for n in range(10)}
    running = asyncio.create_task(kept.keeping.run())
    try:
        async with asyncio.timeout(60):
            for _ in hers:
                await kept.network.came.get()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert await kept.held() == hers
    assert len(kept.network.asked) < 100
    waits = {one.why: one.count for one in (await keep_state(kept.keeping)).waits}
    assert waits.pop("the share is full") == 2_000 - (BUDGET - 10 * 40)
    assert sum(waits.values()) == BUDGET - 10 * 40
    assert len(show_waiting(kept.keeping)) == 100


async def test_nobody_is_asked_before_what_members_share_was_compared(kept: Kept) -> None:
    """A record that names a private blob could come later than a stranger's that names it too."""
    kept.keeping.came("a member", lambda: True)
    await kept.offer(ALICE, "io.alice.clock", b"alice's")
    await kept.keeping.look()
    assert next_of(kept.keeping) is None
    kept.keeping.synced("a member")
    assert next_of(kept.keeping) is not None


def next_of(keeping: Keeping) -> Wanted | None:
    return keeping._take()  # pyright: ignore[reportPrivateUsage]  # what a place does next
