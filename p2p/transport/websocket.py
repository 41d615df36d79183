"""A WebSocket as a carrier: for networks that pass only 443, and nodes behind a TLS proxy.

    client ── GET /panspermia, Upgrade ──> server     on the same port as all else, see `front`
    client <══ binary messages ══> server             their bytes in order are the carrier's

Where one message ends and the next begins means nothing. No extension is spoken, so nothing is
ever decompressed. The protocol is the package `websockets`, without its IO (RFC 6455).
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Final

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.message_length import MessageLength
from p2p.transport.carrier import CarrierName, StreamCarrier, gone
from p2p.transport.channels import MayLead, Opener, open_tcp
from p2p.transport.forwarded import HEADER
from p2p.transport.place import Place, WebSocketPlace

PATHS: Final = ("/", "/panspermia")  # a proxy passes a whole host on, or one path of it
HEAD_BYTES_MAX = 16 << 10  # of HTTP, either way; proxies add a few hundred bytes
MESSAGE_BYTES_MAX = 128 << 10  # a stranger may fill one
# Read at once. Of the smallest frames that is 40 ms of work, before others have a turn.
READ_BYTES = 16 << 10
CONTROL_FRAMES_MAX = 64  # pings, pongs and empty frames in what is read at once
LINE_BYTES_SHOWN = 64  # of an answer that is not what was asked for
HEAD_END = b"\r\n\r\n"

# What goes wrong with a stranger is no news for the log.
QUIET = logging.getLogger("panspermia.websocket")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class WebSocketCarrier:
    """The bytes of binary messages, in order."""

    name: CarrierName = "websocket"
    is_bulk = True

    def __init__(
        self,
        inner: StreamCarrier,
        protocol: ServerProtocol | ClientProtocol,
        forwarded: Sequence[str] = (),
    ) -> None:
        """`forwarded`: of the request, for whom it says that it was made."""
        self.forwarded = tuple(forwarded)
        self._inner = inner
        self._protocol = protocol
        self._data = bytearray()
        self._length = MessageLength(MESSAGE_BYTES_MAX)

    def buffer_at_most(self, size: int) -> None:
        """As `StreamCarrier.buffer_at_most`."""
        self._inner.buffer_at_most(size)

    def unread(self, data: bytes) -> None:
        """Puts back what was read: it is read again first."""
        self._data[:0] = data

    @property
    def taken_bytes(self) -> int:
        """As `Carrier.taken_bytes`; with what is around messages."""
        return self._inner.taken_bytes

    @property
    def unread_bytes(self) -> int:
        """As `Carrier.unread_bytes`. Pings, which a proxy may send by itself, are next to nothing:
        of them it counts what is not whole."""
        return len(self._data) + len(self._protocol.reader.buffer)

    async def read_exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            await self._receive()
        return self._take(size)

    async def read_some(self, size_max: int) -> bytes:
        """What is there, one byte at least. Raises `PeerLeft` at the end."""
        while not self._data:
            await self._receive()
        return self._take(size_max)

    def _take(self, size: int) -> bytes:
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    async def _receive(self) -> None:
        self._protocol.receive_data(await self._inner.read_some(READ_BYTES))
        try:
            self._take_events()
        finally:
            await self._flush()
        await asyncio.sleep(0)  # also where more is here already, others have a turn

    def _take_events(self) -> None:
        """Raises `PeerLeft` where the peer closed, `RemoteProtocolError` where it broke a rule."""
        idle = 0
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.CLOSE:
                raise gone()
            if event.opcode is Opcode.TEXT:
                raise RemoteProtocolError("websocket", "a WebSocket message is text")
            if event.opcode in (Opcode.BINARY, Opcode.CONT):
                self._data += event.data
                idle += not event.data
            else:
                idle += 1
        if idle > CONTROL_FRAMES_MAX:
            raise RemoteProtocolError("flood", "the peer sends WebSocket frames that carry nothing")
        if self._protocol.parser_exc is not None:
            why = self._protocol.parser_exc
            raise RemoteProtocolError("websocket", f"the peer breaks the rules of WebSocket: {why}")

    async def write(self, data: bytes | bytearray) -> None:
        if self._protocol.close_expected():
            raise gone()
        now_s = asyncio.get_running_loop().time()
        length = self._length.look(self._inner.written_bytes, self._inner.taken_bytes, now_s=now_s)
        for start in range(0, len(data), length):
            self._protocol.send_binary(data[start : start + length])
        await self._flush()

    async def close(self) -> None:
        if not self._protocol.close_expected():
            self._protocol.send_close(1000)
            self._inner.write_soon(b"".join(self._protocol.data_to_send()))
        await self._inner.close()

    def abort(self) -> None:
        self._inner.abort()

    async def _flush(self) -> None:
        if data := b"".join(self._protocol.data_to_send()):
            await self._inner.write(data)


async def accept_websocket(inner: StreamCarrier) -> WebSocketCarrier:
    """The server's side, from the first byte of the request on.

    Raises `PeerLeft` for honest HTTP that asks for something else, and `RemoteProtocolError`.
    """
    protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX, logger=QUIET)
    request, _ = await _head(inner, protocol)
    if not isinstance(request, Request):
        raise RemoteProtocolError("websocket", "what begins as HTTP is no request")
    if request.path in PATHS:
        response = protocol.accept(request)
    else:
        response = protocol.reject(404, "There is nothing here but peers, at /panspermia.\n")
    protocol.send_response(response)
    await inner.write(b"".join(protocol.data_to_send()))
    if response.status_code != 101:
        raise PeerLeft("no-websocket", f"An HTTP request was answered {response.status_code}.")
    return WebSocketCarrier(inner, protocol, request.headers.get_all(HEADER))


def websocket_opener(
    context: ssl.SSLContext | None = None, *, may_lead: MayLead | None = None
) -> Opener:
    """The opener of `ws://` and `wss://`; certificates are checked as `context` says.

    By default against the machine's authorities, and for the name in the place. `may_lead` as in
    `tcp_opener`.
    """

    async def open_websocket(place: Place) -> WebSocketCarrier:
        assert isinstance(place, WebSocketPlace)
        tls = (context or ssl.create_default_context()) if place.is_tls else None
        inner = await open_tcp(place.address, tls=tls, may_lead=may_lead)
        return await connect_websocket(inner, place)

    return open_websocket


async def connect_websocket(inner: StreamCarrier, place: WebSocketPlace) -> WebSocketCarrier:
    """The client's side. Raises `PeerLeft` where no WebSocket is there."""
    try:
        protocol = ClientProtocol(parse_uri(str(place)), max_size=MESSAGE_BYTES_MAX, logger=QUIET)
        protocol.send_request(protocol.connect())
        await inner.write(b"".join(protocol.data_to_send()))
        response, line = await _head(inner, protocol)
        if not isinstance(response, Response) or protocol.handshake_exc is not None:
            sentence = f"{place} cannot be reached: it answers {line!r}, and no WebSocket."
            raise PeerLeft("unreachable", sentence)
    except BaseException:
        inner.abort()
        raise
    return WebSocketCarrier(inner, protocol)


async def _head(
    inner: StreamCarrier, protocol: ServerProtocol | ClientProtocol
) -> tuple[object, str]:
    """The other side's request or response, or None where it is none; and its first line.

    Nothing behind its end is handed to `protocol` yet, which takes frames for granted only once it
    has answered.
    """
    head = bytearray()
    while (end := head.find(HEAD_END)) < 0:
        if len(head) >= HEAD_BYTES_MAX:
            return None, ""
        head += await inner.read_some(HEAD_BYTES_MAX - len(head))
    end += len(HEAD_END)
    inner.unread(bytes(head[end:]))
    protocol.receive_data(bytes(head[:end]))
    line, _, _ = head.partition(b"\r\n")
    event = next(iter(protocol.events_received()), None)
    return event, line[:LINE_BYTES_SHOWN].decode("ascii", "replace")
