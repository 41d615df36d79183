"""Challenges as the API takes and shows them. Times are RFC 3339; results have 64 bits and more."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from node.api.attestation_models import I64
from node.api.life_models import Card, Line, TagsWanted
from node.api.models import Author, Cursor, Limit, Place, Request
from node.services.challenges import Called
from node.services.entering import Entry
from node.services.places import place_text
from registry.challenge import SEEDS_MAX, Entrant, Terms
from registry.fitness import Judgement
from registry.listed import rfc3339

State: TypeAlias = Literal["not-open", "open", "over"]
Moment: TypeAlias = Annotated[str, Meta(min_length=1, max_length=40)]
"""`2027-01-01`, or `2027-01-01T12:00Z`; UTC unless it says otherwise."""
Seeds: TypeAlias = Annotated[tuple[I64, ...], Meta(min_length=1, max_length=SEEDS_MAX)]
GenomeName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]


class ChallengesQuery(Struct, frozen=True):
    sort_by: Literal["deadline", "recent", "rating", "name"] = "deadline"
    """`deadline`: what ends first is first."""
    open: bool = False
    """Only what is not over yet, by deadline."""
    author: Author | None = None
    tag: TagsWanted = ()
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class OneChallengeQuery(Struct, frozen=True):
    author: Author | None = None
    """Whose words and rules are shown, where several call for it."""
    namespace: Place = "commons"


class StandingQuery(Struct, frozen=True):
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"


class NewChallenge(Request, frozen=True, rename={"evaluator": "with"}):
    """The same terms again are the same challenge: its words are brought up to date."""

    name: Line
    evaluator: Annotated[str, Meta(min_length=1, max_length=256)]
    """NAME[@VERSION] of the module that judges."""
    deadline: Moment
    opens: Moment | None = None
    """null: now."""
    seeds: Seeds = (0,)
    ticks: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] = 1_000
    """Over none nothing lives or dies, and all genomes would stand alike."""
    description: Line = ""
    rules: Card = ""
    """Markdown, for people."""
    tags: TagsWanted = ()
    namespace: Place = "commons"
    dry_run: bool = False


class NewEntry(Request, frozen=True):
    genome: GenomeName
    """Its id, or `WHOSE/` and that."""
    seeds: Seeds | None = None
    """Only these of the challenge's; null: all."""
    dry_run: bool = False


class ChallengeShown(Struct, frozen=True, kw_only=True):
    id: str
    author: str
    """did:key"""
    also_by: tuple[str, ...]
    """Who else calls for the same."""
    namespace: str
    name: str
    description: str
    rules: str
    tags: tuple[str, ...]
    module: str
    """The evaluator's full name; a bare id for one that comes with every node."""
    version: str
    evaluator: str
    """BLAKE3 of its bytes."""
    seeds: tuple[int, ...]
    ticks: int
    opens_at: str
    deadline_at: str
    """The last moment to enter."""
    state: State
    created_at: str
    updated_at: str
    reworded: bool
    """Whether its words, the rules among them, changed after it had opened."""


class Challenges(Struct, frozen=True):
    challenges: tuple[ChallengeShown, ...]
    next: str | None


class ChallengeDone(Struct, frozen=True):
    id: str
    challenge: ChallengeShown | None
    """null for a dry run."""
    entry: str | None
    dry_run: bool


class SeedShown(Struct, frozen=True):
    """What is said of one seed, of whom anybody speaks."""

    seed: int
    evaluation: str
    state: str
    """`verified`, `disputed`, `unverified`, `claimed`."""
    ending: str | None
    result: int | None
    attestors: tuple[str, ...]
    contradicted_by: tuple[str, ...]


class EntrantShown(Struct, frozen=True):
    place: int | None
    """Equal totals share one; null until every seed has a verified result."""
    genome: str
    name: str
    """Of its record; empty where that is not here."""
    total: int | None
    verified: int
    """Of how many seeds."""
    entered_by: tuple[str, ...]
    witnesses: tuple[str, ...]
    """You, or whom you follow, by whose clocks it was there before the deadline."""
    contradictions: int
    seeds: tuple[SeedShown, ...]


class StandingShown(Struct, frozen=True):
    challenge: str
    seeds: int
    """How many results a total has."""
    state: State
    total: int
    """Entrants in all."""
    whole: bool
    """Whether all entries held here were looked at."""
    entrants: tuple[EntrantShown, ...]
    next: str | None


class SeedDone(Struct, frozen=True):
    seed: int
    result: int | None
    ran: bool
    """Just now; else this author ran it before."""
    entry: str | None
    contradicted_by: tuple[str, ...]
    disputed: bool
    """Whether one who says something else counts, and ran it."""
    cpu_ms: float


class EntryDone(Struct, frozen=True):
    challenge: str
    genome: str
    dry_run: bool
    seeds: tuple[SeedDone, ...]
    total: int | None
    """Of all seeds, where all were run."""


def state_of(terms: Terms, now_us: int) -> State:
    if now_us < terms.opens_us:
        return "not-open"
    return "open" if now_us <= terms.deadline_us else "over"


def show_challenge(called: Called, now_us: int) -> ChallengeShown:
    one, listing, terms = called.challenge, called.row.listing, called.challenge.terms
    return ChallengeShown(
        id=one.id,
        author=one.author,
        also_by=called.also_by,
        namespace=place_text(called.row.namespace),
        name=one.name,
        description=one.description,
        rules=one.rules,
        tags=listing.tags,
        module=terms.module,
        version=terms.version,
        evaluator=terms.evaluator.hex(),
        seeds=terms.seeds,
        ticks=terms.ticks,
        opens_at=rfc3339(terms.opens_us),
        deadline_at=rfc3339(terms.deadline_us),
        state=state_of(terms, now_us),
        created_at=rfc3339(listing.created_us),
        updated_at=rfc3339(listing.updated_us),
        reworded=listing.updated_us > max(listing.created_us, terms.opens_us),
    )


def show_entrant(one: Entrant, name: str) -> EntrantShown:
    return EntrantShown(
        place=one.place,
        genome=one.genome,
        name=name,
        total=one.total,
        verified=one.verified,
        entered_by=one.entered_by,
        witnesses=one.witnesses,
        contradictions=one.contradictions,
        seeds=tuple(map(_show_seed, one.judgements)),
    )


def _show_seed(one: Judgement) -> SeedShown:
    return SeedShown(
        seed=one.seed,
        evaluation=one.id,
        state=one.state,
        ending=one.answer.ending if one.answer else None,
        result=one.answer.result if one.answer else None,
        attestors=one.attestors,
        contradicted_by=tuple(sorted({word.author for word in one.contradictions})),
    )


def show_entry(id: str, terms: Terms, entry: Entry, *, dry_run: bool) -> EntryDone:
    results = [one.answer.result for one in entry.seeds if one.answer.result is not None]
    return EntryDone(
        challenge=id,
        genome=entry.genome.hex(),
        dry_run=dry_run,
        seeds=tuple(
            SeedDone(
                seed=one.seed,
                result=one.answer.result,
                ran=one.ran,
                entry=one.entry.hex() if one.entry else None,
                contradicted_by=one.contradicted_by,
                disputed=one.is_disputed,
                cpu_ms=one.cpu_ms,
            )
            for one in entry.seeds
        ),
        total=sum(results) if len(results) == len(terms.seeds) else None,
    )
