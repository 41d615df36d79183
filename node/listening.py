"""Where peers call this node: the socket, and what it says of itself."""

import socket
from collections.abc import Sequence

from p2p.transport.address import Address
from p2p.transport.place import to_tell

BACKLOG = 64  # half-open connections the kernel keeps


def listen(address: str) -> socket.socket:
    """The listening socket; port 0 picks a free one. Raises `OSError`."""
    at = Address.parse(address) if not address.endswith(":0") else free_port_of(address)
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    # Everywhere means IPv4 too: those are the addresses that are announced.
    is_dual = at.host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (at.host, at.port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
    )


def free_port_of(address: str) -> Address:
    """`host:0`, which `Address.parse` takes for a slip: nobody connects to port 0."""
    parsed = Address.parse(f"{address[:-1]}1")
    return Address(parsed.host, 0)


def told_places(hosts: Sequence[str], port: int, public: Sequence[str] = ()) -> Sequence[str]:
    """`public` places and `host:port` of each; those of this machine alone only where there is
    nothing else. All that is told to others of where this node is begins here."""
    return to_tell([*public, *(str(Address(one, port)) for one in hosts)])
