"""The cards of this node: its own, those that others gave, and whom they are given to.

    PeerCame    ──> it is shown our card, and asked for those it knows
    PeerWent    ──> its carrier died, and nobody came back: whom this person named is called again
    CardsWanted ──> `cards_to_give`, over what is kept and whom this person named
    CardsCame   ──> checked, kept with its source; dialled if it is wanted

docs/protocol/cards.md has the rules, docs/decisions/0046 why they are so.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from crdt.capability import CapabilityCache
from crdt.did import decode_did_key, encode_did_key
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from node.identity import Identity
from p2p.protocol import effects
from p2p.protocol.card import (
    CARD_LIFE_S_MAX,
    CARD_PLACES_MAX,
    CARD_RELAYS_MAX,
    SECOND_US,
    Card,
    check_card,
    sign_card,
)
from p2p.protocol.config import Role
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError, SyncError
from p2p.protocol.exchange import Circle, Exchange, cards_to_give, may_exchange
from p2p.protocol.hint import CHOSEN, Hint, Source
from p2p.protocol.sources import PEER, Sources, one_source, peer_source, relay_source
from p2p.transport.connection import Connection
from p2p.transport.dialler import Dialler
from p2p.transport.network import Network, NetworkEvent, PeerCame, PeerSaid, PeerWent
from p2p.transport.place import RelayedPlace, may_call, parse_place, relay_of
from p2p.transport.relay.url import RelayUrl
from storage.cards import HeldCard
from storage.errors import StorageError
from storage.store import Store

ASK_EVERY_S = 300.0
ASK_SOON_S = 30.0  # while fewer than PEERS_WANTED are connected; docs/protocol/cards.md allows 20
LOOK_EVERY_S = 15.0  # at our own places and relays
RENEW_AFTER_US = CARD_LIFE_S_MAX * SECOND_US // 2
PEERS_WANTED = 8  # until so many are connected, whoever a trusted peer tells of is called
MET_MAX = 4_096  # devices whose namespaces are remembered; those met first go
TODO_MAX = 256  # asks and answers that wait; what comes beyond is dropped, and asked for again
A_CARD = "a card"  # where `refused` says that it was
SHORT_PLACES, SHORT_RELAYS = 4, 2  # in a card for the public table


@dataclass(frozen=True, slots=True)
class _Todo:
    connection: Connection
    event: effects.CardsWanted | effects.CardsCame | SyncError


class CardBook:
    """One for a running node; `wall_us` is Unix time."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        network: Network,
        dialler: Dialler,
        *,
        places: Callable[[], Sequence[str]],
        relays: Callable[[], Sequence[str]],
        wall_us: Callable[[], int],
        refused: Callable[[str, str, RemoteProtocolError], None],
    ) -> None:
        """`places`, `relays`: where this device is called, as text, by now. `refused` hears who
        gave a card that is none."""
        self.sources = Sources()
        self._refused = refused
        self.on_renewed: list[Callable[[], None]] = []
        self.wall_us = wall_us
        self._identity = identity
        self._store = store
        self._network = network
        self._dialler = dialler
        self._places = places
        self._relays = relays
        self._cache = CapabilityCache()
        self._met: dict[DeviceKey, Collection[NamespaceKey]] = {}
        self._todo: asyncio.Queue[_Todo] = asyncio.Queue(maxsize=TODO_MAX)
        self.own = self._sign(*self._told())

    # --- this device's own --------------------------------------------------------------------

    def renew(self) -> None:
        """The peers get a new card where a place or a relay is another, or this one gets old."""
        is_old = self.wall_us() - self.own.issued_us >= RENEW_AFTER_US
        if is_old or self._told() != (self.own.places, self.own.relays):
            self.own = self._sign(*self._told())
            self._network.show_card(self.own.encoded)
            for told in self.on_renewed:
                told()

    def short(self) -> bytes:
        """A card that is as short as the public table wants it."""
        places, relays = self._told()
        return self._sign(places[:SHORT_PLACES], relays[:SHORT_RELAYS]).encoded

    def _told(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return tuple(self._places())[:CARD_PLACES_MAX], tuple(self._relays())[:CARD_RELAYS_MAX]

    def check(self, data: bytes) -> Card:
        """Raises `RemoteProtocolError`."""
        return check_card(data, self._cache, now_us=self.wall_us())

    def _sign(self, places: tuple[str, ...], relays: tuple[str, ...]) -> Card:
        now_us, identity = self.wall_us(), self._identity
        data = sign_card(
            identity.device,
            author=identity.author,
            capability=identity.capabilities["pub"],
            places=places,
            relays=relays,
            sealing=identity.sealing_key,
            issued_us=now_us,
            until_us=now_us + CARD_LIFE_S_MAX * SECOND_US,
        )
        return self.check(data)

    # --- what happens -------------------------------------------------------------------------

    def note(self, event: NetworkEvent) -> None:
        """What the network tells."""
        match event:
            case PeerCame(connection, _):
                self._came(connection)
            case PeerSaid(connection, effects.Synced()):
                self._meet(connection)
            case PeerSaid(connection, (effects.CardsWanted() | effects.CardsCame()) as said):
                self._put(connection, said)
            case PeerWent(_, Connection() as connection, reason) if connection.was_lost:
                self._put(connection, reason)
            case _:
                return

    def _put(
        self,
        connection: Connection,
        event: effects.CardsWanted | effects.CardsCame | SyncError,
    ) -> None:
        with suppress(asyncio.QueueFull):
            self._todo.put_nowait(_Todo(connection, event))

    def one_source(self) -> str | None:
        """The one side that all connected peers come from; None where there are several."""
        connected = self._network.connections
        of = self.sources.of
        return one_source({one.device: of(one.device) for one in connected}, of)

    def _came(self, connection: Connection) -> None:
        self._note_source(connection)
        connection.exchange(Exchange.ask)

    def _note_source(self, connection: Connection) -> None:
        device, did = connection.device, encode_did_key(connection.device)
        for found in self._dialler.found:
            is_called = connection.role is Role.INITIATOR and found.address == connection.address
            if (is_called or found.device_did == did) and found.source in (*CHOSEN, "mdns"):
                self.sources.note(device, found.source)
        if not self.sources.of(device) and (relay := relay_of(connection.address)):
            self.sources.note(device, relay_source(str(relay)))

    def _meet(self, connection: Connection) -> None:
        """What both take part in now; it may be less than before."""
        self._met.pop(connection.device, None)
        self._met[connection.device] = connection.session.shared - {COMMONS}
        if len(self._met) > MET_MAX:
            del self._met[next(iter(self._met))]

    # --- the work -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        self._network.show_card(self.own.encoded)
        for device, sources in (await self._store.card_sources()).items():
            for source in sources:
                self.sources.note(device, source)
        for connection in self._network.connections:  # some came before there was this book
            if connection.is_greeted:
                self._came(connection)
        await self._call_known()
        asked_s = 0.0
        while True:
            todo = await self._next()
            if todo is not None:
                # The disk may be full: a card is a hint, and comes again.
                with suppress(StorageError):
                    await self._do(todo)
                continue
            self.renew()
            for connection in self._network.connections:  # who paired is named a moment later
                self._note_source(connection)
            asked_s += LOOK_EVERY_S
            if asked_s >= (ASK_SOON_S if self._has_room() else ASK_EVERY_S):
                asked_s = 0.0
                for connection in self._network.connections:
                    connection.exchange(Exchange.ask)

    async def _next(self) -> _Todo | None:
        """None where nothing comes for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                return await self._todo.get()
        return None

    async def _call_known(self) -> None:
        """After a start: the devices of those whom this person named."""
        circle = await self.circle()
        for held in await self._store.cards_of(circle.named | {circle.own}):
            with suppress(RemoteProtocolError):
                self._call(self.check(held.encoded), "peer", is_vouched_for=True)

    async def _do(self, todo: _Todo) -> None:
        connection, session = todo.connection, todo.connection.session
        circle = await self.circle()
        match todo.event:
            case effects.CardsWanted(number):
                cards = cards_to_give(
                    await self._store.cards(),
                    device=connection.device,
                    author=session.author,
                    shared=session.shared,
                    circle=circle,
                    met=self._met,
                    now_us=self.wall_us(),
                )
                connection.exchange(lambda exchange: exchange.give(number, cards))
            case effects.CardsCame(cards, is_own=True):
                await self._take_own(connection, cards[0])
            case SyncError() as lost:
                author = session.author
                if author is not None and circle.trusts(author):
                    await self._call_again(author, connection.device, lost.sentence)
            case effects.CardsCame(cards):
                if may_exchange(session.author, session.shared, circle):
                    source, is_trusted = (
                        peer_source(connection.device),
                        circle.trusts(session.author),
                    )
                    for data in cards:
                        await self.take(data, source, "peer", circle, is_trusted=is_trusted)

    async def _call_again(self, author: AuthorKey, device: DeviceKey, lost: str) -> None:
        """As its card says; if it called us, nobody else would before the next look around."""
        for held in await self._store.cards_of({author}):
            if held.device == device:
                with suppress(RemoteProtocolError):
                    self._call(self.check(held.encoded), "peer", is_vouched_for=True, lost=lost)

    async def _take_own(self, connection: Connection, data: bytes) -> None:
        """The peer's own: who told of it is told by how it was found, so it is no source itself."""
        try:
            card = self.check(data)
            if card.device != connection.device:
                raise RemoteProtocolError("card-device", "another device's card came as its own")
        except RemoteProtocolError as error:
            self._refused(connection.device.hex(), A_CARD, error)
            return
        for source in self.sources.of(card.device) or ("met",):
            await self._store.keep_card(_held(card), source)

    async def take(
        self, data: bytes, source: str, how: Source, circle: Circle, *, is_trusted: bool = False
    ) -> Card | None:
        """A card that `source` gave; kept, and called if it is wanted. None where it is none.

        `is_trusted`: `source` speaks for somebody whom the person trusts.
        """
        try:
            card = self.check(data)
        except RemoteProtocolError as error:
            self._refused(source.removeprefix(PEER), A_CARD, error)
            return None
        if card.device == self._identity.device.public or self._is_blocked(card):
            return card
        self.sources.note(card.device, source)
        await self._store.keep_card(_held(card), source)
        is_named = circle.trusts(card.author)
        if is_named or self._has_room():
            self._call(card, how, is_vouched_for=is_named or is_trusted)
        return card

    async def circle(self) -> Circle:
        """Whom this person trusts, as of now."""
        names, _ = await self._store.petnames()
        named = frozenset(AuthorKey(decode_did_key(one.author)) for one in names)
        return Circle(self._identity.author, named)

    def _is_blocked(self, card: Card) -> bool:
        return self._store.is_blocked(card.device) or self._store.is_blocked(card.author)

    def _has_room(self) -> bool:
        return len(self._network.connections) < PEERS_WANTED

    def _call(self, card: Card, how: Source, *, is_vouched_for: bool, lost: str = "") -> None:
        """`is_vouched_for`: by the person, or whom they trust: then by the relays of its card."""
        own = self.own.places
        places = tuple(
            place
            for place in places_of(card)
            if self.may_call(place) or (is_vouched_for and may_call(place, own))
        )
        if places and self._network.connection(card.device) is None:
            self._dialler.hint(Hint(encode_did_key(card.device), places, how), lost=lost)

    def may_call(self, text: str) -> bool:
        """Whether a stranger's word is followed: to no service of this machine, and by no relay
        but those that this node is at."""
        relay = relay_of(text)
        ours = [RelayUrl.parse(one).place for one in self._relays()] if relay else []
        # One that we are at may be on this machine: the end of a tunnel, say.
        return relay in ours if relay else may_call(text, self.own.places)


def places_of(card: Card) -> tuple[str, ...]:
    """Where it can be called: what it says, and a circuit through each of its relays."""
    places: list[str] = []
    for place in card.places:
        with suppress(LocalProtocolError):
            places.append(str(parse_place(place)))
    for relay in card.relays:
        with suppress(LocalProtocolError):
            places.append(str(RelayedPlace("circuit", card.device, RelayUrl.parse(relay).place)))
    return tuple(places)


def _held(card: Card) -> HeldCard:
    return HeldCard(card.device, card.author, card.issued_us, card.until_us, card.encoded)
