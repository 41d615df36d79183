"""What the API says of relays: of this one, of those in use and heard of, of letters left there."""

from typing import Literal

from msgspec import Struct


class RelayRole(Struct, frozen=True):
    """What this node does for others as their relay."""

    words: str
    """For people."""
    registered: int
    """Devices that are registered now."""
    circuits: int
    """That are open."""
    passed_bytes: int
    """Through circuits, both ways, since the start."""
    letters: int
    """That wait for their receivers."""
    letter_bytes: int
    draining: bool
    """It was told to stop: open circuits may go on for a while, and nobody new is taken."""
    caching: bool
    """It keeps and serves the records of namespaces too, and blobs that they name."""


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
