"""Where else a connected peer can be called, so that its session may move there by itself.

    its card               ──┬─▸ a circuit, and a data channel, by each relay that both are at
    the way that it came   ──┤
    a relay that is there  ──┘   its places without a relay ─▸ as they are

`p2p.protocol.paths` says which of them is better, and when it is tried.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

from crdt.keys import DeviceKey
from node.cards import CardBook
from node.relays import Relays
from p2p.protocol.card import Card
from p2p.protocol.effects import CardsCame
from p2p.protocol.errors import LocalProtocolError, RemoteProtocolError
from p2p.transport.connection import Connection
from p2p.transport.mover import known_as
from p2p.transport.network import Network, NetworkEvent, PeerCame, PeerSaid, PeerWent
from p2p.transport.place import DirectPlace, RelayedPlace, relay_of
from p2p.transport.relay.url import RelayUrl

KINDS: Final[tuple[Literal["circuit", "webrtc"], ...]] = ("circuit", "webrtc")


class Ways:
    """One for a running node; it keeps something of connected peers alone."""

    def __init__(self, network: Network, relays: Relays, book: CardBook) -> None:
        self._network = network
        self._relays = relays
        self._book = book
        self._at: dict[DeviceKey, dict[DirectPlace, None]] = {}  # a peer's relays, in its order
        relays.on_registered.append(self.look)

    def note(self, event: NetworkEvent) -> None:
        """What the network tells."""
        match event:
            case PeerCame(connection, _):
                relay = relay_of(connection.address)
                self._know(connection, [relay] if relay else [])
            case PeerSaid(connection, CardsCame((data, *_), is_own=True)):
                with suppress(RemoteProtocolError):
                    card = self._book.check(data)
                    if card.device == connection.device:
                        self._take(connection, card)
            case PeerWent(_, Connection() as connection, _):
                if self._network.connection(connection.device) is None:
                    self._at.pop(connection.device, None)
            case _:
                return

    def look(self) -> None:
        """This node is at a relay again, or at another one."""
        for connection in self._network.connections:
            self._know(connection, [])

    def _take(self, connection: Connection, card: Card) -> None:
        """The newest one of a peer: relays that it names no more are left, but for its way here."""
        self._at.pop(card.device, None)
        connection.know(known_as(tuple(filter(self._book.may_call, card.places))))
        came_by = relay_of(connection.address)
        self._know(connection, [*relays_of(card), *([came_by] if came_by else [])])

    def _know(self, connection: Connection, more: Sequence[DirectPlace]) -> None:
        at = self._at.setdefault(connection.device, {})
        at |= dict.fromkeys(more)
        ours = {one.url.place for one in self._relays.clients if one.takes_calls}
        # A data channel only where this node makes any.
        kinds = KINDS if "webrtc" in self._network.channels.openers else KINDS[:1]
        places = [
            str(RelayedPlace(kind, connection.device, relay))
            for relay in at
            if relay in ours
            for kind in kinds
        ]
        connection.know(known_as(tuple(places)))


def relays_of(card: Card) -> Sequence[DirectPlace]:
    """Where the relays are that a card names; what is none is left out."""
    found: list[DirectPlace] = []
    for text in card.relays:
        with suppress(LocalProtocolError):
            found.append(RelayUrl.parse(text).place)
    return found
