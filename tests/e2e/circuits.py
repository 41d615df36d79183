"""Mallory at a relay: she registers, calls others, and joins circuits by hand."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from crdt.boxes import sealing_key
from crdt.keys import AuthorKey
from p2p.protocol.card import sign_card
from p2p.protocol.relay import frames
from p2p.protocol.relay.frames import RelayFrame, decode_relay_frame, encode_relay_frame
from p2p.transport.address import Address
from p2p.transport.carrier import StreamCarrier
from p2p.transport.relay.server import JOIN
from p2p.transport.relay.splice import JOINED
from tests.e2e.mallory import HEAR_S, Call, Mallory

DAY_US = 86_400_000_000


def card_of(
    mallory: Mallory, *, places: tuple[str, ...] = (), issued_us: int | None = None
) -> bytes:
    """What an honest device would say of itself."""
    now_us = time.time_ns() // 1_000 if issued_us is None else issued_us
    return sign_card(
        mallory.device,
        author=AuthorKey(mallory.root.public),
        capability=mallory.signer.capabilities["pub"],
        places=places,
        relays=(),
        sealing=sealing_key(os.urandom(32)),
        issued_us=now_us,
        until_us=now_us + DAY_US,
    )


@dataclass(frozen=True, slots=True)
class Client:
    """Her idle channel to a relay."""

    mallory: Mallory
    address: str
    call: Call

    async def say(self, *said: RelayFrame) -> None:
        await self.call.stream.write([encode_relay_frame(one) for one in said])

    async def hear(self, *kinds: type[RelayFrame]) -> RelayFrame:
        async with asyncio.timeout(HEAR_S):
            while not isinstance(frame := decode_relay_frame(await self.call.stream.read()), kinds):
                pass
        return frame

    async def asks_for(self, device: bytes) -> bytes:
        """The key of a circuit to `device`."""
        await self.say(frames.Call(1, device))
        circuit = await self.hear(frames.Circuit, frames.Done)
        assert isinstance(circuit, frames.Circuit), circuit
        return circuit.key

    async def is_called(self) -> bytes:
        """The key of a circuit that somebody else asked for."""
        circuit = await self.hear(frames.Circuit)
        assert isinstance(circuit, frames.Circuit)
        return circuit.key


@asynccontextmanager
async def at_relay(mallory: Mallory, address: str) -> AsyncGenerator[Client]:
    """She is registered there."""
    async with mallory.calls(address) as call:
        client = Client(mallory, address, call)
        await client.say(frames.Register(card_of(mallory)))
        await client.hear(frames.Registered)
        yield client


async def join(address: str, key: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An end of a circuit; the relay's first byte is still to be read."""
    at = Address.parse(address)
    reader, writer = await asyncio.open_connection(at.host, at.port)
    writer.write(bytes([JOIN]) + key)
    await writer.drain()
    return reader, writer


@asynccontextmanager
async def meets_by_circuit(client: Client, device: bytes) -> AsyncGenerator[Call]:
    """An open session with `device`, through the relay."""
    reader, writer = await join(client.address, await client.asks_for(device))
    async with asyncio.timeout(HEAR_S):
        assert await reader.readexactly(1) == JOINED
    async with client.mallory.meets_over(StreamCarrier(reader, writer)) as call:
        yield call
