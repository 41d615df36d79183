"""Players as the API takes and shows them: the names of (S1), times in ms since 1970."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from msgspec import Meta, Struct

from node.api.cleaned import Cleaner, area, as_it_is, flag, line, one_line
from node.api.life_models import Line
from node.api.models import LIMIT_MAX, Author, Cursor, Limit, Millis, Place, Request
from node.api.universe_models import UniverseMeta
from node.services.places import place_text
from node.services.players import Met
from registry.manifest import DESCRIPTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX
from storage.listings import ListedRow
from storage.namespaces import COMMONS_NAME
from universe.player import LINK_CHARACTERS_MAX, LINKS_MAX
from universe.reputation import About, Fact, Proof, Reputation
from universe.reputation import Line as FactLine

ENTRY_DIGITS: Final = 16
"""Of an entry's id: enough to find its proof by."""
Link: TypeAlias = Annotated[str, Meta(max_length=LINK_CHARACTERS_MAX)]
Links: TypeAlias = Annotated[tuple[Link, ...], Meta(max_length=LINKS_MAX)]


class PlayersQuery(Struct, frozen=True):
    sort_by: Literal["recent", "name"] = "recent"
    author: Author | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place = "commons"

    @property
    def tag(self) -> tuple[str, ...]:
        """Players have none."""
        return ()


class PlayersUniversesQuery(Struct, frozen=True):
    """`includeMetadata` as multiverse clients have it."""

    includeMetadata: bool = False
    limit: Limit = LIMIT_MAX
    cursor: Cursor | None = None
    namespace: Place = "commons"
    """Where the player is registered; universes are looked for wherever this node takes part in."""


class NewPlayer(
    Request, frozen=True, rename={"display_name": "displayName", "created_at": "createdAt"}
):
    """The same id again is the same player: what is given is brought up to date."""

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    display_name: Line | None = None
    """null leaves what is there; a new player is called by the id."""
    about: Line | None = None
    links: Links | None = None
    created_at: Millis | None = None
    """When the player was registered elsewhere before; else it is now."""
    namespace: Place = "commons"
    dry_run: bool = False


class PlayerShown(Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    author: str
    """did:key of who signs for the player."""
    display_name: str
    about: str
    links: tuple[str, ...]
    created_at: int
    """As the author has it; so are the others."""
    updated_at: int
    last_seen: int
    """The latest time at which the author signed anything that is listed here."""
    universe_count: int
    also_by: tuple[str, ...] = ()
    """Other authors who say they are of this id."""
    namespace: str = "commons"
    registered: bool = True
    """False: universes name the player as owner, and nobody signed who that is."""


class PlayerDone(Struct, frozen=True, kw_only=True):
    success: bool
    player: PlayerShown | None
    """null for a dry run."""
    entry: str | None
    """Of the signed change, in hex; null where nothing was new."""
    dry_run: bool = False


class OnePlayer(Struct, frozen=True):
    player: PlayerShown


class PlayersUniverses(Struct, frozen=True, omit_defaults=True):
    """Either of them, as it was asked for."""

    playerId: str
    next: str | None
    universeIds: tuple[str, ...] | None = None
    universes: tuple[UniverseMeta, ...] | None = None


class PlayerListed(Struct, frozen=True, rename="camel"):
    id: str
    author: str
    display_name: str
    about: str
    updated_at: int


class Players(Struct, frozen=True):
    players: tuple[PlayerListed, ...]
    next: str | None


class FactShown(Struct, frozen=True, kw_only=True):
    by: str
    """did:key of who signed it."""
    on: str
    """The word for what it is of: `module`, `genome`, …"""
    of: str
    part: str
    """Of that: the evaluation, the advisory, the journey; or nothing."""
    said: str
    stars: int
    """Of a rating 1 to 5, else 0."""
    at: int
    """When, as the signer has it."""
    where: str
    """The path under which this node shows it."""


class FactsShown(Struct, frozen=True, kw_only=True):
    """All facts of one kind by one circle of signers."""

    kind: About
    signers: int
    """How many different ones."""
    count: int
    average: float | None
    """Of stars: the mean of what each signer gives on average."""
    facts: tuple[FactShown, ...]
    """The latest of them."""


class ProofShown(Struct, frozen=True, kw_only=True):
    """A key that signed two things with one number."""

    key: str
    of: str
    number: int
    entries: tuple[str, ...]
    where: str


class ReputationShown(Struct, frozen=True, kw_only=True):
    """No score: what is held, by whom, and where it can be looked at."""

    author: str
    followed: tuple[FactsShown, ...]
    """By oneself, and by authors whom one follows."""
    strangers: tuple[FactsShown, ...]
    """By all others. Keys are free: they prove nothing."""
    proofs: tuple[ProofShown, ...]
    """These need nobody's word."""
    whole: bool
    """Whether all that is held was looked at."""


def cleaned_player(given: Mapping[str, Any]) -> dict[str, Any]:
    """What an (S1) client sends, made to fit: its server takes any JSON object."""
    return {
        name: found
        for name, clean in _CLEANERS.items()
        if name in given and (found := clean(given[name])) is not None
    }


_CLEANERS: Final[Mapping[str, Cleaner]] = {
    "id": as_it_is,  # of another type it is refused, as what it is
    "displayName": line(NAME_CHARACTERS_MAX),
    "about": line(DESCRIPTION_CHARACTERS_MAX),
    "namespace": area,
    "dry_run": flag,
}


def show_player(met: Met, last_seen: int, universe_count: int) -> PlayerShown:
    """`last_seen`: ms since 1970."""
    one = met.player
    return PlayerShown(
        id=one.id,
        author=one.author,
        display_name=one.display_name,
        about=one.about,
        links=one.links,
        created_at=one.created_at,
        updated_at=one.updated_at,
        last_seen=max(last_seen, one.updated_at),
        universe_count=universe_count,
        also_by=met.also_by,
        namespace=place_text(met.row.namespace),
    )


def show_owner(author: str, id: str, owned: Sequence[ListedRow], last_seen: int) -> PlayerShown:
    """Who never registered, as far as `owned` tell: universes of `author` that name `id` as owner.

    `last_seen`: ms since 1970.
    """
    return PlayerShown(
        id=id,
        author=author,
        display_name=one_line(id, NAME_CHARACTERS_MAX),
        about="",
        links=(),
        created_at=min(one.listing.created_us for one in owned) // 1_000,
        updated_at=max(one.listing.updated_us for one in owned) // 1_000,
        last_seen=last_seen,
        universe_count=len(owned),
        registered=False,
    )


def show_listed(met: Met) -> PlayerListed:
    one = met.player
    return PlayerListed(one.id, one.author, one.display_name, one.about, one.updated_at)


def show_reputation(found: Reputation, namespace: str) -> ReputationShown:
    """`namespace`: as a query has it."""
    return ReputationShown(
        author=found.author,
        followed=tuple(_facts(line, namespace) for line in found.followed),
        strangers=tuple(_facts(line, namespace) for line in found.strangers),
        proofs=tuple(map(_proof, found.proofs)),
        whole=found.whole,
    )


def _facts(line: FactLine, namespace: str) -> FactsShown:
    return FactsShown(
        kind=line.kind,
        signers=line.signers,
        count=line.count,
        average=line.average,
        facts=tuple(_fact(fact, namespace) for fact in line.facts),
    )


def _fact(fact: Fact, namespace: str) -> FactShown:
    return FactShown(
        by=fact.by, on=fact.on, of=fact.of, part=fact.part, said=fact.said, stars=fact.stars,
        at=fact.at_us // 1_000, where=_where(fact, namespace),
    )  # fmt: skip


def _where(fact: Fact, namespace: str) -> str:
    place = {} if namespace == COMMONS_NAME else {"namespace": namespace}
    match fact.kind:
        case "rating":
            start = "/api/modules" if fact.on == "module" else f"/api/registry/{fact.on}s"
            return _path(f"{start}/%s/ratings", fact.of, place)
        case "same" | "other":
            return _path("/api/registry/genomes/%s/attestations", fact.of, place)
        case "advisory":
            return _path("/api/advisories%s", "", {"module": fact.of, "author": fact.by, **place})
        case "arrived" | "turned-back":
            return _path("/api/universe/%s/timeline", fact.of, place)


def _path(pattern: str, part: str, query: Mapping[str, str]) -> str:
    path = pattern % quote(part, safe=":")
    return f"{path}?{urlencode(query)}" if query else path


def _proof(proof: Proof) -> ProofShown:
    return ProofShown(
        key=proof.key,
        of=proof.of,
        number=proof.number,
        entries=proof.entries,
        where=_path("/api/proofs/%s", proof.entries[0][:ENTRY_DIGITS], {}),
    )
