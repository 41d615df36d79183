"""What a session answers: do these, in order.

    Send    write this frame to the peer
    Query   ask the store, then `session.answered(id, answer)`; answers may come in any order
    Notify  tell whoever watches
    Close   after the sends before it, end the connection

A Query is asked of a port of `p2p.protocol.ports`; each question names its answer. The number of
queries that are open at once is bounded by what the peer may ask, so a shell needs no bound of its
own. A shell that stops reading while it works applies back-pressure, and nothing deadlocks on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from crdt.area import Area
from crdt.blob import BlobId
from crdt.change import SignedEntry
from crdt.keys import AuthorKey, DeviceKey, NamespaceKey
from crdt.order import Bounds
from p2p.protocol.errors import SyncError
from p2p.protocol.frames import Frame
from p2p.protocol.report import SessionReport

# --- questions about entries -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summarise:
    """Answer: one `RangeSummary` a range, in order."""

    namespace: NamespaceKey
    area: Area
    ranges: tuple[Bounds, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Answer: for each range, in order, at most `parts` `Bounds` that cover it, in order."""

    namespace: NamespaceKey
    area: Area
    ranges: tuple[Bounds, ...]
    parts: int


@dataclass(frozen=True, slots=True)
class ListIds:
    """Answer: for each range, in order, the first `limit` 16-byte ids, in key order."""

    namespace: NamespaceKey
    area: Area
    ranges: tuple[Bounds, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Holds:
    """Answer: those of `ids` that the store holds, as a set."""

    namespace: NamespaceKey
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Answer: those of `ids`, which are not held, that the store has no room for, as a set."""

    namespace: NamespaceKey
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class FindEntries:
    """Answer: the `SignedEntry`s of those `ids` that are held, in any order."""

    namespace: NamespaceKey
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receive:
    """Check and append. Answer: a `Received`."""

    entries: tuple[SignedEntry, ...]


# --- questions about blobs -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unstored:
    """The answer where the store cannot take or go on with a blob: a full disk, a lost beginning.

    Nobody's fault but this node's: it ends the fetch, and the session goes on.
    """

    sentence: str


@dataclass(frozen=True, slots=True)
class MayReadBlob:
    """Answer: whether one who may read these areas may read a document that names the blob.

    True also where no document that is listed here names it.
    """

    blob: BlobId
    claims: tuple[tuple[NamespaceKey, Area], ...]


@dataclass(frozen=True, slots=True)
class FindManifest:
    """Answer: the `Manifest`, whole, or None where its root or a page is not held."""

    blob: BlobId


@dataclass(frozen=True, slots=True)
class FindRoot:
    """Answer: the root's bytes, or None where they are not held."""

    blob: BlobId


@dataclass(frozen=True, slots=True)
class FindPage:
    """Answer: the page's bytes, or None where they are not held."""

    blob: BlobId
    index: int


@dataclass(frozen=True, slots=True)
class BeginBlob:
    """The root whose hash is the blob's id came. Answer: `Unstored`, or what is not looked at."""

    blob: BlobId
    root: bytes


@dataclass(frozen=True, slots=True)
class AddPage:
    """A page whose hash is right. Answer: `Unstored`, or what is not looked at."""

    blob: BlobId
    index: int
    page: bytes


@dataclass(frozen=True, slots=True)
class MissingChunks:
    """Answer: indices that are not held, ascending, perhaps not all; none where it is whole.

    Or `Unstored`.
    """

    blob: BlobId


@dataclass(frozen=True, slots=True)
class AddChunk:
    """A chunk whose hash is right. Answer: `Unstored`, or what is not looked at."""

    blob: BlobId
    index: int
    chunk: bytes


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Answer: the bytes, or None where they are not held."""

    blob: BlobId
    index: int


Question: TypeAlias = (
    Summarise | Split | ListIds | Holds | KeptOut | FindEntries | Receive
    | MayReadBlob | FindManifest | FindRoot | FindPage | MissingChunks | ReadChunk
    | BeginBlob | AddPage | AddChunk
)  # fmt: skip


# --- events ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerGreeted:
    """The peer said and proved who it is."""

    device: DeviceKey
    author: AuthorKey
    agent: str
    addresses: tuple[str, ...]
    clock_ahead_us: int  # the peer's clock minus ours, as far as one frame can tell


@dataclass(frozen=True, slots=True)
class AreaReconciled:
    """One area was compared to the end. `is_equal` is False where one side refused an entry, or
    where something was appended meanwhile; not where this node lacks only what it keeps out."""

    namespace: NamespaceKey
    area: Area
    count: int
    is_equal: bool


@dataclass(frozen=True, slots=True)
class Synced:
    """Every area in common was compared and nothing is under way.

    The side that opened nothing may tell it once for each area: it cannot know what is to come.
    """

    report: SessionReport


@dataclass(frozen=True, slots=True)
class EntriesRefused:
    """The store refused entries of this peer; the store's quarantine has them."""

    codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BlobProgress:
    blob: BlobId
    chunks: int  # held now
    chunks_total: int


@dataclass(frozen=True, slots=True)
class BlobFetched:
    """Every chunk of it is held and verified."""

    blob: BlobId
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlobFailed:
    """This peer cannot give it; another may. What arrived is kept for the next attempt."""

    blob: BlobId
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PeerFault:
    """The peer broke a rule; a Close follows."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ChannelLost:
    """The session has no channel; it waits for one."""


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """The session goes on over another channel."""


SessionEvent: TypeAlias = (
    ChannelLost | ChannelChanged | PeerGreeted | AreaReconciled | Synced | EntriesRefused
    | BlobProgress | BlobFetched | BlobFailed | PeerFault
)  # fmt: skip


# --- effects ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    frame: Frame


@dataclass(frozen=True, slots=True)
class Query:
    id: int
    question: Question


@dataclass(frozen=True, slots=True)
class Notify:
    event: SessionEvent


@dataclass(frozen=True, slots=True)
class Close:
    """`reason` is a `PeerLeft`, a `PeerTimeout`, or the peer's `RemoteProtocolError`."""

    reason: SyncError


Effect: TypeAlias = Send | Query | Notify | Close
