"""Pairing with other people's nodes, and one's own: the desk for those who come, the ways to go.

invite ─▸ store ─▸ desk ─┬─ mDNS: signs among fillers
                         └─ relays: whereabouts, sealed under the secret
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import DeviceKey
from node.events import Events
from node.finding import Ways
from node.home import Home
from node.identity import Entropy, Identity
from node.inviting import Desk
from node.peers import Peers
from node.relays import Relays
from node.services.namespaces import Keeper
from node.ways import KINDS
from p2p.protocol.card import Card
from p2p.protocol.errors import LocalProtocolError, SyncError
from p2p.protocol.hint import Hint
from p2p.protocol.invites.frames import REDEEM_KIND
from p2p.protocol.invites.keys import NONCE_BYTES, Whereabouts, meeting_of, seal_whereabouts
from p2p.protocol.invites.link import LINK_PLACE_CHARACTERS_MAX
from p2p.transport.network import NetworkEvent, PeerCame
from p2p.transport.place import DirectPlace, RelayedPlace, may_call, parse_place
from p2p.transport.relay.client import RelayClient
from p2p.transport.relay.url import RelayUrl
from p2p.transport.stream import FrameStream
from storage.address_book import KnownPeer
from storage.errors import StorageError
from storage.invites import Invite

LOG = logging.getLogger(__name__)
REMEMBERED: Final = 4
"""Places of whoever paired: the likeliest ones."""
POST_AGAIN_S: Final = 60.0
"""This node may be called elsewhere by then, or the relay have forgotten."""
TOLD_AFTER_US: Final = 900 * 1_000_000
"""After the end of an invite: who comes so late finds this node, which says that it is over."""
FIRST_CALL_S: Final = 30.0
"""Whoever accepts calls right after; if they cannot, they are called."""
POST_SOON_S: Final = 3.0
"""Where a relay was away."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both sides of it."""

    desk: Desk
    ways: Ways
    places: Callable[[], tuple[str, ...]]
    """Where this node is called."""
    relays: Callable[[], tuple[str, ...]]
    """For a link: its relays, with the tokens they ask for, which are as secret as a link."""
    keep: Callable[[Sequence[str]], Awaitable[None]]
    """Relays of an invite that was taken are known after a restart too."""
    posting: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        """An invite was made, or ended: those who may look for it are shown so."""
        self.desk.changed.set()
        self.posting.set()


def open_pairing(
    peers: Peers,
    relays: Relays,
    home: Home,
    identity: Identity,
    entropy: Entropy,
    events: Events,
    tasks: asyncio.TaskGroup,
) -> Pairing:
    """Serves those who redeem from now on, in `tasks`."""
    keeper = Keeper(home, identity, peers.store, entropy)
    device = DeviceKey(identity.device.public)

    def meetings() -> Sequence[RelayClient]:
        return tuple(relays.clients)

    def places() -> tuple[str, ...]:
        there = [one for one in relays.clients if one.takes_calls]
        kinds = KINDS if "webrtc" in peers.network.channels.openers else KINDS[:1]
        by_relay = [
            str(RelayedPlace(kind, device, one.url.place)) for kind in kinds for one in there
        ]
        return (*peers.places(), *by_relay)

    def relays_told() -> tuple[str, ...]:
        urls = [one.url for one in relays.clients]
        texts = [(one.secret_text, str(one)) for one in urls]
        return tuple(
            secret if len(secret) <= LINK_PLACE_CHARACTERS_MAX else shown for secret, shown in texts
        )

    def use(url: str) -> None:
        relays.use(RelayUrl.parse(url))

    async def open_channel(place: str) -> FrameStream:
        return await peers.network.channels.open(parse_place(place))

    def remember(card: Card) -> None:
        ours = [one.url.place for one in relays.clients]
        tasks.create_task(remember_card(peers, card, ours), name="remember who paired")

    desk = Desk(
        keeper=keeper,
        events=events,
        card=relays.card,
        remember=remember,
        show=peers.nearby.show,
        clock=peers.clock,
        wall_us=peers.wall_us,
    )
    nearby = peers.nearby if peers.nearby.is_looking else None
    ways = Ways(
        device, relays.card, open_channel, nearby, peers.wall_us, meetings=meetings, use_relay=use
    )
    peers.network.serve_arrivals((REDEEM_KIND,), desk.receive)
    pairing = Pairing(desk, ways, places, relays_told, relays.lent.keep)
    tasks.create_task(desk.run(), name="invites")
    tasks.create_task(post_whereabouts(pairing, keeper), name="post invites")
    return pairing


async def remember_card(peers: Peers, card: Card, ours: Sequence[DirectPlace]) -> None:
    """Whoever paired is called from now on, and after a restart; by `ours`, relays, too.

    By a relay only once they called first: two calls that cross there end each other.
    """
    direct, relayed = likely(card.places, peers.places()), circuits_to(card, ours)
    for place in dict.fromkeys((*direct, *relayed)):
        known = KnownPeer(
            place, card.device, encode_did_key(card.author), "invite", peers.wall_us()
        )
        with suppress(StorageError):
            await peers.store.remember_peer(known)
    did = encode_did_key(card.device)
    peers.dialler.hint(Hint(did, direct, "invite"))
    if relayed:
        await called_by(peers, card.device)
        peers.dialler.hint(Hint(did, relayed, "invite"))


def circuits_to(card: Card, ours: Sequence[DirectPlace]) -> tuple[str, ...]:
    """By each relay of its card that is one of `ours`: another one would be a stranger's choice."""
    found: list[str] = []
    for text in card.relays:
        with suppress(LocalProtocolError):
            relay = RelayUrl.parse(text).place
            if relay in ours:
                found.append(str(RelayedPlace("circuit", card.device, relay)))
    return tuple(dict.fromkeys(found))[:REMEMBERED]


async def called_by(peers: Peers, device: bytes) -> None:
    """Until there is a session with it, or `FIRST_CALL_S` have passed."""
    came = asyncio.Event()

    def note(event: NetworkEvent) -> None:
        if isinstance(event, PeerCame) and event.connection.device == device:
            came.set()

    peers.listeners.append(note)
    try:
        if peers.network.connection(device) is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_CALL_S):
                    await came.wait()
    finally:
        peers.listeners.remove(note)


def likely(places: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Those that are places, and lead to this machine only where `own`, this node's, do too."""
    readable = [place for place in places if _is_place(place) and may_call(place, own)]
    return tuple(readable[:REMEMBERED])


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
        wait_s = POST_AGAIN_S
        meetings = pairing.ways.meetings()
        live: Sequence[Invite] = await _live(keeper) if meetings else ()
        said = Whereabouts(
            DeviceKey(keeper.identity.device.public),
            pairing.places(),
            tuple(str(meeting) for meeting in meetings),
        )
        for one in live:
            assert one.key is not None
            sealed = seal_whereabouts(one.key, said, nonce=os.urandom(NONCE_BYTES))
            for meeting in meetings:
                try:
                    await meeting.post(meeting_of(one.key), sealed, one.expires_us + TOLD_AFTER_US)
                except SyncError as error:
                    LOG.debug("%s does not keep an invite: %s", meeting, error)
                    wait_s = POST_SOON_S
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await pairing.posting.wait()


async def _live(keeper: Keeper) -> Sequence[Invite]:
    """None where the store cannot be read just now."""
    try:
        return [one for one in await keeper.store.invites() if one.is_live]
    except StorageError as error:
        LOG.warning("invites cannot be posted: %s", error)
        return []
