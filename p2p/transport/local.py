"""Places that mean whoever reads them: a stranger's word for one leads to a service of our own.

What is said here is of the text alone: a name that its owner lets lead to loopback is not known.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from p2p.protocol.errors import LocalProtocolError
from p2p.transport.place import RelayedPlace, WebSocketPlace, parse_place

# The system's resolver takes `127.1` and `0x7f000001` for 127.0.0.1; nobody honest writes so.
ODD_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?")
OURS = re.compile(r"(?:.*\.)?(?:localhost|localhost\.localdomain|ip6-localhost|ip6-loopback)\.?")


def may_call(place: str, own: Iterable[str]) -> bool:
    """Whether what a stranger says is followed, where `own` are the places of this node.

    To this machine only where this node is called there itself, as with all on one machine.
    """
    return not is_local(place) or any(map(is_local, own))


def is_local(text: str) -> bool:
    """Whether it leads, or its relay does, to whoever reads it: loopback, or no host at all."""
    with suppress(LocalProtocolError):
        place = parse_place(text)
        if isinstance(place, RelayedPlace):
            place = place.relay
        if isinstance(place, WebSocketPlace):
            place = place.address
        return _is_local_host(place.host)
    return False  # no place: nobody is called there


def _is_local_host(host: str) -> bool:
    try:
        ip = ip_address(host)
    except ValueError:
        return bool(OURS.fullmatch(host.lower()) or ODD_NUMBER.fullmatch(host))
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local
