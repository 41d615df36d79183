"""The relay role of a node: others register here, are introduced, and get circuits and mailboxes.

What is inside of those this node cannot read. What it keeps and serves itself are the records
of the namespaces that its operator chose, and blobs that they name (`node.keeping`): with none,
nothing.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from crdt.capability import CapabilityCache
from crdt.keys import NamespaceKey
from node.api.relay_models import RelayRole
from node.config import RelayConfig
from node.errors import BadSetting
from node.quotas import size_of
from node.services.places import place_meant
from node.text import size_text
from p2p.protocol.card import check_card
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.relay import limits
from p2p.protocol.relay.frames import REGISTER_KIND
from p2p.protocol.relay.server import Relay
from p2p.transport.address import Address
from p2p.transport.network import Network
from p2p.transport.relay.archive import Archive
from p2p.transport.relay.server import JOIN, Rates, RelayServer
from p2p.transport.relay.url import RelayUrl
from p2p.transport.stun import stun_responder
from storage.relayed import RelayHeld
from storage.store import Store

LOG = logging.getLogger(__name__)
NO_RATE: Final = "none"


async def namespaces_of(config: RelayConfig, store: Store) -> Collection[NamespaceKey] | None:
    """Those that a relay keeps and serves; None where this node is no relay.

    Raises `NotFound` where one of them is not joined.
    """
    if not config.enabled:
        return None
    return frozenset([await place_meant(store, one) for one in config.namespaces])


def public_places(config: RelayConfig) -> Sequence[str]:
    """Where the operator of a relay says that it is reached. Raises `BadSetting`."""
    if not config.enabled or not config.public:
        return ()
    try:
        return (str(RelayUrl.parse(config.public).place),)
    except LocalProtocolError as error:
        raise BadSetting(f"relay.public: {error.sentence}") from error


@asynccontextmanager
async def open_relay(
    config: RelayConfig,
    network: Network,
    store: Store,
    wall_us: Callable[[], int],
    tasks: asyncio.TaskGroup,
    listening: str,
) -> AsyncGenerator[RelayServer | None]:
    """Takes registrations and joins until it is left; None where this node is no relay."""
    if not config.enabled:
        yield None
        return
    room = room_of(config)
    if words := narrow_words(config):
        LOG.warning("%s", words)
    clock, cards = asyncio.get_running_loop().time, CapabilityCache()
    relay = Relay(
        token=config.token.encode(),
        check=lambda data, now_us: check_card(data, cards, now_us=now_us),
        entropy=os.urandom,
        is_caching=bool(config.namespaces),
        registrations_max=config.registrations,
        circuits_max=room.circuits,
        of_device_max=room.of_device,
        now_s=clock(),
    )
    server = RelayServer(
        relay,
        Archive(store),
        Rates(*map(rate_of, (config.rate, config.circuit_rate, config.device_rate))),
        clock=clock,
        wall_us=wall_us,
        fault=network.blame,
        release=network.release,
        tasks=tasks,
    )
    network.serve_arrivals((REGISTER_KIND,), server.converse)
    network.front.serve(JOIN, server.join)
    tasks.create_task(server.run(), name="relay")
    async with answering_stun(Address.parse(listening)):
        yield server


@asynccontextmanager
async def answering_stun(listening: Address) -> AsyncGenerator[None]:
    """UDP at the number of the TCP port; where another program has it, without: peers may ask
    elsewhere, by p2p.stun."""
    async with AsyncExitStack() as opened:
        try:
            await opened.enter_async_context(stun_responder(listening.host, listening.port))
        except OSError as error:
            LOG.warning("no STUN at UDP %s: %s", listening, error)
        yield


@dataclass(frozen=True, slots=True)
class Room:
    """How many circuits may be open at once, and how many of one device."""

    circuits: int
    of_device: int


def room_of(config: RelayConfig) -> Room:
    """No more than its rates keep alive: a session that hears nothing for 15 s is given up.

    Raises `BadSetting` where a rate is too small for one.
    """
    shares = [
        _shares_of(name, text)
        for name, text in (
            ("rate", config.rate),
            ("device_rate", config.device_rate),
            ("circuit_rate", config.circuit_rate),
        )
    ]
    return Room(min(config.circuits, shares[0]), min(limits.CIRCUITS_OF_DEVICE_MAX, shares[1]))


def narrow_words(config: RelayConfig) -> str:
    """That its rate is too small for as many circuits as it may have; empty where it is not."""
    room = room_of(config).circuits
    if not config.enabled or room >= config.circuits:
        return ""
    return (
        f"relay.rate = {config.rate} is enough for {room:,} circuits at once, and relay.circuits"
        f" allows {config.circuits:,}: more are refused; raise relay.rate, or lower relay.circuits"
    )


def _shares_of(name: str, text: str) -> int:
    """How many circuits a rate keeps alive."""
    rate = rate_of(text)
    if not rate:
        return limits.CIRCUITS_MAX
    if rate < limits.CIRCUIT_BYTES_PER_S:
        least = limits.CIRCUIT_BYTES_PER_S >> 10
        raise BadSetting(
            f"relay.{name}: {text} keeps no session alive; at least {least}KiB, or none"
        )
    return int(rate // limits.CIRCUIT_BYTES_PER_S)


def rate_of(text: str) -> float:
    """Bytes a second; 0 for none."""
    return 0.0 if text == NO_RATE else float(size_of(text))


async def role_of(server: RelayServer | None, store: Store, keep_bytes: int) -> RelayRole | None:
    """What a relay does for others now; None where this node is none. `keep_bytes`: of blobs."""
    if server is None:
        return None
    return show_role(server.relay, server.passed_bytes, await store.relay_held(), keep_bytes)


def show_role(relay: Relay, passed_bytes: int, held: RelayHeld, keep_bytes: int) -> RelayRole:
    """`passed_bytes`: through circuits, since the start."""
    registered, circuits = relay.registered_count, relay.circuits.open_count
    said = f"{registered:,} {'device' if registered == 1 else 'devices'} registered"
    said += f", {circuits:,} {'circuit' if circuits == 1 else 'circuits'} open"
    if held.letters:
        wait = "letter waits" if held.letters == 1 else "letters wait"
        said += f", {held.letters:,} {wait} ({size_text(held.letter_bytes)})"
    if relay.is_caching:
        blobs = f"up to {size_text(keep_bytes)} of blobs" if keep_bytes else "no blobs"
        said += f", records of its namespaces are kept, and {blobs}"
    return RelayRole(
        words=f"{'a relay that is about to stop' if relay.is_draining else 'a relay'}: {said}",
        registered=registered,
        circuits=circuits,
        passed_bytes=passed_bytes,
        letters=held.letters,
        letter_bytes=held.letter_bytes,
        draining=relay.is_draining,
        caching=relay.is_caching,
    )
