"""The relay's shell with real sockets: what clients that do not read cost."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from crdt.ed25519 import SigningKey
from p2p.protocol.frames import Bye
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import Cards, decode_relay_frame, encode_relay_frame
from p2p.protocol.relay.server import Relay
from p2p.transport.address import Address
from p2p.transport.carrier import StreamCarrier
from p2p.transport.channels import Channels
from p2p.transport.inbound import Arrival, Caller
from p2p.transport.relay.archive import Archive
from p2p.transport.relay.server import Rates, RelayServer
from p2p.transport.stream import FrameStream
from storage.relayed import RelayBounds, RelayRow
from tests.p2p.protocol.relay.clients import read_card

CARD_BYTES = 3 << 10
LOOKUPS = 4_000  # 12 MB: more than the kernel holds for a connection
AT_ONCE = 50
DONE_S = 60.0


class Cupboard:
    """A store with one card, whomever one asks for."""

    async def relay_keep(self, rows: Sequence[RelayRow], bounds: RelayBounds) -> list[str]:
        return ["" for _ in rows]

    async def relay_letters(
        self, receiver: bytes, without: Sequence[bytes], limit: int
    ) -> list[tuple[bytes, bytes]]:
        return []

    async def relay_cards(self, key: bytes, *, is_author: bool, limit: int) -> list[bytes]:
        return [bytes(CARD_BYTES)]

    async def relay_post(self, tag: bytes) -> bytes | None:
        raise KeyError("a bug")

    async def relay_expire(self, bounds: RelayBounds) -> None:
        return


def channels() -> Channels:
    return Channels(SigningKey(os.urandom(32)), static_private=os.urandom(32), openers={})


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[RelayServer, int]]:
    """A relay at a free port."""
    clock = asyncio.get_running_loop().time
    relay = Relay(token=b"", check=read_card, entropy=os.urandom, now_s=clock())
    here = channels()
    async with asyncio.TaskGroup() as tasks:
        server = RelayServer(
            relay,
            Archive(Cupboard()),
            Rates(),
            clock=clock,
            wall_us=lambda: time.time_ns() // 1_000,
            fault=lambda device, host, error: None,
            release=lambda caller: None,
            tasks=tasks,
        )

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrier = StreamCarrier(reader, writer)
            stream = await here.shake_hands(carrier, is_initiator=False)
            caller = Caller(Address("192.0.2.1", 4_747), carrier)
            await server.converse(Arrival(stream, await stream.read(), caller))

        listening = await asyncio.start_server(
            lambda reader, writer: tasks.create_task(serve(reader, writer)), "127.0.0.1", 0
        )
        running = tasks.create_task(server.run())
        try:
            yield server, listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
            running.cancel()


@asynccontextmanager
async def registered(port: int) -> AsyncGenerator[FrameStream]:
    """A client whose kernel takes little for it."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=one, limit=4_096)
    us = channels()
    stream = await us.shake_hands(StreamCarrier(reader, writer), is_initiator=True)
    await stream.write([encode_relay_frame(frames.Register(us.device))])
    assert isinstance(decode_relay_frame(await stream.read()), frames.Registered)
    try:
        yield stream
    finally:
        writer.transport.abort()


async def ask_without_reading(stream: FrameStream) -> None:
    for first in range(1, LOOKUPS, AT_ONCE):
        asked = [frames.Lookup(first + n, False, bytes(32)) for n in range(AT_ONCE)]
        await stream.write([encode_relay_frame(one) for one in asked])


async def test_clients_that_do_not_read_go_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FRAMES_BURST", "FRAMES_OF_HOST_BURST", "FRAMES_OF_ALL_BURST"):
        monkeypatch.setattr(limits, name, 1e9)
    most = limits.UNSENT_BYTES_MAX
    monkeypatch.setattr(limits, "UNSENT_OF_ALL_BYTES_MAX", most)
    async with serving() as (server, port), AsyncExitStack() as clients:
        honest = await clients.enter_async_context(registered(port))
        slow = [await clients.enter_async_context(registered(port)) for _ in range(4)]
        asking = [asyncio.ensure_future(ask_without_reading(one)) for one in slow]
        async with asyncio.timeout(DONE_S):
            while server.relay.registered_count > 3:
                assert server.unsent_bytes <= most + limits.UNSENT_BYTES_FAIR
                await asyncio.sleep(0.01)
            await honest.write([encode_relay_frame(frames.Lookup(1, False, bytes(32)))])
            assert decode_relay_frame(await honest.read()) == Cards(1, (bytes(CARD_BYTES),))
        for work in asking:
            work.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert server.unsent_bytes == 0


async def test_a_bug_behind_a_question_costs_that_client_alone() -> None:
    async with serving() as (_, port), AsyncExitStack() as clients, asyncio.timeout(DONE_S):
        unlucky, honest = [await clients.enter_async_context(registered(port)) for _ in range(2)]
        await unlucky.write([encode_relay_frame(frames.Fetch(1, bytes(32)))])
        said = decode_relay_frame(await unlucky.read())
        assert isinstance(said, Bye)
        assert said.code == "internal-error"
        await honest.write([encode_relay_frame(frames.Lookup(1, False, bytes(32)))])
        assert decode_relay_frame(await honest.read()) == Cards(1, (bytes(CARD_BYTES),))
