"""Settings that say where something is: what a pattern lets through, and nobody could be called at.

A start, its flags and `config set` read them by this, so that none takes what another refuses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from p2p.protocol.errors import LocalProtocolError
from p2p.transport.address import Address
from p2p.transport.forwarded import ip_of
from p2p.transport.place import parse_place
from p2p.transport.relay.url import RelayUrl
from p2p.transport.webrtc.servers import Turn

PORT_MAX: Final = 65_535


def _listen(text: str) -> object:
    """Port 0 picks a free one."""
    host, _, port = text.rpartition(":")
    return Address.parse(f"{host}:{port if int(port) else 1}")


def _ip(text: str) -> object:
    if (ip := ip_of(text)) is None:
        raise LocalProtocolError("address", f"{text[:80]!r} is no IP address.")
    return ip


READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "p2p.listen": _listen,
    "p2p.peers": parse_place,
    "p2p.relays": RelayUrl.parse,
    "p2p.stun": Address.parse,
    "p2p.turn": Turn.parse,
    "p2p.dht_bootstrap": Address.parse,
    "p2p.proxies": _ip,
}


def fault_of(name: str, value: object) -> str:
    """Why the setting cannot be `value`, which is of its type; empty where it can."""
    reader = READERS.get(name)
    if reader is None:
        return ""
    texts = [value] if isinstance(value, str) else cast("Sequence[str]", value)
    for text in texts:
        try:
            reader(text)
        except LocalProtocolError as error:
            port = text.rpartition(":")[2]
            if port.isdecimal() and not 0 < int(port) <= PORT_MAX:
                return f"{error.sentence.rstrip('.')}: a port is 1 to {PORT_MAX:,}"
            return error.sentence.rstrip(".")
    return ""
