"""A socket whose reading is taken over amid what comes, and what becomes of its end."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import closing
from typing import Any

import pytest
import uvloop

from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import FRAME_BYTES_MAX
from p2p.transport.carrier import StreamCarrier
from p2p.transport.inflow import AHEAD_PART
from p2p.transport.noise import NoiseCipher
from p2p.transport.stream import FrameStream
from tests.p2p.transport.test_noise import meet
from tests.simulation.people import BOB

WAIT_S = 30.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

both_loops = pytest.mark.parametrize("is_uvloop", [True, False])


def run(story: Coroutine[Any, Any, None], *, is_uvloop: bool) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if is_uvloop else None) as runner:
        runner.run(asyncio.wait_for(story, WAIT_S))


class Ends:
    """Two ends of a socket: a carrier here, and plain streams there."""

    def __init__(self) -> None:
        self.sends, self.reads = meet()

    async def open(self) -> None:
        here, there = socket.socketpair()
        self.reader, self.writer = await asyncio.open_connection(sock=there)
        self.carrier = StreamCarrier(*await asyncio.open_connection(sock=here))
        self.stream = FrameStream(self.carrier, self.reads, BOB.device_key)

    def say(self, *frames: bytes) -> None:
        plain = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
        self.writer.write(b"".join(messages(self.sends, plain)))


def messages(cipher: NoiseCipher, plain: bytes) -> list[bytes]:
    sealed = [cipher.encrypt(plain[at : at + 60_000]) for at in range(0, len(plain), 60_000)]
    return [len(one).to_bytes(2, "big") + one for one in sealed]


@both_loops
def test_what_came_before_is_read_first_and_the_end_last(is_uvloop: bool) -> None:
    async def story() -> None:
        ends = Ends()
        await ends.open()
        with closing(ends.writer):
            ends.say(b"one", b"two", bytes(300_000))
            ends.carrier.unread(await ends.carrier.read_exactly(1))  # as the front does
            ends.writer.write_eof()
            read = [await ends.stream.read() for _ in range(3)]
            assert read == [b"one", b"two", bytes(300_000)]
            for _ in range(2):
                with pytest.raises(PeerLeft):
                    await ends.stream.read()
            # The other way goes on: who has said all may still be told something.
            await ends.stream.write([b"good night"])
            assert len(await ends.reader.readexactly(2 + 4 + 10 + 16)) == 32
        await ends.carrier.close()

    run(story(), is_uvloop=is_uvloop)


@both_loops
def test_who_is_not_read_is_held_up(is_uvloop: bool) -> None:
    """What is ahead of the reader is bounded, however much a peer sends."""

    async def story() -> None:
        ends = Ends()
        await ends.open()
        frame = bytes(200_000)
        with closing(ends.writer):
            ends.say(b"first")
            assert await ends.stream.read() == b"first"
            ends.say(*[frame] * 100)
            draining = asyncio.ensure_future(ends.writer.drain())
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert 0 < ends.stream.received_bytes < FRAME_BYTES_MAX // AHEAD_PART + FRAME_BYTES_MAX
            assert not draining.done(), "20 MB are more than a socket takes"
            for _ in range(100):
                assert await ends.stream.read() == frame
            await draining
        await ends.carrier.close()

    run(story(), is_uvloop=is_uvloop)


@both_loops
@pytest.mark.parametrize("is_before", [True, False])
def test_a_reset_is_the_end(is_uvloop: bool, is_before: bool) -> None:
    """Before anybody reads, and amid it."""

    async def story() -> None:
        ends = Ends()
        listening = await asyncio.start_server(lambda _, writer: waiting.put_nowait(writer), "::1")
        waiting: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        with closing(listening):
            port = listening.sockets[0].getsockname()[1]
            carrier = StreamCarrier(*await asyncio.open_connection("::1", port))
            stream = FrameStream(carrier, ends.reads, BOB.device_key)
            theirs = await waiting.get()
            reading = None if is_before else asyncio.ensure_future(stream.read())
            await asyncio.sleep(0.05)  # so that it reads; any time will do
            sock: socket.socket = theirs.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            theirs.transport.abort()
            await asyncio.sleep(0.05)  # so that it has come; any time will do
            with pytest.raises(PeerLeft):
                await (reading or stream.read())
            await carrier.close()

    run(story(), is_uvloop=is_uvloop)
