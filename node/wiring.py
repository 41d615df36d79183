"""The parts of one running node, made from its configuration and closed in reverse order."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from crdt.errors import Malformed
from node.api.arriving import Turns
from node.api.cursors import Cursors
from node.api.known_answers import KnownAnswers
from node.api.tokens import Tokens
from node.attesting import Attesting
from node.authority import follow_statements
from node.config import Config
from node.direct import open_direct
from node.discovery import open_discovery
from node.errors import BadSetting
from node.events import Events
from node.gates import Gates
from node.home import Home
from node.identity import Entropy, Identity, load_or_create
from node.keeping.keeping import Keeping
from node.keeping.sessions import follow_sessions
from node.left_over import LeftOver, keep_giving_back
from node.listening import listen
from node.news import tell_news
from node.page_codes import PageCodes
from node.pairing import Pairing, open_pairing
from node.peers import Peers, hint_known, open_peers
from node.ports import Network, Pages, RelayBook
from node.projection import project
from node.quotas import quota_of, size_of
from node.refusals import take_in
from node.relay_role import namespaces_of, open_relay, public_places
from node.relays import Relays, open_relays
from node.services.attest import Attestor
from node.services.attested import AttestedOrder
from node.services.fetch import hold_blob
from node.services.joining import Joining
from node.services.offered import Kept
from node.services.passages import Ferry
from node.services.publish_life import Strangers
from node.services.seats import Seats
from node.services.signers import Signers
from node.services.snapshot_change import Came
from node.services.standing import Standings
from node.services.waits import WaitingBook
from node.tasks import background_tasks
from node.workers.workers import Workers, open_workers
from p2p.protocol.errors import SyncError
from p2p.protocol.pieces import Urgency
from p2p.transport.relay.server import RelayServer
from registry.facts import facts_of
from storage.errors import StorageError
from storage.search_index import SearchIndex, open_search_index
from storage.store import Store, open_store
from storage.vault.opening import vault_beside
from storage.vault.rescue import is_noted
from universe.event import Event

CURSOR_KEY_BYTES: Final = 32
DRAWN_AT_ONCE_MAX: Final = 2  # pictures: a page of a hundred takes no more threads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """Handed to the edges, which take from it what they need; it decides nothing."""

    config: Config
    home: Home
    identity: Identity
    store: Store
    index: SearchIndex
    workers: Workers
    network: Network
    events: Events
    tokens: Tokens
    cursors: Cursors
    api: str
    """The API's address, http://host:port."""
    clock_us: Callable[[], int]
    """Microseconds since 1970."""
    started_s: float
    standings: Standings
    waiting: WaitingBook
    page_codes: PageCodes
    pairing: Pairing
    stop: asyncio.Event
    """Set to end the node in order."""
    attesting: Attesting
    attested: AttestedOrder
    relays: RelayBook
    direct: Pages
    keeping: Keeping
    relay: RelayServer | None = None
    """The relay role, where this node has it."""
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    """Set beside `stop` where nobody wants to wait for circuits."""
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set beside `stop` where the process goes on with what the home says by then."""
    underway: set[str] = field(default_factory=set[str])
    """Writes with an Idempotency-Key that have no answer yet; bounded by the connections."""
    strangers: Strangers = field(default_factory=Strangers)
    """What was handed in without a token, where that is allowed."""
    answers: KnownAnswers = field(default_factory=KnownAnswers)
    drawing: asyncio.Semaphore = field(
        default_factory=partial(asyncio.Semaphore, DRAWN_AT_ONCE_MAX)
    )
    """Whoever asks for a picture waits while others are drawn."""
    large: Turns = field(default_factory=Turns)
    """Whoever sends a body that takes much memory until its end waits for others who do."""
    installing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Plans are made and applied one after the other: each starts from what the last one left."""
    gating: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Receipts are signed one after the other: each follows the last one."""
    making: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Universes are made one after the other: of two at once each would be the first of its id."""
    uploads: Joining[Came, Kept] = field(default_factory=Joining[Came, Kept])
    """Snapshots that wait to be named in the universe they are of."""
    tellings: Joining[Event, bytes] = field(default_factory=Joining[Event, bytes])
    """The same of events."""
    left_over: LeftOver = field(default_factory=LeftOver)
    """By the run before, and how far it is cleaned up."""

    async def drain(self) -> None:
        """Circuits that are open may go on for a while, unless somebody is in a hurry."""
        if self.relay is None:
            return
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(
                self.relay.drain(self.config.relay.grace_s), name="relay: drain"
            )
            hurry = tasks.create_task(self.at_once.wait(), name="stop at once")
            await asyncio.wait((draining, hurry), return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            hurry.cancel()

    @property
    def seats(self) -> Seats:
        """For blobs that may be a genome's bytes, or not: of all who ask."""
        return self.attesting.by.seats

    @property
    def signers(self) -> Signers:
        """The hand that writes."""
        return Signers(self.identity, self.store, self.clock_us)

    def start_again(self) -> None:
        """End in order and begin anew: this home speaks for somebody else now."""
        self.again.set()
        self.stop.set()

    def clock_s(self) -> float:
        """Seconds since 1970."""
        return self.clock_us() / 1_000_000


def own_store(
    config: Config,
    home: Home,
    identity: Identity,
    on_remade: Callable[[int, int], None],
    on_rescue: Callable[[], None],
) -> AbstractAsyncContextManager[Store]:
    """The store of a home, within what its configuration grants others of the disk."""
    quota = quota_of(config.quota, identity.author)
    if is_noted(vault_beside(home.database)):
        log.warning(
            "snapshots.db may have pages that cannot be read: it is read through, and where it has"
            " some all others are copied to a new one"
        )
    return open_store(
        home.database,
        project=project,
        clock_us=clock_us,
        quota=quota,
        on_remade=on_remade,
        on_rescue=on_rescue,
    )


@asynccontextmanager
async def open_node(
    config: Config,
    home: Home,
    *,
    api: str,
    stop: asyncio.Event,
    at_once: asyncio.Event,
    entropy: Entropy = os.urandom,
    on_remade: Callable[[int, int], None],
    on_rescue: Callable[[], None],
) -> AsyncGenerator[Node]:
    """All that runs beside the HTTP server, closed in reverse order. `on_…`: as in `open_store`."""
    identity = await asyncio.to_thread(load_or_create, home, entropy)
    events = Events()
    with listening(config.p2p.listen) as listener:
        async with (
            own_store(config, home, identity, on_remade, on_rescue) as store,
            open_search_index(home.index, store, facts_of) as index,
            open_workers() as workers,
            background_tasks() as tasks,
            open_ways(config, home, listener, identity, store, events, tasks) as ways,
        ):
            await take_in(store, str(home.path))
            peers = ways.peers
            node = Node(
                config=config,
                home=home,
                identity=identity,
                store=store,
                index=index,
                workers=workers,
                network=peers,
                events=events,
                tokens=Tokens.from_seed(identity.device_did, identity.token_seed),
                cursors=Cursors(entropy(CURSOR_KEY_BYTES)),
                api=api,
                clock_us=clock_us,
                started_s=time.time(),
                standings=Standings(store, identity),
                waiting=WaitingBook(store),
                page_codes=PageCodes(time.time),
                pairing=open_pairing(peers, ways.relays, home, identity, entropy, events, tasks),
                attesting=Attesting(
                    Attestor(store, workers, peers, identity, clock_us), config.attest, events
                ),
                attested=AttestedOrder(store, identity.did),
                stop=stop,
                at_once=at_once,
                relay=ways.relay,
                relays=ways.relays,
                direct=ways.direct,
                keeping=await kept_for(config, store, peers),
            )
            follow_sessions(node.keeping, peers.network, peers.listeners)
            follow_store(node, tasks)
            yield node


@dataclass(frozen=True, slots=True)
class Ways:
    """To peers, and through them."""

    peers: Peers
    relay: RelayServer | None
    relays: Relays
    direct: Pages


@asynccontextmanager
async def open_ways(
    config: Config,
    home: Home,
    listener: socket.socket,
    identity: Identity,
    store: Store,
    events: Events,
    tasks: asyncio.TaskGroup,
) -> AsyncGenerator[Ways]:
    """What listens and dials, and the relay role, closed in reverse order."""
    shown, public = await namespaces_of(config.relay, store), public_places(config.relay)
    async with (
        open_peers(config.p2p, listener, identity, store, events, tasks, shown, public) as peers,
        open_relay(config.relay, peers.network, store, clock_us, tasks, peers.address) as relay,
        open_relays(config.p2p, home, identity, peers, store, events, tasks) as relays,
        finding_peers(config, home, identity, peers, relays, store, tasks) as direct,
    ):
        yield Ways(peers, relay, relays, direct)


@asynccontextmanager
async def finding_peers(
    config: Config,
    home: Home,
    identity: Identity,
    peers: Peers,
    relays: Relays,
    store: Store,
    tasks: asyncio.TaskGroup,
) -> AsyncGenerator[Pages]:
    """The ways to peers beside those that settings name: direct ones by WebRTC, and the DHT's."""
    is_relay = config.relay.enabled and not config.relay.token
    async with (
        open_direct(config.p2p, identity, peers, relays, store, tasks) as direct,
        open_discovery(config.p2p, home, identity, peers, relays, tasks, is_relay=is_relay),
    ):
        await hint_known(peers.dialler, config.p2p, store)  # now that there is a way to each
        yield direct


async def kept_for(config: Config, store: Store, peers: Peers) -> Keeping:
    """What records name is kept of the namespaces that this node shares."""
    only = await namespaces_of(config.relay, store)
    return Keeping(store, peers, size_of(config.keep.budget), only)


def follow_store(node: Node, tasks: asyncio.TaskGroup) -> None:
    """What goes on behind the store: index, news, statements that came, and what was left over."""
    store, events = node.store, node.events
    tasks.create_task(
        node.index.follow(
            lambda count: events.publish("index", {"state": "follows", "records": count})
        ),
        name="search index",
    )
    tasks.create_task(tell_news(store, events), name="news")
    tasks.create_task(node.attesting.run(), name="attesting")
    tasks.create_task(node.keeping.run(), name="keeping")
    ferry = partial(Ferry, store, node.identity, node.clock_us)
    bring = partial(hold_blob, store, node.network)
    gates = Gates(ferry, node.gating, events, fetch=bring)
    tasks.create_task(gates.run(), name="gates")
    fetch = partial(hold_blob, store, node.network, urgency=Urgency.AUTHORITY)
    tasks.create_task(follow_statements(store, fetch), name="authority")
    node.left_over.mended = store.mended
    node.left_over.sudden = node.home.node_file.exists()  # of a run that is over: not yet written
    tasks.create_task(keep_giving_back(store, node.left_over), name="blobs: give back")
    tasks.create_task(store.keep_whole(_whole_again, _not_whole), name="snapshots: whole again")
    tasks.create_task(store.keep_settling(_not_settled), name="snapshots: settle")


def _not_settled(error: Exception) -> None:
    is_told = isinstance(error, StorageError | Malformed)
    log.warning("snapshots take more room: %s", error, exc_info=None if is_told else error)


def _whole_again(count: int) -> None:
    what = "1 blob that was damaged is" if count == 1 else f"{count:,} blobs that were damaged are"
    log.info("%s whole again", what)


def _not_whole(error: Exception) -> None:
    is_told = isinstance(error, StorageError | Malformed)
    log.warning(
        "snapshots that were damaged wait for the next start: %s",
        error,
        exc_info=None if is_told else error,
    )


def clock_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


@contextmanager
def listening(address: str) -> Generator[socket.socket]:
    """Peers' listening socket, bound before anything else is opened. Raises `BadSetting`."""
    try:
        listener = listen(address)
    except (OSError, SyncError) as error:
        reason = getattr(error, "strerror", None) or error
        detail = f"p2p.listen: cannot listen on {address}: {reason}; port 0 picks a free one"
        raise BadSetting(detail, code="cannot-listen") from error
    with listener:
        yield listener
