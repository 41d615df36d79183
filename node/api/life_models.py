"""Genomes, seeds and lineages across the API. The Galactic Federation's requests fit unchanged."""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from node.api.models import Author, Cursor, InNamespace, Limit, Place, Request
from node.services.publish_life import State
from registry.genome import Genome
from registry.life import COUNT_MAX, TICK_MAX
from registry.lineage import Lineage
from registry.seed import Seed
from registry.trends import POINTS, POINTS_MAX, Step

Line: TypeAlias = Annotated[str, Meta(max_length=1_000)]
"""The registry says more exactly how long each may be, and names all that are not."""
Card: TypeAlias = Annotated[str, Meta(max_length=64 << 10)]
Tags: TypeAlias = Line | Annotated[tuple[Line, ...], Meta(max_length=64)]
"""One text with commas, as the Galactic Federation sends it, or a list."""
Count: TypeAlias = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Tick: TypeAlias = Annotated[int, Meta(ge=0, le=TICK_MAX)]
A_GENOME_ID: Final = "the id of a genome: 64 digits, 0-9 and a-f"
Identity: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", title=A_GENOME_ID)]
TagsWanted: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=16)
]


GenomeSort: TypeAlias = Literal[
    "fitness", "downloads", "tick", "recent", "rating", "name", "attested"
]


class GenomesQuery(Struct, frozen=True):
    sort_by: GenomeSort = "fitness"
    """`fitness`: as authors claim. `attested`: those with a verified result, the highest first."""
    sort: GenomeSort | UnsetType = UNSET
    """What a search calls it; goes before `sort_by`."""
    author: Author | None = None
    """Who signed it."""
    tag: TagsWanted = ()
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class SeedsQuery(Struct, frozen=True):
    sort_by: Literal["pop", "downloads", "recent", "rating", "name"] = "pop"
    author: Author | None = None
    """Who signed it."""
    tag: TagsWanted = ()
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class LineagesQuery(Struct, frozen=True):
    sort_by: Literal["level", "tick", "recent", "rating", "name"] = "level"
    author: Author | None = None
    """Who signed it."""
    tag: TagsWanted = ()
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class TrendsQuery(InNamespace, frozen=True):
    step: Step = "week"
    points: Annotated[int, Meta(ge=1, le=POINTS_MAX)] = POINTS
    """How many steps, up to the one that is running."""


class HallQuery(Struct, frozen=True):
    namespace: Place = "commons"
    trust: Literal["all", "followed"] = "all"
    """`followed`: only lineages of one's own, and of whom one follows."""


class Submitting(Request, frozen=True, kw_only=True):
    """What every submission may say beside its own.

    Whatever is left out, or null, stays as it is in a record that is there; "", 0 or [] says so.
    """

    author: Line | None = None
    """Who made it, in free text."""
    name: Line | None = None
    description: Line | None = None
    tags: Tags | None = None
    license: Line | None = None
    card: Card | None = None
    """Markdown."""
    namespace: Place = "commons"
    dry_run: bool = False
    """Check everything, publish nothing."""
    only_new: bool = False
    """Where this node's author has it already, change nothing of it."""


class SubmittingBytes(Submitting, frozen=True, kw_only=True):
    content: bytes | None = None
    """Base64 of the original bytes, for what is no text."""
    format: Annotated[str, Meta(max_length=32)] | None = None
    """A word for the format, which the bytes must be; without one it is told from them."""
    file: Line | None = None
    """What the file was called."""


class NewGenome(SubmittingBytes, frozen=True, kw_only=True):
    genotype: str | None = None
    """The original bytes, where they are text."""
    lineage_id: Line | None = None
    fitness_score: float | None = None
    offspring_count: Count | None = None
    tick: Tick | None = None
    parents: Annotated[tuple[Identity, ...], Meta(max_length=64)] | None = None


class NewSeed(SubmittingBytes, frozen=True, kw_only=True):
    config: str | None = None
    """The original bytes, where they are text."""
    config_json: str | None = None
    """The same: the Galactic Federation's own client calls it so."""
    avg_tick_time: float | None = None
    max_pop: Count | None = None
    performance_summary: Annotated[str, Meta(max_length=64 << 10)] | None = None


class NewLegend(Request, frozen=True):
    tick: Tick
    reason: Line = ""
    genome: Identity | None = None


class NewLineage(Submitting, frozen=True, kw_only=True):
    id: Line
    civilization_level: Count | None = None
    is_extinct: bool | None = None
    start_tick: Tick | None = None
    best_genotype: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", title=A_GENOME_ID)] | None = (
        None
    )
    parent: Line | None = None
    legends: Annotated[tuple[NewLegend, ...], Meta(max_length=256)] | None = None


class SubmissionDone(Struct, frozen=True):
    """`id` alone finds it; `record` says whose."""

    success: bool
    id: str
    kind: str
    record: str
    state: State
    format: str | None
    entry: str | None
    """Hex id of the signed entry; None where nothing was written."""
    dry_run: bool
    also_by: tuple[str, ...]
    """Others who published the same bytes, whom one follows first."""


class Genomes(Struct, frozen=True):
    genomes: tuple[Genome, ...]
    next: str | None


class Seeds(Struct, frozen=True):
    seeds: tuple[Seed, ...]
    next: str | None


class Lineages(Struct, frozen=True):
    lineages: tuple[Lineage, ...]
    next: str | None


class HallOfFame(Struct, frozen=True):
    hall_of_fame: tuple[Lineage, ...]
    """The ten of the highest civilisation level."""
