"""Who may call at once: bounds of all, and of each host."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

from p2p.transport.address import Address
from p2p.transport.carrier import StreamCarrier
from p2p.transport.inbound import INBOUND_OF_HOST_MAX, Caller, Inbound


@asynccontextmanager
async def silent_carriers(count: int) -> AsyncGenerator[list[StreamCarrier]]:
    """Of callers who say nothing."""
    with ExitStack() as stack:
        carriers: list[StreamCarrier] = []
        for _ in range(count):
            here, there = socket.socketpair()
            stack.callback(there.close)
            carriers.append(StreamCarrier(*await asyncio.open_connection(sock=here)))
        yield carriers
        for one in carriers:
            await one.close()


async def test_the_addresses_of_one_ipv6_network_are_one_host() -> None:
    inbound = Inbound()
    async with silent_carriers(INBOUND_OF_HOST_MAX + 1) as carriers:
        for number, carrier in enumerate(carriers):
            source = Address(f"2001:db8::{number + 1:x}", 4_747)
            assert inbound.make_room(source.host)
            inbound.enter(Caller(source, carrier))
        closed = [one for one in carriers if one.transport.is_closing()]
        assert closed == carriers[:1], "the oldest of the same network makes room"
    assert len(inbound.of("2001:db8::/64")) == INBOUND_OF_HOST_MAX
