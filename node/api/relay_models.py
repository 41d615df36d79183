"""What the API says of relays: those in use, those heard of, and letters left there."""

from typing import Literal

from msgspec import Struct


class RelayShown(Struct, frozen=True):
    """A relay that this node is, or tries to be, registered at."""

    url: str
    """Without its token."""
    state: Literal["connecting", "registered", "draining", "waiting"]
    since_s: float
    rtt_ms: float | None
    last_error: str
    registered_until: str | None
    observed: str
    """The address of this node, as the relay sees it."""


class RelayRole(Struct, frozen=True):
    """What a node in the relay role does for others, since its start."""

    registered: int
    """Devices that are called through it now."""
    circuits: int
    """Open now, between two of them."""
    circuit_bytes: int
    """That went through circuits, in either direction."""
    letters: int
    """Sealed letters that it took in; it keeps each until its receiver has it."""
    delivered: int
    """Of letters, also of those taken in before."""
    draining: bool
    """It stops, once the open circuits have ended or their time is over."""


class FoundRelay(Struct, frozen=True):
    """A relay that the public table tells of. It is not used unless `p2p.relays` names it."""

    url: str
    """For `p2p.relays`; it names the relay's key, so that no other is taken for it."""
    device: str
    did: str
    """The author whose device it is."""
    until: str
    """When what it said of itself runs out."""
    name: str | None = None
    """This person's own word for the author."""


class SentLetter(Struct, frozen=True):
    """A letter that a relay keeps until its device takes it."""

    id: str
    did: str
    device: str
    relay: str
