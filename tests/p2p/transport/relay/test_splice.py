"""Two sockets spliced into one: every byte arrives, in order, however slowly anybody reads."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import pytest

from p2p.protocol.relay import limits
from p2p.protocol.relay.pacing import Pacer
from p2p.protocol.trickle import SLOWEST_BYTES
from p2p.transport.carrier import StreamCarrier
from p2p.transport.relay.splice import JOINED, READ_BYTES_MAX, SocketEnd, Splice

WAIT_S = 30.0
MEBIBYTE = 1 << 20
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Clock:
    """Goes only when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Pair:
    """A splice, and who sits at its two ends."""

    def __init__(self, splice: Splice, ends: list[Streams]) -> None:
        self.splice = splice
        self.alice, self.bob = ends

    async def bob_is_full(self) -> None:
        """Until nothing more fits on the way to bob."""
        while not self.splice.is_full[1]:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def spliced(
    *pacers: Pacer, clock: Callable[[], float] | None = None, joined: int = 2
) -> AsyncGenerator[Pair]:
    passed: list[int] = []
    clock = clock or asyncio.get_running_loop().time
    buffer = memoryview(bytearray(READ_BYTES_MAX))
    splice = Splice(pacers, buffer, clock=clock, passed=passed.append)
    sides = iter(range(joined))

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = next(sides, None)
        if side is None:
            return writer.transport.abort()
        splice.join(side, SocketEnd(splice, side, StreamCarrier(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    try:
        async with asyncio.timeout(WAIT_S):
            if joined == 2:
                for reader, _ in ends:
                    assert await reader.readexactly(1) == JOINED
            yield Pair(splice, ends)
    finally:
        splice.cut()
        for _, writer in ends:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


async def test_bytes_go_both_ways() -> None:
    async with spliced() as pair:
        pair.alice[1].write(b"question")
        assert await pair.bob[0].readexactly(8) == b"question"
        pair.bob[1].write(b"answer")
        assert await pair.alice[0].readexactly(6) == b"answer"
        assert pair.splice.bytes == [8, 6]


async def test_a_slow_reader_loses_nothing_and_fills_no_memory() -> None:
    data = os.urandom(32 * MEBIBYTE)
    async with spliced() as pair:
        pair.alice[1].write(data)
        await pair.bob_is_full()
        assert pair.splice.bytes[0] < len(data), "the rest waits at alice's"
        assert await pair.bob[0].readexactly(len(data)) == data


async def test_a_rate_slows_and_drops_nothing() -> None:
    data = os.urandom(MEBIBYTE)
    pacer = Pacer.of_bytes(8 * MEBIBYTE, now_s=asyncio.get_running_loop().time())
    async with spliced(pacer) as pair:
        pair.alice[1].write(data)
        assert await pair.bob[0].readexactly(len(data)) == data


async def test_whoever_is_done_sending_may_still_read() -> None:
    async with spliced() as pair:
        pair.alice[1].write(b"last words")
        pair.alice[1].write_eof()
        assert await pair.bob[0].read() == b"last words"
        pair.bob[1].write(b"an answer all the same")
        pair.bob[1].write_eof()
        assert await pair.alice[0].read() == b"an answer all the same"
        await pair.splice.ended.wait()


async def test_whoever_vanishes_takes_the_other_along() -> None:
    async with spliced() as pair:
        # A reset: nothing tells the relay that alice had said all.
        sock: socket.socket = pair.alice[1].get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.alice[1].transport.abort()
        assert await pair.bob[0].read() == b""
        await pair.splice.ended.wait()


async def test_what_was_sent_before_the_end_still_arrives() -> None:
    data = os.urandom(MEBIBYTE)
    async with spliced() as pair:
        pair.alice[1].write(data)
        await pair.alice[1].drain()
        pair.alice[1].close()
        assert await pair.bob[0].read() == data


async def test_nothing_is_read_before_both_are_there() -> None:
    async with spliced(joined=1) as pair:
        pair.alice[1].write(b"too early")
        await pair.alice[1].drain()
        assert pair.splice.bytes == [0, 0]
        assert not pair.splice.is_open


async def test_many_that_share_a_rate_read_so_little_each_that_none_rests_for_long() -> None:
    clock, many = Clock(), 24
    pacer = Pacer.of_bytes(32 << 10, now_s=0.0)
    async with AsyncExitStack() as circuits:
        pairs = [
            await circuits.enter_async_context(spliced(pacer, clock=clock)) for _ in range(many)
        ]
        for pair in pairs:
            pair.alice[1].write(bytes(MEBIBYTE))
        for pair in pairs:
            assert await pair.bob[0].read(1), "everybody has a turn"
        assert pacer.spend(0, now_s=0.0) < 5.0, "seconds until the rate allows for what was read"


async def test_a_circuit_that_rests_is_not_idle() -> None:
    clock = Clock()
    async with spliced(Pacer.of_bytes(1e-3, now_s=0.0), clock=clock) as pair:
        pair.alice[1].write(b"slow")
        assert await pair.bob[0].readexactly(4) == b"slow"
        pair.splice.check(now_s=limits.IDLE_S)
        assert pair.splice.is_open


@pytest.mark.parametrize("quiet_s", [limits.IDLE_S])
async def test_a_circuit_on_which_nothing_moves_is_cut(quiet_s: float) -> None:
    clock = Clock()
    async with spliced(clock=clock) as pair:
        pair.splice.check(now_s=quiet_s - 1.0)
        assert pair.splice.is_open
        pair.splice.check(now_s=quiet_s)
        assert await pair.bob[0].read() == b""


async def test_an_end_that_takes_little_is_not_cut_while_it_goes_on() -> None:
    """A phone on a thin line: 64 KiB in each minute."""
    clock = Clock()
    async with spliced(clock=clock) as pair:
        pair.alice[1].write(os.urandom(32 * MEBIBYTE))
        await pair.bob_is_full()
        for _ in range(4):
            pair.splice.check(now_s=clock.now_s)
            before = pair.splice.taken_bytes(1)
            while pair.splice.taken_bytes(1) - before < SLOWEST_BYTES:
                await pair.bob[0].read(SLOWEST_BYTES)
            clock.now_s += limits.STALLED_S - 1.0
            pair.splice.check(now_s=clock.now_s)
            assert pair.splice.is_open
        await pair.bob_is_full()
        pair.splice.check(now_s=clock.now_s)
        pair.splice.check(now_s=clock.now_s + limits.STALLED_S)
        assert not pair.splice.is_open, "and now it takes nothing"


async def test_an_end_that_takes_nothing_for_too_long_is_cut() -> None:
    clock = Clock()
    async with spliced(clock=clock) as pair:
        pair.alice[1].write(os.urandom(32 * MEBIBYTE))
        await pair.bob_is_full()
        pair.splice.check(now_s=limits.STALLED_S - 1.0)
        assert pair.splice.is_open
        pair.splice.check(now_s=limits.STALLED_S)
        assert not pair.splice.is_open
