"""Sessions over lines of less than a KB a second: what takes minutes on them is no silence.

Production code from the session to the carrier, and a clock that leaps. One answer of entries takes
four minutes here, so each rule about who is gone, or stands still, has its say.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import TypeAlias, cast

import pytest

from p2p.protocol import limits
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.config import Role
from p2p.protocol.effects import ChannelChanged, ChannelLost, SessionEvent
from p2p.protocol.handshake import check_payload, make_payload
from p2p.protocol.trickle import SLOWEST_BYTES
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.connection import Connection
from p2p.transport.giving import delta_work
from p2p.transport.place import WebSocketPlace
from p2p.transport.relay.splice import JOINED, READ_BYTES_MAX, CarrierEnd, SocketEnd, Splice
from p2p.transport.stream import Binder, FrameStream, open_stream
from p2p.transport.webrtc.carrier import DataChannelCarrier
from p2p.transport.webrtc.stack import Leg
from p2p.transport.websocket import WebSocketCarrier, accept_websocket, connect_websocket
from tests.p2p.transport.thin import leap, thin_line, until
from tests.p2p.transport.webrtc.thin import thin_legs
from tests.simulation.memory_store import MemoryStore
from tests.simulation.people import ALICE, BOB, Person, made_up_entry

RATE = 1.25 * SLOWEST_BYTES / limits.ANSWER_S  # bytes a second: a little more than is asked for
ENTRIES, PAYLOAD_BYTES = 56, 3_000  # less than a first Want names, so that one answer has them
WITHIN_S = 900.0
PLACE = WebSocketPlace(Address("alice.example", 80), "/", is_tls=False)
Way: TypeAlias = Callable[[asyncio.TaskGroup], Awaitable[tuple[Carrier, Carrier]]]
"""From alice to bob."""


async def direct(_: asyncio.TaskGroup) -> tuple[Carrier, Carrier]:
    return thin_line(RATE)


async def by_webrtc(_: asyncio.TaskGroup) -> tuple[Carrier, Carrier]:
    first, second = (DataChannelCarrier(cast(Leg, leg)) for leg in thin_legs(RATE))
    return first, second


async def upgraded(
    client: StreamCarrier, server: StreamCarrier
) -> tuple[WebSocketCarrier, WebSocketCarrier]:
    async with asyncio.TaskGroup() as tasks:
        accepting = tasks.create_task(accept_websocket(server))
        connecting = tasks.create_task(connect_websocket(client, PLACE))
    return connecting.result(), accepting.result()


async def by_websocket(_: asyncio.TaskGroup) -> tuple[Carrier, Carrier]:
    return await upgraded(*thin_line(RATE))


async def by_relay(
    tasks: asyncio.TaskGroup, *, is_websocket: tuple[bool, bool]
) -> tuple[Carrier, Carrier]:
    """Both are on thin lines to a relay."""
    clock = asyncio.get_running_loop().time
    buffer = memoryview(bytearray(READ_BYTES_MAX))
    splice = Splice((), buffer, clock=clock, passed=lambda _: None)
    theirs: list[Carrier] = []
    ours: list[SocketEnd | CarrierEnd] = []
    servers: list[StreamCarrier] = []  # what is read of one by another carrier closes without it
    for side, is_web in enumerate(is_websocket):
        client, server = thin_line(RATE)
        servers.append(server)
        if is_web:
            carrier, relays = await upgraded(client, server)
            theirs.append(carrier)
            ours.append(CarrierEnd(splice, side, relays, tasks))
        else:
            theirs.append(client)
            ours.append(SocketEnd(splice, side, server))
    for side, end in enumerate(ours):
        splice.join(side, end)
    for one in theirs:
        assert await one.read_exactly(1) == JOINED

    async def check() -> None:
        while not splice.ended.is_set():
            splice.check(now_s=clock())
            await asyncio.sleep(1.0)
        for end in ours:
            end.cut()
        servers.clear()

    tasks.create_task(check())
    return theirs[0], theirs[1]


async def channel(carrier: Carrier, who: Person, role: Role) -> FrameStream:
    return await open_stream(
        carrier,
        static_private=who.name.encode().ljust(32),
        is_initiator=role is Role.INITIATOR,
        binder=Binder(make=lambda static: make_payload(who.device, static), check=check_payload),
    )


class End:
    """One of the two, with what its session told."""

    def __init__(self, stream: FrameStream, who: Person, role: Role, store: MemoryStore) -> None:
        self.told: list[SessionEvent] = []
        self.store = store
        clock = asyncio.get_running_loop().time
        self.connection = Connection(
            stream,
            store,
            who.config(answer_bytes=limits.ENTRIES_BYTES),
            role=role,
            address="a thin line",
            clock=clock,
            upload=Bandwidth(Rates(), now_s=clock()),
            deltas=delta_work(now_s=clock()),
            wall_us=lambda: 1_790_000_000_000_000,
            notify=lambda _, event: self.told.append(event),
            spend=lambda _, size: None,
        )

    @property
    def has_moved(self) -> bool:
        return any(isinstance(one, ChannelLost | ChannelChanged) for one in self.told)


@asynccontextmanager
async def met(way: Way) -> AsyncGenerator[tuple[End, End]]:
    """Alice has entries that bob lacks; the session has just begun."""
    hers, his = MemoryStore(), MemoryStore()
    random = Random(7)
    hers.add([made_up_entry(random, payload_bytes=PAYLOAD_BYTES) for _ in range(ENTRIES)])
    async with asyncio.TaskGroup() as tasks:
        carriers = await way(tasks)
        async with asyncio.TaskGroup() as shaking:
            a = shaking.create_task(channel(carriers[0], ALICE, Role.INITIATOR))
            b = shaking.create_task(channel(carriers[1], BOB, Role.RESPONDER))
        alice = End(a.result(), ALICE, Role.INITIATOR, hers)
        bob = End(b.result(), BOB, Role.RESPONDER, his)
        runs = [tasks.create_task(one.connection.run()) for one in (alice, bob)]
        try:
            yield alice, bob
            alice.connection.leave("test", "That is all.")
            await asyncio.wait(runs)
        finally:
            for one in carriers:
                one.abort()


WAYS: Mapping[str, Way] = {
    "tcp": direct,
    "websocket": by_websocket,
    "webrtc": by_webrtc,
    "relay": partial(by_relay, is_websocket=(False, False)),
    "relay, from a websocket": partial(by_relay, is_websocket=(True, False)),
    "relay, to a websocket": partial(by_relay, is_websocket=(False, True)),
    "relay, websockets": partial(by_relay, is_websocket=(True, True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_of_minutes_comes_over_the_channel_on_which_it_began(way: str) -> None:
    async def story() -> float:
        async with met(WAYS[way]) as (alice, bob):
            ended = [alice.connection.ended, bob.connection.ended]
            await until(
                lambda: (
                    bob.store.ids_held() == alice.store.ids_held()
                    or any(one.is_set() for one in ended)
                    or alice.has_moved
                    or bob.has_moved
                ),
                within_s=WITHIN_S,
            )
            took_s = asyncio.get_running_loop().time()
            for one in (alice, bob):
                assert one.connection.reason is None
                assert not one.has_moved
            assert bob.store.ids_held() == alice.store.ids_held()
            return took_s

    took_s = leap(story())
    assert took_s > 3 * limits.ANSWER_S, "else nothing was put to the test"
