"""Where a peer can be called, and by what carrier, as text.

    host:port                                TCP
    ws://host:port/path · wss://host/path    WebSocket: the same bytes in binary messages
    circuit:z6Mk…@RELAY                      through a relay, to a device: bytes are passed on
    webrtc:z6Mk…@RELAY                       directly, introduced by a relay

RELAY is one of the first two. A place is a hint of whoever names it: who is there, the handshake
shows.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal, TypeAlias

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.limits import ADDRESS_CHARACTERS_MAX
from p2p.transport.address import Address

PlaceKind = Literal["tcp", "websocket", "circuit", "webrtc"]
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")  # RFC 3986, neither query nor fragment
DID = "did:key:"
RELAYED: Mapping[str, Literal["circuit", "webrtc"]] = {"circuit": "circuit", "webrtc": "webrtc"}
WEB_PORTS = {"ws": 80, "wss": 443}
# The system's resolver takes `127.1` and `0x7f000001` for 127.0.0.1; nobody honest writes so.
ODD_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?")
OURS = re.compile(r"(?:.*\.)?(?:localhost|localhost\.localdomain|ip6-localhost|ip6-loopback)\.?")


@dataclass(frozen=True, slots=True)
class WebSocketPlace:
    """A WebSocket; over TLS where `is_tls`."""

    address: Address
    path: str
    is_tls: bool

    @property
    def kind(self) -> Literal["websocket"]:
        return "websocket"

    def __str__(self) -> str:
        scheme = "wss" if self.is_tls else "ws"
        host = str(self.address).removesuffix(f":{WEB_PORTS[scheme]}")
        return f"{scheme}://{host}{self.path}"


@dataclass(frozen=True, slots=True)
class RelayedPlace:
    """A device, by way of a relay; `kind` says what the relay does for it."""

    kind: Literal["circuit", "webrtc"]
    device: DeviceKey
    relay: "Address | WebSocketPlace"

    def __str__(self) -> str:
        return f"{self.kind}:{encode_did_key(self.device).removeprefix(DID)}@{self.relay}"


DirectPlace: TypeAlias = Address | WebSocketPlace
Place: TypeAlias = DirectPlace | RelayedPlace


def kind_of(place: Place) -> PlaceKind:
    """By what carrier it is reached."""
    return "tcp" if isinstance(place, Address) else place.kind


def parse_place(text: str) -> Place:
    """The place that `text` names; `host` alone has port 4747. Raises `LocalProtocolError`.

    What `str` makes of it is read as the same place again.
    """
    text = text.strip()
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise _no_place(text)
    kind, separator, rest = text.partition(":")
    did, at, relay = rest.partition("@")
    relayed = RELAYED.get(kind)
    if relayed and separator and at:
        try:
            device = DeviceKey(decode_did_key(DID + did))
        except CrdtError as error:
            raise _no_place(text) from error
        return RelayedPlace(relayed, device, parse_direct(relay))
    return parse_direct(text)


def parse_direct(text: str) -> DirectPlace:
    """A place that needs no relay. Raises `LocalProtocolError`."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        try:
            return Address.parse(text)
        except LocalProtocolError as error:
            raise _no_place(text) from error
    host, slash, path = rest.partition("/")
    if scheme not in WEB_PORTS or not PATH.fullmatch(slash + path or "/"):
        raise _no_place(text)
    try:
        address = Address.parse(host, default_port=WEB_PORTS[scheme])
    except LocalProtocolError as error:
        raise _no_place(text) from error
    return WebSocketPlace(address, slash + path or "/", scheme == "wss")


def relay_of(address: str) -> DirectPlace | None:
    """The relay that a connection goes through, or that introduced it."""
    with suppress(LocalProtocolError):
        place = parse_place(address)
        return place.relay if isinstance(place, RelayedPlace) else None
    return None


def is_local(text: str) -> bool:
    """Whether it is an address of whoever reads it: loopback, say, or none at all.

    Of a place by way of a relay, whether the relay's is.
    """
    try:
        place = parse_place(text)
    except LocalProtocolError:
        return False  # no place: nobody is called there
    direct = place.relay if isinstance(place, RelayedPlace) else place
    return _is_local_host(direct.host if isinstance(direct, Address) else direct.address.host)


def _is_local_host(host: str) -> bool:
    try:
        ip = ip_address(host)
    except ValueError:
        return bool(OURS.fullmatch(host.lower()) or ODD_NUMBER.fullmatch(host))
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local


def to_tell(places: Sequence[str]) -> tuple[str, ...]:
    """Of one's own places those that mean something to others; local ones if there are no others.

    What is told of this node to anybody went through here.
    """
    return tuple(one for one in places if not is_local(one)) or tuple(places)


def may_call(text: str, own: Iterable[str]) -> bool:
    """Whether a stranger's word is followed: to no service of this machine itself.

    `own`: where this node says that it is; where that is local too, all are on one machine.
    """
    return not is_local(text) or any(map(is_local, own))


def _no_place(text: str) -> LocalProtocolError:
    return LocalProtocolError(
        "address",
        f"{text[:80]!r} is not host:port, ws://…, wss://…, circuit:…@… or webrtc:…@….",
    )


def to_follow(places: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Of what a peer says of itself: no service of this machine, and by no relay of its choice.

    Its card names relays too; through those that this node is at, it is called as well.
    """
    return tuple(one for one in places if relay_of(one) is None and may_call(one, own))
