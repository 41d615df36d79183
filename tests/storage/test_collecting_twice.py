"""An upload that ends amid a collection: copies without rows are left alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest
from blake3 import blake3

from storage import collecting
from storage.store import Store, open_store
from tests.storage.people import NOW_US, project

MIB = 1 << 20


def noise(name: str, size: int) -> bytes:
    return blake3(name.encode()).digest(length=size)


async def upload_that_fails(store: Store) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for number in range(6):
            yield noise(f"piece {number}", MIB)
        raise ValueError("the client is gone")

    with suppress(ValueError):
        await store.put_blob(pieces())


async def test_no_copy_is_cut_off_before_it_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collecting, "COPIED_BYTES", MIB)
    kept = noise("kept", 4 * MIB)
    async with open_store(
        tmp_path / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as store:
        blob = await store.put_blob(kept)
        await store.put_blob(noise("dropped", 9 * MIB))
        await store.pin_blob(blob, "kept")
        packs = store._database.packs  # pyright: ignore[reportPrivateUsage]  # no API fills one
        packs.close_pack()  # as when it is full
        await store.pin_blob(await store.put_blob(noise("newer", 2 * MIB)), "newer")
        sync, loop = packs.sync, asyncio.get_running_loop()
        is_amid: asyncio.Future[None] = loop.create_future()
        goes_on: asyncio.Future[None] = loop.create_future()

        async def wait() -> None:
            if not is_amid.done():
                is_amid.set_result(None)
                await goes_on

        def slow_sync(*, is_bulk: bool = False) -> dict[int, int]:
            asyncio.run_coroutine_threadsafe(wait(), loop).result()
            return sync(is_bulk=is_bulk)

        monkeypatch.setattr(packs, "sync", slow_sync)
        first = asyncio.create_task(store.gc(grace_us=-1))
        await is_amid
        second = asyncio.create_task(upload_that_fails(store))
        await asyncio.wait([second], timeout=1)  # as far as it comes
        goes_on.set_result(None)
        await asyncio.gather(first, second)
        assert await store.read_blob(blob) == kept
