"""Where those who call arrive: the front, the handshake, and what the first frame is for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from p2p.protocol.errors import PeerLeft, PeerTimeout, RemoteProtocolError, SyncError
from p2p.protocol.frames import Bye, encode_frame, peek_kind
from p2p.protocol.limits import GREETING_S
from p2p.protocol.link import UNKNOWN, Refused, decode_link_frame
from p2p.protocol.link_frames import LINK_KINDS, Resume
from p2p.protocol.offences import host_of
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.channels import Channels
from p2p.transport.connection import Connection
from p2p.transport.door import Door, crowded_out
from p2p.transport.forwarded import Ip, client_of, ip_of
from p2p.transport.front import NOISE, Front
from p2p.transport.inbound import Arrival, ArrivalHandler, Caller, Inbound
from p2p.transport.linked import STRANGER_FRAME_BYTES_MAX
from p2p.transport.place import Place, RelayedPlace
from p2p.transport.stream import FrameStream
from storage.errors import StorageError

LOG = logging.getLogger(__name__)


class Reception:
    """Takes carriers in, and hands each channel to whom its first frame is for."""

    def __init__(
        self,
        channels: Channels,
        door: Door,
        inbound: Inbound,
        *,
        tasks: asyncio.TaskGroup,
        sessions: Mapping[bytes, Connection],
        open_session: Callable[[FrameStream, bytes, Caller], Awaitable[None]],
        failed: Callable[[Caller, SyncError], None],
        proxies: Collection[Ip] = (),
    ) -> None:
        """`open_session` gets what is no Resume, and none of `arrivals`.

        `proxies`: those whose word is taken for whom they call.
        """
        self.front = Front(self._identify)
        self._proxies = frozenset(proxies)
        self.front.serve(NOISE, self._receive)
        self.arrivals: dict[int, ArrivalHandler] = dict.fromkeys(LINK_KINDS, self._resume)
        self._channels = channels
        self._door = door
        self._inbound = inbound
        self._tasks = tasks
        self._sessions = sessions
        self._open_session = open_session
        self._failed = failed

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One inbound connection, if there is room."""
        peer = writer.get_extra_info("peername")
        if peer is None or not self._may_come(peer[0]):
            writer.transport.abort()
            return
        with suppress(PeerLeft):  # it is gone already
            carrier = StreamCarrier(reader, writer)
            one = Caller(Address(peer[0], peer[1]), carrier)
            one.is_proxied = self._is_proxy(peer[0])
            self._take_in(one, self.front.enter(carrier, one))

    def _is_proxy(self, host: str) -> bool:
        return bool(self._proxies) and ip_of(host) in self._proxies

    def _may_come(self, host: str) -> bool:
        if self._is_proxy(host):
            return self._inbound.make_room(host, is_proxy=True)
        return self._door.admits(host) and self._inbound.make_room(host)

    def _identify(self, one: Caller, forwarded: Sequence[str]) -> None:
        """Whom a proxy calls for is let in or not as if there were none in between."""
        if not one.is_proxied:
            return
        assert isinstance(one.source, Address)
        client = client_of(one.source.host, forwarded, self._proxies)
        one.source, one.is_proxied = Address(client, one.source.port), False
        if not (self._door.admits(client) and self._inbound.make_room(client)):
            raise crowded_out().there

    def take_in(self, carrier: Carrier, source: Place) -> None:
        """Somebody who came by another way, if there is room, and their host is not closed."""
        one = Caller(source, carrier)
        if self._door.admits(one.host) and self._inbound.make_room(one.host):
            self._take_in(one, self._receive(carrier, one))
        else:
            carrier.abort()

    def _take_in(self, one: Caller, work: Coroutine[Any, Any, None]) -> None:
        self._inbound.enter(one)
        self._tasks.create_task(self._host(one, work), name=f"peer {one.source}")

    async def _host(self, one: Caller, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SyncError as error:
            self._failed(one, error)
        except StorageError as error:  # the disk is full, say; who called may try again
            LOG.warning("%s was not served: %s", one.source, error)
        except Exception:  # a bug of ours costs this caller, not the node
            LOG.exception("%s was not served", one.source)
        finally:
            self._inbound.leave(one)
            if one.connection is None:  # else the session closes it, after its last words
                await one.carrier.close()

    async def _receive(self, carrier: Carrier, one: Caller) -> None:
        """To the end. Raises `SyncError` where there is no channel."""
        stream = await self._channels.shake_hands(carrier, is_initiator=False)
        if isinstance(one.source, RelayedPlace) and stream.device != one.source.device:
            await stream.close()
            raise PeerLeft("another-device", f"{one.source} was announced; it is another device.")
        first = await _first_frame(stream)
        handler = self.arrivals.get(peek_kind(first) or 0)
        if handler is None:
            await self._open_session(stream, first, one)
        elif refused := self._door.refusal(stream.device):
            self._door.came_unwanted(host_of(one.host), refused)
            there = refused.there
            await stream.write([encode_frame(Bye(there.code, there.sentence, there.wait_s))])
        else:
            await handler(Arrival(stream, first, one))

    async def _resume(self, arrival: Arrival) -> None:
        """The peer moves its session to this channel."""
        stream, one = arrival.stream, arrival.caller
        connection, frame = self._sessions.get(stream.device), decode_link_frame(arrival.first)
        if not isinstance(frame, Resume):
            raise RemoteProtocolError("out-of-order", "a channel begins amid a session")
        try:
            if connection is None:
                raise Refused(UNKNOWN, "No such session goes on here.")
            gone = connection.follow(stream, frame, str(one.source))
        except Refused as refused:
            await stream.write([refused.frame()])
        except RemoteProtocolError as lie:
            now_s = self._door.clock_s()
            self._door.offences.fault(stream.device, "", lie.code, lie.sentence, now_s=now_s)
            raise
        else:
            one.connection = connection
            await gone.wait()


async def _first_frame(stream: FrameStream) -> bytes:
    try:
        async with asyncio.timeout(GREETING_S):
            return await stream.read(STRANGER_FRAME_BYTES_MAX)
    except TimeoutError as error:
        silence = PeerTimeout("greeting", "The peer did not introduce itself in time.")
        await stream.write([encode_frame(Bye(silence.code, silence.sentence))])
        raise silence from error
