"""All peers of one node: who is connected, and what they are asked together.

Two nodes that dial each other at the same moment keep one connection: that of the smaller device
key. Dialling again and again is the business of `p2p.transport.dialler`.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from crdt.blob import BlobId
from crdt.errors import CrdtError
from crdt.keys import NamespaceKey
from p2p.protocol import effects as ask
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.config import Role, SessionConfig
from p2p.protocol.errors import (
    LocalProtocolError,
    PeerLeft,
    PeerTimeout,
    RemoteProtocolError,
    SyncError,
)
from p2p.protocol.handshake import check_payload, make_payload
from p2p.protocol.offences import host_of
from p2p.protocol.ports import SyncStore
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier, StreamCarrier
from p2p.transport.connection import Connection
from p2p.transport.door import Door, blocked, caller, crowded_out
from p2p.transport.fetching import Fetching, Progress
from p2p.transport.stream import Binder, FrameStream, open_stream

LOG = logging.getLogger(__name__)
HANDSHAKE_S = 10.0
# Connections accepted at once, handshakes included; a stranger's buffers hold 200 KB. Where there
# is no room, those who have not said who they are make it, the oldest first, so that whoever opens
# connections and says nothing keeps nobody out.
INBOUND_MAX = 128
INBOUND_OF_HOST_MAX = 64  # half: one host cannot shut out all the others
NO_LIMIT = Rates()


@dataclass(frozen=True, slots=True)
class PeerCame:
    """A peer greeted us and proved who it is."""

    connection: Connection
    greeting: ask.PeerGreeted


@dataclass(frozen=True, slots=True)
class PeerWent:
    """A session ended, or an address could not be reached (`connection` None)."""

    address: str
    connection: Connection | None
    reason: SyncError


@dataclass(frozen=True, slots=True)
class PeerSaid:
    """Anything else that a session tells."""

    connection: Connection
    event: ask.SessionEvent


NetworkEvent = PeerCame | PeerWent | PeerSaid


@dataclass(eq=False, slots=True)
class _Inbound:
    """A connection that somebody opened to us."""

    host: str
    carrier: Carrier
    connection: Connection | None = None  # once the channel stands

    @property
    def is_known(self) -> bool:
        return self.connection is not None and self.connection.is_greeted


class Network:
    """Connections by device. `tasks` owns every task that is started here."""

    def __init__(
        self,
        config: SessionConfig,
        store: SyncStore,
        *,
        static_private: bytes,
        wall_us: Callable[[], int],
        notify: Callable[[NetworkEvent], None],
        door: Door,
        tasks: asyncio.TaskGroup,
        download: Rates = NO_LIMIT,
        upload: Rates = NO_LIMIT,
    ) -> None:
        self.device = config.device.public
        self._config = config
        self._store = store
        self._static_private = static_private
        self._clock = asyncio.get_running_loop().time
        self._wall_us = wall_us
        self._notify = notify
        self._door = door
        self._tasks = tasks
        self._upload = Bandwidth(upload, now_s=self._clock())
        self.fetching = Fetching(
            store, rates=download, random=Random(os.urandom(16)), clock=self._clock, tasks=tasks
        )
        self._connections: dict[bytes, Connection] = {}
        self._inbound: list[_Inbound] = []  # the oldest first
        self._binder = Binder(
            make=lambda static: make_payload(config.device, static), check=check_payload
        )

    @property
    def connections(self) -> Sequence[Connection]:
        """The peers that are connected now."""
        return tuple(self._connections.values())

    def connection(self, device: bytes) -> Connection | None:
        """The session with `device`, if there is one."""
        return self._connections.get(device)

    # --- coming together ----------------------------------------------------------------------

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One inbound connection: for `asyncio.start_server`, which would make tasks of its own."""
        peer = writer.get_extra_info("peername")
        if peer is None or not (self._door.admits(peer[0]) and self._make_room(peer[0])):
            writer.transport.abort()
            return
        with suppress(PeerLeft):  # it is gone already
            self.receive(StreamCarrier(reader, writer), Address(peer[0], peer[1]))

    def receive(self, carrier: Carrier, source: Address) -> None:
        """Whoever came over `carrier`, from `source`, gets a handshake and a session."""
        one = _Inbound(source.host, carrier)
        self._inbound.append(one)
        self._tasks.create_task(self._receive(one, str(source)), name=f"peer {source}")

    def _make_room(self, host: str) -> bool:
        """Whether one more of `host` may come; a stranger that says nothing may have to go."""
        rivals = [one for one in self._inbound if one.host == host]
        if len(rivals) < INBOUND_OF_HOST_MAX:
            rivals = self._inbound
            if len(rivals) < INBOUND_MAX:
                return True
        silent = next((one for one in rivals if not one.is_known), None)
        if silent is not None:
            self._inbound.remove(silent)
            silent.carrier.abort()
        return silent is not None

    async def _receive(self, inbound: "_Inbound", address: str) -> None:
        try:
            inbound.connection = await self._open(inbound.carrier, Role.RESPONDER, address)
            await self.serve(inbound.connection)
        except SyncError as error:
            self._door.no_channel(inbound.host, error)
            self._notify(PeerWent(address, None, error))
            self.close_to(host_of(inbound.host))
        finally:
            if inbound in self._inbound:
                self._inbound.remove(inbound)

    async def reach(self, address: Address) -> Connection:
        """A channel to `address`; `serve` it next. Raises `SyncError` where there is none."""
        try:
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    reader, writer = await asyncio.open_connection(address.host, address.port)
            except (OSError, TimeoutError) as error:
                why = str(error) or "no answer in time"
                sentence = f"{address} cannot be reached: {why}."
                raise PeerLeft("unreachable", sentence) from error
            carrier = StreamCarrier(reader, writer)
            return await self._open(carrier, Role.INITIATOR, str(address))
        except SyncError as error:
            self._notify(PeerWent(str(address), None, error))
            raise

    async def connect(self, text: str) -> Connection:
        """The session with whoever is at `text`, once both know each other. Raises `SyncError`.

        A person asked for it: what that device did before is forgiven.
        """
        connection = await self.reach(Address.parse(text))
        self._door.offences.forgive(connection.device)
        if refused := self._door.refusal(connection.device):
            await connection.close()
            raise refused.here
        if (known := self._connections.get(connection.device)) and known.is_greeted:
            await connection.close()
            return known
        with connection.watch() as watch:
            self._tasks.create_task(self.serve(connection), name=f"peer {connection.address}")
            while not isinstance(await watch.next(), ask.PeerGreeted):
                pass
        if (author := connection.session.author) and self._door.is_blocked(author):
            raise blocked().here
        return connection

    async def serve(self, connection: Connection) -> SyncError:
        """The session, to its end; says why it ended. Of two with one peer the better one stays."""
        other = self._connections.get(connection.device)
        refused = self._door.refusal(connection.device)
        if refused is not None:
            self._door.came_unwanted(connection, refused)
            self._send_away(connection, refused.there)
        elif other is not None and not self._is_better(connection, other):
            connection.leave("duplicate", "There is a connection already.")
        else:
            if other is not None:
                other.leave("duplicate", "There is a newer connection.")
            self._connections[connection.device] = connection
        try:
            reason = await connection.run()
        except Exception:  # a bug of ours costs this session, not the node
            LOG.exception("the session with %s failed", connection.address)
            reason = LocalProtocolError("internal-error", "This node could not go on.")
        finally:
            self.fetching.went(connection)
            if self._connections.get(connection.device) is connection:
                del self._connections[connection.device]
        if refused is not None:
            reason = refused.here
        else:
            self._door.ended(connection, reason, self._age_s(connection))
        self._notify(PeerWent(connection.address, connection, reason))
        self.close_to(caller(connection))
        return reason

    def close_to(self, host: str) -> None:
        """Where too much that is wrong came from `host`: those of it go for whom nothing speaks."""
        if not host or not self._door.is_closed(host):
            return
        for one in [one for one in self._inbound if host_of(one.host) == host]:
            if one.connection is None:
                one.carrier.abort()
            elif self._door.outstays(one.connection, self._age_s(one.connection)):
                self._send_away(one.connection, crowded_out())

    def _age_s(self, connection: Connection) -> float:
        return self._clock() - connection.since_s

    @staticmethod
    def _send_away(connection: Connection, why: PeerLeft) -> None:
        connection.leave(why.code, why.sentence, wait_s=why.wait_s)

    def drop_blocked(self) -> None:
        """Ends the sessions with those who were blocked just now."""
        for connection in self.connections:
            author = connection.session.author
            if self._door.is_blocked(connection.device) or (
                author is not None and self._door.is_blocked(author)
            ):
                self._send_away(connection, blocked().there)

    def _is_better(self, new: Connection, old: Connection) -> bool:
        """The newer of two in one direction; of two in both, the one the smaller key dialled."""
        if new.role is old.role:
            return True
        return (new.role is Role.INITIATOR) == (self.device < new.device)

    async def _open(self, carrier: Carrier, role: Role, address: str) -> Connection:
        try:
            stream = await self._handshake(carrier, role)
        except BaseException:
            await carrier.close()
            raise
        return Connection(
            stream,
            self._store,
            self._config,
            role=role,
            address=address,
            clock=self._clock,
            upload=self._upload,
            wall_us=self._wall_us,
            notify=self._heard,
            strikes=self._door.strikes(stream.device),
        )

    async def _handshake(self, carrier: Carrier, role: Role) -> FrameStream:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                stream = await open_stream(
                    carrier,
                    static_private=self._static_private,
                    is_initiator=role is Role.INITIATOR,
                    binder=self._binder,
                )
        except TimeoutError as error:
            raise PeerTimeout("handshake-timeout", "The handshake took too long.") from error
        except CrdtError as error:
            raise RemoteProtocolError("handshake", str(error)) from error
        except SyncError:
            raise
        except Exception as error:  # a bug of ours costs this connection, not the node
            LOG.exception("a handshake failed")
            raise LocalProtocolError("internal-error", "This node could not go on.") from error
        if stream.device == self.device:
            raise PeerLeft("self", "This address is the node itself.")
        return stream

    def _heard(self, connection: Connection, event: ask.SessionEvent) -> None:
        match event:
            case ask.PeerGreeted(author=author) if self._door.is_blocked(author):
                self._send_away(connection, blocked().there)
            case ask.PeerGreeted():
                self._notify(PeerCame(connection, event))
            case ask.PeerAgreed():
                self.fetching.came(connection)
            case ask.PieceCame(frame):
                self.fetching.took(connection, frame)
            case ask.PeerFault():
                # Before the peer hears of it: it may call again at once.
                self._door.fault(connection, event.code, event.sentence)
                self._notify(PeerSaid(connection, event))
            case ask.EntriesRefused(codes):
                self._door.refused_entries(connection, codes)
                self._notify(PeerSaid(connection, event))
                self.close_to(caller(connection))
            case _:
                self._notify(PeerSaid(connection, event))

    # --- what the node asks of all ------------------------------------------------------------

    def appended(self, namespace: NamespaceKey, ids: Sequence[bytes], *, source: str) -> None:
        """New entries are in the store: tells every peer but the one they came from."""
        for connection in self.connections:
            if connection.device.hex() != source:
                connection.appended(namespace, ids)

    def reconfigure(self, config: SessionConfig) -> None:
        """What this node wants and may read, from now on: the peers it talks to are told."""
        self._config = config
        for connection in self.connections:
            connection.reconfigure(config)

    async def sync(self) -> Sequence[tuple[Connection, ask.Synced | SyncError]]:
        """Compares everything with every peer once more; ends when all of them have."""
        async with asyncio.TaskGroup() as tasks:
            waits = [
                (connection, tasks.create_task(sync_with(connection)))
                for connection in self.connections
            ]
        return [(connection, wait.result()) for connection, wait in waits]

    async def fetch_blob(
        self,
        blob: BlobId,
        progress: Progress | None = None,
        *,
        size_bytes_max: int,
        is_authority: bool = False,
    ) -> None:
        """Until the blob is held, verified, from all peers that may know of it.

        Raises `NoPeerHasIt`, also where the blob is larger than `size_bytes_max`, and `NotStored`.
        """
        await self.fetching.fetch(
            blob, size_bytes_max=size_bytes_max, is_authority=is_authority, progress=progress
        )


async def sync_with(connection: Connection) -> ask.Synced | SyncError:
    """One more comparison with one peer, and what came of it."""
    try:
        with connection.watch() as watch:
            connection.reconcile()
            while True:
                event = await watch.next()
                if isinstance(event, ask.Synced):
                    return event
    except SyncError as error:
        return error
