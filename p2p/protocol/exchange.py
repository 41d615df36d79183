"""Cards in a session: one's own for everybody, those of others only for those who are trusted.

    OwnCard   ──>            the sender's own card, once the session is open and when it changes
    AskCards  ──>  <── Cards whom the other side knows, as far as `cards_to_give` lets it tell

Who may hear of whom is a rule over values, below: nothing of it depends on the session's state.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from p2p.protocol import limits
from p2p.protocol.effects import CardsCame, CardsWanted
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import AskCards, Cards, OwnCard
from p2p.protocol.limits import TokenBucket
from p2p.protocol.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Circle:
    """Whom this person trusts to be told of others, and to tell of them."""

    own: AuthorKey
    named: frozenset[AuthorKey]
    """By a petname, or followed."""

    def trusts(self, author: AuthorKey | None) -> bool:
        return author == self.own or author in self.named


class Known(Protocol):
    """A card that was checked, as it is kept."""

    @property
    def device(self) -> DeviceKey: ...
    @property
    def author(self) -> AuthorKey: ...
    @property
    def issued_us(self) -> int: ...
    @property
    def until_us(self) -> int: ...
    @property
    def encoded(self) -> bytes: ...


def may_exchange(
    author: AuthorKey | None, shared: Collection[NamespaceKey], circle: Circle
) -> bool:
    """Whether a peer is asked for cards, and answered: no stranger is."""
    return circle.trusts(author) or bool(set(shared) - {COMMONS})


def cards_to_give(
    held: Iterable[Known],
    *,
    device: bytes,
    author: AuthorKey | None,
    shared: Collection[NamespaceKey],
    circle: Circle,
    met: Mapping[DeviceKey, Collection[NamespaceKey]],
    now_us: int,
) -> tuple[bytes, ...]:
    """The cards that `device` of `author` may have, the latest issued first; none for a stranger.

    `shared`: the namespaces that it takes part in with us, proven in its session. `met`: by device,
    those in which it took part in a session with us itself; what others say of it does not count.

    Whom the person trusts hears of the person's devices and of the others who are trusted. Whoever
    shares a private namespace hears of the devices that were met in it: it has shown that it may
    read there, so it could find them by what they wrote. Nobody hears of a device because of a
    namespace that they are not in.
    """
    private = set(shared) - {COMMONS}
    is_trusted = circle.trusts(author)
    fitting = [
        card
        for card in held
        if card.device != device
        and now_us < card.until_us
        and (
            (is_trusted and circle.trusts(card.author))
            or not private.isdisjoint(met.get(card.device, ()))
        )
    ]
    fitting.sort(key=lambda card: (-card.issued_us, card.device))
    return tuple(card.encoded for card in fitting[: limits.CARDS_MAX])


class Exchange:
    """What one session says of cards. The node decides what is given, and what to do with it."""

    def __init__(self, outbox: Outbox, card: bytes, *, now_s: float) -> None:
        self._outbox = outbox
        self._card = card
        self._is_told = not card
        self._is_due = False  # the node wants to ask
        self._asked = 0
        self._unanswered: list[int] = []
        self._asks = TokenBucket.full(limits.EXCHANGES_PER_S, limits.EXCHANGES_BURST, now_s=now_s)

    def show(self, card: bytes) -> None:
        """The peer gets this card of ours, once the session is open."""
        self._is_told = self._is_told and card == self._card
        self._card = card

    def ask(self) -> None:
        """The peer is asked for cards, once the session is open."""
        self._is_due = True

    def advance(self) -> None:
        """The session is open: what waited for that."""
        if not self._is_told and self._card:
            self._is_told = True
            self._outbox.send(OwnCard(self._card))
        if self._is_due and len(self._unanswered) < limits.EXCHANGES_OPEN_MAX:
            self._is_due = False
            self._asked += 1
            self._unanswered.append(self._asked)
            self._outbox.send(AskCards(self._asked))

    def asked(self, frame: AskCards) -> None:
        """Raises `RemoteProtocolError` where the peer asks again and again."""
        if not self._asks.take(now_s=self._outbox.now_s):
            raise RemoteProtocolError("flood", "the peer asks for cards again and again")
        self._outbox.notify(CardsWanted(frame.number))

    def give(self, number: int, cards: tuple[bytes, ...]) -> None:
        """The answer to the ask of that number."""
        self._outbox.send(Cards(number, cards[: limits.CARDS_MAX]))

    def own(self, frame: OwnCard) -> None:
        """The peer's own card."""
        self._outbox.notify(CardsCame((frame.card,), is_own=True))

    def take(self, frame: Cards) -> None:
        """Raises `RemoteProtocolError` where nothing was asked."""
        if frame.number not in self._unanswered:
            raise RemoteProtocolError("cards-unasked", "the peer gives cards that nobody asked for")
        self._unanswered.remove(frame.number)
        self._outbox.notify(CardsCame(frame.cards, is_own=False))
