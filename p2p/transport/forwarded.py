"""Who called, where a reverse proxy called for them: its X-Forwarded-For, if it is trusted.

    client ──> proxy ──> this node      "X-Forwarded-For: what the client claims, client, proxy …"

Each proxy appends whom it was called by, so only the end is to be believed, as far back as it was
written by proxies of ours. Whoever is no proxy of ours may claim anything: that is not read.
"""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

Ip: TypeAlias = IPv4Address | IPv6Address
HEADER: Final = "X-Forwarded-For"
HOPS_MAX: Final = 16  # more proxies in a row than anybody has; the rest is the client's own words


def ip_of(text: str) -> Ip | None:
    """As one address is written, with a port perhaps; IPv4 within IPv6 is IPv4. None for others."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def client_of(peer: str, forwarded: Sequence[str], proxies: Collection[Ip]) -> str:
    """The address of whoever called: `peer`, or for whom it speaks if it is one of `proxies`.

    `forwarded`: the values of the header, in order. What is no address ends it: then the proxy
    before it counts.
    """
    at = ip_of(peer)
    hops = [one for value in forwarded for one in value.split(",")][-HOPS_MAX:]
    while at in proxies and hops:
        before = ip_of(hops.pop())
        if before is None:
            break
        at, peer = before, str(before)
    return peer
