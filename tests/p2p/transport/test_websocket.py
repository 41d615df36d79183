"""Peers over WebSocket: on the peers' own port, and behind a proxy that speaks TLS."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.transport.carrier import StreamCarrier
from p2p.transport.network import PeerWent, sync_with
from p2p.transport.websocket import (
    CONTROL_FRAMES_MAX,
    HEAD_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    READ_BYTES,
    accept_websocket,
    websocket_opener,
)
from tests.p2p.transport.test_network import WAIT_S, Node, open_node, until

UPGRADE = (
    b"GET /panspermia HTTP/1.1\r\nHost: alice\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def place_of(node: Node, path: str = "/panspermia") -> str:
    return f"ws://{node.address}{path}"


async def test_two_nodes_sync_over_a_websocket_on_the_same_port(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await alice.write("one", "x" * 20_000)
        await bob.write("two", "y" * 20_000)
        connection = await bob.network.connect(place_of(alice))
        assert type(await sync_with(connection)).__name__ == "Synced"
        await until(lambda: bob.store.read(alice.record("one")))
        await until(lambda: alice.store.read(bob.record("two")))
        assert connection.carrier == "websocket"
        assert [one.carrier for one in alice.network.connections] == ["websocket"]


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────


def certificate(name: str, folder: Path) -> Path:
    """A self-signed one, its key in the same file, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / f"{name}.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return file


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


@asynccontextmanager
async def tls_proxy(node: Node, pem: Path) -> AsyncGenerator[int]:
    """Takes TLS off, as nginx or Caddy do, and passes the rest on; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with asyncio.TaskGroup() as tasks:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner = await asyncio.open_connection("127.0.0.1", node.port)
            tasks.create_task(pipe(reader, inner[1]))
            await pipe(inner[0], writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        with closing(server):
            yield server.sockets[0].getsockname()[1]


async def test_a_node_behind_a_proxy_with_a_certificate(tmp_path: Path) -> None:
    """The name in the place must be the certificate's, and its authority one that is trusted."""
    pem = certificate("localhost", tmp_path)
    trusting = ssl.create_default_context(cafile=str(pem))
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        tls_proxy(alice, pem) as port,
    ):
        with pytest.raises(PeerLeft, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED"):
            await bob.network.connect(f"wss://localhost:{port}/")
        bob.network.channels.openers["websocket"] = websocket_opener(trusting)
        with pytest.raises(PeerLeft, match=r"certificate is not valid for"):
            await bob.network.connect(f"wss://127.0.0.1:{port}/")
        connection = await bob.network.connect(f"wss://localhost:{port}/")
        assert type(await sync_with(connection)).__name__ == "Synced"
        connection.leave("test", "That is all.")
        await connection.ended.wait()


# ── what is no honest peer ───────────────────────────────────────────────────────────────────────


async def raw(node: Node, *said: bytes) -> bytes:
    """What the node answers to these bytes, until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        for data in said:
            writer.write(data)
        async with asyncio.timeout(WAIT_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def why(node: Node) -> str:
    went = await node.heard(PeerWent)
    assert isinstance(went, PeerWent)
    return went.reason.code


async def test_http_that_is_no_websocket_is_answered_and_not_held_against_anybody(
    tmp_path: Path,
) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        for _ in range(20):
            answer = await raw(alice, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 426 ")
        with pytest.raises(InvalidStatus, match="404"):
            await connect(place_of(alice, "/elsewhere"), proxy=None)
        assert alice.offences.admits("127.0.0.1", now_s=0.0)
        assert await why(alice) == "no-websocket"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ((b"GARBAGE\r\n\r\n",), "websocket"),
        ((b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4_000,), "websocket"),
        ((b"GET / HTTP/1.1\r\nX: " + b"y" * HEAD_BYTES_MAX,), "websocket"),
        ((b"GET /" + b"y" * HEAD_BYTES_MAX,), "websocket"),
        ((UPGRADE, b"\x82\x01x"), "websocket"),  # not masked
        ((UPGRADE, b"\x83\x80\0\0\0\0"), "websocket"),  # no such opcode
        ((UPGRADE, b"\xc2\x80\0\0\0\0"), "websocket"),  # an extension that nobody spoke of
        ((UPGRADE, b"\x80\x80\0\0\0\0"), "websocket"),  # goes on with nothing
        ((UPGRADE, b"\x81\x81\0\0\0\0x"), "websocket"),  # text
        ((UPGRADE, b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4)), "websocket"),
        ((UPGRADE, b"\x89\x80\0\0\0\0" * (CONTROL_FRAMES_MAX + 1)), "flood"),
        ((UPGRADE, b"\x82\x80\0\0\0\0" * (CONTROL_FRAMES_MAX + 1)), "flood"),
        ((UPGRADE, b"\x82\x81\0\0\0\0G"), "first-byte"),  # a WebSocket inside a WebSocket
        ((UPGRADE, b"\x82\x82\0\0\0\0\0\0"), "noise-length"),
        ((UPGRADE, b"\x88\x80\0\0\0\0"), "connection-lost"),
    ],
)
async def test_what_breaks_the_rules_is_hung_up_on(
    tmp_path: Path, said: tuple[bytes, ...], code: str
) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        answer = await raw(alice, *said)
        assert len(answer) < 1_024
        assert await why(alice) == code


async def test_a_message_that_is_too_long_is_not_waited_for(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        async with connect(place_of(alice), proxy=None) as socket:
            await socket.send(bytes(MESSAGE_BYTES_MAX + 1))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert await why(alice) == "websocket"


async def test_bytes_come_as_they_are_cut_by_whoever_carries_them(tmp_path: Path) -> None:
    """A handshake message in fragments of one byte."""
    async with (
        open_node(tmp_path / "a", 1) as alice,
        connect(place_of(alice), proxy=None) as socket,
    ):
        first = b"\0\x20" + bytes(range(1, 33))
        await socket.send(bytes([one]) for one in first)
        answer = await socket.recv()
        assert isinstance(answer, bytes)
        assert len(answer) > 96  # the second message: e, s, payload


@asynccontextmanager
async def a_pair() -> AsyncGenerator[tuple[StreamCarrier, StreamCarrier]]:
    """Both ends of a socket."""
    here, there = socket.socketpair()
    ends = [StreamCarrier(*await asyncio.open_connection(sock=one)) for one in (here, there)]
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            await end.close()


async def test_half_a_message_is_a_sign_of_life_and_pings_are_none() -> None:
    """On a thin line a message of 128 KiB takes minutes; and a proxy pings for the dead too."""
    half = b"\x82\xff" + MESSAGE_BYTES_MAX.to_bytes(8, "big") + bytes(4 + MESSAGE_BYTES_MAX // 2)
    async with a_pair() as (inner, theirs):
        inner.unread(UPGRADE)
        carrier = await accept_websocket(inner)
        inner.unread(b"\x89\x80\0\0\0\0" * 9 + half)
        reading = asyncio.create_task(carrier.read_some(1))
        async with asyncio.timeout(WAIT_S):
            while carrier.unread_bytes < MESSAGE_BYTES_MAX // 2:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0)
        assert carrier.unread_bytes == MESSAGE_BYTES_MAX // 2
        assert not reading.done()
        await theirs.write(bytes(MESSAGE_BYTES_MAX // 2))
        assert await reading == b"\0"
        assert carrier.unread_bytes == MESSAGE_BYTES_MAX - 1


async def test_others_have_a_turn_amid_what_is_here_already() -> None:
    """Else whoever fills its buffers by the smallest messages stops the node for a second."""
    async with a_pair() as (inner, _):
        inner.unread(UPGRADE)
        carrier = await accept_websocket(inner)
        inner.unread(b"\x82\x81\0\0\0\0x" * 40_000)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        assert await carrier.read_exactly(40_000) == b"x" * 40_000
        counting.cancel()
        assert turns >= 7 * 40_000 // READ_BYTES


async def test_a_server_that_is_no_node(tmp_path: Path) -> None:
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\x00\x00\x00", b"x" * 40_000]
    async with open_node(tmp_path / "b", 2) as bob:
        for answer in answers:

            async def serve(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                answer: bytes = answer,
            ) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            with closing(server):
                port = server.sockets[0].getsockname()[1]
                with pytest.raises((PeerLeft, RemoteProtocolError)):
                    await bob.network.connect(f"ws://127.0.0.1:{port}/")
