"""What an upload left that failed goes without whoever is told of it waiting for that."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from blake3 import blake3

from crdt.blob import Chunking
from storage.store import Store
from tests.storage.test_folding import NOISE, opened, rows


def names(home: Path) -> int:
    ((count,),) = rows(home, "SELECT count(*) FROM vault.name")
    return int(str(count))


def pieces() -> Iterator[bytes]:
    yield from (blake3(b"%d" % at).digest(length=1 << 20) for at in range(9))
    raise OSError("the file cannot be read any further")


async def fail(store: Store) -> None:
    with pytest.raises(OSError, match="any further"):
        await store.put_blob(pieces(), chunking=Chunking.CONTENT)


async def test_nobody_who_uploads_waits_for_what_others_left(tmp_path: Path) -> None:
    """Not even while room is given back, with a rest between any two steps."""
    async with opened(tmp_path) as store:
        kept = await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        before = names(tmp_path)
        await fail(store)
        assert names(tmp_path) > before + 100
        sweeping = asyncio.ensure_future(store.give_back(pause_s=3_600))
        await asyncio.sleep(0)
        await fail(store)
        async with asyncio.timeout(60):
            small = await store.put_blob(NOISE[:5_000], chunking=Chunking.CONTENT)
        assert not sweeping.done()
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await store.give_back()
        assert names(tmp_path) <= before + 2
        assert await store.read_blob(kept) == NOISE
        assert await store.read_blob(small) == NOISE[:5_000]


async def test_who_waits_for_what_is_left_over_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        before = names(tmp_path)
        async with asyncio.timeout(60):
            for _ in range(2):
                await fail(store)
                await store.until_left_over(3_600)
                assert (await store.give_back()).parts > 100
                assert names(tmp_path) == before
        await store.until_left_over(0.001)  # nothing is


async def test_it_is_heard_once(tmp_path: Path) -> None:
    """Who asked again at once would never let go of the loop."""
    async with opened(tmp_path) as store:
        await fail(store)
        await store.until_left_over(3_600)
        again = asyncio.ensure_future(store.until_left_over(3_600))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not again.done()
        again.cancel()


@pytest.mark.parametrize("pause_s", [0.0, 0.01, 0.05])
async def test_what_fails_while_room_is_given_back_goes_then_or_the_next_time(
    tmp_path: Path, pause_s: float
) -> None:
    async with opened(tmp_path) as store:
        await store.put_blob(NOISE, chunking=Chunking.CONTENT)
        await store.give_back()
        before = names(tmp_path)
        await fail(store)
        await asyncio.gather(store.give_back(pause_s=pause_s), fail(store))
        assert store.has_left_over or names(tmp_path) == before
