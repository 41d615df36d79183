"""Relays that this node heard of and does not use: people are shown them, and choose."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import DeviceKey
from node.api.relay_models import FoundRelay
from p2p.protocol.card import Card
from p2p.protocol.errors import LocalProtocolError
from p2p.transport.place import DirectPlace, RelayedPlace, parse_place
from p2p.transport.relay.url import RelayUrl
from registry.listed import rfc3339

FOUND_MAX: Final = 64  # who says to be one is free; those heard of longest ago go


class FoundRelays:
    """The newest card of each; none of it proves that anybody answers there."""

    def __init__(self) -> None:
        self._cards: OrderedDict[DeviceKey, Card] = OrderedDict()

    def note(self, card: Card) -> None:
        """It says of itself that it is a relay for everybody."""
        known = self._cards.get(card.device)
        if known is None or known.issued_us < card.issued_us:
            self._cards[card.device] = card
        self._cards.move_to_end(card.device)
        if len(self._cards) > FOUND_MAX:
            self._cards.popitem(last=False)

    def shown(
        self,
        used: Collection[RelayUrl],
        *,
        may_call: Callable[[str], bool],
        now_us: int,
    ) -> Sequence[FoundRelay]:
        """Those that this node does not use, whose card has not run out, by their address."""
        places = {one.place for one in used}
        devices = {one.device for one in used}
        shown: list[FoundRelay] = []
        for device, card in self._cards.items():
            place = _place_of(card, may_call)
            if place is None or place in places or device in devices or card.until_us <= now_us:
                continue
            url = str(RelayUrl(place, device))
            author = encode_did_key(card.author)
            shown.append(FoundRelay(url, encode_did_key(device), author, rfc3339(card.until_us)))
        return sorted(shown, key=lambda one: one.url)


def _place_of(card: Card, may_call: Callable[[str], bool]) -> DirectPlace | None:
    """Where it can be registered at."""
    for text in card.places:
        with suppress(LocalProtocolError):
            place = parse_place(text)
            if not isinstance(place, RelayedPlace) and may_call(text):
                return place
    return None
