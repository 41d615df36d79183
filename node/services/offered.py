"""A state that is handed in: what is said of it, and what becomes of it."""

from dataclasses import dataclass, field

from storage.listing import SnapshotRow
from universe.event import Event
from universe.retention import Dropped
from universe.snapshot import Decay


@dataclass(frozen=True, slots=True)
class Offered:
    """A state to keep, apart from its bytes."""

    tick: int
    kind: str = "manual"
    """As in a statement."""
    media: str = "application/octet-stream"
    day: int | None = None
    wrapped: bool = False
    event: Event | None = None
    decay: Decay | None = None
    at_us: int | None = None
    """When it was taken; None: now."""
    event_may_go: bool = False
    """Where the universe has no room for the event, the state is kept without it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that is there now, and whether it was before."""

    row: SnapshotRow
    event: bytes | None = None
    """The one it was taken for, as it is stored."""
    is_known: bool = False
    dropped: tuple[Dropped, ...] = field(default=())
    """What went in the same act."""
