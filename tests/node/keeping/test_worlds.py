"""States of a universe that are kept: one at a time, as what differs, and made small together."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from crdt.did import encode_did_key
from crdt.keys import AuthorKey
from node.keeping import runs
from node.keeping.keeping import Keeping
from node.keeping.line import Line
from node.keeping.patience import Patience
from node.keeping.plan import Wanted
from node.projection import project
from p2p.transport.fetching import NoPeerHasIt
from storage.store import open_store
from tests.node.parts import Wish, Wishes
from tests.storage.people import ALICE, NOW_US
from tests.storage.test_snapshots import MAIN, created, keeps, rows, taken
from tests.storage.test_whole_again import LAST_CHUNKS, SERIES

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


@pytest.mark.parametrize(("at_most", "small"), [(32, 4), (2, 2)])
async def test_each_comes_as_what_differs_from_its_neighbour_and_lies_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_most: int, small: int
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
            while rows(tmp_path / "p.db", "SELECT count(*) FROM settled") != [(4,)]:
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
    assert small - 0.5 < deltas / len(LAST_CHUNKS) < small + 0.5, "all chunks of so many"
