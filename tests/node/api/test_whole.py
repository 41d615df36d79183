"""Answers that go out as one piece: the very bytes that the server would have sent by its own way.

Each request goes to two servers over real sockets, of which one knows nothing of whole answers.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from node.api.headers import SecurityHeaders
from node.api.heads import HTTP, READ_BYTES, UNREAD_BYTES
from node.api.requests import answer_bytes
from node.api.whole import WHOLE, WholeResponse
from node.daemon import EmbeddedServer
from node.tasks import background_tasks

WAIT_S = 30
LONG = b"[" + b"1," * 300_000 + b"1]"
TAG = '"tag"'


class Bare(WholeResponse):
    """With these headers alone."""

    def __init__(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        self.status_code, self.background, self.body = status, None, body
        self.raw_headers = [*headers]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    answers: dict[str, Callable[[], Response]] = {
        "/list": lambda: answer_bytes(request, b'{"a":1}', TAG),
        "/long": lambda: answer_bytes(request, LONG, TAG),
        "/empty": lambda: answer_bytes(request, b"", TAG),
        "/usual": lambda: Response("as ever", 404, {"x-said": "no"}),
        "/stream": lambda: StreamingResponse(iter(["a", "b"])),
        "/none": lambda: Bare(204, b"", (b"x-a", b"1")),
        "/none-with-a-body": lambda: Bare(204, b"a", (b"x-a", b"1")),
        "/capitals": lambda: Bare(200, b"a", (b"Content-Length", b"1"), (b"X-Said", b"Yes")),
        "/lengthless": lambda: Bare(200, b"a"),
        "/too-short": lambda: Bare(200, b"a", (b"content-length", b"2")),
        "/too-long": lambda: Bare(200, b"abc", (b"content-length", b"2")),
        "/closing": lambda: Bare(200, b"a", (b"content-length", b"1"), (b"Connection", b"close")),
        "/bad-name": lambda: Bare(200, b"a", (b"content-length", b"1"), (b"a b", b"1")),
        "/split": lambda: Bare(200, b"a", (b"content-length", b"1"), (b"a", b"1\r\nb: 2")),
    }
    if scope["path"] in AMISS:
        await AMISS[scope["path"]](scope, receive, send)
    else:
        await answers[scope["path"]]()(scope, receive, send)


async def twice(scope: Scope, receive: Receive, send: Send) -> None:
    for body in (b"first", b"second"):
        await Bare(200, body, (b"content-length", b"%d" % len(body)))(scope, receive, send)


async def read_late(scope: Scope, receive: Receive, send: Send) -> None:
    await Bare(200, b"before", (b"content-length", b"6"))(scope, receive, send)
    await receive()


async def listen(scope: Scope, receive: Receive, send: Send) -> None:
    """As whatever stops its work when the caller hangs up."""
    await receive()
    heard = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await Bare(200, b"a", (b"content-length", b"1"))(scope, receive, send)
    HEARD.append((await heard)["type"])


async def answer_late(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await receive()  # until the caller is gone
    await Bare(200, b"a", (b"content-length", b"1"))(scope, receive, send)
    HEARD.append("answered nobody")


async def read_pieces(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive()).get("more_body"):
        HEARD.append(str(len(message["body"])))
    await Bare(200, b"all", (b"content-length", b"3"))(scope, receive, send)


AMISS: dict[str, ASGIApp] = {
    "/read-pieces": read_pieces,
    "/twice": twice,
    "/read-late": read_late,
    "/listen": listen,
    "/answer-late": answer_late,
}
HEARD: list[str] = []


@asynccontextmanager
async def serving(protocol: type[asyncio.Protocol]) -> AsyncGenerator[int]:
    """The port of a server with `app`."""
    async with serving_as(protocol) as (port, _):
        yield port


@asynccontextmanager
async def serving_as(
    protocol: type[asyncio.Protocol],
) -> AsyncGenerator[tuple[int, EmbeddedServer]]:
    """As `serving`, and the server."""
    config = uvicorn.Config(
        SecurityHeaders(app), lifespan="off", log_config=None, date_header=False, http=protocol,
        server_header=False, access_log=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = EmbeddedServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with background_tasks() as tasks:
            http = tasks.create_task(server.serve(sockets=[listener]), name="http")
            await server.accepts.wait()
            yield listener.getsockname()[1], server
            server.should_exit = True
            await http


async def ask(port: int, request: bytes) -> bytes:
    """All that is answered until the server hangs up, of a caller who says no more."""
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    head = "".join(f"{line}\r\n" for line in ("Host: a", *lines))
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode()


REFUSED = (b"GET /bad-name ", b"GET /split ")
"""Heads that are none: the server hangs up."""
# An answer that says nothing of its end is followed by one that closes.
LAST = get("/usual", "Connection: close")
REQUESTS = [
    *(get(path) + LAST for path in ("/list", "/long", "/empty", "/usual", "/stream", "/none")),
    *(get(path) + LAST for path in ("/capitals", "/lengthless")),
    *(get(path) for path in ("/too-short", "/too-long", "/closing", "/bad-name", "/split")),
    get("/none-with-a-body"),
    get("/list", method="HEAD") + LAST,
    get("/list", f"If-None-Match: {TAG}") + LAST,
    get("/list", f"If-None-Match: {TAG}", method="HEAD") + LAST,
    get("/list", "Connection: close"),
    get("/list", version="1.0"),
    get("/list", "Content-Length: 3") + b"abc" + LAST,
    get("/list", "Expect: 100-continue", "Content-Length: 3") + b"abc" + LAST,
    get("/twice", "Connection: close"),
    get("/twice") + LAST,
    get("/read-late", "Expect: 100-continue", "Content-Length: 3") + b"abc" + LAST,
    get("/list") * 5 + get("/stream") + get("/long") * 3 + LAST,
]


@pytest.mark.parametrize("request_bytes", REQUESTS)
async def test_a_whole_answer_has_the_bytes_that_the_server_sends(request_bytes: bytes) -> None:
    async with serving(HTTP) as ours, serving(HttpToolsProtocol) as theirs:
        expected = await ask(theirs, request_bytes)
        assert expected.startswith(b"HTTP/1.1 ") is not request_bytes.startswith(REFUSED)
        assert await ask(ours, request_bytes) == expected


async def test_an_answer_comes_whole_where_the_server_takes_it_so() -> None:
    told: list[Message] = []

    async def hear(message: Message) -> None:
        told.append(message)

    async def silent() -> Message:
        return {}

    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/list", "headers": []}
    await app({**scope, "extensions": {WHOLE: {}}}, silent, hear)
    await app(scope, silent, hear)
    assert [message.get("body") for message in told] == [b'{"a":1}', None, b'{"a":1}']
    assert [message["type"] for message in told] == [
        "http.response.start", "http.response.start", "http.response.body",
    ]  # fmt: skip


async def test_the_end_of_a_body_counts_for_no_head_that_begins_behind_it() -> None:
    begun, rest = get("/usual", "Connection: close")[:20], get("/usual", "Connection: close")[20:]
    async with serving(HTTP) as port, asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/list", "Content-Length: 100000") + b"a" * 100_000 + begun)
        assert await reader.readuntil(b'{"a":1}')
        writer.write(rest)
        assert (await reader.read()).endswith(b"as ever")
        writer.close()


async def test_who_listens_whether_the_caller_is_there_hears_of_the_end() -> None:
    HEARD.clear()
    async with serving(HTTP) as port:
        assert (await ask(port, get("/listen") + LAST)).endswith(b"as ever")
    assert HEARD == ["http.disconnect"]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_answer_to_a_caller_who_is_gone_is_no_error(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The transport of uvloop refuses what is written to it then."""
    HEARD.clear()

    async def hang_up() -> None:
        async with serving(HTTP) as port, asyncio.timeout(WAIT_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(get("/answer-late"))
            await writer.drain()
            writer.transport.abort()
            await until(lambda: bool(HEARD))

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(hang_up())
    assert HEARD == ["answered nobody"]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_does_not_read_has_no_more_made_for_them(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Of 240 MB that are asked for no more than one answer waits, beside what sockets hold."""

    async def ask_and_wait() -> int:
        async with serving_as(HTTP) as (port, server), asyncio.timeout(WAIT_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
            writer.write(get("/long") * 400)
            (connection,) = await one_of(server)
            await until(lambda: connection.flow.write_paused)
            for _ in range(100):  # whoever would write on would do so in these turns
                await asyncio.sleep(0)
            waits = connection.transport.get_write_buffer_size()
            writer.transport.abort()
            return waits

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(ask_and_wait()) <= 2 * len(LONG)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_of_a_body_that_comes_fast_little_is_read_before_it_is_asked_for(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Hundreds may send one at the same time, and nobody counts what a server holds of it."""
    HEARD.clear()
    body = b"a" * (4 << 20)

    async def send_fast() -> bytes:
        async with serving(HTTP) as port:
            return await ask(
                port, get("/read-pieces", f"Content-Length: {len(body)}") + body + LAST
            )

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(send_fast()).endswith(b"as ever")
    sizes = [int(size) for size in HEARD]
    assert max(sizes) <= READ_BYTES + UNREAD_BYTES
    assert len(body) - READ_BYTES - UNREAD_BYTES <= sum(sizes) <= len(body)


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_true():  # noqa: ASYNC110 - servers say none of this by an event
            await asyncio.sleep(0.01)


async def one_of(server: EmbeddedServer) -> list[HttpToolsProtocol]:
    """The connections of a server, once there is one."""
    await until(lambda: bool(server.server_state.connections))
    found = [*server.server_state.connections]
    return [one for one in found if isinstance(one, HttpToolsProtocol)]


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with serving(HTTP) as port, asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
        writer.write(get("/long") * 40 + LAST)  # more than any buffer on the way holds
        read = 0
        while piece := await reader.read(100_000):
            read += piece.count(b",")
        assert read >= 40 * LONG.count(b",")
        writer.close()
