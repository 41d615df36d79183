"""The public table while the node runs: who is in commons, in what is discoverable, and relays.

Nothing of it happens unless `p2p.dht` is on. The nodes of the table that answered are kept in the
home, so that a restart finds its way without the public routers.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from crdt.keys import COMMONS, NamespaceKey
from node.cards import CardBook
from node.config import P2pConfig
from node.errors import BadHome
from node.found_relays import FoundRelays
from node.home import Home, read_small, write_private
from p2p.discovery.dht import BOOTSTRAP, NODES_MAX, Dht, open_dht
from p2p.discovery.table import leave, look
from p2p.protocol.rendezvous import NONCE_BYTES, RELAYS, days
from storage.errors import StorageError
from storage.store import Store

LOG = logging.getLogger(__name__)
VISIT_EVERY_S = 1_200.0  # what nobody repeats is forgotten within two hours
SOON_S = 15.0  # after a visit that met nobody; twice as long after the next
NAMES_MAX = 16  # of private namespaces


class TableFile(Struct, frozen=True):
    """dht.json: `host:port` of nodes of the table."""

    nodes: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """What came of it."""

    relays: FoundRelays
    is_relay: bool = False  # this node is one that serves anybody, and says so
    is_joined: bool = False
    found: int = 0
    ignored: int = 0

    async def run(
        self, config: P2pConfig, home: Home, host: str, store: Store, book: CardBook
    ) -> None:
        """Until cancelled."""
        known = await asyncio.to_thread(_read, home)
        bootstrap = config.dht_bootstrap or BOOTSTRAP
        port = config.dht_port
        async with open_dht(host, port=port, bootstrap=bootstrap, nodes=known) as dht:
            changed, wait_s = asyncio.Event(), SOON_S
            unsubscribe = store.on_wallet_change(changed.set)
            try:
                while True:
                    is_found = await self._visit(dht, config, store, book)
                    wait_s = VISIT_EVERY_S if is_found else min(2 * wait_s, VISIT_EVERY_S)
                    with suppress(BadHome):
                        await asyncio.to_thread(_write, home, await dht.nodes())
                    changed.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait_s):
                            await changed.wait()
            finally:
                unsubscribe()

    async def _visit(self, dht: Dht, config: P2pConfig, store: Store, book: CardBook) -> bool:
        """Looks at every name, and leaves the own card there; whether anybody else was found."""
        self.is_joined = await dht.join()
        if not self.is_joined:
            return False
        before = self.found
        for name in await discoverable(config.discoverable, store):
            await self._visit_name(dht, name, book, is_left=True)
        await self._visit_name(dht, RELAYS, book, is_left=self.is_relay)
        return self.found > before

    async def _visit_name(self, dht: Dht, name: bytes, book: CardBook, *, is_left: bool) -> None:
        circle = await book.circle()
        for day in days(book.wall_us()):
            seen = await look(dht, name, day, check=book.check)
            self.ignored += seen.ignored
            for card in seen.cards.values():
                if card.device == book.own.device:
                    continue
                self.found += 1
                if name == RELAYS:
                    self.relays.note(card)
                with suppress(StorageError):
                    await book.take(card.encoded, "dht", "dht", circle)
            if is_left:
                nonce = os.urandom(NONCE_BYTES)
                await leave(dht, seen, book.short(), device=book.own.device, nonce=nonce)


async def discoverable(names: Sequence[str], store: Store) -> list[NamespaceKey]:
    """Commons, and of the joined namespaces those that the person named."""
    wanted = set(names)
    joined = [one.namespace for one in await store.joined() if one.name in wanted]
    return [COMMONS, *(one for one in joined if one != COMMONS)][: NAMES_MAX + 1]


async def not_joined(names: Sequence[str], store: Store) -> list[str]:
    """Those of which this node takes no part: nobody is found by them before it does."""
    joined = {one.name for one in await store.joined()}
    return [name for name in names if name not in joined]


def _read(home: Home) -> tuple[str, ...]:
    """A file that is damaged is as none: the routers are asked instead."""
    try:
        file = msgspec.json.decode(read_small(home.dht_file), type=TableFile)
    except FileNotFoundError:
        return ()
    except (BadHome, msgspec.DecodeError) as error:
        LOG.warning("%s is left out: %s", home.dht_file, error)
        return ()
    return file.nodes[:NODES_MAX]


def _write(home: Home, nodes: tuple[str, ...]) -> None:
    if nodes:
        write_private(home.dht_file, msgspec.json.encode(TableFile(nodes)))
