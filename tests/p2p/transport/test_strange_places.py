"""Places that peers tell of, which mean nothing, or mean harm: the node stays."""

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.hint import Hint
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.channels import open_tcp
from p2p.transport.place import Place
from p2p.transport.websocket import websocket_opener
from tests.e2e.mallory import Mallory
from tests.p2p.transport.test_network import WAIT_S, Node, open_node, until

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

    # Alice is called on loopback herself: else she would follow nobody's word there.
    here = "127.0.0.1:1"
    async with (
        open_node(tmp_path / "a", 1, here) as alice,
        open_node(tmp_path / "b", 2) as bob,
    ):
        server = await asyncio.start_server(called, "127.0.0.1", 0)
        own = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, Mallory().calls(alice.address) as call:
            hello = msgspec.structs.replace(call.hello(), addresses=(*NAMELESS, own))
            await call.say(hello, frames.Present(()), call.wish())
            await call.hear_until(frames.Interests)
            await until(lambda: may_move(alice))
            call.stream.carrier.abort()
            # Without a channel all places are tried, again and again: between two calls of one
            # every other was.
            async with asyncio.timeout(WAIT_S):
                await calls.get()
                await calls.get()
        await alice.write("after", "still there")
        await bob.network.connect(alice.address)
        await until(lambda: bob.store.read(alice.record("after")))


async def test_a_name_that_leads_to_this_machine_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose name it is may let it lead anywhere: to a service that only this machine may use."""
    calls: asyncio.Queue[None] = asyncio.Queue()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(None)
        writer.transport.abort()

    async def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        at = "127.0.0.1" if host == "name.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (at, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    there, here = ("192.0.2.1:4747",), ("127.0.0.1:4747",)
    async with (
        open_node(tmp_path / "a", 1, *there) as alice,
        open_node(tmp_path / "b", 2, *here) as bob,
    ):
        service = await asyncio.start_server(called, "127.0.0.1", 0)
        port = service.sockets[0].getsockname()[1]
        async with service:
            for place in (f"name.example:{port}", f"ws://name.example:{port}/reboot"):
                with pytest.raises(PeerLeft, match="a name of this machine itself"):
                    await alice.network.connect(place)
        assert calls.empty()
        met = await bob.network.connect(f"name.example:{alice.port}")
        assert met.device == alice.network.device, "all that Bob knows of is on one machine"


async def may_move(node: Node) -> bool:
    """Whether it read all that its peer said first: a cut loses what waits in the kernel."""
    return any(one.link.is_resumable for one in node.network.connections)


async def test_nobody_has_a_node_call_a_service_of_its_own_machine(tmp_path: Path) -> None:
    calls: asyncio.Queue[None] = asyncio.Queue()
    done: asyncio.Queue[None] = asyncio.Queue()

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(None)
        writer.transport.abort()

    def went_elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.put_nowait(None)
        writer.transport.abort()

    async with open_node(tmp_path / "a", 1, "192.0.2.1:4747") as alice:
        service = await asyncio.start_server(called, "127.0.0.1", 0)
        port = service.sockets[0].getsockname()[1]
        elsewhere = await asyncio.start_server(went_elsewhere, "127.0.0.1", 0)
        real = "ws://name.example/"

        async def open_elsewhere(place: Place) -> Carrier:
            """As if that name led to another machine."""
            if str(place) != real:
                return await websocket_opener()(place)
            return await open_tcp(Address("127.0.0.1", elsewhere.sockets[0].getsockname()[1]))

        alice.network.channels.openers["websocket"] = open_elsewhere
        told = (f"127.0.0.1:{port}", f"ws://127.0.0.1:{port}/reboot", f"127.1:{port}", real)
        async with service, elsewhere, Mallory().calls(alice.address) as call:
            hello = msgspec.structs.replace(call.hello(), addresses=told)
            await call.say(hello, frames.Present(()), call.wish())
            await call.hear_until(frames.Interests)
            await until(lambda: may_move(alice))
            call.stream.carrier.abort()
            async with asyncio.timeout(WAIT_S):
                await done.get()  # the last one of all in the order in which they are tried
        assert calls.empty()
