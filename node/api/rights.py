"""Rights, statements and verdicts as they cross the API; `shown_rights.py` fills the answers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from node.api.forks import ForkItem
from node.api.models import Did, Place, Request
from node.services.granting import State

Passphrase = Annotated[str, Meta(min_length=1, max_length=1_024)]
Who = Annotated[str, Meta(min_length=1, max_length=128)]
"""A did:key, or what this person calls somebody."""
AreaText = Annotated[str, Meta(min_length=1, max_length=600)]
RecordText = Annotated[str, Meta(min_length=1, max_length=512)]
Moment = Annotated[str, Meta(min_length=1, max_length=64)]
Hex = Annotated[str, Meta(min_length=8, max_length=64, pattern="^[0-9a-fA-F]+$")]


# ── what is asked for ────────────────────────────────────────────────────────────────────────────


class RightsQuery(Struct, frozen=True):
    which: Literal["all", "held", "given"] = "all"
    namespace: Place | None = None
    """All that are known, unless one is named."""


class Opened(Request, frozen=True):
    passphrase: Passphrase | None = None
    """Opens the keys of this home, where they are sealed."""


class InPlace(Opened, frozen=True):
    namespace: Place = "commons"


class NewGrant(InPlace, frozen=True, kw_only=True):
    to: Did
    """A did:key or a petname."""
    rights: Annotated[tuple[Literal["read", "write", "admin"], ...], Meta(max_length=3)] = ()
    """None: to write, where an area or a record is named."""
    area: AreaText | None = None
    record: RecordText | None = None
    until: Moment | None = None
    capability: Hex | None = None
    """Pass on this one, by the beginning of its digest, instead of making a new one."""


class NewRevocation(InPlace, frozen=True, kw_only=True):
    key: Did
    area: AreaText | None = None
    record: RecordText | None = None
    since: Moment | None = None
    """A moment or the id of an entry: what was signed from then on goes. None: nothing goes."""
    reason: Annotated[str, Meta(max_length=500)] = ""
    dry_run: bool = False


class NewUnrevocation(Opened, frozen=True, kw_only=True):
    statement: Hex
    dry_run: bool = False


class NewCheckpoint(Request, frozen=True):
    namespace: Place = "commons"
    keep: Hex | None = None
    """An entry that another one of its number displaced: its branch is to count."""


class ExplainQuery(Struct, frozen=True):
    what: RecordText
    """The beginning of an entry's id in hex, or a module as it is named elsewhere."""
    namespace: Place = "commons"


class NewReapply(Request, frozen=True):
    record: RecordText
    namespace: Place = "commons"
    dry_run: bool = False


# ── what is answered ─────────────────────────────────────────────────────────────────────────────


class StatementItem(Struct, frozen=True):
    id: str
    type: str
    namespace: str
    issuer: str
    who: str  # the issuer, as this person calls it
    key: str | None  # of a revocation: who is cut off
    whom: str | None  # the same, as this person calls it
    area: str | None
    reason: str
    at: str
    """By the claim of who signed it."""
    stands: bool
    in_force: bool


class RightItem(Struct, frozen=True):
    digest: str
    namespace: str
    mode: Literal["read", "write"]
    receiver: str
    subspace: str | None
    """None: of every author."""
    path: str
    area: str
    """As it is written."""
    words: str
    until: str | None
    chain: tuple[str, ...]
    """The keys it came through, the receiver last."""
    state: State
    revocations: tuple[StatementItem, ...]
    origin: str
    """How it came into the wallet; empty for one that was only seen in use."""
    kept_at: str | None


class Rights(Struct, frozen=True):
    capabilities: tuple[RightItem, ...]
    """Those held."""
    given: tuple[RightItem, ...]


class GrantItem(Struct, frozen=True):
    code: str
    """To hand over: `panspermia accept CODE`."""
    capabilities: tuple[RightItem, ...]
    note: str
    """What the giver may have overlooked, or nothing."""


class Fate(Struct, frozen=True):
    """An entry whose verdict a statement changes."""

    entry: str
    record: str
    device: str
    who: str
    signed_at: str
    code: str
    is_others: bool
    """Honest work of others, that only builds on what falls."""


class FateSum(Struct, frozen=True):
    record: str
    who: str
    device: str
    code: str
    is_others: bool
    entries: int


class EffectItem(Struct, frozen=True):
    statement: str | None
    """The id of its entry; None for a dry run."""
    dry_run: bool
    documents_kept: int
    """Whose heads the frontier names."""
    gone: tuple[Fate, ...]
    back: tuple[Fate, ...]
    sums: tuple[FateSum, ...]
    """Of all that goes, also where `gone` was cut short."""
    back_sums: tuple[FateSum, ...]
    note: str = ""
    """What whoever says so may have overlooked, or nothing."""


class Stated(Struct, frozen=True):
    statement: str
    namespace: str
    documents: int


class VerdictItem(Struct, frozen=True):
    entry: str
    record: str
    device: str
    who: str
    seq: int
    signed_at: str
    counts: bool
    code: str | None
    why: str
    may_return: str
    right: str
    """Through whose hands it came, in words."""
    revocations: tuple[StatementItem, ...]


class WriterItem(Struct, frozen=True):
    right: RightItem
    counted: int
    left_out: dict[str, int]


class ExplanationItem(Struct, frozen=True):
    record: str
    namespace: str
    owner: str
    entry: VerdictItem | None
    writers: tuple[WriterItem, ...]
    writers_more: int
    left_out: tuple[VerdictItem, ...]
    left_out_count: int
    incomplete: int
    alarms: tuple[str, ...]
    """One sentence for each of `forks`."""
    forks: tuple[ForkItem, ...]


class PlaceChange(Struct, frozen=True):
    place: str
    value: str


class AgainItem(Struct, frozen=True):
    changes: int
    unreadable: int
    left: int
    places: tuple[PlaceChange, ...]
    entry: str | None
    dry_run: bool


class Publishers(Struct, frozen=True):
    publishers: tuple[RightItem, ...]
