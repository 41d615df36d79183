"""Places that peers tell of, which mean nothing, or mean harm: the node stays."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.hint import Hint
from tests.e2e.mallory import Mallory
from tests.p2p.transport.test_network import WAIT_S, open_node, until

# Each is a host and a port as far as its form goes; no resolver can be asked for any of them.
NAMELESS = ("a..b:1", f"{'x' * 64}.example:1", "ws://a..b/", "ws://.example:1/panspermia")


@pytest.mark.parametrize("place", NAMELESS)
async def test_a_host_that_no_resolver_takes_is_one_that_is_not_reached(
    tmp_path: Path, place: str
) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        with pytest.raises(PeerLeft, match="cannot be reached"):
            await alice.network.connect(place)
        alice.dialler.hint(Hint("", (place,), "peer"))

        async def was_tried() -> bool:
            return any(one.last_error for one in alice.dialler.found)

        await until(was_tried)


async def test_a_peer_that_says_it_is_called_there_and_hangs_up_ends_its_session_alone(
    tmp_path: Path,
) -> None:
    calls: asyncio.Queue[None] = asyncio.Queue()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(None)
        writer.transport.abort()

    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        server = await asyncio.start_server(called, "127.0.0.1", 0)
        own = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Mallory().calls(alice.address) as call:
            hello = msgspec.structs.replace(call.hello(), addresses=(*NAMELESS, own))
            await call.say(hello, frames.Present(()), call.wish())
            await call.hear_until(frames.Interests)
            call.stream.carrier.abort()
            # Without a channel all places are tried, again and again: between two calls of one
            # every other was.
            async with asyncio.timeout(WAIT_S):
                await calls.get()
                await calls.get()
        await alice.write("after", "still there")
        await bob.network.connect(alice.address)
        await until(lambda: bob.store.read(alice.record("after")))
