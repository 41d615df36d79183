"""Pairing with other people's nodes, and one's own: the desk for those who come, the ways to go.

invite ─▸ store ─▸ desk ─┬─ mDNS: signs among fillers
                         └─ relays: whereabouts, sealed under the secret
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import DeviceKey
from node.events import Events
from node.finding import Meeting, Ways
from node.inviting import Desk
from node.peers import Peers
from node.services.namespaces import Keeper
from p2p.discovery.mdns import local_addresses
from p2p.protocol.card import CARD_PLACES_MAX, Card, sign_card
from p2p.protocol.errors import LocalProtocolError, SyncError
from p2p.protocol.hint import Hint
from p2p.protocol.invites.frames import REDEEM_KIND
from p2p.protocol.invites.keys import NONCE_BYTES, Whereabouts, meeting_of, seal_whereabouts
from p2p.transport.address import Address
from p2p.transport.place import parse_place
from p2p.transport.stream import FrameStream
from storage.address_book import KnownPeer
from storage.errors import StorageError

LOG = logging.getLogger(__name__)
CARD_LIFE_US: Final = 86_400_000_000
REMEMBERED: Final = 4
"""Places of whoever paired: the likeliest ones."""
POST_AGAIN_S: Final = 60.0
"""A relay that was away, or forgot, has it again then."""

Meetings = Callable[[], Sequence[Meeting]]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both sides of it."""

    desk: Desk
    ways: Ways
    places: Callable[[], tuple[str, ...]]
    """Where this node is called."""
    posting: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        """An invite was made, or ended: those who may look for it are shown so."""
        self.desk.changed.set()
        self.posting.set()


def open_pairing(
    peers: Peers,
    keeper: Keeper,
    events: Events,
    tasks: asyncio.TaskGroup,
    *,
    meetings: Meetings = tuple,
) -> Pairing:
    """Serves those who redeem from now on, in `tasks`."""
    identity = keeper.identity

    def places() -> tuple[str, ...]:
        at = Address.parse(peers.address)
        return tuple(str(Address(host, at.port)) for host in local_addresses(at.host))

    def card() -> bytes:
        now_us = peers.wall_us()
        return sign_card(
            identity.device,
            author=identity.author,
            capability=identity.capabilities["pub"],
            places=places()[:CARD_PLACES_MAX],
            relays=(),
            sealing=identity.sealing_key,
            issued_us=now_us,
            until_us=now_us + CARD_LIFE_US,
        )

    async def open_channel(place: str) -> FrameStream:
        return await peers.network.channels.open(parse_place(place))

    def remember(card: Card) -> None:
        tasks.create_task(remember_card(peers, card), name="remember who paired")

    desk = Desk(
        keeper=keeper,
        events=events,
        card=card,
        remember=remember,
        show=peers.nearby.show,
        clock=peers.clock,
        wall_us=peers.wall_us,
    )
    nearby = peers.nearby if peers.nearby.is_looking else None
    ways = Ways(
        DeviceKey(identity.device.public), card, open_channel, nearby, peers.wall_us, meetings
    )
    peers.network.serve_arrivals((REDEEM_KIND,), desk.receive)
    pairing = Pairing(desk, ways, places)
    tasks.create_task(desk.run(), name="invites")
    tasks.create_task(post_whereabouts(pairing, keeper), name="post invites")
    return pairing


async def remember_card(peers: Peers, card: Card, *first: str) -> None:
    """Whoever paired is called from now on, and after a restart."""
    for place in dict.fromkeys((*first, *likely(card.places))):
        known = KnownPeer(
            place, card.device, encode_did_key(card.author), "static", peers.wall_us()
        )
        with suppress(StorageError):
            await peers.store.remember_peer(known)
        peers.dialler.hint(Hint(encode_did_key(card.device), (place,), "static"))


def likely(places: Sequence[str]) -> tuple[str, ...]:
    """Those that may lead to another machine: its loopback only where there is nothing else."""
    readable = [place for place in places if _is_place(place)]
    others = [place for place in readable if not is_loopback(place)]
    return tuple((others or readable)[:REMEMBERED])


def is_loopback(place: str) -> bool:
    """Whether it is this machine's own."""
    with suppress(ValueError, LocalProtocolError):
        at = parse_place(place)
        return isinstance(at, Address) and ip_address(at.host).is_loopback
    return False


def _is_place(text: str) -> bool:
    try:
        parse_place(text)
    except LocalProtocolError:
        return False
    return True


async def post_whereabouts(pairing: Pairing, keeper: Keeper) -> None:
    """Until cancelled: relays know, under each open invite's own tag, where this node is called."""
    while True:
        pairing.posting.clear()
        meetings = pairing.ways.meetings()
        live = [one for one in await keeper.store.invites() if one.is_live] if meetings else []
        said = Whereabouts(
            DeviceKey(keeper.identity.device.public),
            pairing.places(),
            tuple(map(str, meetings)),
        )
        for one in live:
            assert one.key is not None
            sealed = seal_whereabouts(one.key, said, nonce=os.urandom(NONCE_BYTES))
            for meeting in meetings:
                try:
                    await meeting.post(meeting_of(one.key), sealed, one.expires_us)
                except SyncError as error:
                    LOG.info("%s does not keep an invite: %s", meeting, error)
        with suppress(TimeoutError):
            async with asyncio.timeout(POST_AGAIN_S):
                await pairing.posting.wait()
