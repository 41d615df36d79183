"""The front of the one port: the first byte says what somebody who calls wants.

00  a Noise channel: the length of its first message begins with it
G   HTTP: a WebSocket, inside of which any of the others may follow
…   what others serve here: a relay, say, joins two circuits at a "J"
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from p2p.protocol.errors import PeerTimeout, RemoteProtocolError
from p2p.transport.carrier import StreamCarrier
from p2p.transport.channels import HANDSHAKE_S
from p2p.transport.inbound import Caller
from p2p.transport.websocket import WebSocketCarrier, accept_websocket

NOISE = 0x00

HTTP = ord("G")

FrontCarrier: TypeAlias = StreamCarrier | WebSocketCarrier
FrontHandler: TypeAlias = Callable[[FrontCarrier, Caller], Awaitable[None]]
"""Serves one caller to the end; the first byte is still to be read. Raises `SyncError`."""


class Front:
    """First byte -> handler."""

    def __init__(self, identify: Callable[[Caller, Sequence[str]], None]) -> None:
        """`identify` hears for whom a proxy says to call, if it says; it raises `SyncError`."""
        self._identify = identify
        self._handlers: dict[int, FrontHandler] = {}

    def serve(self, first: int, handler: FrontHandler) -> None:
        """From now on `handler` gets those who begin with the byte `first`."""
        self._handlers[first] = handler

    async def enter(self, carrier: FrontCarrier, caller: Caller) -> None:
        """Serves whoever came. Raises `SyncError`; the carrier is the caller's to close."""
        forwarded: Sequence[str] = ()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                first = await carrier.read_exactly(1)
                if first[0] == HTTP and isinstance(carrier, StreamCarrier):
                    carrier.unread(first)
                    carrier = await accept_websocket(carrier)
                    forwarded = carrier.forwarded
                    first = await carrier.read_exactly(1)
        except TimeoutError as error:
            raise PeerTimeout("handshake-timeout", "Nothing came for too long.") from error
        self._identify(caller, forwarded)
        carrier.unread(first)
        handler = self._handlers.get(first[0])
        if handler is None:
            raise RemoteProtocolError("first-byte", f"nothing here begins with {first.hex()}")
        await handler(carrier, caller)
