"""Whose universe says what a state is like and leans on, where several people name the same bytes.

Alice is who runs this node, Bob is followed, Carol a stranger.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.blob import BlobId, Chunking
from crdt.change import DocumentId
from crdt.chunking import content_manifest_of
from crdt.keys import COMMONS, NamespaceKey
from node.projection import project
from storage.quota import Quota
from storage.store import Store, open_store
from storage.unsettled import Unsettled
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person
from tests.storage.steps import counted
from tests.storage.test_claimed import BOBS
from tests.storage.test_namers import GUILD
from tests.storage.test_snapshots import created, keeps, taken
from tests.storage.test_whole_again import SERIES
from universe.record import CLASS, KIND

NAMES = {ALICE.did: "alice", BOB.did: "bob", CAROL.did: "carol"}
OTHERS = (BOB, CAROL)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    quota = Quota(own=frozenset({ALICE.signer.author}))
    async with open_store(
        tmp_path / "p.db", project=project, clock_us=lambda: NOW_US, quota=quota
    ) as opened:
        await opened.set_petname("bob", BOB.did)
        yield opened


async def states(store: Store, who: str, count: int) -> list[BlobId]:
    """That are here, and alike within each name."""
    data = [f"{who} {at} ".encode() + who.encode() * 20_000 for at in range(count)]
    return [await store.put_blob(one, chunking=Chunking.CONTENT) for one in data]


async def universe(
    store: Store,
    who: Person,
    blobs: Sequence[BlobId],
    name: str = "main",
    *,
    place: NamespaceKey = COMMONS,
) -> int:
    """One of theirs, with these by their ticks; its number. Of Bob's also in the guild."""
    signer = who.signer if place == COMMONS else BOBS
    record = f"universe:{name}"
    document = DocumentId(place, who.signer.author, CLASS, KIND, record.encode())
    await store.commit(document, created(), signer)
    for tick, blob in enumerate(blobs):
        await store.commit(document, keeps(taken(tick, blob, who=who)), signer)
    row = await store.listing("universe", who.did, record, place)
    assert row is not None
    return row.number


async def begun(store: Store, who: str) -> BlobId:
    """A state of which no chunk is here yet."""
    manifest = content_manifest_of(f"{who} begun".encode() * 9_000)
    await store.begin_blob(manifest.id, manifest.root)
    return manifest.id


async def left(store: Store) -> list[tuple[BlobId, BlobId]]:
    """What a start finds; of each universe without what is tried against its newest besides."""
    look = Unsettled(store._database)  # pyright: ignore[reportPrivateUsage]  # no API tells of it
    found: list[tuple[BlobId, BlobId]] = []
    while some := await look.some():
        found += first_of_each(some)
    return found


def first_of_each(pairs: Sequence[tuple[BlobId, BlobId]]) -> list[tuple[BlobId, BlobId]]:
    """By the older one, as each has its own behind it."""
    return [next(found) for _, found in groupby(pairs, key=lambda pair: pair[0])]


async def test_ones_own_universe_says_first_what_a_state_is_like_then_that_of_a_friend(
    store: Store,
) -> None:
    """However long those of others are."""
    (state,) = await states(store, "x", 1)
    mine, his, hers = [await states(store, who, 1 + at) for at, who in enumerate("abc")]
    await universe(store, CAROL, [*hers, state])
    await universe(store, BOB, [*his, state])
    await universe(store, ALICE, [*mine, state])
    near = [one.blob for one in await store.beside(state)]
    assert near == [mine[0], his[1], his[0], hers[2]]


async def test_of_equally_near_universes_the_longest_says_it_first(store: Store) -> None:
    (state,) = await states(store, "x", 1)
    short, long = await states(store, "a", 1), await states(store, "b", 2)
    await universe(store, ALICE, [*short, state], "short")
    await universe(store, ALICE, [*long, state], "long")
    assert [one.blob for one in await store.beside(state)] == [long[1], long[0], short[0]]


async def test_a_universe_of_an_owned_namespace_is_nearer_than_one_of_the_commons(
    store: Store,
) -> None:
    """Whoever writes there was let in."""
    await store.remove_petname("bob")
    (state,) = await states(store, "x", 1)
    his, hers = await states(store, "b", 2), await states(store, "c", 3)
    await store.join(GUILD, "guild")
    await universe(store, BOB, [*his, state], place=GUILD)
    number = await universe(store, CAROL, [state, *hers])
    assert [one.blob for one in await store.beside(state)][:2] == [his[1], his[0]]
    assert state not in {older for older, _ in await store.pairs_beside(hers, number)}


async def test_of_what_came_back_counts_what_is_before_the_first_and_after_the_last(
    store: Store,
) -> None:
    """A world that was set back; what lies between has its pairs when it comes itself."""
    before, back, between, after = await states(store, "a", 4)
    number = await universe(store, ALICE, [before, back, between, back, after])
    found = await store.pairs_beside([back], number)
    assert found == [(before, back), (before, after), (back, after)]
    assert {one.blob for one in await store.beside(back, number)} == {before, after}


async def test_the_nearest_is_so_by_its_tick_and_of_one_tick_by_its_time(store: Store) -> None:
    """A world that slept for a night is no other one."""
    worlds = await states(store, "a", 5)
    document = DocumentId(COMMONS, ALICE.signer.author, CLASS, KIND, b"universe:main")
    await store.commit(document, created(), ALICE.signer)
    whens = [(90, 100), (99, 0), (99, 50), (100, 1_000), (150, 1_001)]
    for (tick, after_us), blob in zip(whens, worlds, strict=True):
        await store.commit(
            document, keeps(taken(tick, blob, at_us=NOW_US + after_us)), ALICE.signer
        )
    near = [one.blob for one in await store.beside(worlds[3])]
    assert near == [worlds[at] for at in (2, 1, 0, 4)]


async def test_what_is_only_begun_stands_beside_nothing(store: Store) -> None:
    """No base can be made of it: it is passed over, and its universe says nothing of others."""
    mine, hers = await states(store, "a", 2), await states(store, "c", 2)
    part = await begun(store, "a")
    number = await universe(store, ALICE, [part, *mine, part])
    assert [one.blob for one in await store.beside(mine[0])] == [mine[1]]
    assert await store.pairs_beside(mine, number) == [(mine[0], mine[1])]
    assert await left(store) == [(mine[0], mine[1])]
    part = await begun(store, "b")
    number = await universe(store, BOB, [*hers, part, await begun(store, "c")])
    assert await store.pairs_beside(hers[:1], number) == [(hers[0], hers[1])]
    await universe(store, ALICE, [hers[0], part], "fork")
    assert await store.pairs_beside(hers[:1], number) == [(hers[0], hers[1])]


@pytest.mark.parametrize("who", OTHERS)
async def test_the_newest_state_of_ones_own_leans_on_nothing_that_others_name_it_beside(
    store: Store, who: Person
) -> None:
    """It is fetched again by its id, they are, or the node starts."""
    mine, theirs = await states(store, "a", 3), await states(store, "b", 2)
    number = await universe(store, who, [mine[-1], *theirs])
    await universe(store, ALICE, mine)
    ours = [(mine[0], mine[1]), (mine[1], mine[2])]
    assert await store.pairs_beside(mine[-1:]) == ours[1:]
    assert (theirs[0], theirs[1]) in await store.pairs_beside(theirs, number)
    assert mine[-1] not in {older for older, _ in await store.pairs_beside(theirs, number)}
    assert mine[-1] not in {older for older, _ in await store.pairs_beside(mine, number)}
    assert sorted(await left(store)) == sorted([*ours, (theirs[0], theirs[1])])


async def test_an_own_state_leans_only_on_what_follows_it_in_ones_own_universe(
    store: Store,
) -> None:
    """Also the oldest, which a friend began with."""
    mine, his = await states(store, "a", 2), await states(store, "b", 1)
    number = await universe(store, BOB, [mine[0], *his])
    await universe(store, ALICE, mine)
    assert await store.pairs_beside(his, number) == []
    assert await left(store) == [(mine[0], mine[1])]


async def test_a_friends_newest_state_leans_on_nothing_that_a_stranger_names_it_beside(
    store: Store,
) -> None:
    his, hers = await states(store, "b", 2), await states(store, "c", 1)
    number = await universe(store, CAROL, [his[-1], *hers])
    assert await store.pairs_beside(hers, number) == [(his[-1], hers[0])]
    await universe(store, BOB, his)
    assert await store.pairs_beside(hers, number) == []
    assert await left(store) == [(his[0], his[1])]


async def test_a_stranger_may_name_what_is_theirs_before_ones_own(store: Store) -> None:
    """Theirs then leans on it, which takes nothing from anybody."""
    mine, hers = await states(store, "a", 2), await states(store, "c", 1)
    number = await universe(store, CAROL, [*hers, mine[-1]])
    await universe(store, ALICE, mine)
    assert await store.pairs_beside(hers, number) == [(hers[0], mine[-1])]


async def test_what_came_for_a_friends_universe_leans_on_what_follows_it_in_ones_own(
    store: Store,
) -> None:
    """As it is said there alone: else it would lie whole until the next start."""
    mine, his = await states(store, "a", 3), await states(store, "b", 1)
    number = await universe(store, BOB, [mine[0], *his])
    await universe(store, ALICE, mine)
    found = await store.pairs_beside(mine[:1], number)
    assert found == [(mine[0], mine[1]), (mine[0], mine[2])]


async def gives(store: Store, older: BlobId, newer: BlobId) -> bool:
    """Whether anything of the older one lay whole that can lie as what differs from the other."""
    await store.settle_snapshot(older, newer)
    return await store.settled() > 0


@pytest.mark.parametrize("who", [ALICE, BOB])
@pytest.mark.parametrize("first", ["in a fork", "against the newest"])
async def test_behind_a_state_that_was_made_small_before_the_newest_is_leant_on(
    store: Store, first: str, who: Person
) -> None:
    """However early it came itself: what lies as a difference is no base."""
    a, b, c, d = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:4]]
    fork = await universe(store, who, [b, c], "fork")
    main = await universe(store, who, [a, b, d])
    if first == "in a fork":
        await store.settle_snapshots(await store.pairs_beside([c, b], fork))
    else:
        await store.settle_snapshot(b, d)
    assert await store.settled() > 0
    await store.settle_snapshots(await store.pairs_beside([d, b, a], main))
    assert await store.settled() > 0
    assert not await gives(store, a, d)


@pytest.mark.parametrize("who", [ALICE, BOB])
async def test_a_fork_longer_than_what_it_is_of_leaves_no_state_of_that_whole(
    store: Store, who: Person
) -> None:
    """Also where nobody says of which of the two a state is: the fork has the first turn."""
    worlds = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES]
    await universe(store, who, [worlds[at] for at in (0, 1, 3)])
    await universe(store, who, [worlds[at] for at in (1, 2, 5, 4)], "fork")
    await store.settle_snapshots(await store.pairs_beside([worlds[1]]))
    assert await store.settled() > 0
    assert not await gives(store, worlds[0], worlds[3])
    assert not await gives(store, worlds[1], worlds[3])


async def test_a_fork_in_which_nothing_else_is_here_keeps_what_it_began_with_from_nothing(
    store: Store,
) -> None:
    """Else each state at which somebody forked would lie whole, though its universe goes on."""
    hers = await states(store, "c", 3)
    number = await universe(store, CAROL, hers)
    for at, who in enumerate((ALICE, BOB, ALICE)):
        lost = BlobId(bytes([at]) * 32)
        await universe(store, who, [hers[at], lost], f"fork{at}")
    found = first_of_each(await store.pairs_beside(hers, number))
    assert found == [(hers[0], hers[1]), (hers[1], hers[2])]
    assert await left(store) == [(hers[0], hers[1]), (hers[1], hers[2])]


async def test_who_names_ones_own_states_in_very_many_universes_makes_no_start_long(
    store: Store, tmp_path: Path
) -> None:
    """Which of them lies nearer is looked for once for each state, and not in each universe."""
    mine = await states(store, "a", 4)
    await universe(store, ALICE, mine)
    steps: list[int] = []
    for at in range(40):
        await universe(store, CAROL, mine[::-1], f"u{at}")
        if at + 1 in (10, 40):
            async with counted(tmp_path / "p.db") as (database, counts):
                look = Unsettled(database)
                assert first_of_each(await look.some()) == [
                    (mine[0], mine[1]),
                    (mine[1], mine[2]),
                    (mine[2], mine[3]),
                ]
                assert first_of_each(await look.some()) == []
                steps.append(len(counts))
    assert steps[1] < 6 * steps[0]


async def test_whom_one_does_not_follow_any_more_is_a_stranger(store: Store) -> None:
    his, hers = await states(store, "b", 2), await states(store, "c", 1)
    number = await universe(store, CAROL, [his[-1], *hers])
    await universe(store, BOB, his)
    assert await store.pairs_beside(hers, number) == []
    await store.remove_petname("bob")
    assert await store.pairs_beside(hers, number) == [(his[-1], hers[0])]


async def test_what_lies_whole_as_the_newest_stays_so_after_a_start(store: Store) -> None:
    """Though a stranger has one that is much like it beside it."""
    blobs = [await store.put_blob(one, chunking=Chunking.CONTENT) for one in SERIES[:3]]
    await universe(store, CAROL, [blobs[1], blobs[2]])
    await universe(store, ALICE, blobs[:2])

    def fail(error: Exception) -> None:
        raise error

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        settling = tasks.create_task(store.keep_settling(fail))
        while await left(store):  # noqa: ASYNC110 - settling tells nobody that it has nothing to do
            await asyncio.sleep(0.01)
        settling.cancel()
    await store.settle_snapshot(blobs[0], blobs[2])
    assert await store.settled() == 0, "the oldest is a difference from the one after it"
    await store.settle_snapshot(blobs[1], blobs[2])
    assert await store.settled() > 0, "and that one was whole"
