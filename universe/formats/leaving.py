"""A universe that goes out as files, and where each of its states goes."""

from dataclasses import dataclass

from universe.event import Event
from universe.formats.imported import (
    JSON_MEDIA,
    ImportedPassage,
    ImportedPlayer,
    UniverseInFiles,
)
from universe.snapshot import Decay


@dataclass(frozen=True, slots=True)
class OutSnapshot:
    """A state that is to be written; `id` is the snapshot's, in hex."""

    id: str
    tick: int
    kind: str
    """As in its statement."""
    at_us: int
    media: str = JSON_MEDIA
    day: int | None = None
    event: Event | None = None
    size: int = 0
    is_wrapped: bool = False
    checksum: str = ""
    """BLAKE3 of its bytes, hex, for whoever writes it."""
    decay: Decay | None = None
    is_inherited: bool = False
    """Its universe began with it; it is the parent's."""


@dataclass(frozen=True, slots=True)
class OutUniverse(UniverseInFiles[OutSnapshot]):
    """Its snapshots in any order."""

    passages: tuple[ImportedPassage, ...] = ()
    """Those that lead from it or to it, and that go out with it."""
    players: tuple[ImportedPlayer, ...] = ()
    """Whose it is, where that is known."""
    named: tuple[tuple[Event, str], ...] = ()
    """Events that name a snapshot, with its id; none of `events`."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Where a state goes: `name` in `folder`; in a .gz where `is_packed`, or a row of a table."""

    snapshot: OutSnapshot
    folder: str
    name: str
    is_packed: bool = False
    is_row: bool = False

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(frozen=True, slots=True)
class Written:
    """A state as it lies there now: the size of its file, and the SHA-256 of its bytes."""

    size: int
    sha256: bytes
