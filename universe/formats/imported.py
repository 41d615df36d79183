"""What an import would make: universes with their snapshots and events, and what is wrong.

The bytes of snapshots stay where they lie until they are imported: a `Source` says where. They are
what they are known by (BLAKE3); ticks, names and checksums are what somebody claimed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar

from registry.formats.errors import InvalidFile, Place, shown_file
from universe.event import Event
from universe.formats.limits import PROBLEMS_MAX
from universe.snapshot import AUTO_AS_MANUAL, Decay

S = TypeVar("S")

JSON_MEDIA: Final = "application/json"
BINARY_MEDIA: Final = "application/octet-stream"


class WorldFormat(StrEnum):
    """Whose files they are."""

    AI_VILLAGE = "ai-village"
    SAVEFILE = "savefile"
    PRIMORDIUM = "primordium"
    RAW = "raw"


class About(StrEnum):
    """What a problem is about. Those in `REFUSED` left something out that is there."""

    UNREADABLE = "unreadable"  # a file, an entry or a row that is not what it should be
    OUTSIDE = "outside"  # a name that leads out of its folder, or what is no regular file
    TOO_MUCH = "too-much"  # beyond a limit
    SAME_ID = "same-id"  # two universes say that they are one
    MISSING = "missing"  # the timeline lists it, and it is not there
    OVERWRITTEN = "overwritten"  # several entries, one file: the last of them wrote it
    UNLISTED = "unlisted"  # a file that no timeline lists
    DUPLICATE = "duplicate"  # the same bytes once more
    CHECKSUM = "checksum"  # is none, or another than the bytes have
    COUNT = "count"  # another number than there are
    ORDER = "order"  # ticks that do not grow
    CLAIM = "claim"  # a field that cannot be, or that says something else than its file's name
    LEFT = "left"  # has no place in a universe: it stays in the file


REFUSED: Final = frozenset({About.UNREADABLE, About.OUTSIDE, About.TOO_MUCH, About.SAME_ID})


@dataclass(frozen=True, slots=True)
class Problem:
    """One line for a person. `file` is relative to what is imported."""

    about: About
    file: str
    place: Place
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, str(self.place), self.reason) if part)


@dataclass(slots=True)
class Report:
    """Problems as they were found, and how many of each.

    The first `PROBLEMS_MAX` that left something out, and as many of the others.
    """

    problems: list[Problem] = field(default_factory=list[Problem])
    counts: Counter[About] = field(default_factory=Counter[About])

    def tell(self, about: About, file: str, reason: str, place: Place | None = None) -> None:
        refused = self.refused
        alike = refused if about in REFUSED else sum(self.counts.values()) - refused
        self.counts[about] += 1
        if alike < PROBLEMS_MAX:
            self.problems.append(Problem(about, shown_file(file), place or Place(), reason))

    def refuse(self, wrong: InvalidFile, about: About = About.UNREADABLE) -> None:
        self.tell(about, wrong.file, wrong.reason_text, wrong.place)

    @property
    def refused(self) -> int:
        return sum(self.counts[about] for about in REFUSED)


@dataclass(frozen=True, slots=True)
class LyingFile:
    """A regular file as it was found."""

    size: int
    changed_us: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """Regular files below one folder, by their paths in it, "/" between; or one file alone."""

    name: str
    """Of the folder or file itself."""
    files: Mapping[str, LyingFile]
    passed_over: Sequence[tuple[str, str]] = ()
    """What is no regular file, and what it is instead; and folders that cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of a snapshot lie."""

    path: str
    is_packed: bool = False
    """It may be a .gz, and then the bytes are what is in it."""
    span: tuple[int, int] | None = None
    """A part of the file, unpacked."""
    row: int | None = None
    """Of the table of worlds in a database."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the bytes of a source are."""

    size: int
    checksum: bytes
    """BLAKE3."""
    sha256: bytes


@dataclass(frozen=True, slots=True)
class StoredWorld:
    """A row of `world_snapshots` in a database of Primordium; its number is its place there."""

    row: int
    tick: int | None
    content: Content | None
    reason: str = ""
    """Why it cannot be read, where there is no `content`."""


class Files(Protocol):
    """The folder that is imported. All of it raises `InvalidFile`."""

    @property
    def listing(self) -> Listing:
        """What lies there."""
        ...

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file as it lies, from its beginning."""
        ...

    def unpacked(self, path: str) -> bytes:
        """The whole of one with several states in it, of at most `SAVE_BYTES_MAX`.

        The last one stays at hand: its states are asked for one after the other.
        """
        ...

    def worlds(self, path: str) -> Sequence[StoredWorld]:
        """What a database holds, by tick."""
        ...

    def world(self, path: str, row: int) -> Iterator[bytes]:
        """The state in one of its rows."""
        ...


@dataclass(frozen=True, slots=True)
class ImportedSnapshot:
    """Its `content` is its identity; the rest is what its file and its timeline claim."""

    source: Source
    content: Content
    tick: int
    at_us: int
    kind: str = "auto"
    day: int | None = None
    media: str = JSON_MEDIA
    event: Event | None = None
    """For which it was taken; one of its universe's."""
    is_wrapped: bool = False
    """Its program uploads and reads it inside of a JSON body."""
    decay: Decay | None = None
    """How long it was to be kept."""
    is_inherited: bool = False
    """Its file says that its universe began with it, and that it is another's."""
    listed: int = 0
    """Its place in the list of its universe, where the order of that says something."""
    is_noted: bool = False
    """All of this is said of this very file: the same bytes may be there for another reason too."""
    is_as_sent: bool = False
    """Its `kind` is the word of a program that calls every save `manual`, those by itself too."""

    @property
    def kind_kept(self) -> str:
        """As it is signed: what such a program calls `manual` is an autosave, as it comes."""
        return AUTO_AS_MANUAL if self.is_as_sent and self.kind == "manual" else self.kind


@dataclass(frozen=True, slots=True)
class ForkOf:
    """Where a universe began, as its file says."""

    universe: str
    tick: int
    sha256: str = ""
    """Of the very state, in hex; "" where only its tick is known."""
    checksum: str = ""
    """The same as BLAKE3."""

    @property
    def state(self) -> str:
        """How the very state is known; "" where it is not."""
        return self.sha256 or self.checksum

    def is_of(self, content: Content) -> bool:
        """Whether that is the very state."""
        return self.state in (content.sha256.hex(), content.checksum.hex())


@dataclass(frozen=True, slots=True)
class Said:
    """What its owner says of a universe, beside its name."""

    description: str = ""
    tags: tuple[str, ...] = ()
    license: str = ""
    card: str = ""
    """Markdown."""
    retention: str = ""
    """JSON: which snapshots are let go, and when; "" for the usual."""


NOTHING_SAID: Final = Said()


@dataclass(frozen=True, slots=True)
class UniverseInFiles(Generic[S]):
    """What files say of a universe, on their way in or out; `S`: its snapshots."""

    id: str
    name: str
    snapshots: tuple[S, ...]
    events: tuple[Event, ...] = ()
    owner: str = ""
    created_us: int = 0
    is_public: bool = False
    config: str = ""
    """JSON, as it stood in the file; "" where there is none or where it is too large."""
    fork_of: ForkOf | None = None
    said: Said = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class ImportedUniverse(UniverseInFiles[ImportedSnapshot]):
    """Its snapshots in the order in which they were taken."""

    origin: ImportedSnapshot | None = None
    """Its parent's state that it begins with, where that is imported too."""
    copy: ImportedSnapshot | None = None
    """The same as it lies among the fork's files and is told of there; none of `snapshots`."""
    named: tuple[tuple[Event, Source], ...] = ()
    """Events that name a snapshot, by where the bytes of that lie; none of `events`."""

    @property
    def size(self) -> int:
        """Bytes of all its snapshots, unpacked."""
        return sum(one.content.size for one in self.snapshots)


@dataclass(frozen=True, slots=True)
class ImportedPassage:
    """Between universes by their ids, as its file says."""

    id: str
    source: str
    target: str
    type: str
    is_active: bool = True
    created_us: int = 0
    by: str = ""
    stability: int = 100
    maintained_us: int = 0


@dataclass(frozen=True, slots=True)
class ImportedPlayer:
    """`universes`: those that the player's own list names."""

    id: str
    name: str
    universes: tuple[str, ...] = ()
    created_us: int = 0
    seen_us: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it; nothing is written yet."""

    format: WorldFormat
    universes: tuple[ImportedUniverse, ...]
    report: Report
    passages: tuple[ImportedPassage, ...] = ()
    players: tuple[ImportedPlayer, ...] = ()

    @property
    def size(self) -> int:
        return sum(one.size for one in self.universes)


def parents_first(universes: Sequence[ImportedUniverse]) -> tuple[ImportedUniverse, ...]:
    """Each after the one that it is a fork of, where that is among them; circles as they come."""
    by_id = {one.id: one for one in universes}
    ordered: dict[str, ImportedUniverse] = {}
    for one in universes:
        line: dict[str, ImportedUniverse] = {}
        current: ImportedUniverse | None = one
        while current and current.id not in ordered and current.id not in line:
            line[current.id] = current
            current = by_id.get(current.fork_of.universe) if current.fork_of else None
        ordered |= reversed(line.items())
    return tuple(ordered.values())
