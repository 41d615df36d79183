"""What `GET /api/status` answers."""

from msgspec import Struct

from node.api.peer_states import SyncState, Waits
from node.api.relay_models import FoundRelay, RelayRole, RelayShown
from node.api.transfer import Transfer
from node.attesting import AttestingState
from node.keeping.shown import KeepState
from node.left_over import LastEnd


class PeerCounts(Struct, frozen=True):
    connected: int
    known: int
    """Those that are connected, and those that are called."""


class LetterCounts(Struct, frozen=True):
    """Those that came to this person."""

    unread: int


class BlobCounts(Struct, frozen=True):
    count: int
    bytes: int
    damaged: tuple[str, ...] = ()
    """Ids of those that the disk did not give back as written, until they are whole again."""


class IndexState(Struct, frozen=True):
    behind: int
    """Changed documents that search does not know yet."""


class AuthorityAge(Struct, frozen=True):
    namespace: str
    age_s: float | None
    compared_s: float | None


class RoomState(Struct, frozen=True):
    """The room for authors whom nobody here follows."""

    strangers_bytes: int
    strangers_bytes_max: int
    kept_out: int
    """Entries that were evicted or refused for want of room, as far as they are remembered."""


class Status(Struct, frozen=True):
    version: str
    did: str
    device: str
    home: str
    api: str
    p2p: str
    started_at: str
    uptime_s: float
    state: str
    sync: SyncState
    peers: PeerCounts
    records: dict[str, int]
    entries: int
    blobs: BlobCounts
    index: IndexState
    refused: int
    """All that `/api/refused` has as refused at the door, repeats counted."""
    slips: int
    """Of these, requests to this node and command lines: nothing that others sent."""
    left_out: int
    """Changes that are held and do not count."""
    waits: tuple[Waits, ...]
    """Those of them that will, once what they need is here."""
    letters: LetterCounts
    quota: RoomState
    keep: KeepState
    authority: tuple[AuthorityAge, ...]
    relays: tuple[RelayShown, ...]
    found_relays: tuple[FoundRelay, ...]
    transfers: tuple[Transfer, ...]
    attest: AttestingState
    """What this node attests by itself."""
    last_end: LastEnd
    warnings: tuple[str, ...]
    relay: RelayRole | None = None
    """What it does as a relay, where it is one."""
