"""The network of one running node: listener, dialler and discovery, and what the API shows of them.

listener ─┐                     ┌─> events for the page and the shell
dialler  ─┼─> Network (p2p) ────┤
mdns     ─┘        ^            └─> the store, and the store's news back to every peer
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

from crdt.area import Area
from crdt.blob import BlobId
from crdt.did import decode_did_key, encode_did_key
from crdt.digest import PARAMETERS
from crdt.errors import CrdtError
from crdt.keys import COMMONS, DeviceKey, NamespaceKey
from node._version import __version__
from node.api.peer_models import Discovered, Peer, SyncReport
from node.api.transfer import Transfer
from node.cards import CardBook
from node.compared import Compared
from node.config import P2pConfig
from node.errors import BadSetting, Unreachable
from node.events import Events
from node.identity import Identity
from node.listening import told_places
from node.nearby import Nearby
from node.offenders import Offenders, RefusedPeer, remembered
from node.peer_news import tell
from node.ports import Progress
from node.refusals import Refusals
from node.sharing import follow_wallet, with_wallet
from node.shown_peers import did_of, show_peer, show_sync
from node.transfers import BlobTeller, rates_of, show_transfers
from p2p.discovery.mdns import Announcement, local_addresses
from p2p.protocol import effects
from p2p.protocol.check_digits import check_digits
from p2p.protocol.config import Role, SessionConfig
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.hint import Chosen, Hint
from p2p.protocol.pieces import Urgency
from p2p.transport.address import Address
from p2p.transport.connection import Connection
from p2p.transport.dialler import Dialler
from p2p.transport.door import Door
from p2p.transport.forwarded import Ip, ip_of
from p2p.transport.network import Network, NetworkEvent, sync_with
from storage.address_book import KnownPeer
from storage.appended import AppendedEvent
from storage.errors import StorageError
from storage.store import Store

REMEMBERED_MAX = 256  # addresses that are tried again after a start


@dataclass(slots=True)
class Peers:
    """What `node.ports.Network` asks for, over `p2p.transport`."""

    address: str
    network: Network
    dialler: Dialler
    offenders: Offenders
    store: Store
    clock: Callable[[], float]
    wall_us: Callable[[], int]
    compared: Compared
    listeners: list[Callable[[NetworkEvent], None]]
    """Whoever else hears what the network tells."""
    blobs: BlobTeller
    places: Callable[[], Sequence[str]]
    """Where others may call this node, as it says itself."""
    nearby: Nearby
    refusals: Refusals
    """What others did wrong, for whoever finds it out."""
    cards: CardBook | None = None
    """Once it is open: who told of whom."""

    def peers(self) -> Sequence[Peer]:
        now_s = self.clock()
        found = {one.device_did: one for one in self.dialler.found}
        return [
            show_peer(
                one,
                now_s,
                last_error=known.last_error if known else "",
                source=known.source if known else "called" if one.role is Role.RESPONDER else "",
                sources=self.cards.sources.of(one.device) if self.cards else (),
                check_digits=check_digits(self.network.device, one.device),
            )
            for one in self.network.connections
            for known in [found.get(encode_did_key(one.device))]
        ]

    def one_source(self) -> str | None:
        return self.cards.one_source() if self.cards else None

    def sharing(self, namespace: NamespaceKey) -> int:
        return sum(namespace in one.session.shared for one in self.network.connections)

    def compared_s(self, namespace: NamespaceKey) -> float | None:
        return self.compared.since_s(namespace)

    def discovered(self) -> Sequence[Discovered]:
        now_s = self.clock()
        authors = {encode_did_key(one.device): did_of(one) for one in self.network.connections}
        return [
            Discovered(
                did=authors.get(found.device_did) or None,
                device=found.device_did or None,
                address=found.address,
                source=found.source,
                seen_s=now_s - found.seen_s,
                last_error=found.last_error,
                check_digits=digits_with(self.network.device, found.device_did),
            )
            for found in self.dialler.found
        ]

    def refused(self) -> Sequence[RefusedPeer]:
        return self.offenders.shown()

    def forgive(self, who: str) -> bool:
        is_forgiven = self.offenders.forgive(who)
        self.hurry()
        return is_forgiven

    def drop_blocked(self) -> None:
        self.network.drop_blocked()

    def hurry(self) -> None:
        self.dialler.hurry()

    async def connect(self, address: str, source: Chosen = "static") -> Peer:
        try:
            connection = await self.network.connect(address)
        except RemoteProtocolError as error:
            why = error.sentence.rstrip(".")
            detail = (
                f"what answers at {address} does not talk as a node does: {why}."
                " A node prints its address for peers when it starts."
            )
            raise Unreachable(detail, code="no-node-there") from error
        told = KnownPeer(
            address,
            DeviceKey(connection.device),
            did_of(connection) or None,
            source,
            self.wall_us(),
        )
        self.dialler.hint(hint_of(told))
        with suppress(StorageError):  # connected all the same; only a restart will not know of it
            await self.store.remember_peer(told)
        return show_peer(connection, self.clock())

    async def disconnect(self, device: str) -> bool:
        try:
            key = decode_did_key(device)
        except CrdtError:
            return False
        return await leave(key, self.network, self.dialler, self.store)

    async def sync(self, timeout_s: float) -> Sequence[SyncReport]:
        async with asyncio.TaskGroup() as tasks:
            waits = [
                tasks.create_task(
                    self._sync_one(connection, timeout_s), name=f"sync {connection.address}"
                )
                for connection in self.network.connections
            ]
        return [wait.result() for wait in waits]

    async def _sync_one(self, connection: Connection, timeout_s: float) -> SyncReport:
        started_s, before = self.clock(), replace(connection.session.report)
        is_done = False
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                is_done = isinstance(await sync_with(connection), effects.Synced)
        return show_sync(connection, before, self.clock() - started_s, is_done=is_done)

    def transfers(self) -> Sequence[Transfer]:
        fetching = self.network.fetching
        running = {k: v for k, v in fetching.progress.items() if k not in fetching.unasked}
        shown = show_transfers(running, self.clock(), fetching.author_of)
        return [*shown, *self.blobs.ended(running)]

    async def fetch_blob(
        self,
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        await self.network.fetch_blob(
            blob,
            lambda told: progress(told.size_bytes, told.total_bytes),
            size_bytes_max=size_bytes_max,
            urgency=urgency,
            relative_to=relative_to,
        )


async def leave(device: bytes, network: Network, dialler: Dialler, store: Store) -> bool:
    """Ends the session with `device`, and all tries at it; gives whether there were any.

    An address that was saved for another device stays saved, though this one answers there.
    """
    connection, ended = network.connection(device), dialler.forget(device)
    if connection is not None:
        connection.leave("disconnected", "The other side chose to disconnect.")
    for found in ended:
        if found.is_for(device):
            await store.forget_peer(found.address)
    return connection is not None or bool(ended)


@asynccontextmanager
async def open_peers(
    config: P2pConfig,
    listener: socket.socket,
    identity: Identity,
    store: Store,
    events: Events,
    tasks: asyncio.TaskGroup,
    only: Collection[NamespaceKey] | None = None,
    public: Sequence[str] = (),
) -> AsyncGenerator[Peers]:
    """Listens, dials and looks around until it is left; then every session says goodbye.

    `only`: the namespaces that are shared, where not all that are joined are. `public`: places at
    which others reach this node beside its addresses, as its operator says.
    """
    host, port = listener.getsockname()[:2]
    reachable = local_addresses(host)

    def places() -> Sequence[str]:
        return () if config.hidden else told_places(local_addresses(host), port, public)

    session = await with_wallet(config_of(identity, places()), store, only)
    clock = asyncio.get_running_loop().time
    refusals, compared, offences = Refusals(store), Compared(clock), await remembered(store)
    blobs = BlobTeller(events, clock)
    listeners: list[Callable[[NetworkEvent], None]] = [blobs.note]
    clock_s = steady_clock(clock)
    offenders = Offenders(store, offences, clock_s)

    def notify(event: NetworkEvent) -> None:
        compared.note(event)
        for listener in listeners:
            listener(event)
        tell(events, refusals, event)
        offenders.note()

    network = Network(
        session,
        store,
        static_private=os.urandom(32),  # the handshake binds it to the device key, anew each start
        wall_us=wall_us,
        notify=notify,
        door=Door(offences, is_blocked=store.is_blocked, clock_s=clock_s),
        tasks=tasks,
        download=rates_of(config.download, config.download_peer),
        upload=rates_of(config.upload, config.upload_peer),
        proxies=proxies_of(config),
    )
    tasks.create_task(refusals.run(), name="refusals")
    tasks.create_task(offenders.run(), name="offenders")
    dialler = Dialler(network, Random(os.urandom(16)), tasks)
    server = await asyncio.start_server(network.accept, sock=listener)
    unsubscribe = store.appended.subscribe(lambda event: pass_on(network, event))
    tasks.create_task(follow_wallet(network, session, store, only), name="wallet")
    own = Announcement(identity.device_did, PARAMETERS, reachable, port, config.mdns_group)
    is_told = config.mdns and not config.hidden
    nearby = Nearby(dialler.hint, own if is_told else None, lambda: local_addresses(host))
    try:
        at = str(Address(host, port))
        yield Peers(
            at, network, dialler, offenders, store, clock, wall_us, compared, listeners, blobs,
            places, nearby, refusals,
        )  # fmt: skip
    finally:
        unsubscribe()
        server.close()
        for connection in network.connections:
            connection.leave("stopping", "The node is stopping.")
        await offenders.write()


def proxies_of(config: P2pConfig) -> Collection[Ip]:
    """Raises `BadSetting` where one is no address."""
    found = {text: ip_of(text) for text in config.proxies}
    for text, ip in found.items():
        if ip is None:
            raise BadSetting(f"p2p.proxies: {text!r} is no IP address")
    return [ip for ip in found.values() if ip is not None]


async def hint_known(dialler: Dialler, config: P2pConfig, store: Store) -> None:
    """Whom the settings name, and whom a person connected to before."""
    for address in config.peers:
        dialler.hint(Hint("", (address,), "static"))
    for known in await store.known_peers(REMEMBERED_MAX):
        dialler.hint(hint_of(known))


def config_of(identity: Identity, places: Sequence[str]) -> SessionConfig:
    """What this node says of itself, before the wallet adds what it wants."""
    return SessionConfig(
        device=identity.device,
        author=identity.author,
        capability=identity.capabilities["pub"],
        interests=((COMMONS, Area()),),
        agent=f"panspermia/{__version__}",
        addresses=tuple(places),
    )


def digits_with(device: bytes, did: str) -> str:
    """Empty where nobody said which device it is."""
    with suppress(CrdtError):
        return check_digits(device, decode_did_key(did))
    return ""


def steady_clock(clock: Callable[[], float]) -> Callable[[], float]:
    """Unix time in seconds that never goes back, whatever happens to the system's clock."""
    began_s = time.time() - clock()
    return lambda: began_s + clock()


def hint_of(known: KnownPeer) -> Hint:
    """Where a person once connected to, or paired with somebody."""
    did = encode_did_key(known.device) if known.device else ""
    return Hint(did, (known.address,), "invite" if known.source == "invite" else "static")


def wall_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


def pass_on(network: Network, event: AppendedEvent) -> None:
    """New entries in the store go to every peer but the one they came from."""
    network.appended(event.namespace, event.ids, source=event.source)
