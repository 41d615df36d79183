"""Rights, statements and verdicts as the API shows them: words beside what programs read."""

from collections.abc import Iterable

from crdt.capability import READ, decode_capability
from crdt.did import encode_did_key
from crdt.entry import unix_us_from_tai
from crdt.keys import is_communal
from crdt.path import shown
from crdt.statement import Revoke
from node.api.forks import show_fork
from node.api.rights import (
    EffectItem,
    ExplanationItem,
    Fate,
    FateSum,
    GrantItem,
    RightItem,
    StatementItem,
    VerdictItem,
    WriterItem,
)
from node.services.explain import Explanation, Verdict, Writer
from node.services.granting import Standing
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
