"""Blobs between real nodes whose disks are full, and past peers that mean no good."""

import asyncio
import errno
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from crdt.blob import CHUNK_BYTES, BlobId, build_manifest
from crdt.digest import payload_digest
from crdt.keys import AuthorKey
from p2p.protocol import limits
from p2p.protocol.errors import NoRoom, NotStored
from p2p.protocol.pieces import Urgency
from p2p.transport.fetching import BlobSaid, LargerThanWanted, NoPeerHasIt
from p2p.transport.network import Network, PeerCame
from storage import prompt
from storage.database import packs_beside
from storage.lazily import Lazy
from tests.e2e.mallory import Mallory
from tests.p2p.transport.test_network import Node, open_node, until, unwatched
from tests.storage.full_disk import largest_file
from tests.storage.test_making_room import Short, ShortDisk

CONTENT = Random(1).randbytes(12 * CHUNK_BYTES + 17)


@pytest.mark.parametrize("chunks", [5, 8])
async def test_a_full_disk_ends_the_fetch_and_not_the_session(tmp_path: Path, chunks: int) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(CONTENT)
        connection = await bob.network.connect(alice.address)
        with (
            largest_file(chunks * CHUNK_BYTES + 99),
            pytest.raises(NoRoom, match="disk is full"),
        ):
            await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        assert bob.network.connections == (connection,)
        async with asyncio.timeout(20):
            await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        assert await bob.store.read_blob(blob) == CONTENT


async def test_what_is_only_kept_is_told_to_nobody_and_says_where_there_is_more_of_it(
    tmp_path: Path,
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(CONTENT)
        await bob.network.connect(alice.address)
        for nobodys, error in ((blob, LargerThanWanted), (BlobId(b"n" * 32), NoPeerHasIt)):
            with pytest.raises(NoPeerHasIt) as caught:
                await bob.network.fetch_blob(nobodys, size_bytes_max=0, urgency=Urgency.KEPT)
            assert caught.type is error
        assert await bob.store.blob_state(blob) is None, "nothing of it is here for that"
        await bob.network.fetch_blob(blob, size_bytes_max=len(CONTENT), urgency=Urgency.KEPT)
        assert not bob.network.fetching.unasked
        other = await alice.store.put_blob(b"asked for")
        await bob.network.fetch_blob(other, size_bytes_max=100)
        told = await bob.heard(BlobSaid)
        assert isinstance(told, BlobSaid)
        assert told.event.blob == other, "of that one somebody is to hear first"


async def test_a_chunk_of_another_length_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mallory's manifest names a short chunk in the place of a long one: Bob, who holds that chunk
    of another blob, must not give it to Carol, who would count it against him."""
    monkeypatch.setattr(limits, "POLL_FIRST_S", 0.02)  # she asks as often, but not for a minute
    short = b"a module that everybody holds"
    lie = build_manifest([payload_digest(short), payload_digest(b"x")], CHUNK_BYTES + 1)
    async with open_node(tmp_path / "b", 2) as bob, open_node(tmp_path / "c", 3) as carol:
        await bob.store.put_blob(short)
        await bob.store.begin_blob(lie.id, lie.root)
        await bob.store.add_page(lie.id, 0, lie.pages[0])
        connection = await carol.network.connect(bob.address)
        with pytest.raises(NoPeerHasIt, match="not what is missing here"):
            await carol.network.fetch_blob(lie.id, unwatched, size_bytes_max=1 << 20)
        assert carol.network.connections == (connection,)


async def test_a_peer_that_does_not_answer_keeps_no_blob_from_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mallory calls first, says that all is well, and never gives what she is asked for."""
    monkeypatch.setattr(limits, "RUN_PATIENCE_S", 0.2)
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        Mallory().meets(bob.address),
        asyncio.timeout(10),
    ):
        blob = await alice.store.put_blob(CONTENT)
        await alice.network.connect(bob.address)
        await bob.heard(PeerCame)
        await bob.heard(PeerCame)
        assert len(bob.network.connections) == 2
        steps: list[int] = []
        await bob.network.fetch_blob(
            blob, lambda told: steps.append(told.chunks), size_bytes_max=len(CONTENT)
        )
        assert await bob.store.read_blob(blob) == CONTENT
        assert steps == sorted(steps)
        assert steps[-1] == 13


@asynccontextmanager
async def two_nodes(folder: Path) -> AsyncGenerator[tuple[Node, Node]]:
    """Two who do not know each other yet, for a while."""
    async with (
        open_node(folder / "a", 1) as alice,
        open_node(folder / "b", 2) as bob,
        asyncio.timeout(20),
    ):
        yield alice, bob


@pytest.fixture
def prompt_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the disk is, what is written to it counts as prompt."""
    monkeypatch.setattr(prompt, "SLOW_S", 60.0)


@pytest.mark.usefixtures("prompt_disk")
async def test_a_prompt_disk_has_chunks_in_the_turn_in_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the first, the last, and what comes while somebody writes."""
    async with two_nodes(tmp_path) as (alice, bob):
        blob = await alice.store.put_blob(CONTENT)
        await bob.network.connect(alice.address)
        store, at_once = bob.store.add_at_once, list[int]()

        def noted(
            blob: BlobId, first: int, chunks: Sequence[bytes], hashes: Sequence[bytes]
        ) -> bool:
            is_there = store(blob, first, chunks, hashes)
            at_once.extend(range(first, first + len(chunks)) if is_there else ())
            return is_there

        monkeypatch.setattr(bob.store, "add_at_once", noted)
        await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        assert at_once, "or a thread had all of them"
        assert len(at_once) == len(set(at_once))
        assert await bob.store.read_blob(blob) == CONTENT


@pytest.mark.usefixtures("prompt_disk")
async def test_a_thread_that_is_slow_to_wake_does_not_keep_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while it is about the first chunk would wait for it, and so would the next."""
    content = Random(2).randbytes(40 * CHUNK_BYTES)
    append, slow = Lazy._append, list[int]()  # pyright: ignore[reportPrivateUsage]  # the thread's

    def wake_slowly(lazy: Lazy, chunks: Sequence[tuple[bytes, bytes]]) -> None:
        slow.append(len(chunks))
        time.sleep(0.005)
        append(lazy, chunks)

    monkeypatch.setattr(Lazy, "_append", wake_slowly)
    async with two_nodes(tmp_path) as (alice, bob):
        blob = await alice.store.put_blob(content)
        await bob.network.connect(alice.address)
        await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(content))
        assert await bob.store.read_blob(blob) == content
        assert 1 <= sum(slow) < 20


@pytest.mark.usefixtures("prompt_disk")
async def test_a_disk_that_cannot_be_looked_at_ends_the_fetch_and_not_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody put into words of ours, in the turn in which a chunk came."""
    async with two_nodes(tmp_path) as (alice, bob):
        blob = await alice.store.put_blob(CONTENT)
        connection = await bob.network.connect(alice.address)
        store, taken = bob.store.add_at_once, list[bool]()

        def broken(
            blob: BlobId, first: int, chunks: Sequence[bytes], hashes: Sequence[bytes]
        ) -> bool:
            taken.append(store(blob, first, chunks, hashes))
            if taken.count(True) == 2:
                raise OSError(errno.EIO, "Input/output error")
            return taken[-1]

        with monkeypatch.context() as bad:
            bad.setattr(bob.store, "add_at_once", broken)
            with pytest.raises(NotStored, match="could not go on"):
                await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        assert bob.network.connections == (connection,)
        await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        assert await bob.store.read_blob(blob) == CONTENT


async def test_runs_that_wait_for_the_store_are_stored_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt.Prompt, "is_likely", False)
    async with two_nodes(tmp_path) as (alice, bob):
        blob = await alice.store.put_blob(CONTENT)
        connection = await bob.network.connect(alice.address)
        store, stored = bob.store.add_chunks, list[int]()

        came: list[int] = []  # when the first ones are let into the store

        def came_by_now() -> int:
            return connection.session.report.blob_bytes_received // CHUNK_BYTES

        async def all_came() -> bool:
            return came_by_now() >= 3

        async def slow(
            blob: BlobId,
            chunks: Sequence[tuple[int, bytes]],
            *,
            hashes: Sequence[bytes] | None = None,
        ) -> bool:
            stored.append(len(chunks))
            if len(stored) == 1:  # the others of the first window come meanwhile
                await until(all_came)
                came.append(came_by_now())
            return await store(blob, chunks, hashes=hashes)

        monkeypatch.setattr(bob.store, "add_chunks", slow)
        await bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
        # Those that come in one breath go in at once; with a slow answer more are asked for.
        assert sum(stored[:2]) >= came[0], "what waited was stored together"
        assert sum(stored) == 13
        assert await bob.store.read_blob(blob) == CONTENT


async def test_who_waits_no_more_takes_along_what_only_they_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person stops a fetch of what this node keeps too: of a blob that is larger than its record
    says nothing comes then, and again it is told to nobody."""
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(CONTENT)
        await bob.network.connect(alice.address)
        looked, may_look, root_of = asyncio.Event(), asyncio.Event(), bob.store.blob_root

        async def later(blob: BlobId) -> bytes | None:
            looked.set()
            await may_look.wait()
            return await root_of(blob)

        monkeypatch.setattr(bob.store, "blob_root", later)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            person = tasks.create_task(
                bob.network.fetch_blob(blob, unwatched, size_bytes_max=len(CONTENT))
            )
            await looked.wait()
            keeping = tasks.create_task(_kept(bob.network, blob))
            await asyncio.sleep(0)  # its first step is to wish for it
            person.cancel()
            await asyncio.wait([person])
            assert bob.network.fetching.unasked == {blob}
            may_look.set()
        assert isinstance(keeping.result(), LargerThanWanted)
        assert await bob.store.blob_state(blob) is None


async def test_who_joins_what_is_only_kept_has_room_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had room when it was begun; then others took that of the disk."""
    data, hers = CONTENT, AuthorKey(b"a" * 32)
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blob = await alice.store.put_blob(data)
        disk = ShortDisk(packs_beside(tmp_path / "b"))
        disk.stands_for_all(monkeypatch)
        short = Short(bob.store, disk, [], [])
        bob.store.on_lack_of_room(short.give_way)
        await short.keep(Random(2).randbytes(16 * CHUNK_BYTES))
        await bob.network.connect(alice.address)
        began, may_go_on, store = asyncio.Event(), asyncio.Event(), bob.store.add_chunks

        async def slow(
            blob: BlobId,
            chunks: Sequence[tuple[int, bytes]],
            *,
            hashes: Sequence[bytes] | None = None,
        ) -> bool:
            began.set()
            await may_go_on.wait()
            return await store(blob, chunks, hashes=hashes)

        monkeypatch.setattr(bob.store, "add_chunks", slow)

        async def fetch(urgency: Urgency) -> None:
            for_whom = bob.store.keeping(blob, hers)
            with bob.store.asking(blob) if urgency is Urgency.ASKED else for_whom:
                await bob.network.fetch_blob(blob, size_bytes_max=len(data), urgency=urgency)

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(fetch(Urgency.KEPT))
            await began.wait()
            disk.leave(0)
            tasks.create_task(fetch(Urgency.ASKED))
            await asyncio.sleep(0)  # its first step is to wish for it
            may_go_on.set()
        assert await bob.store.read_blob(blob) == data
        assert not await bob.store.has_blob(short.kept[0])


async def test_while_room_is_made_for_one_blob_others_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = Random(3).randbytes(16 * CHUNK_BYTES), Random(4).randbytes(5 * CHUNK_BYTES)
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        blobs = [await alice.store.put_blob(one) for one in (large, small)]
        disk = ShortDisk(packs_beside(tmp_path / "b"))
        disk.stands_for_all(monkeypatch)
        short = Short(bob.store, disk, [], [])
        await short.keep(Random(2).randbytes(16 * CHUNK_BYTES))
        disk.leave(8 * CHUNK_BYTES)
        asked, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow(size: int, in_rows: bool) -> int:
            asked.set()
            await may_go_on.wait()
            return await short.give_way(size, in_rows)

        bob.store.on_lack_of_room(slow)
        await bob.network.connect(alice.address)

        async def fetch(blob: BlobId) -> None:
            with bob.store.asking(blob):
                await bob.network.fetch_blob(blob, size_bytes_max=len(large))

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(fetch(blobs[0]))
            await asked.wait()
            await fetch(blobs[1])
            assert not await bob.store.has_blob(blobs[0])
            may_go_on.set()
        assert [await bob.store.read_blob(one) for one in blobs] == [large, small]


async def _kept(network: Network, blob: BlobId) -> NoPeerHasIt | None:
    try:
        await network.fetch_blob(blob, size_bytes_max=10, urgency=Urgency.KEPT)
    except NoPeerHasIt as error:
        return error
    return None
