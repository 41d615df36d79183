"""States of a universe that are kept: one at a time, as what differs, and made small together."""

import asyncio
import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.change import DocumentId
from crdt.chunking import content_manifest_of
from crdt.did import encode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.keeping import keeping as service
from node.keeping import runs
from node.keeping.keeping import Keeping
from node.keeping.line import OF_PARTY_MAX, RUN_MAX, Line
from node.keeping.patience import Patience
from node.keeping.plan import Wanted
from node.projection import project
from p2p.protocol.errors import NoRoom
from p2p.transport.fetching import NoPeerHasIt
from storage.store import Store, open_store
from tests.node.parts import Wish, Wishes
from tests.storage.people import ALICE, BOB, NOW_US, Person, person
from tests.storage.test_snapshots import MAIN, created, keeps, rows, taken
from tests.storage.test_whole_again import LAST_CHUNKS, SERIES, edited
from universe.record import CLASS, KIND
from universe.snapshot import Snapshot, sign_snapshot

WITHIN_S = 60.0
ONE, OTHER, NONE = 7, 8, 0
HERS, HIS = AuthorKey(b"a" * 32), AuthorKey(b"b" * 32)
BLOBS = [BlobId(content_manifest_of(world).id) for world in SERIES]


def wanted(number: int, universe: int, who: AuthorKey = HERS) -> Wanted:
    return Wanted(BlobId(number.to_bytes(32, "big")), 1, who, None, universe)


@dataclass
class Places:
    """Places that are taken, and left again."""

    line: Line
    patience: Patience
    running: dict[BlobId, Wanted] = field(default_factory=dict[BlobId, Wanted])

    def take(self) -> int | None:
        one = self.line.take(now_s=0.0, busy=Counter(), running=self.running)
        if one is None:
            return None
        self.running[one.blob] = one
        return int.from_bytes(one.blob, "big")

    def all(self) -> list[int]:
        found: list[int] = []
        while (number := self.take()) is not None:
            found.append(number)
        return found

    def leave(self, number: int, *, fails: bool = False) -> None:
        one = self.running.pop(BlobId(number.to_bytes(32, "big")))
        if fails:
            self.patience.fail(one.blob, one.whose, "nobody gives it", now_s=-1.0)


def places(queue: Sequence[Wanted]) -> Places:
    patience = Patience()
    return Places(Line(queue, patience), patience)


def test_of_one_universe_one_at_a_time_and_all_others_go_on() -> None:
    at = places(
        [
            *(wanted(number, ONE) for number in (1, 2, 3)),
            *(wanted(number, OTHER) for number in (11, 12)),
            *(wanted(number, NONE) for number in (21, 22)),
        ]
    )
    assert at.all() == [1, 11, 21, 22]
    assert at.line.has_more_of(ONE)
    at.leave(1)
    assert at.all() == [2], "the next in turn"
    at.leave(11, fails=True)
    at.leave(2)
    assert sorted(at.all()) == [3, 12]
    assert not at.line.has_more_of(ONE)
    at.leave(3)
    at.leave(12)
    assert at.all() == []


def test_behind_what_others_name_too_or_nobody_has_the_next_one_comes() -> None:
    queue = [wanted(1, ONE), wanted(2, ONE), wanted(3, ONE), wanted(4, ONE)]
    at = places([*queue, wanted(2, OTHER, HIS), wanted(5, ONE, HIS)])
    assert sorted(at.all()) == [1, 2]
    at.patience.fail(queue[2].blob, b"somebody", "nobody gives it", now_s=0.0)
    at.leave(1)
    rest = at.all()
    at.leave(rest[0])
    assert {*rest, *at.all()} == {4, 5}, "one after the other"
    assert len(rest) == 1


def test_a_new_line_knows_what_is_under_way() -> None:
    queue = [wanted(1, ONE), wanted(2, ONE)]
    at = places(queue)
    assert at.all() == [1]
    at.line = Line([wanted(9, ONE), *queue], at.patience)
    assert at.all() == []
    at.leave(1)
    assert at.all() == [9]


def test_how_many_are_left_is_known_before_anybody_came_to_them() -> None:
    """Also where all places of their party are taken, and nothing else is looked at."""
    his = wanted(2, OTHER, HIS)
    queue = [*(wanted(number, number % 5 + 1) for number in range(20, 35)), wanted(2, ONE), his]
    patience = Patience()
    line = Line(queue, patience)
    running: dict[BlobId, Wanted] = {}
    for _ in range(OF_PARTY_MAX):
        one = line.take(now_s=0.0, busy={HIS: OF_PARTY_MAX}, running=running)
        assert one is not None
        running[one.blob] = one
    assert [line.has_more_of(universe) for universe in (1, 2, 3, 4, 5)] == [True] * 5
    line.leave_out(one.blob for one in queue if one.universe == 3)
    assert not line.has_more_of(3)
    assert (line.has_more_of(ONE), line.has_more_of(OTHER)) == (True, True)
    line.leave_out([his.blob])
    assert (line.has_more_of(ONE), line.has_more_of(OTHER)) == (False, False)


def test_a_universe_that_goes_on_stands_before_what_was_tried_as_often() -> None:
    """And so many of it as are made small together; then what is newer has its turn."""
    queue = [wanted(1_000 * step + at, at) for step in range(RUN_MAX + 1) for at in range(1, 7)]
    at = places(queue)
    assert at.take() == 1
    for step in range(1, RUN_MAX):
        at.leave(1_000 * (step - 1) + 1)
        assert at.take() == 1_000 * step + 1
    at.leave(1_000 * (RUN_MAX - 1) + 1)
    assert at.take() == 2
    at.line = Line(queue[6:], at.patience, {3: 1})
    assert at.take() == 1_003, "as a line before it left it"


def test_behind_what_does_not_come_any_more_the_next_one_has_its_turn_at_once() -> None:
    """Not only in the line after this."""
    at = places([wanted(number, ONE) for number in (1, 2, 3)])
    at.line.leave_out([wanted(1, ONE).blob])
    assert at.all() == [2]


def test_what_is_not_due_is_not_waited_for() -> None:
    queue = [wanted(1, ONE), wanted(2, ONE)]
    at = places(queue)
    assert at.take() == 1
    at.patience.fail(queue[1].blob, b"somebody", "nobody gives it", now_s=0.0)
    at.leave(1)
    assert at.line.has_more_of(ONE), "nobody came to it yet"
    assert at.take() is None
    assert not at.line.has_more_of(ONE)


def test_who_comes_from_behind_what_does_not_come_has_the_turn() -> None:
    """Another author of the namespace, who is before its author by then."""
    garden = NamespaceKey(b"g" * 32)
    blobs = [BlobId(bytes([number]) * 32) for number in range(2)]
    queue = [
        Wanted(blob, size, who, garden, ONE)
        for blob, size, who in zip(blobs, (9, 1), (HERS, HIS), strict=True)
    ]
    line = Line(queue, Patience())
    line.leave_out([blobs[0]])
    assert line.take(now_s=0.0, busy={}) == queue[1]


def test_universes_of_one_state_take_little_memory() -> None:
    """Of tens of thousands of claims each may name a universe of its own."""
    many = 4_096
    queue = [wanted(number, number) for number in range(1, many + 1)]
    gc.collect()
    tracemalloc.start()
    try:
        line = Line(queue, Patience())
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 500 * many
    assert line.has_more_of(many)


@dataclass
class Alice(Wishes):
    """Gives all but these, and notes what she was asked for."""

    lost: set[BlobId] = field(default_factory=set[BlobId])
    asked: list[Wish] = field(default_factory=list[Wish])

    async def bring(self, wish: Wish) -> None:
        assert self.alice is not None
        if wish.blob in self.lost:
            raise NoPeerHasIt("no-peer-has-it", "No peer could give it.")
        self.asked.append(wish)
        await self.alice.put_blob(SERIES[BLOBS.index(wish.blob)], chunking=Chunking.CONTENT)


@pytest.mark.parametrize("at_most", [32, 2])
async def test_each_comes_as_what_differs_from_its_neighbour_and_lies_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    monkeypatch.setattr(runs, "RUN_MAX", at_most)
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in enumerate(BLOBS):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        alice = Alice(alice=store, lost={BLOBS[2]})
        keeping = Keeping(store, alice, 1 << 30)
        keeping.came("a session", lambda: False)
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keeping.run())
            while settled(tmp_path) != 4:
                await store.settled()
                await asyncio.sleep(0.01)
            running.cancel()
        ticks = [BLOBS.index(wish.blob) for wish in alice.asked]
        bases = [[BLOBS.index(blob) for blob in wish.relative_to][:1] for wish in alice.asked]
        assert list(zip(ticks, bases, strict=True)) == [
            (5, []), (4, [5]), (3, [4]), (1, [3]), (0, [1])
        ]  # fmt: skip
        for tick in ticks:
            assert await store.read_blob(BLOBS[tick]) == SERIES[tick]
    ((deltas,),) = rows(tmp_path / "p.snapshots.db", "SELECT count(*) FROM delta")
    assert 3.5 < deltas / len(LAST_CHUNKS) < 4.5, "all chunks of so many, in whatever runs"


async def test_what_strangers_name_them_beside_leaves_no_state_whole(tmp_path: Path) -> None:
    """They know the ids of what is public, and their records may be here first."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        junk = await store.put_blob(b"junk" * 9_000, chunking=Chunking.CONTENT)
        for tick, blob in enumerate(BLOBS):
            document = DocumentId(COMMONS, BOB.signer.author, CLASS, KIND, b"universe:%d" % tick)
            await store.commit(document, created(), BOB.signer)
            for at, of in ((1, blob), (2, junk)):
                await store.commit(document, keeps(taken(at, of, who=BOB)), BOB.signer)
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        await store.commit(MAIN, created(), ALICE.signer)
        for tick, blob in enumerate(BLOBS):
            await store.commit(MAIN, keeps(taken(tick, blob)), ALICE.signer)
        alice = Alice(alice=store)
        keeping = Keeping(store, alice, 1 << 30)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, len(BLOBS) - 1)
    bases = [[*wish.relative_to][:1] for wish in alice.asked]
    assert bases == [[], *([blob] for blob in reversed(BLOBS[1:]))]
    assert whole(tmp_path) < 1.2 * len(SERIES[-1]) + 36_000


@pytest.mark.parametrize(
    ("ticks", "worlds"),
    [
        ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]),
        ([0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5]),
        ([0, 1, 2, 3, 4, 5], [3, 0, 5, 1, 4, 2]),
        ([0, 1, 2, 700, 701, 702], [0, 1, 2, 3, 4, 5]),
    ],
)
async def test_in_whatever_order_they_come_all_but_one_are_made_small(
    tmp_path: Path, ticks: Sequence[int], worlds: Sequence[int]
) -> None:
    """By their ticks; `worlds`: which is said to be older, so that it comes later."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        await store.set_petname("alice", encode_did_key(ALICE.root.public))
        await store.commit(MAIN, created(), ALICE.signer)
        for at, number in enumerate(worlds):
            signed = taken(ticks[number], BLOBS[number], at_us=NOW_US + at)
            await store.commit(MAIN, keeps(signed), ALICE.signer)
        keeping = Keeping(store, Alice(alice=store), 1 << 30)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, len(BLOBS) - 1)
    assert whole(tmp_path) < 1.2 * len(SERIES[-1])


UNIVERSES, TICKS, HALF = 5, 6, 3


@dataclass
class Giver(Wishes):
    """Gives so many, then what happens then."""

    worlds: dict[BlobId, bytes] = field(default_factory=dict[BlobId, bytes])
    left: int = 1_000
    then: Callable[[], None] = lambda: None
    gave: set[BlobId] = field(default_factory=set[BlobId])
    takes_s: float = 0.0
    """For each, one after the other, by the clock that is `now_s`."""
    now_s: float = 0.0

    async def bring(self, wish: Wish) -> None:
        assert self.alice is not None
        if len(self.gave) >= self.left:
            self.then()
        self.now_s += self.takes_s
        await self.alice.put_blob(self.worlds[wish.blob], chunking=Chunking.CONTENT)
        self.gave.add(wish.blob)


async def followed(store: Store, universes: int, people: Sequence[Person] = (ALICE,)) -> Giver:
    """So many universes of each, kept in turns."""
    giver = Giver(alice=store)
    for who in people:
        await store.set_petname(f"p{who.did[-8:].lower()}", who.did)
        await _publish(store, universes, who, giver)
    return giver


async def _publish(store: Store, universes: int, who: Person, giver: Giver) -> None:
    names = [f"universe:w{number}" for number in range(universes)]
    documents = [
        DocumentId(COMMONS, who.signer.author, CLASS, KIND, name.encode()) for name in names
    ]
    worlds = [blake3(f"{who.did}/{name}".encode()).digest(length=1 << 18) for name in names]
    for document in documents:
        await store.commit(document, created(), who.signer)
    for tick in range(TICKS):
        for at, name in enumerate(names):
            world = worlds[at] = edited(worlds[at], tick)
            blob, digest = BlobId(content_manifest_of(world).id), blake3(world).digest()
            giver.worlds[blob] = world
            said = Snapshot(
                f"{who.did}/{name}", tick, "auto", blob, len(world), digest,
                "application/json", NOW_US + tick * universes + at,
            )  # fmt: skip
            signed = sign_snapshot(said, who.signer.device)
            await store.commit(documents[at], keeps(signed), who.signer)


async def soon(_: float) -> None:
    """Where the clock is the giver's."""
    await asyncio.sleep(0.001)


def settled(folder: Path, beside: BlobId | None = None) -> int:
    """How many states were tried, each against the one after it and the newest together; against
    anything else than that one."""
    ((found,),) = rows(
        folder / "p.db",
        "SELECT count(DISTINCT older) FROM settled JOIN blob b ON b.number = newer"
        f" WHERE b.id != x'{(beside or b'').hex()}'",
    )
    return int(found)


async def until_small(
    folder: Path, store: Store, keeping: Keeping, count: int, *, beside: BlobId | None = None
) -> None:
    """So many were written anew, while it goes on."""
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keeping.run())
        while settled(folder, beside) != count:
            await store.settled()
            await asyncio.sleep(0.01)
        running.cancel()


def whole(folder: Path) -> int:
    """Bytes that lie by themselves."""
    ((found,),) = rows(folder / "p.snapshots.db", "SELECT sum(length(data)) FROM whole")
    return int(found)


async def test_of_more_universes_than_there_are_places_all_states_are_made_small(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver = await followed(store, UNIVERSES)
        keeping = Keeping(store, giver, 1 << 30)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, UNIVERSES * (TICKS - 1))
        for blob, world in giver.worlds.items():
            assert await store.read_blob(blob) == world
    assert len(giver.gave) == UNIVERSES * TICKS
    assert whole(tmp_path) < 1.2 * UNIVERSES * (1 << 18), "one of each"


async def test_where_many_authors_take_turns_over_a_thin_line_all_but_one_of_each_are_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a round of their turns takes: to end a run meanwhile saves nothing."""
    monkeypatch.setattr(service, "AT_ONCE", 1)
    people = [person(10 + number) for number in range(UNIVERSES)]
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver = await followed(store, 1, people)
        giver.takes_s = 600.0
        keeping = Keeping(store, giver, 1 << 30, clock_s=lambda: giver.now_s, sleep=soon)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, UNIVERSES * (TICKS - 1))
    assert whole(tmp_path) < 1.2 * UNIVERSES * (1 << 18), "one of each"


async def test_a_peer_who_is_compared_with_first_ends_no_run(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver = await followed(store, 1)
        keeping = Keeping(store, giver, 1 << 30, clock_s=lambda: 0.0)
        keeping.came("a session", lambda: False)

        def close() -> None:
            giver.left = 1_000
            keeping.came("a member", lambda: True)

        giver.left, giver.then = HALF, close
        async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keeping.run())
            while len(giver.gave) <= HALF or keeping.running:
                await store.settled()
                await asyncio.sleep(0.01)  # whoever would make them small now, does
            keeping.synced("a member")
            while settled(tmp_path) != TICKS - 1:
                await store.settled()
                await asyncio.sleep(0.01)
            running.cancel()
    assert whole(tmp_path) < 1.2 * (1 << 18)


@pytest.mark.parametrize("why", ["not even the least has room", "the last peer goes"])
async def test_what_came_is_made_small_when_no_more_comes(tmp_path: Path, why: str) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver = await followed(store, 1)
        keeping = Keeping(store, giver, 1 << 30)
        keeping.came("a session", lambda: False)

        def end() -> None:
            if why == "not even the least has room":
                raise NoRoom("not-stored", "There is no room.")
            keeping.went("a session")
            raise NoPeerHasIt("no-peer-has-it", "No peer could give it.")

        giver.left, giver.then = HALF, end
        await until_small(tmp_path, store, keeping, HALF - 1)
    assert len(giver.gave) == HALF
    assert whole(tmp_path) < 1.2 * (1 << 18)
