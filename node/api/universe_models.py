"""Universes and their snapshots over HTTP: the fields of multiverse clients, and ours beside them.

Those clients send more than they say and read what they know: their bodies may have other fields,
which are passed over.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from node.api.life_models import Card, Line, Tags
from node.api.models import Cursor, Limit, Millis, Place
from node.services.fetch import PATIENCE_S, PATIENCE_S_MAX
from registry.fields import TIME_US_MAX
from universe.parts import Origin

UNIVERSE_BODY_BYTES_MAX: Final = 256 << 10
"""A card of 20 KiB and a config of 16 KiB, also where each byte is written as `\\u0001`."""
KindUploaded: TypeAlias = Literal["auto", "manual", "canonical", "auto:manual"]
"""`auto:manual`: an autosave that its program calls `manual`."""
WorldText: TypeAlias = Annotated[str, Meta(max_length=2_048)]


class UniversesQuery(Struct, frozen=True):
    """`publicOnly`, `ownerId` as multiverse clients have them."""

    publicOnly: bool = False
    ownerId: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    author: Annotated[str, Meta(max_length=128)] | None = None
    tag: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    sort_by: Literal["recent", "name", "rating"] = "recent"
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place | None = None
    """Only there; else everywhere that this node takes part in."""


class UniverseQuery(Struct, frozen=True):
    namespace: Place | None = None
    """Where it lies, where one id is in several."""


class UniverseDeletion(UniverseQuery, frozen=True):
    dryRun: bool = False
    """Only say what would be: every check is made."""


class SnapshotsQuery(UniverseQuery, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    cursor: Cursor | None = None
    order: Literal["newest", "oldest"] = "oldest"


class SnapshotQuery(UniverseQuery, frozen=True):
    snapshot: Annotated[str, Meta(max_length=128)] = ""
    """Id: of several at one tick this one."""
    nearest: bool = False
    """Where there is none at that tick, the one before it."""
    raw: bool = False
    """Its very bytes, also of one that came inside of a JSON body."""
    patience_s: Annotated[int, Meta(ge=1, le=PATIENCE_S_MAX)] = int(PATIENCE_S)
    """So long nobody may be there who could give what is missing of it."""


class SnapshotUpload(UniverseQuery, frozen=True):
    """How a body that is the snapshot itself is kept; without `tick` it is JSON around one."""

    tick: Annotated[str, Meta(max_length=64)] = ""
    type: KindUploaded = "manual"
    day: Annotated[int, Meta(ge=0)] | None = None
    event: Annotated[str, Meta(max_length=8_192)] = ""
    """JSON of the canonical event that it was taken for: `type`, `title`, …"""
    decay: Annotated[str, Meta(max_length=1_024)] = ""
    """JSON: `decayAfterTicks`, `neverDecay`, `preservationReason`."""
    checksum: Annotated[str, Meta(max_length=128)] = ""
    """BLAKE3 of the plain bytes, hex; as the header `X-Checksum`."""
    at: Annotated[int, Meta(ge=0, le=TIME_US_MAX)] | None = None
    """When it was taken, µs since 1970, for what was kept elsewhere before: nothing is let go for
    it. Else it is now."""
    made_ms: Millis | None = None
    """When a save was made that waited for the node, ms since 1970. What is later than now, or
    before 2020, is of a clock that is wrong: it is now then."""
    bytes_of: Annotated[str, Meta(max_length=64)] = ""
    """Id of a snapshot of this universe, in hex: its bytes are those of this one, and the body is
    empty. It goes back as that one does, inside of JSON or not, and with its own `Content-Type`
    where it is sent with one."""


class NewUniverse(Struct, frozen=True, kw_only=True):
    id: Annotated[str, Meta(max_length=512)] | None = None
    """Without one it is made up."""
    name: Line
    ownerId: Line | None = None
    """The player whose it is, in free text."""
    isPublic: bool | None = None
    visibility: Literal["public", "shared", "private"] | None = None
    namespace: Place | None = None
    """Of those who may read it; it is shared then."""
    config: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    """A JSON object: `timeScale`, `magicLevel`, `techLevel`, …"""
    retention: dict[str, Any] | None = None
    """Which snapshots are dropped, and when: as `prune` takes it."""
    createdAt: Millis | None = None
    """When it was made elsewhere before, ms since 1970; else it is now."""
    description: Line | None = None
    tags: Tags | None = None
    license: Line | None = None
    card: Card | None = None


class CanonEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a snapshot was taken. Multiverse clients show the first four as they are."""

    type: WorldText
    title: WorldText
    description: WorldText
    importance: float
    day: float | None = None
    entities: tuple[str, ...] | None = None
    souls: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


class GivenEvent(Struct, frozen=True, kw_only=True):
    """The same as it comes: whoever knows nothing of a field may write null."""

    type: WorldText
    title: WorldText | None = None
    description: WorldText | None = None
    day: float | None = None
    importance: float | None = None
    entities: tuple[str, ...] | None = None
    souls: tuple[str, ...] | None = None
    parents: tuple[str, ...] | None = None


class DecayPolicy(Struct, frozen=True):
    decayAfterTicks: float | None = None
    neverDecay: bool | None = None
    preservationReason: WorldText | None = None


class WrappedSnapshot(Struct, frozen=True, kw_only=True):
    """What multiverse clients send beside a snapshot, in one body of JSON."""

    tick: Any = None
    day: float | None = None
    type: KindUploaded | None = None
    canonEvent: GivenEvent | None = None
    decayPolicy: DecayPolicy | None = None


class SnapshotEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A snapshot in a list. `timestamp` in ms since 1970; `checksum` is BLAKE3 in hex."""

    id: str
    tick: int
    timestamp: int
    day: int | None
    """Of its world; null where none is said, for which a game without a token reads 0."""
    type: str
    kind: str = ""
    """As it was signed, where that says more than `type`: see `KindUploaded`."""
    canonEvent: CanonEvent | None = None
    fileSize: int
    checksum: str
    blob: str
    """Under which its bytes are fetched and kept."""
    filename: str
    media: str
    decayPolicy: msgspec.Raw | None = None
    parent: str | None = None
    inherited: bool = False
    """What a fork began with."""
    wrapped: bool = False
    """It came inside of a JSON body, and goes back in one."""


class UniverseMeta(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A universe. Times in ms since 1970."""

    id: str
    name: str
    ownerId: str
    createdAt: int
    updatedAt: int
    lastSnapshotAt: int
    """0: there is none."""
    snapshotCount: int
    lastTick: int | None = None
    """The highest that can be opened; null: there is none."""
    canonicalEventCount: int
    isPublic: bool
    forkOf: Origin | None = None
    config: dict[str, Any] | None = None
    author: str
    fullName: str
    visibility: str
    namespace: str
    bytes: int
    """Of all its snapshots, before anything is saved."""
    description: str = ""
    tags: tuple[str, ...] = ()
    license: str = ""
    card: str = ""
    retention: str = ""
    gate: str = ""
    receiptCount: int | None = None
    """What its gate keeps: receipts, and what belongs to them."""
    parent: str = ""


class UniverseDone(Struct, frozen=True):
    success: bool
    universe: UniverseMeta
    state: Literal["created", "updated", "unchanged", "restored"]
    """restored: it was deleted, and is there again with all its snapshots."""
    rule: tuple[str, ...]
    """Which of its snapshots are kept, in words."""


class UniverseShown(Struct, frozen=True):
    universe: UniverseMeta
    rule: tuple[str, ...]
    """Which of its snapshots are kept, in words."""


class UniverseList(Struct, frozen=True):
    universes: tuple[UniverseMeta, ...]
    next: str | None


class UniverseDeleted(Struct, frozen=True):
    success: bool
    message: str
    dryRun: bool = False


class Gone(Struct, frozen=True):
    """A snapshot that a rule, or a decay of its own, let go."""

    id: str
    tick: int
    type: str
    timestamp: int
    fileSize: int
    why: str
    blob: str
    """Id of its bytes, by which they are found until `gc` takes them."""


class SnapshotDone(Struct, frozen=True):
    success: bool
    id: str
    tick: int
    checksum: str
    fileSize: int
    known: bool
    """It was there before."""
    dropped: int
    """Snapshots that the universe's rule, or a decay of their own, let go in the same act."""
    droppedSnapshots: tuple[Gone, ...]
    """These, where they are few."""
    entry: SnapshotEntry


class SnapshotList(Struct, frozen=True):
    universeId: str
    snapshots: tuple[SnapshotEntry, ...]
    lastUpdated: int
    next: str | None


class MultiverseStats(Struct, frozen=True):
    universeCount: int
    passageCount: int
    playerCount: int
    totalSnapshots: int
    canonicalEvents: int
