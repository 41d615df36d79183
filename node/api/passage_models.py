"""Passages and travellers as the API takes and shows them: the names of (S1), times in ms."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields

from node.api.cleaned import Cleaner, line, text
from node.api.life_models import Line
from node.api.models import LIMIT_MAX, Cursor, Limit, Millis, Place, Request
from node.services.travellers import SHOWN_MAX, Page
from registry.manifest import NAME_CHARACTERS_MAX
from universe.passage import BY_CHARACTERS_MAX, Arrivals, Passage, Type
from universe.receipts import (
    DEPARTURE,
    REASON_CHARACTERS_MAX,
    SOUL_CHARACTERS_MAX,
    TICK_MAX,
    TRAVELLER_BYTES_MAX,
    Checked,
)
from universe.shares import Rest
from universe.travel import In, InTransit, Refused, Story

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
"""An id, or `<did>/<id>`."""
Soul: TypeAlias = Annotated[str, Meta(max_length=SOUL_CHARACTERS_MAX)]
MIGRATION_NAME: Final = "the id of a migration: 32 digits, 0-9 and a-f"
Migration: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", title=MIGRATION_NAME)]
Tick: TypeAlias = Annotated[int, Meta(ge=0, le=TICK_MAX)]
Percent: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
TYPES_OF_CLIENTS: Final = frozenset({"thread", "bridge", "gate", "confluence"})


class PassageQuery(Struct, frozen=True):
    namespace: Place | None = None
    """Of all that are joined, where none is said."""


class PassagesQuery(Struct, frozen=True, rename={"universe": "universeId"}):
    universe: Name | None = None
    """Of one universe: its id, whoever's it is, or its full name."""
    limit: Limit = 100
    cursor: Cursor | None = None
    namespace: Place | None = None


class NewPassage(
    Request,
    frozen=True,
    rename={
        "source": "sourceUniverseId",
        "target": "targetUniverseId",
        "by": "createdBy",
        "every": "maintenanceEvery",
        "created_at": "createdAt",
        "maintained": "lastMaintenance",
    },
):
    """The same id again is the same passage: what is given is brought up to date, and one's half
    that was closed is open again."""

    source: Name
    target: Name
    type: Type = "thread"
    by: Annotated[str, Meta(max_length=BY_CHARACTERS_MAX)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """null: one is made."""
    name: Line | None = None
    stability: Percent | None = None
    """null: as it was said before, else 100."""
    every: Millis | None = None
    """How often one means to look after it, in ms."""
    arrivals: Arrivals | None = None
    """null: as it was said before, else `accept`."""
    created_at: Millis | None = None
    """When it was made elsewhere before; else it is now."""
    maintained: Millis | None = None
    """When it was looked after last; else it is now."""
    namespace: Place | None = None


class Acceptance(Request, frozen=True, rename={"by": "createdBy"}):
    """Said again, what is given is said anew; and a half that was closed is open again."""

    by: Annotated[str, Meta(max_length=BY_CHARACTERS_MAX)] | None = None
    stability: Percent | None = None
    """null: as it was said before, else 100."""
    arrivals: Arrivals | None = None
    """null: as it was said before, else `accept`."""
    namespace: Place | None = None


class Maintenance(Request, frozen=True):
    stability: Percent | None = None
    """What its owner says of it from now on; null: as before."""
    namespace: Place | None = None


class Travel(Request, frozen=True, rename={"source": "from"}):
    """A traveller that is to leave. Said again with its migration, it leaves once."""

    data: Annotated[bytes, Meta(min_length=1, max_length=2 * TRAVELLER_BYTES_MAX)]
    """Its bytes, base64."""
    soul: Soul | None = None
    """Who it is; of a MigrateEntity message its migration id, where it is not said."""
    format: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$")] = "json"
    """`primordium-migration` for a MigrateEntity message, whose migration it is then."""
    source: Name | None = None
    """The end it leaves from; null: the one that is this author's."""
    origin: Name | None = None
    """Full name of the universe it comes from; null: that of whoever of that soul is there."""
    migration: Migration | None = None
    """Names this journey; null: one is made. A MigrateEntity says its own."""
    tick: Tick | None = None
    """null: the highest that the universe told of so far."""
    namespace: Place | None = None


class Recall(Request, frozen=True, rename={"source": "from"}):
    migration: Migration
    source: Name | None = None
    namespace: Place | None = None


class Decision(Request, frozen=True):
    """What a person decides of a traveller that waits at one's own gate."""

    migration: Migration
    accept: bool
    soul: Soul | None = None
    """Of several under one migration the one that is meant."""
    origin: Name | None = None
    """The same, where they are of one soul: the universe that it comes from."""
    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""
    tick: Tick | None = None
    namespace: Place | None = None


class GateTaken(Struct, frozen=True):
    success: bool
    universe: str
    gate: str
    """Key of this device, hex."""
    changed: bool
    lost: int = 0
    """Answers of others to receipts that are not here, and that it goes on without."""


class NewGate(Request, frozen=True):
    universe: Name
    anyway: bool = False
    """Also where others answered receipts of it that are not here: these are lost for good."""
    namespace: Place | None = None


class PassageShown(Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    source_universe_id: str
    """As its author calls it; so is the target."""
    target_universe_id: str
    type: str
    active: bool
    """Whether one may travel: both owners agreed, neither closed it, and both ends are there."""
    created_at: int
    created_by: str
    stability: int
    """The lower of what its owners say."""
    stability_now: int
    """What is left of it, by the clock of this node; at 0 nobody is sent through it."""
    last_maintenance: int
    maintenance_every: int
    """0 for no interval."""
    name: str
    full_name: str
    source: str
    """Full name; so is the target."""
    target: str
    state: Literal["proposed", "open", "closed", "gone"]
    """`gone`: it is not closed, and leads nowhere, as an end was deleted by its owner."""
    gone: tuple[str, ...]
    """Full names of the ends that were deleted."""
    accepted_by: str
    """did:key of the other owner, or of the one of both; empty while nobody did."""
    arrivals: Mapping[str, str]
    """did:key of an owner: accept, ask or refuse."""


class PassageDone(Struct, frozen=True):
    success: bool
    passage: PassageShown


class PassageClosed(PassageDone, frozen=True):
    message: str


class OnePassage(Struct, frozen=True):
    passage: PassageShown


class Passages(Struct, frozen=True):
    """First those that the author of this node has a half of; of a universe that is named in full,
    its owner. Then what others propose. Of both the latest changed first."""

    passages: tuple[PassageShown, ...]
    next: str | UnsetType | None = UNSET
    """For `cursor`: there are more. Multiverse clients hear of it only then."""


class ReceiptShown(Struct, frozen=True, kw_only=True):
    kind: str
    universe: str
    tick: int
    at: int
    id: str


class TravellerShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    origin: str
    soul: str
    state: Literal["in", "in-transit", "refused"]
    universe: str
    """Where it is, or where it goes."""
    gone: bool = False
    """Of a list: that universe was deleted by its owner."""
    source: str = ""
    """Of who is under way: the universe it left."""
    reason: str = ""
    """Why it was refused."""
    passage: str
    """Full name of the one that its last journey went through, or the one that was asked for."""
    migration: str
    """Of that journey, hex."""
    format: str
    size: int
    hash: str
    receipts: tuple[ReceiptShown, ...]
    """All that count of it, in their order; of very many the last ones."""
    earlier: int = 0
    """How many receipts there are before these."""
    data: bytes | None = None
    """Its bytes as it left, base64; where its migration was asked for and they are here. Of several
    so many as are no more than one traveller may be; `raw` gives each."""


class Travellers(Struct, frozen=True):
    travellers: tuple[TravellerShown, ...]
    """Who is under way is first."""
    doubtful: tuple[str, ...]
    """Universes of this passage whose gate signed two receipts with one number."""
    behind: tuple[str, ...] = ()
    """Universes of this author's of which the other end answered what is not here."""
    whole: bool = True
    """Whether all of this page were told: a story that is too much to read is left out."""
    next: str | None = None
    """For `cursor`: there are more."""
    rests: Mapping[str, Rest] = {}
    """Universe → why its gate answers nobody who comes now: `day`, `refused` or `spent`."""


class TravellersQuery(Struct, frozen=True):
    migration: Migration | None = None
    """Only who travels or travelled under it, that journey, and the bytes that went on it."""
    soul: Soul | None = None
    """Of several under one migration the one that is meant."""
    origin: Name | None = None
    """The same, where they are of one soul: the universe that it comes from."""
    raw: bool = False
    """The bytes alone, of one migration; fetched from a peer if they are not here."""
    limit: Limit = LIMIT_MAX
    cursor: Cursor | None = None
    namespace: Place | None = None


class TravelDone(Struct, frozen=True):
    success: bool
    migration: str
    traveller: TravellerShown
    known: bool = False
    """Whether that was signed before, so nothing new was."""


def cleaned_passage(given: Mapping[str, Any]) -> dict[str, Any]:
    """What an (S1) client sends, made to fit: its server takes any JSON object."""
    return {
        name: found
        for name, clean in _CLEANERS.items()
        if name in given and (found := clean(given[name])) is not None
    }


def cleaned_travel(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is ours of it: those clients send more than they say."""
    return {name: given[name] for name in _OF_TRAVEL if name in given}


def _type(value: object) -> str | None:
    return value if isinstance(value, str) and value in TYPES_OF_CLIENTS else None


_OF_TRAVEL: Final = tuple(field.encode_name for field in fields(Travel))
_CLEANERS: Final[Mapping[str, Cleaner]] = {
    "sourceUniverseId": text,
    "targetUniverseId": text,
    "type": _type,
    "createdBy": line(BY_CHARACTERS_MAX),
    "id": text,
    "name": line(NAME_CHARACTERS_MAX),
}


def show_passage(one: Passage, now_us: int, deleted: Collection[str]) -> PassageShown:
    """`deleted`: universes that their owners deleted, the ends of others perhaps among them."""
    half = one.proposed
    gone = tuple(end for end in half.ends[:2] if end in deleted)
    halves = [half] if one.accepted is None else [half, one.accepted]
    return PassageShown(
        id=half.id,
        source_universe_id=half.source.partition("/")[2],
        target_universe_id=half.target.partition("/")[2],
        type=half.type,
        active=one.is_open and not gone,
        created_at=half.created_us // 1_000,
        created_by=half.by,
        stability=one.stability,
        stability_now=one.stability_at(now_us),
        last_maintenance=max(one.maintained_us, half.created_us) // 1_000,
        maintenance_every=one.every_us // 1_000,
        name=half.name,
        full_name=one.name,
        source=half.source,
        target=half.target,
        state="gone" if gone and one.state != "closed" else one.state,
        gone=gone,
        accepted_by="" if one.accepted is None else one.accepted.author,
        arrivals={each.author: each.arrivals for each in halves},
    )


def last_departure(story: Story) -> Checked:
    """Of a story with a departure at least."""
    return [one for one in story.receipts if one.receipt.kind == DEPARTURE][-1]


def show_traveller(
    story: Story, journey: Checked | None = None, data: bytes | None = None
) -> TravellerShown:
    """Of a story with a departure at least. `journey`: that of one, else the last one is shown.

    `data`: its bytes, where they are to be shown.
    """
    last = last_departure(story) if journey is None else journey
    traveller = last.receipt.traveller
    state, universe, source, reason = _place(story)
    return TravellerShown(
        origin=story.who.origin,
        soul=story.who.soul,
        state=state,
        universe=universe,
        source=source,
        reason=reason,
        passage=last.receipt.passage,
        migration=last.receipt.migration.hex(),
        format=traveller.format,
        size=traveller.size,
        hash=traveller.hash.hex(),
        receipts=tuple(map(_receipt, story.receipts[-SHOWN_MAX:])),
        earlier=max(0, len(story.receipts) - SHOWN_MAX),
        data=data,
    )


def show_travellers(
    page: Page, shown: Iterable[TravellerShown], more: str | None = None
) -> Travellers:
    doubtful, behind = tuple(page.doubtful), tuple(page.behind)
    return Travellers(tuple(shown), doubtful, behind, page.is_whole, more, page.rests)


def _place(story: Story) -> tuple[Literal["in", "in-transit", "refused"], str, str, str]:
    match story.place:
        case In(universe):
            return "in", universe, "", ""
        case InTransit(source, target):
            return "in-transit", target, source, ""
        case Refused(source, target, reason=reason):
            return "refused", source, target, reason


def _receipt(one: Checked) -> ReceiptShown:
    said = one.receipt
    return ReceiptShown(
        kind=said.kind,
        universe=said.universe,
        tick=said.tick,
        at=said.at_us // 1_000,
        id=one.id.hex(),
    )
