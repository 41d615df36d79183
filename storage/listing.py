"""What a document looks like in lists and search: values a projector makes, without any IO."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from crdt.change import DocumentId

DAY_US: Final = 24 * 3_600 * 1_000_000

What: TypeAlias = Literal["downloads", "ratings", "dependants"]


class NamedBlob(Struct, frozen=True, gc=False):
    """What a record says of a blob that it needs."""

    id: str
    """Hex."""
    size: int
    """Bytes; it may be a lie."""
    at_us: int
    """When it was published first, as the author has it."""


class SnapshotRow(Struct, frozen=True, gc=False, kw_only=True):
    """One state of a universe, as it was signed."""

    id: bytes
    """BLAKE3 of the statement."""
    tick: int
    kind: str
    at_us: int
    blob: bytes
    size: int
    """Bytes, as they are said to be."""
    checksum: bytes
    """BLAKE3 of its bytes."""
    media: str
    day: int | None = None
    parent: bytes | None = None
    event: bytes | None = None
    wrapped: bool = False
    decay: str = ""
    """JSON; "" where nothing is said."""
    is_inherited: bool = False
    """What a fork began with: it was taken in another universe."""

    @property
    def order(self) -> tuple[int, int, bytes]:
        """Unique in its universe: where a page goes on."""
        return self.tick, self.at_us, self.id


class EventRow(Struct, frozen=True, gc=False):
    """One event of a universe's timeline."""

    id: bytes
    tick: int
    at_us: int
    event: bytes
    """As its document has it."""

    @property
    def order(self) -> tuple[int, int, bytes]:
        return self.tick, self.at_us, self.id


@dataclass(frozen=True, slots=True)
class Parts:
    """What a universe's document holds by the thousand: rows of their own, read once each.

    `snapshots`: signed statements by their ids; of `inherited` each was taken elsewhere. What the
    readers give None for is held and not shown. `beyond`: as `snapshots`, those for which no place
    is left: they are shown once others are let go; and of other signed statements those whose blobs
    the listing has no place for, by the ids of these.
    """

    snapshots: Mapping[bytes, bytes]
    events: Mapping[bytes, bytes]
    inherited: frozenset[bytes]
    read_snapshot: Callable[[bytes, bytes], SnapshotRow | None]
    read_event: Callable[[bytes, bytes], EventRow | None]
    beyond: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes])


class Listing(Struct, frozen=True, gc=False):
    """One record as lists and search show it. Made by the dozen for each request."""

    kind: str
    """The word people use: "module", "genome", …"""
    author: str
    """did:key of the owner."""
    record: str
    name: str
    description: str
    tags: tuple[str, ...]
    text: str
    """More words to index, never shown."""
    created_us: int
    updated_us: int
    fields: bytes
    """JSON of the public record, handed back as it is."""
    blobs: tuple[NamedBlob, ...] = ()
    """Those this record needs: what `gc` must keep."""
    content: str = ""
    """Its bytes where they are short and text, handed out where a list shows them."""
    score: float = 0.0
    """What its kind is first ranked by: fitness, population, level. Finite."""
    tick: int = 0
    parts: Parts | None = None
    """Of a universe."""

    @property
    def target(self) -> str:
        """What ratings name: `did/record`."""
        return f"{self.author}/{self.record}"


@dataclass(frozen=True, slots=True)
class RatingRow:
    """What one author says of one record."""

    target: str
    """`did/record`"""
    kind: str
    """The kind of the record rated."""
    author: str
    stars: int | None
    review: str
    installs: int
    updated_us: int
    counted_us: int | None = None
    """When it counted first, as its author has it; None where nobody noted that."""


@dataclass(frozen=True, slots=True)
class AttestationRow:
    """What one author says of one evaluation of a genome."""

    evaluation: bytes
    """Its id, 32 bytes."""
    genome: bytes
    """BLAKE3 of its original bytes."""
    author: str
    is_run: bool
    """Whether the author ran it: claims alone never rank."""
    at_us: int
    """The latest thing said of it, as its author has it."""
    said: bytes
    """JSON of all of it, handed back as it is."""
    entered: tuple[str, ...] = ()
    """Ids of the challenges that its author enters the genome in."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many authors said something for the first time, or last, on one day."""

    what: What
    day: int | None
    """Since 1970, in UTC; None where nobody noted it."""
    count: int
    stars_sum: int = 0
    """Of ratings."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days that are looked at, and what is later than any honest clock."""

    first: int
    last: int
    horizon_us: int

    def day_of(self, at_us: int) -> int:
        """Before the first day: the one before it. Beyond the horizon: the one after the last.

        A clock that is ahead by a zone is in the last one.
        """
        if at_us > self.horizon_us:
            return self.last + 1
        return max(self.first - 1, min(self.last, at_us // DAY_US))


Projection: TypeAlias = Listing | RatingRow | AttestationRow | None
Projector: TypeAlias = Callable[[DocumentId, Mapping[str, Any]], Projection]
"""Pure: the same document gives the same row on every node. May raise on values it cannot read."""
