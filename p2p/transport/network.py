"""All peers of one node: who is connected, and what they are asked together.

Two nodes that dial each other at the same moment keep one connection: that of the smaller device
key. Dialling again and again is the business of `p2p.transport.dialler`.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from crdt.blob import BlobId
from crdt.keys import DeviceKey, NamespaceKey
from p2p.protocol import effects as ask
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.config import Role, SessionConfig
from p2p.protocol.errors import (
    DUPLICATE,
    LocalProtocolError,
    RemoteProtocolError,
    SyncError,
)
from p2p.protocol.offences import host_of
from p2p.protocol.pieces import Urgency
from p2p.protocol.ports import SyncStore
from p2p.transport.carrier import Carrier
from p2p.transport.channels import Channels, Opener, tcp_opener
from p2p.transport.connection import Connection
from p2p.transport.door import Door, Refused, blocked, caller, crowded_out
from p2p.transport.fetching import BlobSaid, Fetching, Progress
from p2p.transport.forwarded import Ip
from p2p.transport.front import Front
from p2p.transport.giving import delta_work
from p2p.transport.inbound import Arrival as Arrival
from p2p.transport.inbound import ArrivalHandler, Caller, Inbound
from p2p.transport.linked import OF_THE_CARRIER
from p2p.transport.mover import keep_moving, known_as, too_many_adrift
from p2p.transport.place import Place, PlaceKind, may_call, parse_place, to_follow
from p2p.transport.reception import Reception
from p2p.transport.stream import FrameStream
from p2p.transport.websocket import websocket_opener

LOG = logging.getLogger(__name__)
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


NetworkEvent = PeerCame | PeerWent | PeerSaid | BlobSaid


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
        random: Random | None = None,
        proxies: Collection[Ip] = (),
    ) -> None:
        """`proxies`: reverse proxies of this node's operator, which say for whom they call."""
        self._random = random or Random(os.urandom(16))
        self.device = config.device.public
        self._config = config
        openers: Mapping[PlaceKind, Opener] = {
            "tcp": tcp_opener(self._may_lead),
            "websocket": websocket_opener(may_lead=self._may_lead),
        }
        self.channels = Channels(config.device, static_private=static_private, openers=openers)
        self._store = store
        self._clock = asyncio.get_running_loop().time
        self._wall_us = wall_us
        self._notify = notify
        self._door = door
        self._tasks = tasks
        self._upload = Bandwidth(upload, now_s=self._clock())
        self._deltas = delta_work(now_s=self._clock())
        source = Random(os.urandom(16))
        self.fetching = Fetching(
            store, rates=download, random=source, clock=self._clock, notify=notify, tasks=tasks
        )
        self._connections: dict[bytes, Connection] = {}
        self._inbound = Inbound()
        self._reception = Reception(
            self.channels,
            door,
            self._inbound,
            tasks=tasks,
            sessions=self._connections,
            open_session=self._open_session,
            failed=self._no_channel,
            proxies=proxies,
        )

    @property
    def front(self) -> Front:
        """What the first byte of an inbound connection leads to."""
        return self._reception.front

    @property
    def connections(self) -> Sequence[Connection]:
        """The peers that are connected now."""
        return tuple(self._connections.values())

    def connection(self, device: bytes) -> Connection | None:
        """The session with `device`, if there is one."""
        return self._connections.get(device)

    # --- coming together ----------------------------------------------------------------------

    def serve_arrivals(self, kinds: Sequence[int], handler: ArrivalHandler) -> None:
        """From now on `handler` gets the channels whose first frame is of one of these kinds."""
        self._reception.arrivals.update(dict.fromkeys(kinds, handler))

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One inbound connection: for `asyncio.start_server`, which would make tasks of its own."""
        self._reception.accept(reader, writer)

    def take_in(self, carrier: Carrier, source: Place) -> None:
        """Somebody came by a way of its own, such as a relay; there is no front."""
        self._reception.take_in(carrier, source)

    def release(self, one: Caller) -> None:
        """Whoever serves it has bounds of its own: it no longer counts among the callers."""
        self._inbound.leave(one)

    async def _open_session(self, stream: FrameStream, first: bytes, one: Caller) -> None:
        """Until the channel on which it began is over; the session may live on."""
        connection = self._talk(stream, Role.RESPONDER, str(one.source), first)
        one.connection = connection
        self._tasks.create_task(self.serve(connection), name=f"session {one.source}")
        await connection.first_gone()

    def _no_channel(self, one: Caller, reason: SyncError) -> None:
        self._door.no_channel(one.host, reason)
        self._notify(PeerWent(str(one.source), None, reason))
        self.close_to(host_of(one.host))

    async def reach(self, place: Place) -> Connection:
        """A channel to `place`; `serve` it next. Raises `SyncError` where there is none."""
        try:
            stream = await self.channels.open(place)
        except SyncError as error:
            self._notify(PeerWent(str(place), None, error))
            raise
        return self._talk(stream, Role.INITIATOR, str(place))

    async def connect(self, text: str) -> Connection:
        """The session with whoever is at `text`, once both know each other. Raises `SyncError`.

        A person asked for it: what that device did before is forgiven.
        """
        connection = await self.reach(parse_place(text))
        self._door.offences.forgive(connection.device)
        if refused := self._door.refusal(connection.device):
            await connection.close()
            raise refused.here
        known = self._connections.get(connection.device)
        if known is not None and known.is_greeted and known.reason is None:  # it is not over
            await connection.close()
            known.know(known_as((connection.address,)))
            known.hurry()
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
            self._door.came_unwanted(caller(connection), refused)
            self._send_away(connection, refused)
        elif other is not None and not self._is_better(connection, other):
            connection.leave(DUPLICATE, "There is a connection already.")
        else:
            if other is not None:
                other.leave(DUPLICATE, "There is a newer connection.")
            self._connections[connection.device] = connection
        if connection.role is Role.INITIATOR:
            connection.know(known_as((connection.address,)))
        moving = self._tasks.create_task(
            keep_moving(connection, self.channels, self._random, self._clock),
            name=f"move {connection.address}",
        )
        try:
            reason = await connection.run()
        except Exception:  # a bug of ours costs this session, not the node
            LOG.exception("the session with %s failed", connection.address)
            reason = LocalProtocolError("internal-error", "This node could not go on.")
        finally:
            moving.cancel()
            self.fetching.went(connection)
            if self._connections.get(connection.device) is connection:
                del self._connections[connection.device]
        if refused is None:
            self._door.ended(connection, reason, self._age_s(connection))
        self._notify(PeerWent(connection.address, connection, reason))
        self.close_to(caller(connection))
        return reason

    def blame(self, device: bytes, host: str, error: RemoteProtocolError) -> None:
        """A device that called from `host` broke a rule outside of any session."""
        if error.code in OF_THE_CARRIER:
            self._door.no_channel(host, error)
        else:
            now_s = self._door.clock_s()
            self._door.offences.fault(
                DeviceKey(device), host_of(host), error.code, error.sentence, now_s=now_s
            )
        self.close_to(host_of(host))

    def close_to(self, host: str) -> None:
        """Where too much that is wrong came from `host`: those of it go for whom nothing speaks."""
        if not host or not self._door.is_closed(host):
            return
        for one in self._inbound.of(host):
            if one.connection is None:
                one.carrier.abort()
            elif self._door.outstays(one.connection, self._age_s(one.connection)):
                self._send_away(one.connection, crowded_out())
        for lost in [one for one in self.connections if one.link.is_adrift]:
            if caller(lost) == host:
                lost.give_up()

    def _age_s(self, connection: Connection) -> float:
        return self._clock() - connection.since_s

    @staticmethod
    def _send_away(connection: Connection, why: Refused) -> None:
        there = why.there
        connection.leave(there.code, there.sentence, wait_s=there.wait_s, here=why.here)

    def drop_blocked(self) -> None:
        """Ends the sessions with those who were blocked just now."""
        for connection in self.connections:
            author = connection.session.author
            if self._door.is_blocked(connection.device) or (
                author is not None and self._door.is_blocked(author)
            ):
                self._send_away(connection, blocked())

    def _is_better(self, new: Connection, old: Connection) -> bool:
        """The newer of two in one direction; of two in both, the one the smaller key dialled."""
        if new.role is old.role or old.link.is_adrift:
            return True
        return (new.role is Role.INITIATOR) == (self.device < new.device)

    def _talk(
        self, stream: FrameStream, role: Role, address: str, first: bytes | None = None
    ) -> Connection:
        return Connection(
            stream,
            self._store,
            self._config,
            role=role,
            address=address,
            clock=self._clock,
            upload=self._upload,
            deltas=self._deltas,
            wall_us=self._wall_us,
            notify=self._heard,
            spend=self.fetching.spend,
            strikes=self._door.strikes(stream.device),
            first=first,
        )

    def _heard(self, connection: Connection, event: ask.SessionEvent) -> None:
        match event:
            case ask.PeerGreeted(author=author) if self._door.is_blocked(author):
                self._send_away(connection, blocked())
            case ask.PeerGreeted():
                self.fetching.expect(connection)
                connection.know(known_as(to_follow(event.addresses, self._config.addresses)))
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
            case ask.ChannelLost():
                self._notify(PeerSaid(connection, event))
                self._bound_lingering()
            case _:
                self._notify(PeerSaid(connection, event))

    def _may_lead(self, place: str) -> bool:
        """A name says nothing of where it leads: to this machine only if it is called there."""
        return may_call(place, self._config.addresses)

    def _bound_lingering(self) -> None:
        """Of too many sessions that wait for a channel, those go that wait longest."""
        for one in too_many_adrift(self.connections):
            one.give_up()

    # --- what the node asks of all ------------------------------------------------------------

    def appended(self, namespace: NamespaceKey, ids: Sequence[bytes], *, source: str) -> None:
        """New entries are in the store: tells every peer but the one they came from."""
        for connection in self.connections:
            if connection.device.hex() != source:
                connection.appended(namespace, ids)

    def reconfigure(self, config: SessionConfig) -> None:
        """What this node wants and may read, from now on: the peers it talks to are told."""
        self._config = replace(config, card=self._config.card)
        for connection in self.connections:
            connection.reconfigure(self._config)

    def show_card(self, card: bytes) -> None:
        """This device's own card, from now on: the peers it talks to get it."""
        self._config = replace(self._config, card=card)
        for connection in self.connections:
            connection.exchange(lambda exchange: exchange.show(card))

    async def sync(self) -> Sequence[tuple[Connection, ask.Synced | SyncError]]:
        """Compares everything with every peer once more; ends when all of them have."""
        async with asyncio.TaskGroup() as tasks:
            waits = [
                (connection, tasks.create_task(sync_with(connection), name="sync"))
                for connection in self.connections
            ]
        return [(connection, wait.result()) for connection, wait in waits]

    async def fetch_blob(
        self,
        blob: BlobId,
        progress: Progress | None = None,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        """Until the blob is held, verified, from all peers that may know of it, as in `Fetching`.

        Raises `NoPeerHasIt`, also where the blob is larger than `size_bytes_max`, and `NotStored`.
        """
        await self.fetching.fetch(
            blob, size_bytes_max=size_bytes_max, urgency=urgency, relative_to=relative_to,
            progress=progress,
        )  # fmt: skip


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
