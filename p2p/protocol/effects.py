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
from p2p.protocol.delta_questions import FindWhole, ReadBase
from p2p.protocol.delta_questions import ReadDelta as ReadDelta
from p2p.protocol.errors import SyncError
from p2p.protocol.frames import Delta, Frame, Holding, Part
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
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class MayReadBlob:
    """Answer: whether one who may read these areas may read a document that names the blob.

    True also where no document that is listed here names it.
    """

    blob: BlobId
    claims: tuple[tuple[NamespaceKey, Area], ...]


@dataclass(frozen=True, slots=True)
class FindManifest:
    """Answer: the `Manifest` of at most so many pages, None where its root or one is not held."""

    blob: BlobId
    first_page: int
    pages: int


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
class MissingPages:
    """Answer: the pages that are not held, ascending. Or `Unstored`, where it is too large."""

    blob: BlobId


@dataclass(frozen=True, slots=True)
class MissingChunks:
    """Answer: indices that are not held, ascending, perhaps not all; none where it is whole.

    Or `Unstored`.
    """

    blob: BlobId


@dataclass(frozen=True, slots=True)
class AddChunks:
    """Chunks from `first` on, whose hashes are right.

    Answer: `Unstored`, or what is not looked at.
    """

    blob: BlobId
    first: int
    chunks: tuple[bytes, ...]
    hashes: tuple[bytes, ...]
    """Computed from these bytes."""


@dataclass(frozen=True, slots=True)
class ReadRun:
    """Answer: a `GivenRun`, or None where the first chunk is not held."""

    blob: BlobId
    first: int
    count: int
    rank: int  # 0 is the most urgent


@dataclass(frozen=True, slots=True)
class GivenRun:
    """The first of the chunks asked for, joined, as a Part or a Delta carries them. Or a page."""

    data: bytes
    plain_bytes: int  # 0: not packed
    chunks: int


@dataclass(frozen=True, slots=True)
class HeldRuns:
    """Answer: first index and count, in turn, of runs that are held, from `first` on, not all."""

    blob: BlobId
    first: int


@dataclass(frozen=True, slots=True)
class MayKnowBlob:
    """Answer: whether that peer may read something that names the blob. Of the swarm: a session
    asks for itself with `MayReadBlob`."""

    blob: BlobId
    peer: int


Question: TypeAlias = (
    Summarise | Split | ListIds | Holds | KeptOut | FindEntries | Receive
    | MayReadBlob | MayKnowBlob | FindManifest | FindRoot | FindPage | MissingPages | MissingChunks
    | FindWhole | ReadRun | ReadDelta | ReadBase | HeldRuns | BeginBlob | AddPage | AddChunks
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
class PeerAgreed:
    """The session is open, or the peer may read something else than before."""


@dataclass(frozen=True, slots=True)
class PieceCame:
    """The answer to a Get, for whoever asked. Nothing of it is verified yet."""

    frame: Part | Delta | Holding


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """Told a few times a second, by the swarm as the two that follow."""

    blob: BlobId
    chunks: int  # held now
    chunks_total: int
    size_bytes: int  # held now
    total_bytes: int
    peers: int  # that gave something of it
    rate: float  # bytes per second, of late
    is_limited: bool = False  # by the bandwidth that it may use
    came_s: float = 0.0  # when a piece came last, or the fetch began
    waits_for: str = ""  # why nobody is asked just now, where whoever gave some of it left
    left: int | None = None  # that one, as the shell numbers peers


@dataclass(frozen=True, slots=True)
class BlobFetched:
    """Every chunk of it is held and verified."""

    blob: BlobId
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BlobFailed:
    """It cannot be had now. What arrived is kept for the next attempt."""

    blob: BlobId
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class CardsWanted:
    """The peer asks for cards; `Exchange.give` answers, with none where it may have none."""

    number: int


@dataclass(frozen=True, slots=True)
class CardsCame:
    """Cards, none of them checked: the peer's own, or those that it was asked for."""

    cards: tuple[bytes, ...]
    is_own: bool


@dataclass(frozen=True, slots=True)
class PeerFault:
    """The peer broke a rule; a Close follows."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ChannelLost:
    """The session has no channel; it waits for one. Where it was, and what became of that."""

    address: str
    code: str


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """The session goes on over another channel."""


SessionEvent: TypeAlias = (
    PeerGreeted | ChannelLost | ChannelChanged | AreaReconciled | Synced | EntriesRefused
    | PeerAgreed | PieceCame | BlobProgress | BlobFetched | BlobFailed
    | CardsWanted | CardsCame | PeerFault
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
