"""How it stands with peers, as the API says it; `node/shown_peers.py` says what each means."""

from typing import Literal

from msgspec import Struct

PeerStanding = Literal[
    "reconnecting", "introducing", "behind", "apart", "comparing", "ahead", "refused",
    "different", "in-sync",
]  # fmt: skip
"""The first that holds of the list there."""
StateOfAll = PeerStanding | Literal["alone", "relaying"]
"""`relaying`: a relay without a session of its own."""


class PeerRefusal(Struct, frozen=True):
    """Entries of a peer that were not taken in this session."""

    code: str
    count: int
    why: str


class Waits(Struct, frozen=True):
    """Entries that are held and wait for something that is not here."""

    code: str
    """`unknown-authority` or `missing-dependency`."""
    count: int
    why: str


class SyncState(Struct, frozen=True):
    """How it stands with all peers together."""

    state: StateOfAll
    words: str
    """For people."""
    behind: int
    """Entries known to be missing here: of one peer the most, since others may hold the same."""
    connected: int
    in_sync: int
    """Of those connected."""
    missed: int
    """Known and not connected, or cut off and not given up yet."""
    apart: int = 0
    """Of those connected: they take part in nothing that this node does."""
    blobs: int = 0
    """That are being fetched."""
    blob_bytes: int = 0
    """Of these, still to come, as far as their size is known."""
