"""What a rude peer costs: its own session, a bounded amount of memory, nobody else's place."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import uvloop

from crdt.blob import CHUNK_BYTES
from crdt.keys import DeviceKey
from p2p.protocol import frames, limits
from p2p.protocol.config import Channel, Role
from p2p.protocol.effects import ChannelLost
from p2p.protocol.errors import PeerLeft, PeerTimeout
from p2p.protocol.session import Session
from p2p.transport import inbound
from p2p.transport.carrier import SEND_BYTES_MAX, StreamCarrier, close_quietly
from p2p.transport.network import PeerSaid, sync_with
from p2p.transport.stream import Binder, FrameStream, open_stream
from tests.e2e.mallory import Call, Mallory
from tests.p2p.transport.test_network import WAIT_S, Node, open_node, until
from tests.simulation.people import ALICE, BOB

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


def run(story: Coroutine[Any, Any, None], *, is_uvloop: bool) -> None:
    factory = uvloop.new_event_loop if is_uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(story, 2 * WAIT_S))


@pytest.mark.parametrize("is_uvloop", [True, False])
def test_a_peer_that_is_reset_amid_an_answer(tmp_path: Path, is_uvloop: bool) -> None:
    """uvloop raises RuntimeError where asyncio drops what is written: it stopped the whole node."""

    async def story() -> None:
        async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
            blob = await alice.store.put_blob(bytes(8 * CHUNK_BYTES))
            for _ in range(3):
                async with Mallory().meets(alice.address) as call:
                    await ask_for_all(call, blob, 8)
                    await asyncio.sleep(0.05)  # so that answers are on their way; any time will do
                    reset(call)
                await has_lost_its_channel(alice)
            connection = await bob.network.connect(alice.address)
            assert type(await sync_with(connection)).__name__ == "Synced"

    run(story(), is_uvloop=is_uvloop)


@pytest.mark.parametrize("is_uvloop", [True, False])
@pytest.mark.parametrize("is_initiator", [True, False])
def test_a_peer_that_is_gone_before_the_handshake_is_no_bug_of_ours(
    is_uvloop: bool, is_initiator: bool
) -> None:
    """Every stranger that had to make room would else leave a traceback in the log."""

    async def story() -> None:
        accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        server = await asyncio.start_server(
            lambda reader, writer: accepted.put_nowait((reader, writer)), "127.0.0.1", 0
        )
        with closing(server):
            _, theirs = await asyncio.open_connection(*server.sockets[0].getsockname())
            with closing(theirs):
                reader, ours = await accepted.get()
                ours.transport.abort()
                await asyncio.sleep(0.05)  # until the loop has closed it
                with pytest.raises(PeerLeft):
                    await open_stream(
                        StreamCarrier(reader, ours),
                        static_private=bytes(32),
                        is_initiator=is_initiator,
                        binder=Binder(lambda static: static, lambda payload, _: DeviceKey(payload)),
                    )
                await close_quietly(ours)

    run(story(), is_uvloop=is_uvloop)


async def test_a_close_that_is_cancelled_keeps_no_socket_for_a_peer_that_does_not_read() -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: accepted.put_nowait(writer), "127.0.0.1", 0, limit=1
    )
    with closing(server):
        _, ours = await asyncio.open_connection(*server.sockets[0].getsockname())
        with closing(await accepted.get()):
            ours.write(bytes(64 << 20))
            task = asyncio.create_task(close_quietly(ours))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert ours.transport.get_write_buffer_size() == 0


async def has_lost_its_channel(node: Node) -> None:
    """The session waits for another one, as it does for honest peers."""
    while True:
        said = await node.heard(PeerSaid)
        if isinstance(said, PeerSaid) and isinstance(said.event, ChannelLost):
            return


async def ask_for_all(call: Call, blob: bytes, chunks: int) -> None:
    gets = [frames.Get(number, blob, 2, number % chunks, 1, 3) for number in range(32)]
    await call.say(*gets)


def writer_of(stream: FrameStream) -> asyncio.StreamWriter:
    carrier = stream.carrier
    assert isinstance(carrier, StreamCarrier)
    return carrier._writer  # pyright: ignore[reportPrivateUsage]  no honest peer needs it


def reset(call: Call) -> None:
    writer = writer_of(call.stream)
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def test_answers_wait_for_a_peer_that_does_not_read(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        blob = await alice.store.put_blob(Random(1).randbytes(16 * CHUNK_BYTES))
        mallory = Mallory()
        async with mallory.meets(alice.address) as call:
            await ask_for_all(call, blob, 16)
            (connection,) = alice.network.connections

            async def has_begun() -> bool:
                return connection.session.report.blob_bytes_sent > 0

            await until(has_begun)
            for _ in range(20):
                await alice.store.counts()  # others are answered; she is, only as far as she reads
            # What it holds back is nobody's business but this test's.
            waiting = connection._linked.unsent_bytes  # pyright: ignore[reportPrivateUsage]
            assert waiting < limits.UNSENT_BYTES_AIM + 2 * CHUNK_BYTES
            parts = 0
            while parts < 32:
                parts += isinstance(await call.hear(), frames.Part)


async def test_last_words_are_not_put_into_a_frame_that_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads slowly would take them for the end of a chunk, and count that against Alice."""
    monkeypatch.setattr(limits, "KEPT_BYTES_FIRST", 64 << 20)  # the kernel takes less at once
    async with open_node(tmp_path / "a", 1) as alice:
        blob = await alice.store.put_blob(Random(1).randbytes(16 * CHUNK_BYTES))
        async with Mallory().meets(alice.address) as call:
            await ask_for_all(call, blob, 16)
            (connection,) = alice.network.connections
            writer = writer_of(connection._linked.line.stream)  # pyright: ignore[reportPrivateUsage]  is it full?

            async def is_stuck() -> bool:
                return writer.transport.get_write_buffer_size() > SEND_BYTES_MAX

            await until(is_stuck)
            connection.leave("test", "Good night, Mallory.")
            assert await call.last_words() == ""
            cut = call.stream._inflow._pieces  # pyright: ignore[reportPrivateUsage]  what came
            assert b"Mallory" not in b"".join(cut)


async def test_a_peer_that_cuts_what_it_says_into_single_bytes_is_left(tmp_path: Path) -> None:
    """Each of them is decrypted, whatever it says; another peer is served meanwhile."""
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        Mallory().meets(alice.address) as call,
    ):
        seal = call.stream._seal  # pyright: ignore[reportPrivateUsage]  no honest peer needs it
        begun = memoryview(frames.FRAME_BYTES_MAX.to_bytes(4, "big"))
        await call.stream.carrier.write(seal([begun]))
        connection = await bob.network.connect(alice.address)
        with suppress(PeerLeft):
            while True:
                await call.stream.carrier.write(seal([memoryview(b"x")] * 4_096))
        assert type(await sync_with(connection)).__name__ == "Synced"
        door = alice.network._door  # pyright: ignore[reportPrivateUsage]  what it holds against her
        (offender,) = door.offences.take_changes(now_s=0.0).kept
        assert (offender.device, offender.code) == (call.mallory.device.public, "noise-flood")


async def test_silent_connections_make_room_for_whoever_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "INBOUND_OF_HOST_MAX", 3)
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        open_node(tmp_path / "c", 3) as carol,
        AsyncExitStack() as stack,
    ):
        await carol.network.connect(alice.address)
        silent = [await asyncio.open_connection("127.0.0.1", alice.port) for _ in range(5)]
        for _, writer in silent:
            stack.callback(writer.close)
        connection = await bob.network.connect(alice.address)
        assert type(await sync_with(connection)).__name__ == "Synced"
        async with asyncio.timeout(WAIT_S):
            assert await silent[0][0].read() == b""
        assert len(alice.network.connections) == 2


def session() -> Session:
    channel = Channel(Role.INITIATOR, bytes(32), BOB.device_key)
    return Session(ALICE.config(), channel, challenge=bytes(32), wall_us=0, now_s=0.0)


def test_a_long_frame_on_a_slow_line_is_a_sign_of_life() -> None:
    """768 KiB at 17 KB/s take three times as long as silence may."""
    alice = session()
    alice.open()
    alice.liveness.hear_part(1, now_s=limits.GREETING_S - 1)
    assert not closed_by(alice, limits.GREETING_S - 0.5)
    silent, heard = session(), session()
    for one in (silent, heard):
        one.state = type(one.state).OPEN
    assert closed_by(silent, limits.DEAD_AFTER_S)
    heard.liveness.hear_part(1, now_s=limits.DEAD_AFTER_S - 1)
    assert not closed_by(heard, limits.DEAD_AFTER_S)


def closed_by(one: Session, now_s: float) -> bool:
    effects = one.tick(now_s=now_s)
    return any(isinstance(getattr(effect, "reason", None), PeerTimeout) for effect in effects)
