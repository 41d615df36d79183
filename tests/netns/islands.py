"""What these tests build: a public network with a relay on it, and homes behind NAT routers."""

from dataclasses import dataclass

from tests.netns.bed import Bed, Host

PUBLIC = "203.0.113.0/24"  # TEST-NET-3: addresses of nobody, here of namespaces


@dataclass(frozen=True, slots=True)
class Home:
    """A machine behind a router of its own."""

    machine: Host
    router: Host


@dataclass(frozen=True, slots=True)
class Islands:
    """Two homes that reach what is public, and not each other."""

    relay: Host
    alice: Home
    bob: Home


def islands(bed: Bed, *, is_symmetric: bool = False) -> Islands:
    public = bed.segment(PUBLIC)
    relay = bed.host("relay", public)
    homes: list[Home] = []
    for number, name in enumerate(("alice", "bob"), start=1):
        inside = bed.segment(f"10.77.{number}.0/24")
        router = bed.router(inside, public, is_symmetric=is_symmetric)
        gateway = str(inside.network[1])
        homes.append(Home(bed.host(name, inside, gateway=gateway), router))
    return Islands(relay, *homes)
