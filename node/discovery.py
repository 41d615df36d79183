"""How this node hears of others: cards in sessions, mDNS, the public table."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from node.cards import CardBook
from node.config import P2pConfig
from node.home import Home
from node.identity import Identity
from node.peers import Peers
from node.relays import Relays
from node.table import Table, not_joined
from node.ways import Ways
from p2p.discovery.machine import follow_addresses

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_discovery(
    config: P2pConfig,
    home: Home,
    identity: Identity,
    peers: Peers,
    relays: Relays,
    tasks: asyncio.TaskGroup,
    *,
    is_relay: bool,
) -> AsyncGenerator[Table]:
    """Shows, asks for, keeps and gives cards until it is left; in the public table too, if on.

    What cards tell of connected peers is where their sessions may move. `is_relay`: this node is
    one that serves anybody.
    """
    if config.dht == "on":
        for name in await not_joined(config.discoverable, peers.store):
            log.warning("p2p.discoverable: this node takes part in no namespace called %r", name)
    book = CardBook(
        identity,
        peers.store,
        peers.network,
        peers.dialler,
        places=peers.places,
        relays=relays.names,
        wall_us=peers.wall_us,
        refused=peers.refusals.note,
    )
    peers.cards = book
    relays.on_registered.append(book.renew)
    book.on_renewed.append(relays.renew)
    peers.nearby.look_around(lambda: book.own.issued_us, tasks)

    def moved() -> None:
        """This machine is on another network: what failed on the last one may succeed."""
        relays.call_again()
        peers.hurry()

    tasks.create_task(follow_addresses(moved), name="addresses")
    peers.listeners += [book.note, Ways(peers.network, relays, book).note]
    tasks.create_task(book.run(), name="cards")
    table = Table(relays.found, is_relay=is_relay)
    if config.dht == "on":
        host = peers.address.rpartition(":")[0].strip("[]")
        tasks.create_task(table.run(config, home, host, peers.store, book), name="public table")
    yield table
