"""The bytes of a state stay from the look at them to the change that names them, whatever goes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import pytest
from blake3 import blake3

from crdt.blob import BlobId
from crdt.chunking import content_manifest_of
from node.api.routes.universes import hand_of
from node.errors import NotFound
from node.services.offered import Kept, Offered
from node.services.snapshot_change import Dropping
from node.services.snapshots import keep_same, keep_snapshot
from node.services.universes import document_of, universe_meant
from storage.collecting import GRACE_US
from storage.errors import NotHeld
from storage.gathering import GATHERED_BYTES
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice
from tests.node.services.test_joining import until
from universe.record import drop_snapshots
from universe.retention import Dropped
from universe.taken import Taken, Together

DATA = blake3(b"a state").digest(length=200_000)
OTHER = DATA[::-1]


async def universe(alice: Alice) -> ListedRow:
    return await universe_meant(alice.node.store, "universe:main")


async def pieces(data: bytes) -> AsyncGenerator[bytes]:
    yield data


async def keep(alice: Alice, tick: int, data: AsyncGenerator[bytes]) -> SnapshotRow:
    kept = await keep_snapshot(hand_of(alice.node), await universe(alice), Offered(tick), data)
    return kept.row


async def let_go(alice: Alice, one: SnapshotRow) -> None:
    """As by a change of another device that comes by sync."""
    document = document_of(await universe(alice))
    signer = await alice.node.signers.for_document(document)
    edit = drop_snapshots((one.id,), now_us=alice.node.clock_us())
    await alice.node.store.commit(document, edit, signer, is_letting_go=True)


def meanwhile(work: Callable[[], Awaitable[object]]) -> Dropping:
    """Between the look at what is there and the change: the rule of a universe is asked then."""

    async def dropping(row: ListedRow, coming: Taken, together: Together) -> Sequence[Dropped]:
        await work()
        return ()

    return dropping


async def same(alice: Alice, tick: int, source: SnapshotRow, dropping: Dropping) -> Kept:
    row = await universe(alice)
    return await keep_same(hand_of(alice.node), row, Offered(tick), source, dropping=dropping)


async def test_what_has_the_bytes_is_let_go_and_collected_meanwhile(alice: Alice) -> None:
    first = await keep(alice, 1, pieces(DATA))
    await keep(alice, 3, pieces(OTHER))

    async def gone() -> None:
        await let_go(alice, first)
        await alice.node.store.gc(grace_us=-1)

    kept = await same(alice, 2, first, meanwhile(gone))
    assert await alice.node.store.read_blob(BlobId(kept.row.blob)) == DATA
    await alice.node.store.gc(grace_us=-1)
    assert await alice.node.store.read_blob(BlobId(kept.row.blob)) == DATA


async def test_bytes_that_are_sent_are_unpinned_and_collected_meanwhile(alice: Alice) -> None:
    """What is unpinned has no time of grace left."""
    store, row = alice.node.store, await universe(alice)
    blob = content_manifest_of(DATA).id

    async def gone() -> None:
        await store.pin_blob(blob, "mine")
        await store.unpin_blob(blob)
        await store.gc()

    kept = await keep_snapshot(
        hand_of(alice.node), row, Offered(1), pieces(DATA), dropping=meanwhile(gone)
    )
    assert kept.row.blob == blob
    assert await store.read_blob(blob) == DATA


async def test_who_is_named_with_others_and_waits_no_more_loses_no_bytes(alice: Alice) -> None:
    first = await keep(alice, 1, pieces(DATA))
    other = await keep(alice, 9, pieces(OTHER))
    begun = list[asyncio.Task[Kept]]()

    async def gone() -> None:
        begun[1].cancel()
        with suppress(asyncio.CancelledError):
            await begun[1]
        await let_go(alice, first)
        await alice.node.store.gc(grace_us=-1)

    async def nothing() -> None:
        pass

    async with asyncio.timeout(60), alice.node.making:
        for tick, source, work in ((2, other, nothing), (3, first, gone)):
            begun.append(asyncio.create_task(same(alice, tick, source, meanwhile(work))))
            await until(partial(are_waiting, alice, len(begun)))
    await begun[0]
    assert begun[1].cancelled()
    row = await universe(alice)
    found = await alice.node.store.snapshot_before(row.number, 3)
    assert found is not None
    assert found.tick == 3, "it was underway with the other one"
    assert await alice.node.store.read_blob(BlobId(found.blob)) == DATA


def are_waiting(alice: Alice, count: int) -> bool:
    return len(alice.node.uploads) == count


@pytest.mark.parametrize("is_sent", [True, False])
async def test_what_is_collected_while_it_waits_is_not_named(alice: Alice, is_sent: bool) -> None:
    """Before its turn nothing holds it: it is to be sent again, and there is nothing of it."""
    store, row = alice.node.store, await universe(alice)
    blob = content_manifest_of(DATA).id
    await keep(alice, 1, pieces(OTHER))
    first = None if is_sent else await keep(alice, 2, pieces(DATA))
    async with asyncio.timeout(60), alice.node.making:
        coming = keep(alice, 3, pieces(DATA)) if first is None else like(alice, 3, first)
        waiting = asyncio.create_task(coming)
        await until(partial(are_waiting, alice, 1))
        if first is None:
            await store.pin_blob(blob, "mine")
            await store.unpin_blob(blob)  # which ends its time of grace
        else:
            await let_go(alice, first)
        await store.gc(grace_us=GRACE_US if first is None else -1)
        assert not await store.has_blob(blob)
    with pytest.raises(NotHeld if first is None else NotFound):
        await waiting
    found = await store.snapshot_before(row.number, 9)
    assert found is not None
    assert found.tick == 1
    assert (await keep(alice, 3, pieces(DATA))).blob == blob, "it is taken when it comes again"


async def like(alice: Alice, tick: int, source: SnapshotRow) -> SnapshotRow:
    return (await same(alice, tick, source, meanwhile(alice.node.store.gc))).row


async def test_bytes_that_were_collected_before_are_to_be_sent(alice: Alice) -> None:
    first = await keep(alice, 1, pieces(DATA))
    await keep(alice, 3, pieces(OTHER))
    await let_go(alice, first)
    await alice.node.store.gc(grace_us=-1)
    with pytest.raises(NotHeld):
        await same(alice, 2, first, meanwhile(alice.node.store.gc))


async def test_whoever_is_stopped_while_it_is_stored_lets_go_of_the_body_at_once(
    alice: Alice,
) -> None:
    """Somebody may wait for the turn that goes with it, and what stopped holds all of it."""
    closed, gathering = list[str](), alice.node.store.gathering

    async def body() -> AsyncGenerator[bytes]:
        try:
            yield bytes(GATHERED_BYTES)
            yield DATA
        finally:
            closed.append("the body")

    given = body()  # which is held here: nobody but who reads it can be the one who closes it
    async with gathering.turn, gathering.turn:  # so it waits where it is to be stored
        keeping = asyncio.create_task(keep(alice, 1, given))
        await until(lambda: gathering.held_bytes >= GATHERED_BYTES)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        assert closed == ["the body"]
    assert gathering.held_bytes == 0
