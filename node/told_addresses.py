"""Addresses of this node that a person says an invite should carry."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from node.errors import BadRequest, Fault
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.invites.link import LINK_PLACE_CHARACTERS_MAX
from p2p.transport.place import DirectPlace, RelayedPlace, WebSocketPlace, parse_place

SHOWN_CHARACTERS: Final = 80


def told_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """As `parse_place` writes them, so that every reader of a link or a code takes them.

    Raises `BadRequest` (`bad-address`) where one is no address, or nobody could call it.
    """
    return tuple(_told(number, text) for number, text in enumerate(texts))


def _told(number: int, text: str) -> str:
    try:
        place = parse_place(text)
    except LocalProtocolError as error:
        raise _bad(number, error.sentence.rstrip(".")) from error
    written, shown = str(place), f"{text.strip()[:SHOWN_CHARACTERS]!r}"
    direct = place.relay if isinstance(place, RelayedPlace) else place
    if not written.isascii():
        raise _bad(number, f"{shown} is not in ASCII, as a link is: write its host as xn--…")
    if len(written) > LINK_PLACE_CHARACTERS_MAX:
        raise _bad(number, f"{shown}… is longer than {LINK_PLACE_CHARACTERS_MAX} characters")
    if _is_nowhere(direct):
        raise _bad(number, f"{shown} is where this node listens, and no place to call it at")
    return written


def _is_nowhere(place: DirectPlace) -> bool:
    """Whether it is `0.0.0.0`, `::` or a group's address."""
    address = place.address if isinstance(place, WebSocketPlace) else place
    try:
        ip = ip_address(address.host)
    except ValueError:
        return False
    return ip.is_unspecified or ip.is_multicast


def _bad(number: int, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad-address", faults=(Fault(f"/addresses/{number}", detail),))
