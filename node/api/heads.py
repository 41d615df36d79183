"""Heads of requests, bounded: the parser itself takes an address or a header of any length.

What a body holds before anybody asks for it is bounded by `BoundedReads`. Answers may come whole,
see `node.api.whole`.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from node.api.whole import EXTENSIONS, WholeAnswer

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Config
    from uvicorn._types import ASGI3Application
    from uvicorn.server import ServerState

READ_BYTES: Final = 64 << 10
"""From a connection at once: a loop reads four times as much into a buffer of its own."""
UNREAD_BYTES: Final = READ_BYTES // 2
"""Of a body that nobody asks for yet; the read that goes beyond is the last one."""
HEAD_BYTES_MAX: Final = 64 << 10
"""A token has 300 bytes, a query at most 8 KiB, a browser's cookies of other ports a few KiB."""


class BoundedHeads(HttpToolsProtocol):
    """Answers 400 and closes once a head is too long, whether or not it ever ends."""

    _is_in_head = False
    _has_begun = False
    _fed_bytes = 0
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        super().data_received(data)
        # One header that goes on and on is told to nobody before its end. Of what brought its
        # beginning, any part may be the body before.
        if not self._has_begun:
            self._fed_bytes += len(data)
        is_endless = self._is_in_head and self._fed_bytes > HEAD_BYTES_MAX
        if is_endless and not self.transport.is_closing():
            self.send_400_response(f"A request's head has at most {HEAD_BYTES_MAX} bytes here.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = EXTENSIONS
        self._is_in_head, self._fed_bytes, self._head_bytes = True, 0, 0
        self._has_begun = True

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head is too long")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            raise ValueError("the head is too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete and len(self.cycle.body) > UNREAD_BYTES:
            self.flow.pause_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        # Starlette and uvicorn call the same things by other types.
        whole = WholeAnswer(cast("ASGIApp", app), cycle)
        super()._start_asgi_task(cycle, cast("ASGI3Application", whole))


class BoundedReads(asyncio.BufferedProtocol):
    """`BoundedHeads`, fed with no more than `READ_BYTES` at a time."""

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._http = BoundedHeads(config, server_state, app_state, _loop)
        self._read = bytearray()

    def get_buffer(self, sizehint: int) -> bytearray:
        self._read = bytearray(READ_BYTES)
        return self._read

    def buffer_updated(self, nbytes: int) -> None:
        data, self._read = bytes(memoryview(self._read)[:nbytes]), bytearray()
        self._http.data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._http.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._http.connection_lost(exc)

    def eof_received(self) -> None:
        self._http.eof_received()

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()


HTTP: Final = cast("type[asyncio.Protocol]", BoundedReads)
"""As uvicorn takes it, which makes one for each connection."""
