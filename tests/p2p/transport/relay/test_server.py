"""The relay's shell with real sockets: what clients that do not read cost."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from crdt.ed25519 import SigningKey
from p2p.protocol.frames import Bye, Ping, Pong
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import Cards, decode_relay_frame, encode_relay_frame
from p2p.protocol.relay.server import Relay
from p2p.transport.address import Address
from p2p.transport.carrier import StreamCarrier
from p2p.transport.channels import Channels
from p2p.transport.inbound import Arrival, Caller
from p2p.transport.relay.archive import Archive
from p2p.transport.relay.server import JOIN, Rates, RelayServer
from p2p.transport.relay.splice import JOINED
from p2p.transport.stream import FrameStream
from storage.relayed import RelayBounds, RelayRow
from tests.p2p.protocol.relay.clients import read_card

CARD_BYTES = 3 << 10
LOOKUPS = 4_000  # 12 MB: more than the kernel holds for a connection
AT_ONCE = 50
DONE_S = 60.0
FREELY = Rates()


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
async def serving(rates: Rates = FREELY) -> AsyncGenerator[tuple[RelayServer, int]]:
    """A relay at a free port."""
    clock = asyncio.get_running_loop().time
    relay = Relay(token=b"", check=read_card, entropy=os.urandom, now_s=clock())
    here = channels()
    async with asyncio.TaskGroup() as tasks:
        server = RelayServer(
            relay,
            Archive(Cupboard()),
            rates,
            clock=clock,
            wall_us=lambda: time.time_ns() // 1_000,
            fault=lambda device, host, error: None,
            release=lambda caller: None,
            tasks=tasks,
        )

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carrier = StreamCarrier(reader, writer)
            caller = Caller(Address("192.0.2.1", 4_747), carrier)
            first = await carrier.read_exactly(1)
            carrier.unread(first)
            if first[0] == JOIN:
                return await server.join(carrier, caller)
            stream = await here.shake_hands(carrier, is_initiator=False)
            await server.converse(Arrival(stream, await stream.read(), caller))

        serves: list[asyncio.Task[None]] = []
        listening = await asyncio.start_server(
            lambda reader, writer: serves.append(tasks.create_task(serve(reader, writer))),
            "127.0.0.1",
            0,
        )
        running = tasks.create_task(server.run())
        try:
            yield server, listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
            for one in (running, *serves):
                one.cancel()


@asynccontextmanager
async def registered(port: int, us: Channels | None = None) -> AsyncGenerator[FrameStream]:
    """A client whose kernel takes little for it."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    one.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=one, limit=4_096)
    us = us or channels()
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
    assert server.unsent_bytes == 0, "nothing of them is counted any more"


async def test_a_ping_is_answered_though_the_host_has_overdrawn_its_bucket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its clients would take the relay for dead, and come back all at once."""
    monkeypatch.setattr(limits, "FRAMES_OF_HOST_BURST", limits.REGISTER_TOKENS)
    monkeypatch.setattr(limits, "FRAMES_OF_HOST_PER_S", 1e-3)
    async with serving() as (server, port), registered(port) as client, asyncio.timeout(DONE_S):
        lookups = [frames.Lookup(number, False, bytes(32)) for number in (1, 2)]
        await client.write([encode_relay_frame(one) for one in lookups])
        assert decode_relay_frame(await client.read()) == Cards(1, (bytes(CARD_BYTES),))
        await client.write([encode_relay_frame(Ping(7))])
        assert decode_relay_frame(await client.read()) == Pong(7), "the second question waits"
        (one,) = server._lines  # pyright: ignore[reportPrivateUsage]  its only client
        server.relay.tick(now_s=one.rests_until_s)
        assert server.relay.serves(one), "whom we do not listen to is not silent"


async def test_what_waits_for_a_bucket_is_answered_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FRAMES_BURST", limits.REGISTER_TOKENS)
    monkeypatch.setattr(limits, "FRAMES_PER_S", 50.0)
    count = 3 * limits.HELD_FRAMES_MAX
    async with serving() as (server, port), registered(port) as client, asyncio.timeout(DONE_S):
        lookups = [frames.Lookup(number, False, bytes(32)) for number in range(1, count + 1)]
        await client.write([encode_relay_frame(one) for one in lookups])
        for asked in lookups:
            said = decode_relay_frame(await client.read())
            assert isinstance(said, Cards)
            assert said.number == asked.number
        assert server.held_bytes == 0


async def test_a_bug_behind_a_question_costs_that_client_alone() -> None:
    async with serving() as (_, port), AsyncExitStack() as clients, asyncio.timeout(DONE_S):
        unlucky, honest = [await clients.enter_async_context(registered(port)) for _ in range(2)]
        await unlucky.write([encode_relay_frame(frames.Fetch(1, bytes(32)))])
        said = decode_relay_frame(await unlucky.read())
        assert isinstance(said, Bye)
        assert said.code == "internal-error"
        await honest.write([encode_relay_frame(frames.Lookup(1, False, bytes(32)))])
        assert decode_relay_frame(await honest.read()) == Cards(1, (bytes(CARD_BYTES),))


@asynccontextmanager
async def circuit(port: int) -> AsyncGenerator[list[StreamCarrier]]:
    """Both ends of one."""
    called = channels()
    ends: list[StreamCarrier] = []
    async with registered(port) as alice, registered(port, called) as bob:
        await alice.write([encode_relay_frame(frames.Call(1, called.device))])
        for one in (alice, bob):
            offer = decode_relay_frame(await one.read())
            assert isinstance(offer, frames.Circuit)
            end = StreamCarrier(*await asyncio.open_connection("127.0.0.1", port))
            await end.write(bytes([JOIN]) + offer.key)
            ends.append(end)
        for end in ends:
            assert await end.read_exactly(1) == JOINED
        try:
            yield ends
        finally:
            for end in ends:
                end.abort()


@pytest.mark.parametrize("name", ["of_all", "of_circuit", "of_device"])
async def test_each_rate_that_the_operator_sets_slows_a_circuit(name: str) -> None:
    much = bytes(8 << 20)  # more than the kernel holds
    for rates, is_slow in ((FREELY, False), (Rates(**{name: 1.0}), True)):
        async with serving(rates) as (server, port), circuit(port) as (hers, his):
            sending = asyncio.ensure_future(hers.write(much))
            if is_slow:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await his.read_exactly(len(much))
                assert 0 < server.passed_bytes < len(much)
            else:
                async with asyncio.timeout(DONE_S):
                    assert await his.read_exactly(len(much)) == much
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
