"""Of many that come at once little is held, and nobody waits for one that is silent."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Literal

import pytest
from blake3 import blake3

from crdt.blob import CHUNK_BYTES, CONTENT_CHUNK_BYTES_MAX, Chunking, ManifestBuilder
from crdt.chunking import Cutter
from storage.blob_rows import PACKED_BYTES_MIN
from storage.gathering import (
    GATHERED_BYTES,
    SHARE_BYTES_MIN,
    TURNS,
    Gathering,
    Step,
    cut_hashed,
)
from storage.store import Store

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
        return [b"".join(step.pieces) async for step in steps]


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


@pytest.mark.parametrize(
    ("chunking", "largest"),
    [(Chunking.FIXED, CHUNK_BYTES), (Chunking.CONTENT, CONTENT_CHUNK_BYTES_MAX)],
)
def test_of_a_step_less_than_a_chunk_is_left_and_of_the_last_nothing(
    chunking: Chunking, largest: int
) -> None:
    """Else each of hundreds at once would hold up to a MiB that nobody counts."""
    data = world(1, MIB)
    cutter, builder, stored = Cutter(chunking), ManifestBuilder(chunking), b""
    for at in range(0, len(data), 300_000):
        pieces = [data[at : at + 100_000], data[at + 100_000 : at + 300_000]]
        step = Step(pieces, is_last=at + 300_000 >= len(data))
        stored += b"".join(chunk for _, chunk in cut_hashed(cutter, builder, step))
        assert min(len(data), at + 300_000) - len(stored) < (1 if step.is_last else largest)
    assert stored == data


class Taken(asyncio.Semaphore):
    """Counts who took it."""

    times = 0

    async def acquire(self) -> Literal[True]:
        self.times += 1
        return await super().acquire()


@pytest.mark.parametrize("chunking", [Chunking.FIXED, Chunking.CONTENT])
async def test_each_step_waits_for_a_turn_and_what_is_small_is_one(
    store: Store, chunking: Chunking
) -> None:
    size = 3 * GATHERED_BYTES - 5
    small, large = world(1, 5_000), world(2, size)
    in_pieces = [large[at : at + MIB] for at in range(0, size, MIB)]
    ways: list[tuple[int, bytes, bytes | Iterable[bytes] | AsyncIterable[bytes]]] = [
        (1, small, small), (1, small, [small]), (1, small, at_once(small)), (1, b"", b""),
        (3, large, large), (3, large, in_pieces), (3, large, at_once(large)),
    ]  # fmt: skip
    for turns, data, given in ways:
        store.gathering.turn = taken = Taken(TURNS)
        blob = await store.put_blob(given, chunking=chunking)
        assert taken.times == turns, type(given)
        assert await store.read_blob(blob) == data
    with pytest.raises(ConnectionResetError):
        await store.put_blob(broken_off(), chunking=chunking)
    assert store.gathering.held_bytes == 0
    async with store.gathering.turn:
        assert not store.gathering.turn.locked(), "nobody has one of the two"


async def broken_off() -> AsyncGenerator[bytes]:
    yield world(1, GATHERED_BYTES)
    raise ConnectionResetError


def chunks_in(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "panspermia.db")) as database:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


@pytest.mark.parametrize(
    ("size", "said", "in_rows", "in_packs"),
    [
        (PACKED_BYTES_MIN + 5, True, 0, 5),
        (PACKED_BYTES_MIN + 5, False, 3, 2),
        (PACKED_BYTES_MIN - 5, True, 4, 0),
        (PACKED_BYTES_MIN - 5, False, 4, 0),
    ],
)
async def test_where_a_blob_beside_many_lies_goes_by_what_it_said_or_what_came(
    store: Store, tmp_path: Path, size: int, said: bool, in_rows: int, in_packs: int
) -> None:
    """Its steps are of one chunk each; of two that come at once the first is not known to be so."""
    store.gathering = Gathering(0)
    data = world(1, size)
    blob = await store.put_blob(at_once(data), size_bytes=size if said else None)
    assert chunks_in(tmp_path, "chunk") == in_rows
    assert chunks_in(tmp_path, "packed") == in_packs
    assert await store.read_blob(blob) == data
