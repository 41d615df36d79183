"""Answers that are ready when they begin: head and body go to the connection as one.

The server writes a head by itself, looks each of its lines through by two regular expressions, and
counts the body against what the head said: of a list that is known already that was a third of all
work. Here a line is looked through once for all answers that have it. What is not of the usual kind
goes the server's own way.

It is asked for by an ASGI extension: where a scope has `WHOLE`, the message that starts an answer
may bring all of its body.
"""

from collections.abc import Awaitable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

WHOLE: Final = "panspermia.whole"
START: Final = "http.response.start"
BODY: Final = "http.response.body"
EXTENSIONS: Final = {WHOLE: dict[object, object]()}
BODILESS: Final = frozenset({204, 304})
LINES_MAX: Final = 1_024
"""Those said last are remembered; an ETag and a length are said once mostly."""
_LENGTH: Final = b"content-length"
_OF_THE_SERVER: Final = frozenset({b"connection", b"transfer-encoding"})


class WholeResponse(Response):
    """Sent in one message where the server takes it so."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": START, "status": self.status_code, "headers": self.raw_headers}
        if WHOLE in scope.get("extensions", ()):
            await send({**start, "body": self.body})
            return
        await send(start)
        await send({"type": BODY, "body": self.body})


class WholeAnswer:
    """Between the app and the server, for one request."""

    __slots__ = ("_app", "_cycle")

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        if message["type"] == START and "body" in message:
            body: bytes = message["body"]
            if self._write_whole(message, body):
                return
            start = {"type": START, "status": message["status"], "headers": message["headers"]}
            await self._send_on(start)
            message = {"type": BODY, "body": body}
        await self._send_on(message)

    async def _send_on(self, message: Message) -> None:
        # Starlette and uvicorn call the same things by other types.
        await self._cycle.send(cast("ASGISendEvent", message))

    def _write_whole(self, message: Message, body: bytes) -> bool:
        """Writes an answer of the usual kind; gives whether it was one, else nothing was done."""
        cycle, headers = self._cycle, message["headers"]
        is_unusual = (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.flow.write_paused
            or cycle.scope["method"] == "HEAD"
        )
        length = b"%d" % len(body)
        if message["status"] in BODILESS:
            is_unusual = is_unusual or bool(body)
        elif dict(headers).get(_LENGTH) != length:
            is_unusual = True
        if is_unusual:
            return False
        try:
            lines = b"".join(map(_line, (*cycle.default_headers, *headers)))
        except ValueError:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        head = b"%b%b\r\n" % (STATUS_LINE[message["status"]], lines)
        cycle.transport.write(head + body)  # of asyncio, `writelines` never says that it is full
        cycle.message_event.set()
        cycle.on_response()
        return True


@lru_cache(maxsize=LINES_MAX)
def _line(header: tuple[bytes, bytes]) -> bytes:
    """Of a head. Raises `ValueError` for what the server refuses, or has to know of."""
    name, value = header
    name = name.lower()
    if name in _OF_THE_SERVER or HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise ValueError(name)
    return b"%b: %b\r\n" % (name, value)
