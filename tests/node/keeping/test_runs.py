"""States of a universe that came are made small together; when, and who goes on with the others."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crdt.blob import BlobId, Chunking
from crdt.change import DocumentId
from crdt.keys import COMMONS
from node.keeping import keeping as service
from node.keeping import room
from node.keeping.keeping import Keeping
from node.keeping.patience import AUTHOR_LONGEST_S
from node.keeping.plan import Wanted
from node.keeping.runs import VAIN_MAX, WAITS_S, Runs
from node.keeping.waiting import NOBODY
from node.projection import project
from p2p.protocol.errors import NoRoom
from p2p.transport.fetching import NoPeerHasIt
from storage.store import open_store
from tests.node.keeping.test_keeping import next_of
from tests.node.keeping.test_worlds import (
    BLOBS,
    HALF,
    NONE,
    ONE,
    OTHER,
    TICKS,
    Giver,
    followed,
    until_small,
    wanted,
    whole,
)
from tests.node.parts import Wish
from tests.storage.people import ALICE, BOB, NOW_US
from tests.storage.test_nearness import universe
from tests.storage.test_snapshots import created, keeps, taken
from tests.storage.test_whole_again import SERIES
from universe.record import CLASS, KIND

AND_FORK = "abd", "bc"


def more(_: int) -> bool:
    return True


async def test_a_run_waits_for_its_next_one_and_not_for_ever(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        runs = Runs(store)
        runs.came(wanted(1, ONE), now_s=0.0)
        await runs.end((), more, may_ask=True, now_s=WAITS_S - 1)
        assert runs.lengths == {ONE: 1}
        runs.came(wanted(2, ONE), now_s=WAITS_S - 1)
        await runs.end((), more, may_ask=True, now_s=WAITS_S)
        assert runs.lengths == {ONE: 2}
        await runs.end((), more, may_ask=True, now_s=2 * WAITS_S)
        assert runs.lengths == {}


async def test_a_run_waits_for_what_is_fetched_in_the_turn_of_whoever_else_claims_it(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        runs = Runs(store)
        runs.came(wanted(1, ONE), now_s=0.0)
        theirs = Wanted(BLOBS[0], 1, BOB.signer.author, None, OTHER, (ONE,))
        await runs.end([theirs], lambda _: False, may_ask=True, now_s=0.0)
        assert runs.lengths == {ONE: 1}
        runs.came(theirs, now_s=0.0)
        assert runs.lengths == {ONE: 2, OTHER: 1}


async def test_what_comes_after_the_disk_was_full_is_a_run_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        runs = Runs(store)
        runs.came(wanted(1, ONE), now_s=0.0)
        runs.hurry()
        await runs.end([wanted(2, ONE)], more, may_ask=True, now_s=0.0)
        assert runs.lengths == {}
        runs.came(wanted(2, ONE), now_s=0.0)
        await runs.end((), more, may_ask=True, now_s=0.0)
        assert runs.lengths == {ONE: 1}


async def test_what_is_tried_in_vain_again_and_again_is_not_waited_for(tmp_path: Path) -> None:
    """Also while it is tried once more; of what came in between it is counted anew."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        runs = Runs(store)
        runs.in_vain(wanted(9, ONE))
        runs.came(wanted(1, ONE), now_s=0.0)
        for came in (2, 3):
            for _ in range(VAIN_MAX - 1):
                runs.in_vain(wanted(9, ONE))
                runs.in_vain(wanted(9, OTHER))
                runs.in_vain(wanted(9, NONE))
            await runs.end((), more, may_ask=True, now_s=0.0)
            runs.came(wanted(came, ONE), now_s=0.0)
        assert runs.lengths == {ONE: 3}
        for _ in range(VAIN_MAX):
            assert runs.lengths == {ONE: 3}
            runs.in_vain(wanted(9, ONE))
        await runs.end([wanted(9, ONE)], more, may_ask=True, now_s=0.0)
        assert runs.lengths == {}


@dataclass
class Asked(Giver):
    """Notes what was wished for."""

    asked: list[Wish] = field(default_factory=list[Wish])

    async def bring(self, wish: Wish) -> None:
        self.asked.append(wish)
        await super().bring(wish)


@dataclass
class Standing(Giver):
    """What is in `stands` never comes; what has no room waits until something stands."""

    stands: Collection[BlobId] = ()
    too_large: Collection[BlobId] = ()
    lost: Collection[BlobId] = ()
    is_standing: asyncio.Event = field(default_factory=asyncio.Event)

    async def bring(self, wish: Wish) -> None:
        if wish.blob in self.stands:
            self.is_standing.set()
            await asyncio.Event().wait()
        if wish.blob in self.too_large:
            await self.is_standing.wait()
            raise NoRoom("not-stored", "There is no room.")
        if wish.blob in self.lost:
            raise NoPeerHasIt("no-peer-has-it", "No peer could give it.")
        await super().bring(wish)


def standing(giver: Giver) -> tuple[Standing, list[BlobId]]:
    """And all that it has, as it was published; of several universes by turns."""
    return Standing(alice=giver.alice, worlds=giver.worlds), [*giver.worlds]


async def test_all_that_came_of_one_is_made_small_though_every_place_has_much_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 1)
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 2))
        giver.stands = blobs[0::2]
        keeping = Keeping(store, giver, 1 << 30)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, TICKS - 1)
    assert giver.gave == {*blobs[1::2]}, "all of the newest, before another was begun"


async def test_what_came_is_made_small_where_the_others_are_not_due(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 1))
        keeping = Keeping(store, giver, 1 << 30, clock_s=lambda: 0.0)
        keeping.came("a session", lambda: False)
        for blob in blobs[:HALF]:
            keeping.patience.put_off(blob, NOBODY, now_s=0.0)
        await until_small(tmp_path, store, keeping, HALF - 1)
    assert giver.gave == {*blobs[HALF:]}


async def test_what_came_is_made_small_where_who_gave_it_has_no_more_of_very_many(
    tmp_path: Path,
) -> None:
    """Of so many one is due again before the last one was tried: the author rests in between."""
    now_s = 0.0
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 1))
        giver.lost = blobs[:HALF]
        keeping = Keeping(store, giver, 1 << 30, clock_s=lambda: now_s)
        keeping.came("a session", lambda: False)
        made_small: list[int] = []
        for _ in range(HALF + VAIN_MAX):
            await keeping.look()
            one = next_of(keeping)
            assert one is not None
            await keeping.fetch(one)
            await keeping._end_runs()  # pyright: ignore[reportPrivateUsage]  # as a place does then
            made_small.append(await store.settled())
            now_s += AUTHOR_LONGEST_S
    assert giver.gave == {*blobs[HALF:]}
    assert [at for at, count in enumerate(made_small) if count] == [HALF + VAIN_MAX - 1]


async def test_whoever_else_is_followed_and_names_them_beside_junk_leaves_no_state_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in his turns, too: then as in hers, and are made small with what comes in these."""
    monkeypatch.setattr(service, "AT_ONCE", 1)
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver = await followed(store, 1)
        asked = Asked(alice=store, worlds=giver.worlds)
        await store.set_petname("bob", BOB.did)
        junk = await store.put_blob(b"junk" * 9_000, chunking=Chunking.CONTENT)
        for at, blob in enumerate(giver.worlds):
            document = DocumentId(COMMONS, BOB.signer.author, CLASS, KIND, b"universe:%d" % at)
            await store.commit(document, created(), BOB.signer)
            for tick, of in ((1, blob), (2, junk)):
                signed = taken(tick, of, who=BOB, at_us=NOW_US + 99 - at)
                await store.commit(document, keeps(signed), BOB.signer)
        keeping = Keeping(store, asked, 1 << 30)
        keeping.came("a session", lambda: False)
        # All but one of hers beside the one after it.
        await until_small(tmp_path, store, keeping, TICKS - 1, beside=junk)
    bases = [wish.relative_to[:1] for wish in asked.asked]
    assert sum(base[0] in giver.worlds for base in bases if base) == TICKS - 1
    assert whole(tmp_path) < 1.3 * (1 << 18)


async def test_what_is_made_small_in_a_fork_first_leaves_no_state_before_it_whole(
    tmp_path: Path,
) -> None:
    """It counts in both universes, and the run of the fork is over before the older ones came."""
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        worlds = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:4]]
        blobs = dict(zip("abcd", worlds, strict=True))
        main, fork = [await universe(store, BOB, [blobs[at] for at in of], of) for of in AND_FORK]

        def of(name: str, *universes: int) -> Wanted:
            return Wanted(blobs[name], 1, BOB.signer.author, None, universes[0], universes[1:])

        runs = Runs(store)
        for one in (of("d", main), of("c", fork), of("b", main, fork)):
            runs.came(one, now_s=0.0)
        await runs.end((), lambda universe: universe == main, may_ask=True, now_s=0.0)
        assert runs.lengths == {main: 2}
        assert await store.settled() > 0
        runs.came(of("a", main), now_s=0.0)
        await runs.end((), lambda _: False, may_ask=True, now_s=0.0)
        assert await store.settled() > 0
        await store.settle_snapshot(blobs["a"], blobs["d"])
        assert await store.settled() == 0, "all of it is small"
    assert whole(tmp_path) < 2.2 * len(SERIES[-1]), "the newest of each"


async def test_where_one_has_no_room_on_the_disk_all_that_came_of_others_is_made_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the next one of them is on its way."""
    monkeypatch.setattr(room, "SMALL_BYTES", 0)  # there is for what is smaller
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 1, [ALICE, BOB]))
        giver.stands, giver.too_large = blobs[:HALF], blobs[TICKS:]
        keeping = Keeping(store, giver, 1 << 30)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, HALF - 1)
    assert giver.gave == {*blobs[HALF:TICKS]}
    assert whole(tmp_path) < 1.2 * (1 << 18)


async def test_a_universe_that_was_begun_goes_on_after_a_look(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 2))
        keeping = Keeping(store, giver, 1 << 30)
        keeping.came("a session", lambda: False)
        for blob in (blobs[-1], blobs[-3], blobs[-5]):
            await keeping.look()
            one = next_of(keeping)
            assert one is not None
            assert one.blob == blob, "not the newest, of another"
            assert await keeping.fetch(one)


async def test_while_a_place_rests_after_a_try_in_vain_another_goes_on_with_the_universe(
    tmp_path: Path,
) -> None:
    async def rest(_: float) -> None:
        await asyncio.Event().wait()

    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        giver, blobs = standing(await followed(store, 1))
        giver.lost = blobs[-1:]
        keeping = Keeping(store, giver, 1 << 30, sleep=rest)
        keeping.came("a session", lambda: False)
        await until_small(tmp_path, store, keeping, TICKS - 2)
    assert giver.gave == {*blobs[:-1]}
