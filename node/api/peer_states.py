"""How it stands with peers, as the API says it; `node/shown_peers.py` says what each means."""

from typing import Literal

from msgspec import Struct

PeerStanding = Literal[
    "reconnecting",
    "introducing",
    "behind",
    "comparing",
    "ahead",
    "refused",
    "different",
    "in-sync",
]
"""The first that holds of the list there."""
StateOfAll = PeerStanding | Literal["alone"]


class PeerRefusal(Struct, frozen=True):
    """Entries of a peer that were not taken in this session."""

    code: str
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
    """Known and not connected."""
