"""What a node says of relays that it cannot reach."""

import asyncio
import socket
from random import Random

import pytest

from node.relays import be_registered
from p2p.protocol.errors import PeerLeft
from p2p.transport.address import Address
from p2p.transport.relay.client import RelayClient
from p2p.transport.relay.url import RelayUrl
from tests.p2p.transport.relay.test_client import SlowReader, channels


class Watcher(SlowReader):
    """Waits until the first attempt failed."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = asyncio.Event()

    def changed(self, relay: RelayClient) -> None:
        if relay.last_error:
            self.failed.set()


async def test_whoever_calls_through_a_dead_relay_hears_why_it_is_away() -> None:
    with socket.socket() as taken:  # bound and not listening: refused, and nobody else gets it
        taken.bind(("127.0.0.1", 0))
        place, user = Address("127.0.0.1", taken.getsockname()[1]), Watcher()
        async with asyncio.TaskGroup() as tasks:
            client = RelayClient(RelayUrl(place), channels(), user, Random(1), tasks)
            running = tasks.create_task(client.run())
            async with asyncio.timeout(60.0):
                await user.failed.wait()
            with pytest.raises(
                PeerLeft, match=r"is not connected: .* cannot be reached"
            ) as refused:
                await be_registered(client, wait_s=0.01)
            assert refused.value.code == "relay-away"
            running.cancel()
