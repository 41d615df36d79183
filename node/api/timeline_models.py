"""Timelines, forks and what is kept, over HTTP. Times in ms since 1970, ids in hex."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from node.api.life_models import Card, Line, Tags
from node.api.models import Cursor, Limit, Millis, Place
from node.api.universe_models import Gone, SnapshotEntry, UniverseMeta, UniverseQuery, WorldText

Tick = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
SNAPSHOT_NAME: Final = "the id of a snapshot: 64 digits, 0-9 and a-f"
SnapshotName = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", title=SNAPSHOT_NAME)]
Real = Annotated[float, Meta(ge=0, lt=1 << 53)]
"""JavaScript has no other numbers; what follows the point is left off."""
Names = Annotated[tuple[WorldText, ...], Meta(max_length=64)]


class TimelineQuery(UniverseQuery, frozen=True, rename={"since": "from", "until": "to"}):
    """`from`, `to`: ticks, both included."""

    canonicalOnly: bool = False
    """Events, and snapshots that were taken for one."""
    bare: bool = False
    """The entries alone, without `snapshots`."""
    since: Tick = 0
    until: Tick = (1 << 63) - 1
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    cursor: Cursor | None = None


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event, a snapshot, or both."""

    tick: int
    day: int | None
    """As of a `SnapshotEntry`."""
    timestamp: int
    type: str
    """Of the event as it was written; else `auto`, `manual`, `canonical`, or `fork`."""
    word: str
    """The same for people."""
    title: str
    description: str
    canFork: bool
    hasSnapshot: bool
    snapshot: str | None = None
    """Id of what opens here."""
    event: str | None = None
    """Its id."""
    names: str | None = None
    """Id of the snapshot that the event names itself."""
    fileSize: int | None = None
    importance: int = 0
    entities: tuple[str, ...] = ()
    souls: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    other: str | None = None
    """Of who left or came: full name of the universe at the other end of the passage."""
    migration: str | None = None
    """Of that journey, hex."""


class TimelineShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    universeId: str
    fullName: str
    lastUpdated: int
    entries: tuple[TimelineEntry, ...]
    snapshots: tuple[SnapshotEntry, ...]
    """Those of the entries; empty with `bare`."""
    canonicalEvents: tuple[SnapshotEntry, ...] | None = None
    """With `canonicalOnly`: the canonical snapshots among them."""
    next: str | None
    whole: bool = True
    """Whether all were asked who have a vote in which receipts of its gate count, where it signed
    two with one number."""


class NearestQuery(UniverseQuery, frozen=True):
    snapshot: Annotated[str, Meta(max_length=128)] = ""
    """This very one, whatever its tick."""


class Nearest(Struct, frozen=True):
    """What opens at a tick."""

    universeId: str
    fullName: str
    entry: SnapshotEntry
    blob: str
    """Id of its bytes: what is missing of them here can be fetched."""
    held: bool
    """Whether all of them are here."""
    damaged: bool
    """They were, and the disk lost some of them, which nobody gave again yet."""
    dropped: bool
    """It was let go, and is in no list: its bytes are here until `gc` takes them."""


class NewEvent(Struct, frozen=True, kw_only=True):
    tick: Tick
    type: WorldText
    title: WorldText | None = None
    """Without one, what people read for its type."""
    description: WorldText | None = None
    day: Real | None = None
    importance: Real | None = None
    entities: Names | None = None
    souls: Names | None = None
    parents: Names | None = None
    snapshot: SnapshotName | None = None
    timestamp: Real | None = None
    """ms since 1970; without one, now."""


class EventDone(Struct, frozen=True):
    success: bool
    id: str
    entry: TimelineEntry


class NewFork(Struct, frozen=True, kw_only=True):
    """Without `snapshotTick` and `snapshot`: of what the newest tick has."""

    name: Line
    ownerId: Line | None = None
    snapshotTick: Tick | float | str | None = None
    """The last snapshot at or before it. A number or its text, as an upload's."""
    snapshot: SnapshotName | None = None
    """This very one."""
    id: Annotated[str, Meta(max_length=512)] | None = None
    isPublic: bool | None = None
    """As of a new universe; true only of a public parent."""
    visibility: Literal["public", "shared", "private"] | None = None
    """Without one, as the parent is."""
    namespace: Place | None = None
    retention: dict[str, Any] | None = None
    """As of a new universe."""
    config: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    """As of a new universe; that of the parent is not taken over."""
    createdAt: Millis | None = None
    """As of a new universe."""
    description: Line | None = None
    tags: Tags | None = None
    license: Line | None = None
    card: Card | None = None


class ForkedFrom(Struct, frozen=True):
    universeId: str
    fullName: str
    snapshotTick: int
    snapshot: str


class ForkDone(Struct, frozen=True):
    success: bool
    universe: UniverseMeta
    forkedFrom: ForkedFrom
    warning: str | None
    """What the fork tells its readers of a parent that they may not read; null: nothing."""


class TreePlace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A universe in its tree of forks, each before its own forks."""

    universe: str
    """Full name."""
    name: str
    depth: int
    tick: int
    """Of its parent, where it begins; of a root 0."""
    parent: str | None
    isKnown: bool
    """False: others were forked from it, and it is not here."""
    isDeleted: bool = False
    """It is not here because its author deleted it."""
    isCut: bool
    """It says it descends from itself."""


class ForksQuery(UniverseQuery, frozen=True):
    tree: bool = False
    """The whole tree that it stands in, too."""
    limit: Limit = 100
    cursor: Cursor | None = None


class ForksShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    sourceUniverseId: str
    forks: tuple[UniverseMeta, ...]
    """One's own before others'."""
    next: str | UnsetType | None = UNSET
    """For `cursor`: there are more. Multiverse clients hear of it only then."""
    tree: tuple[TreePlace, ...] | None = None
    lines: tuple[str, ...] | None = None
    """The same, drawn."""


class PruneQuery(UniverseQuery, frozen=True):
    dryRun: bool = False
    """Only say what would go."""


class NewPruning(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word that it does not know is refused: passed over, it would let go what it spoke of."""

    retention: dict[str, Any] | None = None
    """A rule for this universe from now on; with `dryRun`, only to see what it would do."""
    decayed: bool = False
    """Also what stayed as long as its game wrote into it: `decayAfterTicks` of a `decayPolicy`."""
    dryRun: bool = False
    """As in the query: where either says so, nothing goes."""


class PruneDone(Struct, frozen=True):
    success: bool
    dryRun: bool
    dropped: tuple[Gone, ...]
    kept: int
    bytes: int
    """Of what was dropped, before anything is saved: what `gc` gives back is less."""
    rule: tuple[str, ...]
    retention: msgspec.Raw


class DecayQuery(UniverseQuery, frozen=True):
    currentTick: Real | None = None
    """Of the world, now; without it that of the snapshot that was kept last."""


class NewCleanup(Struct, frozen=True, kw_only=True):
    currentTick: Real
    """Of the world, now."""


class Cleanup(Struct, frozen=True):
    totalSnapshots: int
    """Before; with the one that a fork began with."""
    decayed: int
    """These went."""
    preserved: int
    bytesFreed: int
    """Of what went, as it was sent: what `gc` gives back is less."""


class CleanupDone(Struct, frozen=True):
    success: bool
    cleanup: Cleanup
    message: str


class Decaying(SnapshotEntry, frozen=True, kw_only=True, omit_defaults=True):
    """A snapshot that a cleanup would drop."""

    tau: int
    """So many ticks it is behind `currentTick`."""


class DecayShown(Struct, frozen=True):
    universeId: str
    currentTick: int
    snapshotsToDecay: int
    snapshots: tuple[Decaying, ...]
