"""What a session is made with: what this node is and wants, and what the channel knows."""

from dataclasses import dataclass, field
from enum import Enum

from crdt.area import Area
from crdt.capability import CapabilityCache
from crdt.ed25519 import SigningKey
from crdt.held import Revocation
from crdt.keys import AuthorKey, DeviceKey, NamespaceKey
from p2p.protocol import limits
from p2p.protocol.live import Underway


class Role(Enum):
    """Who opened the connection; the initiator opens the reconciliations."""

    INITIATOR = 0
    RESPONDER = 1


@dataclass(frozen=True, slots=True)
class Channel:
    """What the secure channel knows: nobody else is on it, and who is at its other end."""

    role: Role
    handshake_hash: bytes
    device: DeviceKey  # the peer's, proven by `p2p.protocol.handshake.check_payload`


@dataclass(frozen=True, slots=True)
class Cut:
    """A revocation in force that ends rights to read. `said_at`: the time of its entry."""

    namespace: NamespaceKey
    revocation: Revocation
    said_at: int


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What this node is and wants; the same for all of its sessions."""

    device: SigningKey
    author: AuthorKey
    capability: bytes  # by which the author lets this device write a class of the own subspace
    interests: tuple[tuple[NamespaceKey, Area], ...]
    read_capabilities: tuple[bytes, ...] = ()  # shown to peers that know their namespace
    cuts: frozenset[Cut] = frozenset()  # of rights to read
    agent: str = "panspermia"
    addresses: tuple[str, ...] = ()  # where this node listens
    card: bytes = b""  # this device's own, as `p2p.protocol.card` signs it; b"": none is shown
    answer_bytes: int = limits.RANGES_BYTES  # about how long a frame of ranges gets
    cache: CapabilityCache = field(default_factory=CapabilityCache, compare=False)
    underway: Underway = field(default_factory=Underway, compare=False)
