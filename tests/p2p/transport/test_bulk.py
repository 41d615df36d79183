"""Large transfers leave a data channel for a carrier of megabytes, and small ones do not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.connection import Connection
from p2p.transport.network import PeerCame
from p2p.transport.place import Place, RelayedPlace
from tests.p2p.transport.test_network import Node, open_node, until
from tests.p2p.transport.webrtc.people import Post, person

LARGE, SMALL = Random(1).randbytes(20 << 20), Random(2).randbytes(1 << 20)
FETCH_S = 120.0


@asynccontextmanager
async def called_directly(folder: Path) -> AsyncGenerator[tuple[Node, Node, Connection]]:
    """Bob's session with Alice over a data channel, and she is at a WebSocket too."""
    post = Post()
    async with AsyncExitStack() as stack:
        people = [await stack.enter_async_context(person(100 + n, post)) for n in (1, 2)]
        alice, bob = [
            await stack.enter_async_context(open_node(folder / name, number))
            for number, name in ((1, "a"), (2, "b"))
        ]
        hers, his = people

        async def call(place: Place) -> Carrier:
            assert isinstance(place, RelayedPlace)
            return await his.caller.call(place.device, hers.identity.sealing_public, post)

        async def answer() -> None:
            while True:
                carrier = await hers.came.get()
                alice.network.take_in(carrier, carrier.remote)

        bob.network.channels.openers["webrtc"] = call
        answering = asyncio.create_task(answer())
        stack.callback(answering.cancel)
        assert hers.key == alice.signer.device.public
        place = RelayedPlace("webrtc", hers.key, Address("relay.example", 4747))
        connection = await bob.network.connect(str(place))
        await alice.heard(PeerCame)
        connection.know([(f"ws://{alice.address}/", "websocket")])
        yield alice, bob, connection


async def test_a_small_blob_stays_and_a_large_one_moves_for_as_long_as_it_takes(
    tmp_path: Path,
) -> None:
    async with called_directly(tmp_path) as (alice, bob, connection), asyncio.timeout(FETCH_S):
        small = await alice.store.put_blob(SMALL)
        large = await alice.store.put_blob(LARGE)
        seen = [connection.carrier]
        await bob.network.fetch_blob(
            small, lambda _: seen.append(connection.carrier), size_bytes_max=len(SMALL)
        )
        assert (set(seen), connection.session.report.moves) == ({"webrtc"}, 0)

        await bob.network.fetch_blob(
            large, lambda _: seen.append(connection.carrier), size_bytes_max=len(LARGE)
        )
        assert seen[-1] == "websocket", "it came over what carries megabytes"
        assert await bob.store.read_blob(large) == LARGE

        async def is_direct() -> bool:
            return connection.carrier == "webrtc" and connection.link.current is not None

        await until(is_direct)
        assert connection.session.report.moves == 2, "there and back, and nowhere else"
