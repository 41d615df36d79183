"""Direct paths by WebRTC: to peers whom a relay introduces, and from this person's own pages.

relay ──signal──▸ Caller ──carrier──▸ Network, as any other
`webrtc:` places ─▸ the card of the device, by its relay ─▸ Caller
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Final

from crdt.keys import DeviceKey
from node.config import P2pConfig
from node.errors import BadSetting
from node.identity import Identity
from node.peers import Peers
from node.relays import Relays, be_registered
from p2p.protocol.errors import LocalProtocolError, PeerLeft
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.place import Place, RelayedPlace, WebSocketPlace
from p2p.transport.relay.client import RelayClient
from p2p.transport.relay.url import RelayUrl
from p2p.transport.webrtc import caller as callers
from p2p.transport.webrtc.caller import Caller
from p2p.transport.webrtc.servers import SERVERS_MAX, IceServers, Turn
from storage.store import Store

NO_WEBRTC: Final = "WebRTC is off on this node: p2p.webrtc"


class Direct:
    """What the API and the network ask of WebRTC; without a `caller` it is off."""

    def __init__(self, caller: Caller | None) -> None:
        self._caller = caller

    async def answer_page(self, sdp: str) -> str:
        """The answer to the offer of a page of this person's. Raises `SyncError`."""
        if self._caller is None:
            raise PeerLeft("webrtc-off", NO_WEBRTC)
        return await self._caller.answer_page(sdp)


@asynccontextmanager
async def open_direct(
    p2p: P2pConfig,
    identity: Identity,
    peers: Peers,
    relays: Relays,
    store: Store,
    tasks: asyncio.TaskGroup,
) -> AsyncGenerator[Direct]:
    """Calls, and is called, until it is left. Raises `BadSetting`."""
    if not p2p.webrtc:
        yield Direct(None)
        return
    caller = Caller(
        callers.Identity(identity.device, identity.sealing_private, identity.sealing_key),
        servers_of(p2p, peers.address, relays),
        receive=peers.network.take_in,
        is_welcome=lambda device: not store.is_blocked(device),
        wall_us=peers.wall_us,
        entropy=os.urandom,
        tasks=tasks,
    )

    def hear(_device: bytes, sealed: bytes, relay: RelayClient) -> None:
        caller.hear(sealed, relay)  # who it is from stands inside, signed

    async def open_webrtc(place: Place) -> Carrier:
        assert isinstance(place, RelayedPlace)
        relay = relays.client_at(place) or relays.use(RelayUrl(place.relay))
        await be_registered(relay)
        cards = await relays.lookup(relay, place.device, is_author=False)
        if not cards:
            raise PeerLeft("not-known-here", f"That device is not known at {relay.url}.")
        return await caller.call(DeviceKey(place.device), cards[0].sealing, relay)

    relays.on_signal.append(hear)
    peers.network.channels.openers["webrtc"] = open_webrtc
    try:
        yield Direct(caller)
    finally:
        relays.on_signal.remove(hear)
        del peers.network.channels.openers["webrtc"]


def servers_of(p2p: P2pConfig, listening: str, relays: Relays) -> Callable[[], IceServers]:
    """Who is asked, as of each call: the settings, or the relays that are in use then.

    A node that listens at one address gathers there alone. Raises `BadSetting`.
    """
    try:
        stun = [Address.parse(text) for text in p2p.stun]
        turn = [Turn.parse(text) for text in p2p.turn]
        host = Address.parse(listening).host
    except LocalProtocolError as error:
        raise BadSetting(f"p2p.stun, p2p.turn: {error.sentence}") from error
    hosts = None if ip_address(host).is_unspecified else (host,)

    def servers() -> IceServers:
        asked = stun or [
            _address_of(client.url) for client in relays.clients if client.is_registered
        ]
        return IceServers(asked[:SERVERS_MAX], turn, hosts)

    return servers


def _address_of(url: RelayUrl) -> Address:
    place = url.place
    return place.address if isinstance(place, WebSocketPlace) else place
