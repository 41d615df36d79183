"""Of many that come at once little is held, and nobody waits for one that is silent."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from blake3 import blake3

from storage.gathering import GATHERED_BYTES, SHARE_BYTES_MIN, Gathering

MIB = 1 << 20
PIECE_BYTES = 48 << 10
TOGETHER_BYTES = 2 * MIB


def world(name: int, size: int) -> bytes:
    return blake3(b"world %d" % name).digest(length=size)


async def arriving(
    data: bytes, silent_at: int, goes_on: asyncio.Event, quiet: asyncio.Semaphore | None = None
) -> AsyncGenerator[bytes]:
    """Its pieces; at one place nothing comes until it is let go on, and `quiet` hears of it."""
    for at in range(0, len(data), PIECE_BYTES):
        if at <= silent_at < at + PIECE_BYTES:
            if quiet is not None:
                quiet.release()
            await goes_on.wait()
        yield data[at : at + PIECE_BYTES]


async def steps_of(gathering: Gathering, data: AsyncGenerator[bytes]) -> list[bytes]:
    async with aclosing(gathering.gathered(data)) as steps:
        return [b"".join(pieces) async for pieces in steps]


@pytest.mark.parametrize("senders", [3, 40, 300])
async def test_what_silent_senders_brought_is_bounded_and_nobody_waits_for_them(
    senders: int,
) -> None:
    gathering, goes_on, quiet = Gathering(TOGETHER_BYTES), asyncio.Event(), asyncio.Semaphore(0)
    size = 3 * MIB // 2
    async with asyncio.TaskGroup() as group:
        coming = [
            group.create_task(
                steps_of(gathering, arriving(world(at, size), size - 1, goes_on, quiet))
            )
            for at in range(senders)
        ]
        for _ in range(senders):
            await quiet.acquire()
        share = max(SHARE_BYTES_MIN, TOGETHER_BYTES // senders)
        bound = TOGETHER_BYTES + senders * (share + PIECE_BYTES + 64)
        assert 0 < gathering.held_bytes <= bound
        assert b"".join(await steps_of(gathering, at_once(world(-1, size)))) == world(-1, size)
        goes_on.set()
    for at, one in enumerate(coming):
        assert b"".join(one.result()) == world(at, size)
    assert gathering.held_bytes == 0


async def at_once(data: bytes) -> AsyncGenerator[bytes]:
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]


async def test_who_comes_alone_is_stored_in_large_steps() -> None:
    gathering, data = Gathering(), world(1, 3 * GATHERED_BYTES + 5)
    steps = await steps_of(gathering, at_once(data))
    assert b"".join(steps) == data
    assert len(steps) == 3
    assert gathering.held_bytes == 0


async def test_whoever_is_stopped_in_the_middle_holds_nothing() -> None:
    gathering = Gathering(TOGETHER_BYTES)
    steps = gathering.gathered(at_once(world(1, 3 * GATHERED_BYTES)))
    await anext(steps)
    assert gathering.held_bytes >= GATHERED_BYTES // 2
    await steps.aclose()
    assert gathering.held_bytes == 0

    async def breaks_off() -> AsyncGenerator[bytes]:
        yield world(1, PIECE_BYTES)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await steps_of(gathering, breaks_off())
    assert gathering.held_bytes == 0


async def test_pieces_of_two_bytes_are_counted_with_what_each_of_them_takes() -> None:
    gathering, goes_on, quiet = Gathering(TOGETHER_BYTES), asyncio.Event(), asyncio.Semaphore(0)

    async def tiny() -> AsyncGenerator[bytes]:
        for _ in range(1_000):
            yield b"ab"
        quiet.release()
        await goes_on.wait()

    coming = asyncio.create_task(steps_of(gathering, tiny()))
    await quiet.acquire()
    assert gathering.held_bytes >= 50 * 1_000
    goes_on.set()
    assert b"".join(await coming) == b"ab" * 1_000
    assert gathering.held_bytes == 0
