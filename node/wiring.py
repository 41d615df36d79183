"""The parts of one running node, made from its configuration and closed in reverse order."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from node.api.cursors import Cursors
from node.api.tokens import Tokens
from node.authority import follow_statements
from node.config import Config
from node.errors import BadSetting
from node.events import Events
from node.home import Home
from node.identity import Entropy, Identity, load_or_create
from node.news import tell_news
from node.pairing import Pairing, open_pairing
from node.peers import listen, open_peers
from node.ports import Network
from node.quotas import quota_of
from node.refusals import take_in
from node.services.fetch import hold_blob
from node.services.namespaces import Keeper
from node.services.signers import Signers
from node.services.standing import Standings
from node.tasks import background_tasks
from node.workers import Workers, open_workers
from p2p.protocol.errors import SyncError
from registry.listings import project
from storage.search_index import SearchIndex, open_search_index
from storage.store import Store, open_store

CURSOR_KEY_BYTES: Final = 32


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
    pairing: Pairing
    stop: asyncio.Event
    """Set to end the node in order."""
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set beside `stop` where the process goes on with what the home says by then."""
    underway: set[str] = field(default_factory=set[str])
    """Writes with an Idempotency-Key that have no answer yet; bounded by the connections."""
    installing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Plans are made and applied one after the other: each starts from what the last one left."""

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


@asynccontextmanager
async def open_node(
    config: Config,
    home: Home,
    *,
    api: str,
    stop: asyncio.Event,
    entropy: Entropy = os.urandom,
    on_remade: Callable[[int, int], None],
) -> AsyncGenerator[Node]:
    """Everything that runs beside the HTTP server, closed in reverse order on leaving.

    `on_remade` as in `open_store`: the first start after an update may take a while.
    """
    identity = await asyncio.to_thread(load_or_create, home, entropy)
    events = Events()
    with listening(config.p2p.listen) as listener:
        async with (
            open_store(
                home.database,
                project=project,
                clock_us=clock_us,
                quota=quota_of(config.quota, identity.author),
                on_remade=on_remade,
            ) as store,
            open_search_index(home.index, store) as index,
            open_workers() as workers,
            background_tasks() as tasks,
            open_peers(config.p2p, listener, identity, store, events, tasks) as peers,
        ):
            await take_in(store, str(home.path))
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
                pairing=open_pairing(peers, Keeper(home, identity, store, entropy), events, tasks),
                stop=stop,
            )
            tasks.create_task(
                index.follow(
                    lambda count: events.publish("index", {"state": "follows", "records": count})
                ),
                name="search index",
            )
            tasks.create_task(tell_news(store, events), name="news")
            fetch = partial(hold_blob, store, peers)
            tasks.create_task(follow_statements(store, fetch), name="authority")
            yield node


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
