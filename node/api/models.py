"""What crosses the API: frozen structs, from which the OpenAPI schemas are made.

Field names are part of the interface. Requests refuse unknown fields, answers may grow.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from node.api.cursors import PATTERN as CURSOR
from node.api.values import Argument, Value
from registry.changes import Changes
from registry.fitness import Summary
from registry.listed import Module, ModuleVersion
from registry.statement import Check

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Text: TypeAlias = Annotated[str, Meta(max_length=512)]
Did: TypeAlias = Annotated[str, Meta(max_length=128)]
Author: TypeAlias = Annotated[str, Meta(max_length=128)]
"""A did:key or a petname."""
PLACE_CHARACTERS_MAX: Final = 128
Place: TypeAlias = Annotated[str, Meta(min_length=1, max_length=PLACE_CHARACTERS_MAX)]
"""A joined namespace: what it is called here, or its did:key."""
Cursor: TypeAlias = Annotated[str, Meta(pattern=CURSOR)]
LIMIT_MAX: Final = 1_000
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
Millis: TypeAlias = Annotated[int, Meta(ge=0, le=10**14)]
"""Since 1970, or how long."""
Requirements: TypeAlias = Annotated[tuple[Name, ...], Meta(max_length=1000)]


SIZE_MAX: Final = 1 << 53
"""Bytes; the integers that JavaScript has."""
Filters: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=8)
]


def micros(ms: int | None) -> int | None:
    return None if ms is None else ms * 1_000


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of bodies: a slip in a field's name is an error."""


# ── queries ──────────────────────────────────────────────────────────────────────────────────────


class NoQuery(Struct, frozen=True):
    """No parameters."""


class PageQuery(Struct, frozen=True):
    limit: Limit = 100
    cursor: Cursor | None = None


class InNamespace(Struct, frozen=True):
    namespace: Place = "commons"


class ChangesQuery(InNamespace, frozen=True):
    since: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """A version; without it the one before."""


class SearchQuery(Struct, frozen=True):
    q: Text = ""
    kind: Annotated[str, Meta(pattern="^[a-z][a-z-]{0,31}$")] | None = None
    tag: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=16)] = ()
    """All of them, as for every parameter that may be repeated."""
    author: Author | None = None
    sort: Literal["relevance", "downloads", "rating", "recent", "fitness", "attested"] = "relevance"
    """`fitness`: as authors claim, which nobody checked. `attested`: genomes with a verified result
    alone, in the order of what one follows."""
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place | None = None
    """All that are joined, unless one is named."""
    exports: Filters = ()
    """A module's: `hash`, `function hash`, `hash(i32, i32) -> i32`, `memory *`."""
    imports: Filters = ()
    """A module's: `env.memory`, `env.*`, or `-` for none at all."""
    capability: Filters = ()
    """The same as `exports`, by the registry's older word."""
    license: Filters = ()
    """`MIT` is found in `Apache-2.0 OR MIT` too."""
    format: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$")] | None = None
    size_min: Annotated[int, Meta(ge=0, le=SIZE_MAX)] = 0
    """Bytes; so `size_max`. What has no size is in no range but the whole."""
    size_max: Annotated[int, Meta(ge=0, le=SIZE_MAX)] = SIZE_MAX
    facets: Annotated[
        tuple[Literal["kind", "tag", "license", "format"], ...], Meta(max_length=4)
    ] = ()
    """What to count the values of, in all that is found."""


class ModulesQuery(Struct, frozen=True):
    sort_by: Literal["recent", "downloads", "rating", "name"] = "recent"
    author: Author | None = None
    tag: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=16)] = ()
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class EventsQuery(Struct, frozen=True):
    types: Annotated[str, Meta(max_length=256, pattern="^([a-z]+(,[a-z]+)*)?$")] = ""
    """Comma-separated; none is all."""


# ── the node ─────────────────────────────────────────────────────────────────────────────────────


class Health(Struct, frozen=True):
    status: str


class Nothing(Request, frozen=True):
    """An empty object."""


class Reindexed(Struct, frozen=True):
    records: int


class CollectBody(Request, frozen=True):
    """What nobody needs goes."""

    dry_run: bool = False
    """Nothing goes: what would, is said."""


class GoingBlob(Struct, frozen=True):
    """A blob that `gc` would take."""

    blob: str
    size: int
    """Of all of it: what goes back may be far less."""
    universe: str | None
    """Full name of the one that it was a state of, as was last said of it; null: of none."""
    namespace: str | None
    tick: int | None
    snapshot: str | None
    """Id of that state: `universe open --snapshot` has it until then."""


class Collected(Struct, frozen=True):
    blobs: int
    bytes: int
    young: int
    """Blobs that nothing refers to and that came within the last hour: they stay until then."""
    damaged: tuple[str, ...] = ()
    """What is to be said of records that cannot be read: of them all stays."""
    dry_run: bool = False
    """Nothing went. `bytes` is about: what leans on what goes is written anew."""
    going: tuple[GoingBlob, ...] = ()
    """What would go, states of universes first, by universe and tick; at most 1,000."""
    left_off: int = 0
    """More of them."""


class Stopping(Struct, frozen=True):
    state: str


# ── records ──────────────────────────────────────────────────────────────────────────────────────


class Hit(Struct, frozen=True):
    id: str
    kind: str
    name: str
    description: str
    tags: tuple[str, ...]
    author: str
    namespace: str
    """`commons`, or the did:key of a joined one."""
    score: float
    snippet: str
    version: str
    rating: float | None
    downloads: int
    license: str = ""
    format: str = ""
    fitness: float | None = None
    """As its author claims."""
    updated_at: str = ""
    attested: Summary | None = None
    """Where that is the order asked for."""


class FacetValue(Struct, frozen=True):
    value: str
    count: int


class Facets(Struct, frozen=True, omit_defaults=True):
    """The most frequent values first, those equally frequent by the alphabet; those asked for."""

    kind: tuple[FacetValue, ...] | None = None
    """Whatever kind was asked for: what the others would give."""
    tag: tuple[FacetValue, ...] | None = None
    license: tuple[FacetValue, ...] | None = None
    format: tuple[FacetValue, ...] | None = None


class Hits(Struct, frozen=True):
    results: tuple[Hit, ...]
    total: int
    next: str | None
    facets: Facets = Facets()
    matched: Literal["all", "slips", "some", "none"] = "all"
    """All words; all, some of them a slip away; most or any of them; nothing."""
    meant: str | None = None
    """The words without their slips."""


class Modules(Struct, frozen=True):
    modules: tuple[Module, ...]
    next: str | None


class ChangesItem(Changes, frozen=True, kw_only=True):
    """What changes with a version, and the same in words."""

    words: tuple[str, ...]


class OneVersion(ModuleVersion, frozen=True, kw_only=True):
    """A version on its own says whose it is."""

    module: str


class NewModule(Request, frozen=True):
    manifest: Annotated[str, Meta(max_length=256 * 1024)]
    """The text of gen.toml."""
    wasm: bytes
    """Base64."""
    readme: Annotated[str, Meta(max_length=256 * 1024)] | None = None
    changelog: Annotated[str, Meta(max_length=4_000)] = ""
    dry_run: bool = False
    namespace: Place = "commons"
    record: Author | None = None


class VerdictSummary(Struct, frozen=True):
    checker: str
    features: str
    ok: bool


class Published(Struct, frozen=True):
    module: str
    namespace: str
    version: str
    blob: str
    sha256: str
    size: int
    verdict: VerdictSummary
    dependencies: dict[str, str]
    """As signed: full names, whatever the manifest calls their authors."""
    entry: str | None
    """Hex id of the signed entry; None for a dry run."""
    dry_run: bool
    warnings: tuple[str, ...]


class Verification(Struct, frozen=True):
    module: str
    version: str
    ok: bool
    checks: tuple[Check, ...]


class Curation(Request, frozen=True):
    reason: Annotated[str, Meta(max_length=1_000)] = ""
    undo: bool = False
    dry_run: bool = False


class Curated(Struct, frozen=True):
    module: str
    version: str
    yanked: bool
    deprecated: bool
    reason: str
    dry_run: bool


class NewRating(Request, frozen=True):
    stars: Annotated[int, Meta(ge=1, le=5)]
    review: Annotated[str, Meta(max_length=4_000)] = ""


class RatingItem(Struct, frozen=True):
    author: str
    stars: int | None
    review: str
    updated_at: str


class Ratings(Struct, frozen=True):
    average: float | None
    count: int
    ratings: tuple[RatingItem, ...]
    followed_average: float | None = None
    """Of the authors who have a name here."""


class RunWanted(Request, frozen=True):
    id: Name
    export: Name
    version: Name | None = None
    args: Annotated[tuple[Argument, ...], Meta(max_length=1_000)] = ()
    """Numbers, bare or with their types; an i64 beyond 2^53 and NaN as a text."""
    fuel: Annotated[int, Meta(ge=1, le=1 << 50)] | None = None


class RunResult(Struct, frozen=True):
    results: tuple[Value, ...]
    fuel_used: int | None
    duration_ms: float
    memory_bytes: int
