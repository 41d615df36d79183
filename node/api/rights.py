"""Rights, statements and verdicts as they cross the API; words beside what programs read."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from crdt.capability import READ, decode_capability
from crdt.did import encode_did_key
from crdt.entry import unix_us_from_tai
from crdt.keys import is_communal
from crdt.path import shown
from crdt.statement import Revoke
from node.api.forks import ForkItem, show_fork
from node.api.models import Did, Place, Request
from node.services.explain import Explanation, Verdict, Writer
from node.services.granting import Standing, State
from node.services.places import place_text
from node.words import (
    Names,
    area_text,
    area_words,
    capability_words,
    key_words,
    moment,
    record_text,
)
from registry.listed import rfc3339
from storage.authorities import Concerned, Effect
from storage.explaining import Said

EFFECT_ROWS_MAX = 1_000
"""Entries named in one answer; the sums by record and device are of all."""

BLIND = (
    "This gives no right to read: unless they have one they see nothing of the namespace, not even"
    " what they wrote on another device. To give it: panspermia cap grant … --read"
)

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


# ── from what the services say ───────────────────────────────────────────────────────────────────


def show_right(one: Standing, names: Names) -> RightItem:
    right, area = one.capability, one.capability.granted_area
    return RightItem(
        digest=one.digest.hex(),
        namespace=place_text(right.namespace),
        mode="read" if right.mode == READ else "write",
        receiver=encode_did_key(right.receiver),
        subspace=encode_did_key(area.subspace) if area.subspace else None,
        path=shown(area.path),
        area=area_text(area),
        words=f"{key_words(right.receiver, names)} {capability_words(right, names)}",
        until=None if area.end is None else moment(unix_us_from_tai(area.end)),
        chain=tuple(map(encode_did_key, right.chain)),
        state=one.state,
        revocations=show_statements(one.cuts, names),
        origin=one.origin,
        kept_at=None if one.noted_us is None else rfc3339(one.noted_us),
    )


def show_statements(said: Iterable[Said], names: Names) -> tuple[StatementItem, ...]:
    return tuple(_show_statement(one, names) for one in said)


def _show_statement(one: Said, names: Names) -> StatementItem:
    what = one.statement
    revoke = what if isinstance(what, Revoke) else None
    return StatementItem(
        id=one.id.hex(),
        type=type(what).__name__.lower(),
        namespace=place_text(one.namespace),
        issuer=encode_did_key(one.issuer),
        who=key_words(one.issuer, names),
        key=encode_did_key(revoke.key) if revoke else None,
        whom=key_words(revoke.key, names) if revoke else None,
        area=area_words(revoke.area, names) if revoke else None,
        reason=revoke.reason if revoke else "",
        at=moment(one.signed_us),
        stands=one.stands,
        in_force=one.in_force,
    )


def show_grant(code: str, given: Iterable[Standing], names: Names) -> GrantItem:
    rights = [(one.capability, show_right(one, names)) for one in given]
    is_blind = not any(is_communal(one.namespace) or one.mode == READ for one, _ in rights)
    return GrantItem(code, tuple(shown for _, shown in rights), BLIND if is_blind else "")


def show_effect(
    effect: Effect, names: Names, *, kept: int, statement: bytes | None, dry_run: bool
) -> EffectItem:
    return EffectItem(
        statement=statement.hex() if statement else None,
        dry_run=dry_run,
        documents_kept=kept,
        gone=tuple(_fate(one, names) for one in effect.gone[:EFFECT_ROWS_MAX]),
        back=tuple(_fate(one, names) for one in effect.back[:EFFECT_ROWS_MAX]),
        sums=_sums(effect.gone, names),
        back_sums=_sums(effect.back, names),
    )


def show_explanation(one: Explanation, names: Names, alarms: Iterable[str]) -> ExplanationItem:
    return ExplanationItem(
        record=record_text(one.document),
        namespace=place_text(one.document.namespace),
        owner=encode_did_key(one.document.subspace),
        entry=None if one.entry is None else _show_verdict(one.entry, names),
        writers=tuple(_show_writer(each, names) for each in one.writers),
        writers_more=one.writers_more,
        left_out=tuple(_show_verdict(each, names) for each in one.left_out),
        left_out_count=one.left_out_count,
        incomplete=one.incomplete,
        alarms=tuple(alarms),
        forks=tuple(show_fork(each, names) for each in one.forks),
    )


def _fate(one: Concerned, names: Names) -> Fate:
    return Fate(
        one.id.hex(),
        record_text(one.document),
        encode_did_key(one.device),
        _writer_words(one.chain, names),
        moment(one.signed_us),
        one.code,
        one.code == "excluded-dependency",
    )


def _sums(effect: Iterable[Concerned], names: Names) -> tuple[FateSum, ...]:
    counts: dict[tuple[str, str, str, str], int] = {}
    for one in effect:
        key = (
            record_text(one.document),
            _writer_words(one.chain, names),
            encode_did_key(one.device),
            one.code,
        )
        counts[key] = counts.get(key, 0) + 1
    return tuple(
        FateSum(*key, key[-1] == "excluded-dependency", count)
        for key, count in sorted(counts.items())
    )


def _writer_words(chain: tuple[bytes, ...], names: Names) -> str:
    """The device where it has a name here, else the author who delegated to it."""
    if chain[-1] in names or len(chain) == 1:
        return key_words(chain[-1], names)
    return f"a device of {key_words(chain[-2], names)}"


def _show_verdict(one: Verdict, names: Names) -> VerdictItem:
    told, right = one.told, decode_capability(one.told.capability)
    return VerdictItem(
        entry=told.id.hex(),
        record=record_text(told.document),
        device=encode_did_key(told.device),
        who=_writer_words(right.chain, names),
        seq=told.seq,
        signed_at=moment(told.signed_us),
        counts=told.code is None,
        code=told.code,
        why=one.why.why if one.why else "nothing speaks against it",
        may_return=one.why.may_return if one.why else "",
        right=capability_words(right, names),
        revocations=show_statements(one.cuts, names),
    )


def _show_writer(one: Writer, names: Names) -> WriterItem:
    return WriterItem(show_right(one.standing, names), one.counted, dict(one.left_out))
