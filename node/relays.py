"""The relays of this node: registered at each, it is called through them, calls, and gets letters.

relay ──called──▸ a circuit ─▸ Network, as any other carrier
      ──letter──▸ opened, judged, kept ─▸ taken
meet: the devices of followed authors are looked up, and called: directly, else by a circuit
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

from crdt.capability import CapabilityCache
from crdt.did import encode_did_key
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from node.api.relay_models import FoundRelay, RelayShown, SentLetter
from node.cards import PEERS_WANTED
from node.config import P2pConfig
from node.errors import BadSetting
from node.events import Events
from node.found_relays import FoundRelays
from node.home import Home
from node.identity import Identity
from node.leaving import leave_relay
from node.lent_relays import LentRelays, open_lent
from node.mailbox import Mailbox
from node.peers import Peers
from node.relay_news import RelayNews
from node.wanted import Wanted
from p2p.protocol.card import Card, check_card, sign_card
from p2p.protocol.effects import ChannelLost
from p2p.protocol.errors import LocalProtocolError, PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.hint import Hint
from p2p.protocol.relay.letter import LetterKind
from p2p.protocol.sources import relay_source
from p2p.transport.carrier import Carrier
from p2p.transport.network import NetworkEvent, PeerSaid, PeerWent
from p2p.transport.place import Place, RelayedPlace, parse_place
from p2p.transport.relay.client import RelayClient
from p2p.transport.relay.url import RelayUrl
from registry.listed import rfc3339
from storage.cards import HeldCard
from storage.errors import StorageError
from storage.store import Store

LOG = logging.getLogger(__name__)
RELAYS_MAX: Final = 16  # settings and invites together
CARD_LIFE_US: Final = 6 * 86_400_000_000  # renewed all the while; the most is 7 days
CARD_AGE_US: Final = 3_600_000_000  # a card is signed anew when it is older
PLACES_MAX: Final = 15
TOLD_MAX: Final = 4_096  # cards that were written down already; 2 MB
MEET_S: Final = 60.0  # between two rounds of looking for whom this node wants to meet
DIRECT_S: Final = 3.0  # what is tried directly has this long before a circuit is asked for
UNTRUE: Final = ("another-device", "handshake-signature")
"""Besides all that does not authenticate: what a relay is suspected of."""

SignalHandler = Callable[[bytes, bytes, RelayClient], None]


class Relays:
    """What `RelayClient` tells, and what the node asks of all of them."""

    def __init__(
        self,
        identity: Identity,
        peers: Peers,
        store: Store,
        events: Events,
        tasks: asyncio.TaskGroup,
        places: Callable[[], Sequence[str]],
        lent: LentRelays,
    ) -> None:
        """`places`: where this device listens, as text."""
        self.lent = lent
        self.clients: list[RelayClient] = []
        self.on_signal: list[SignalHandler] = []
        self.on_registered: list[Callable[[], None]] = []
        self._identity = identity
        self._peers = peers
        self._store = store
        self._events = events
        self._tasks = tasks
        self._places = places
        self.found = FoundRelays()
        self._mailbox = Mailbox(
            identity,
            store,
            events,
            lookup=lambda client, key, is_author: self.lookup(client, key, is_author=is_author),
            wall_us=peers.wall_us,
        )
        self._wanted = Wanted(identity, store)
        self._cache = CapabilityCache()
        self._card: Card | None = None
        self._told: set[tuple[bytes, RelayUrl]] = set()
        self._may_meet = asyncio.Event()
        self._there: set[RelayClient] = set()
        peers.listeners.append(self._note)
        peers.network.channels.openers["circuit"] = self.open_circuit

    def use(self, url: RelayUrl) -> RelayClient:
        """The client of that relay; one that was not used yet is from now on.

        Raises `LocalProtocolError` where there are too many.
        """
        url = self.lent.url_at(url)
        for one in self.clients:
            if one.url.place == url.place:
                if url.token and not one.url.token and not one.is_registered:
                    one.try_token(url.token)
                return one
        if len(self.clients) >= RELAYS_MAX:
            raise LocalProtocolError("too-many-relays", f"{RELAYS_MAX} relays are in use already.")
        network = self._peers.network
        client = RelayClient(url, network.channels, self, Random(os.urandom(16)), self._tasks)
        self.clients.append(client)
        self._card = None  # it names its relays
        self._tasks.create_task(client.run(), name=f"relay {url}")
        return client

    def hurry(self) -> None:
        """Somebody may be wanted who was not."""
        self._may_meet.set()

    def renew(self) -> None:
        """This device is elsewhere than its card says: every relay gets a new one."""
        self._card = None
        for client in self.clients:
            client.renew()

    def call_again(self) -> None:
        """Relays that are away are tried now: why they are may be no more."""
        for client in self.clients:
            client.hurry()

    def names(self) -> Sequence[str]:
        """Where this node can be called, without tokens: for its card."""
        return [str(client.url) for client in self.clients if client.takes_calls]

    def shown(self) -> Sequence[RelayShown]:
        """For `peers` and `status`."""
        now_s, now_us = self._peers.clock(), self._peers.wall_us()
        return [
            RelayShown(
                url=one.url,
                state=one.state,
                since_s=now_s - one.since_s,
                rtt_ms=None if one.rtt_s is None else 1_000 * one.rtt_s,
                last_error=one.last_error,
                registered_until=None
                if one.registered_until_s is None
                else rfc3339(now_us + round(1e6 * (one.registered_until_s - now_s))),
                observed=one.observed,
            )
            for one in (client.shown() for client in self.clients)
        ]

    def unused(self) -> Sequence[FoundRelay]:
        """Relays that were heard of, for people to choose from."""
        cards = self._peers.cards
        if cards is None:
            return ()
        used = [one.url for one in self.clients]
        return self.found.shown(used, may_call=cards.may_call, now_us=self._peers.wall_us())

    def client_at(self, place: RelayedPlace) -> RelayClient | None:
        """The one of the relay that the place names."""
        return next((one for one in self.clients if one.url.place == place.relay), None)

    async def open_circuit(self, place: Place) -> Carrier:
        """The opener of `circuit:` places."""
        assert isinstance(place, RelayedPlace)
        client = self.client_at(place) or self.use(RelayUrl(place.relay))
        await be_registered(client)
        if not client.takes_calls:
            raise PeerLeft("draining", f"The relay {client.url} is about to stop.")
        return await client.call(place.device)

    # --- what a relay tells -----------------------------------------------------------------------

    async def send_letter(
        self, to: bytes, kind: LetterKind, text: str, *, relay: str | None
    ) -> Sequence[SentLetter]:
        """As `node.ports.RelayBook`."""
        clients = self.clients if relay is None else [self.use(RelayUrl.parse(relay))]
        return await self._mailbox.send(clients, to, kind, text)

    def card(self) -> bytes:
        """This device's own; signed anew from time to time."""
        now_us = self._peers.wall_us()
        if self._card is None or now_us - self._card.issued_us > CARD_AGE_US:
            one = self._identity
            encoded = sign_card(
                one.device,
                author=one.author,
                capability=one.capabilities["pub"],
                places=tuple(self._places())[:PLACES_MAX],
                relays=tuple(str(client.url) for client in self.clients)[:8],
                sealing=one.sealing_key,
                issued_us=now_us,
                until_us=now_us + CARD_LIFE_US,
            )
            self._card = check_card(encoded, self._cache, now_us=now_us)
        return self._card.encoded

    def answer(self, carrier: Carrier, who: bytes, relay: RelayClient) -> None:
        # What the relay says of who it is holds only if the handshake proves the same.
        self._peers.network.take_in(carrier, circuit_to(who, relay))

    def signalled(self, device: bytes, sealed: bytes, relay: RelayClient) -> None:
        for handler in self.on_signal:
            handler(device, sealed, relay)

    def changed(self, relay: RelayClient) -> None:
        one = relay.shown()
        self._events.publish("relay", RelayNews(one.url, one.state, one.last_error))
        if one.state == "draining":
            leaving = leave_relay(
                self._peers.network, relay.url.place, lambda: relay.shown().state == "draining"
            )
            self._tasks.create_task(leaving, name="leave a relay that stops")
        if not relay.is_registered:
            self._there.discard(relay)
        elif relay not in self._there:  # it is told of again where the relay is suspected
            self._there.add(relay)
            self._peers.dialler.call_through(relay.url.place)
        if relay.is_registered:
            self._may_meet.set()
            for told in self.on_registered:
                told()
            if relay.is_caching:
                place = str(relay.url.place)
                self._peers.dialler.hint(Hint("", (place,), "relay"))

    async def letter(self, id: bytes, sealed: bytes, relay: RelayClient) -> bool:
        return await self._mailbox.take(id, sealed, relay)

    def _note(self, event: NetworkEvent) -> None:
        """Where bytes that came through a relay are not what their device sent, it is said so."""
        match event:
            case PeerWent(address, _, reason):
                code = reason.code
            case PeerSaid(_, ChannelLost(address, code)):
                pass
            case _:
                return
        if not address.startswith("circuit:"):
            return
        if code.startswith("noise-") or code in UNTRUE:
            with suppress(LocalProtocolError):
                place = parse_place(address)
                if isinstance(place, RelayedPlace) and (client := self.client_at(place)):
                    client.suspect(f"what it passed on is not genuine ({code})")

    # --- meeting ----------------------------------------------------------------------------------

    async def meet(self) -> None:
        """Until cancelled: whom this node wants is looked up, and called."""
        while True:
            self._may_meet.clear()
            connected = self._peers.network.connections
            wanted = await self._wanted.of_this_round(
                {one.session.author for one in connected if one.session.author is not None},
                has_room=len(connected) < PEERS_WANTED,
            )
            for client in [one for one in self.clients if one.takes_calls]:
                with suppress(SyncError):
                    await self._meet_by(client, wanted)
            with suppress(TimeoutError):
                async with asyncio.timeout(MEET_S):
                    await self._may_meet.wait()

    async def _meet_by(self, client: RelayClient, wanted: Sequence[tuple[bytes, bool]]) -> None:
        for key, is_author in wanted:
            for card in await self.lookup(client, key, is_author=is_author):
                is_here = self._peers.network.connection(card.device) is not None
                if card.device != self._identity.device.public and not is_here:
                    self._tasks.create_task(self._reach(card, client), name="reach a device")

    async def lookup(self, client: RelayClient, key: bytes, *, is_author: bool) -> Sequence[Card]:
        """Cards that are genuine and those asked for; for others the relay is suspected."""
        cards: list[Card] = []
        for data in await client.lookup(key, is_author=is_author):
            try:
                card = check_card(data, self._cache, now_us=self._peers.wall_us())
                if key != (card.author if is_author else card.device):
                    raise RemoteProtocolError("card-of-another", "it is of somebody else")
            except (RemoteProtocolError, CrdtError) as error:
                client.suspect(f"it gave a card that does not hold: {error}")
            else:
                cards.append(card)
                await self._remember(card, client)
        return cards

    async def _remember(self, card: Card, client: RelayClient) -> None:
        """For when no relay answers, and to show whom all of this comes from."""
        told = (card.encoded, client.url)
        if told in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told.add(told)
        held = HeldCard(card.device, card.author, card.issued_us, card.until_us, card.encoded)
        with suppress(StorageError):
            await self._store.keep_card(held, relay_source(str(client.url)))

    async def _reach(self, card: Card, client: RelayClient) -> None:
        """Directly, and where that takes long, by a circuit."""
        did = encode_did_key(card.device)
        if card.places:
            self._peers.dialler.hint(Hint(did, card.places, "relay"))
            await asyncio.sleep(DIRECT_S)
        if self._peers.network.connection(card.device) is None:
            place = str(circuit_to(card.device, client))
            self._peers.dialler.hint(Hint(did, (place,), "relay"))


def circuit_to(device: bytes, relay: RelayClient) -> RelayedPlace:
    """To `device`, through `relay`."""
    return RelayedPlace("circuit", DeviceKey(device), relay.url.place)


@asynccontextmanager
async def open_relays(
    p2p: P2pConfig,
    home: Home,
    identity: Identity,
    peers: Peers,
    store: Store,
    events: Events,
    tasks: asyncio.TaskGroup,
) -> AsyncGenerator[Relays]:
    """Every relay of the settings, from now on. Raises `BadSetting`."""
    lent = await open_lent(home)
    relays = Relays(identity, peers, store, events, tasks, peers.places, lent)
    for text in p2p.relays:
        try:
            relays.use(RelayUrl.parse(text))
        except LocalProtocolError as error:
            raise BadSetting(f"p2p.relays: {error.sentence}") from error
    tasks.create_task(relays.meet(), name="meet by relays")
    yield relays


async def be_registered(client: RelayClient, wait_s: float = DIRECT_S) -> None:
    """Waits a moment for it. Raises `PeerLeft` with what kept this node from its relay."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await client.registered.wait()
    if not client.is_registered:
        why = client.last_error or "it did not answer in time."
        raise PeerLeft("relay-away", f"The relay {client.url} is not connected: {why}")
