"""What statements leave to do is done, whoever makes whatever up."""

import asyncio
from pathlib import Path

import pytest

from crdt.blob import BlobId
from crdt.statement import Frontier, Revoke, encode_frontier
from node import authority
from node.authority import follow_statements
from p2p.protocol.errors import SyncError
from storage.errors import OverQuota
from storage.store import open_store
from tests.storage.people import ALICE, NOW_US, named, project
from tests.storage.test_authority import BOBS, LAPTOP, LOG, ROOT, names

COUNT = 450  # more than is judged at once with a statement


async def test_a_frontier_that_nobody_gives_delays_no_judgement(tmp_path: Path) -> None:
    """A peer that promises a blob and is slow must not keep what was revoked in the lists."""
    asked = asyncio.Event()

    async def fetch(blob: BlobId, bytes_max: int) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with (
        open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store,
        asyncio.TaskGroup() as tasks,
    ):
        entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(COUNT)]
        await store.receive(entries, source="peer")
        changed = asyncio.Event()
        store.subscribe(lambda _: changed.set())
        following = tasks.create_task(follow_statements(store, fetch))
        await store.declare(Revoke(BOBS, Frontier(blob=BlobId(b"b" * 32))), LOG, ROOT)
        await asyncio.wait_for(asked.wait(), 10)
        await store.declare(Revoke(LAPTOP), LOG, ROOT)
        async with asyncio.timeout(20):
            while not await store.is_settled():
                await changed.wait()
                changed.clear()
        assert await names(store) == [""] * COUNT
        following.cancel()


async def test_a_frontier_that_comes_takes_effect(tmp_path: Path) -> None:
    async with (
        open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store,
        asyncio.TaskGroup() as tasks,
    ):
        clock = ALICE.publishes("io.alice.clock", named("clock"))
        await store.receive([clock], source="peer")
        (row,) = await store.documents()
        data = encode_frontier({row.id.encode(): row.heads})

        async def fetch(blob: BlobId, bytes_max: int) -> None:
            assert await store.put_blob(data) == blob

        async with open_store(
            tmp_path / "other.db", project=project, clock_us=lambda: NOW_US
        ) as other:
            blob = await other.put_blob(data)
        await store.declare(Revoke(LAPTOP, Frontier(blob=blob)), LOG, ROOT)
        assert await names(store) == [""]
        changed = asyncio.Event()
        store.subscribe(lambda _: changed.set())
        following = tasks.create_task(follow_statements(store, fetch))
        async with asyncio.timeout(20):
            while await names(store) != ["clock"]:
                await changed.wait()
                changed.clear()
        following.cancel()


@pytest.mark.parametrize("fails", ["settle", "wanted_frontiers"])
async def test_a_disk_that_is_full_for_a_while_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr(authority, "RETRY_S", 0.01)

    async def fetch(blob: BlobId, bytes_max: int) -> None:
        raise SyncError("no-source", "nobody has it")

    async with (
        open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store,
        asyncio.TaskGroup() as tasks,
    ):
        works, again = getattr(store, fails), asyncio.Event()
        left = 2

        async def full() -> object:
            nonlocal left
            if left:
                left -= 1
                raise OverQuota("The disk is full.")
            again.set()
            return await works()

        monkeypatch.setattr(store, fails, full)
        following = tasks.create_task(follow_statements(store, fetch))
        async with asyncio.timeout(20):
            await again.wait()
        following.cancel()
