"""Events over HTTP and WebSocket, driven as a server drives them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from starlette.types import Message, Scope

from node.events import RING_EVENTS_MAX
from tests.node.parts import PORT, Alice

HOST = (b"host", f"127.0.0.1:{PORT}".encode())


class Exchange:
    """One connection to the app: what it sends, and a way to leave."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.given: asyncio.Queue[Message] = asyncio.Queue()

    async def serve(self, alice: Alice, scope: Scope) -> None:
        await alice.app(scope, self.given.get, self.sent.put)

    async def next(self) -> Message:
        async with asyncio.timeout(10):
            return await self.sent.get()

    async def text(self) -> str:
        body: bytes = (await self.next())["body"]
        return body.decode()


@asynccontextmanager
async def connected(
    alice: Alice,
    kind: str,
    path: str,
    *headers: tuple[bytes, bytes],
    query: bytes = b"",
    method: str = "GET",
    subprotocols: Sequence[str] = (),
) -> AsyncGenerator[Exchange]:
    exchange = Exchange()
    scope = {
        "type": kind, "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query, "headers": [HOST, *headers], "server": ("127.0.0.1", PORT),
        "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1),
        "subprotocols": list(subprotocols),
    }  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(exchange.serve(alice, scope))
        try:
            yield exchange
        finally:
            serving.cancel()


async def test_server_sent_events_resume(alice: Alice) -> None:
    for number in range(4):
        alice.node.events.publish("record", {"number": number})
    last = (b"last-event-id", b"2")
    async with connected(alice, "http", "/api/events", last) as stream:
        start = await stream.next()
        assert start["status"] == 200
        assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
        assert await stream.text() == ": open\n\n"
        assert await stream.text() == 'id: 3\nevent: record\ndata: {"number":2}\n\n'
        assert (await stream.text()).startswith("id: 4\n")
        alice.node.events.publish("peer", {})
        assert (await stream.text()).startswith("id: 5\nevent: peer\n")
        alice.node.events.close()
        assert await stream.text() == ""


async def test_only_the_types_asked_for(alice: Alice) -> None:
    async with connected(alice, "http", "/api/events", query=b"types=peer,sync") as stream:
        await stream.next()
        await stream.text()
        for type in ("record", "sync", "index", "peer"):
            alice.node.events.publish(type, {})
        assert "event: sync" in await stream.text()
        assert "event: peer" in await stream.text()


async def test_too_far_behind(alice: Alice) -> None:
    for _ in range(RING_EVENTS_MAX + 5):
        alice.node.events.publish("record", {})
    async with connected(alice, "http", "/api/events", (b"last-event-id", b"1")) as stream:
        await stream.next()
        await stream.text()
        assert await stream.text() == "id: 5\nevent: gap\ndata: {}\n\n"


@pytest.mark.parametrize("last", [b"x", b"-1", b"1" * 30])
async def test_a_last_event_id_that_is_none(alice: Alice, last: bytes) -> None:
    answer = await alice.client.get("/api/events", headers={"last-event-id": last.decode()})
    assert answer.json()["code"] == "bad-last-event-id"


async def test_a_websocket_says_its_topics_first(alice: Alice) -> None:
    alice.node.events.publish("record", {"number": 1})
    async with connected(
        alice, "websocket", "/v1/stream", subprotocols=["panspermia.v1"]
    ) as socket:
        await socket.given.put({"type": "websocket.connect"})
        assert await socket.next() == {
            "type": "websocket.accept", "subprotocol": "panspermia.v1", "headers": [],
        }  # fmt: skip
        wanted = '{"topics": ["record"], "after": 0}'
        await socket.given.put({"type": "websocket.receive", "text": wanted})
        told = msgspec.json.decode((await socket.next())["text"])
        assert told == {"id": 1, "type": "record", "data": {"number": 1}}
        alice.node.events.close()
        assert (await socket.next())["type"] == "websocket.close"


@pytest.mark.parametrize("text", ["{", "[]", '{"topics": ["none"]}', '{"topic": []}', "x" * 9999])
async def test_a_websocket_that_says_nonsense(alice: Alice, text: str) -> None:
    async with connected(alice, "websocket", "/v1/stream") as socket:
        await socket.given.put({"type": "websocket.connect"})
        assert (await socket.next())["type"] == "websocket.accept"
        await socket.given.put({"type": "websocket.receive", "text": text})
        closed = await socket.next()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1003)


async def test_a_websocket_client_that_leaves_ends_its_tasks(alice: Alice) -> None:
    async with connected(alice, "websocket", "/v1/stream") as socket:
        await socket.given.put({"type": "websocket.connect"})
        await socket.next()
        await socket.given.put({"type": "websocket.receive", "text": '{"topics": []}'})
        await socket.given.put({"type": "websocket.disconnect", "code": 1001})
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"websocket events", "websocket client"}


async def test_a_websocket_client_that_is_gone_while_it_is_told_something(alice: Alice) -> None:
    """The server says so where the event is sent, at once with or before the client's own end."""
    alice.node.events.publish("record", {})
    lost: list[str] = []

    async def send(message: Message) -> None:
        if message["type"] != "websocket.accept":
            lost.append(message["type"])
            raise OSError("the connection is lost")

    given: asyncio.Queue[Message] = asyncio.Queue()
    scope = {
        "type": "websocket", "path": "/v1/stream", "raw_path": b"/v1/stream", "query_string": b"",
        "headers": [HOST], "server": ("127.0.0.1", PORT), "scheme": "http", "http_version": "1.1",
        "client": ("127.0.0.1", 1), "subprotocols": [],
    }  # fmt: skip
    await given.put({"type": "websocket.connect"})
    wanted = '{"topics": ["record"], "after": 0}'
    await given.put({"type": "websocket.receive", "text": wanted})
    async with asyncio.timeout(10):
        await alice.app(scope, given.get, send)
    assert lost == ["websocket.send"]


async def test_a_foreign_page_gets_no_socket(alice: Alice) -> None:
    evil = (b"origin", b"http://evil.example")
    async with connected(alice, "websocket", "/v1/stream", evil) as socket:
        await socket.given.put({"type": "websocket.connect"})
        assert await socket.next() == {"type": "websocket.close", "code": 1008}
