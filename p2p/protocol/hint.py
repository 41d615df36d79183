"""Where a peer may be found: an address and a claim, neither of them proved."""

from dataclasses import dataclass, field
from typing import Final, Literal

Source = Literal["mdns", "static", "invite", "peer", "relay", "dht"]
Chosen = Literal["static", "invite"]
CHOSEN: Final[tuple[Chosen, ...]] = ("static", "invite")
"""A person said so: named it, or paired with it. Such a place is tried for ever."""


@dataclass(frozen=True, slots=True)
class Hint:
    """`addresses` are places, of which `p2p.transport.place` tells, the likeliest first.

    `device_did` is empty where unknown.
    """

    device_did: str
    addresses: tuple[str, ...]
    source: Source
    issued_us: int = 0
    """Of the device's card, as it is claimed; 0 where nobody said."""
    invites: bytes = field(default=b"", compare=False)
    """Signs of open invites among fillers, as mDNS announced them."""
