"""A client of a relay with real sockets: a relay that brings more than is wanted."""

import asyncio
import os
from contextlib import suppress
from random import Random

import pytest

from crdt.ed25519 import SigningKey
from p2p.protocol.errors import SyncError
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import decode_relay_frame, encode_relay_frame
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.channels import Channels, open_tcp
from p2p.transport.relay.client import TAKING_MAX, RelayClient
from p2p.transport.relay.url import RelayUrl

LETTERS = 10 * TAKING_MAX
DONE_S = 60.0


def channels() -> Channels:
    return Channels(
        SigningKey(os.urandom(32)), static_private=os.urandom(32), openers={"tcp": open_tcp}
    )


class SlowReader:
    """A user of a relay whose disk takes a letter only when it is told to."""

    def __init__(self) -> None:
        self.may_keep = asyncio.Event()
        self.is_full, self.is_done = asyncio.Event(), asyncio.Event()
        self.taking = self.taken = self.most = 0

    def card(self) -> bytes:
        return b"card"

    def answer(self, carrier: Carrier, who: bytes, relay: RelayClient) -> None:
        raise AssertionError

    def signalled(self, device: bytes, sealed: bytes, relay: RelayClient) -> None:
        raise AssertionError

    async def letter(self, id: bytes, sealed: bytes, relay: RelayClient) -> bool:
        self.taking += 1
        self.most = max(self.most, self.taking)
        if self.taking >= TAKING_MAX:
            self.is_full.set()
        await self.may_keep.wait()
        self.taking -= 1
        self.taken += 1
        if self.taken == LETTERS:
            self.is_done.set()
        return True

    def changed(self, relay: RelayClient) -> None:
        return


class Clumsy(SlowReader):
    """One that fails over every letter."""

    async def letter(self, id: bytes, sealed: bytes, relay: RelayClient) -> bool:
        self.taken += 1
        raise ValueError("a bug")


async def test_a_bug_over_a_letter_costs_neither_the_relay_nor_the_node(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = channels()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = await here.shake_hands(StreamCarrier(reader, writer), is_initiator=False)
        await stream.read()
        registered = frames.Registered(3_600, "192.0.2.1", False)
        delivered = frames.Delivered(bytes(16), b"x")
        await stream.write([encode_relay_frame(registered), encode_relay_frame(delivered)])
        while not isinstance(asked := decode_relay_frame(await stream.read()), frames.Fetch):
            assert not isinstance(asked, frames.Taken)
        await stream.write([encode_relay_frame(frames.Fetched(asked.number, b"it"))])
        with suppress(SyncError):
            await stream.read()
        writer.transport.abort()

    listening = await asyncio.start_server(relay, "127.0.0.1", 0)
    place = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
    user = Clumsy()
    async with asyncio.timeout(DONE_S), asyncio.TaskGroup() as tasks:
        client = RelayClient(RelayUrl(place), channels(), user, Random(1), tasks)
        running = tasks.create_task(client.run())
        await client.registered.wait()
        assert await client.fetch(bytes(32)) == b"it"
        running.cancel()
    listening.close()
    assert user.taken == 1
    assert "a bug" in caplog.text


async def test_letters_of_a_relay_that_waits_for_nothing_are_read_as_they_are_kept() -> None:
    here = channels()
    is_over = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(SyncError):
            stream = await here.shake_hands(StreamCarrier(reader, writer), is_initiator=False)
            await stream.read()
            registered = frames.Registered(3_600, "192.0.2.1", False)
            letters = [
                frames.Delivered(os.urandom(16), bytes(limits.LETTER_BYTES_MAX))
                for _ in range(LETTERS)
            ]
            await stream.write([encode_relay_frame(registered)])
            for one in letters:
                await stream.write([encode_relay_frame(one)])
            await is_over.wait()
        writer.transport.abort()

    listening = await asyncio.start_server(relay, "127.0.0.1", 0)
    place = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
    user = SlowReader()
    async with asyncio.timeout(DONE_S), asyncio.TaskGroup() as tasks:
        client = RelayClient(RelayUrl(place), channels(), user, Random(1), tasks)
        running = tasks.create_task(client.run())
        await user.is_full.wait()
        await asyncio.sleep(0)  # whatever else was read would have begun by now
        assert user.most == TAKING_MAX
        user.may_keep.set()
        await user.is_done.wait()
        assert user.most == TAKING_MAX
        is_over.set()
        running.cancel()
    listening.close()


async def test_a_relay_that_hangs_up_is_met_again() -> None:
    """A task whose group failed may be left counted as cancelled, and its next timeout ends it."""
    here = channels()
    met = 0
    is_met_again = asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        stream = await here.shake_hands(StreamCarrier(reader, writer), is_initiator=False)
        await stream.read()
        await stream.write([encode_relay_frame(frames.Registered(3_600, "192.0.2.1", False))])
        met += 1
        if met > 1:
            is_met_again.set()
            with suppress(SyncError):
                await stream.read()
        writer.transport.abort()

    listening = await asyncio.start_server(relay, "127.0.0.1", 0)
    place = Address("127.0.0.1", listening.sockets[0].getsockname()[1])
    async with asyncio.timeout(DONE_S), asyncio.TaskGroup() as tasks:
        client = RelayClient(RelayUrl(place), channels(), SlowReader(), Random(1), tasks)
        running = tasks.create_task(client.run())
        await is_met_again.wait()
        assert running.cancelling() == 0
        running.cancel()
    listening.close()
