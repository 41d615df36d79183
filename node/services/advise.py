"""Advisories: saying something against versions of a module, and what is said of what one has."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from node.errors import Conflict, Fault, NotFound, Rejected
from node.services.curate import Curator
from node.services.modules import full_name
from node.services.names import written_name
from node.services.places import place_text
from node.services.resolve import Goal
from registry import advisory
from registry.advisory import (
    Advisory,
    Claim,
    Finding,
    findings,
    is_id,
    publish_advisory,
    withdraw,
)
from registry.edits import Edit
from registry.errors import UnknownAdvisory, quoted
from registry.names import ModuleName, parse_reference
from registry.versions import Version, parse_version
from storage.installed import AcceptedRisk, InstallChanges, Installed
from storage.listings import ListedRow
from storage.store import Store

OTHERS_TOLD_MAX: Final = 3
_DECODER: Final = msgspec.json.Decoder(Advisory)

RiskOf: TypeAlias = Callable[[Finding], AcceptedRisk]
"""What is accepted by whoever accepts a finding."""


async def module_meant(store: Store, text: str, namespace: NamespaceKey) -> ModuleName:
    """Whose module is spoken of; one that is named in full need not be held here.

    Raises `InvalidName`, `UnknownPetname`, `UnknownModule` or `AmbiguousName`.
    """
    name = await written_name(store, parse_reference(text))
    if name.author is not None:
        return name
    return await full_name(store, parse_reference(text), namespace)


async def say(by: Curator, claim: Claim, *, now_us: int, is_dry_run: bool = False) -> Advisory:
    """This author's word; where they said the like before, in its place."""
    checked = claim.checked()
    record = advisory.record_of(checked)
    edit = publish_advisory(checked, now_us=now_us)
    return await _edited(by, record, edit, is_dry_run=is_dry_run)


async def take_back(
    by: Curator, id: str, reason: str, *, now_us: int, is_dry_run: bool = False
) -> Advisory:
    """It holds no more. Raises `UnknownAdvisory`."""
    if not is_id(id):
        raise UnknownAdvisory(f"{quoted(id)} is no advisory; they are called adv-0123456789abcdef")
    edit = withdraw(reason, now_us=now_us)
    try:
        return await _edited(by, id.encode(errors="replace"), edit, is_dry_run=is_dry_run)
    except UnknownAdvisory as error:
        raise UnknownAdvisory(f"{id}: {error.detail}") from error


async def _edited(by: Curator, record: bytes, edit: Edit, *, is_dry_run: bool) -> Advisory:
    identity, store = by.signers.identity, by.signers.store
    document = DocumentId(by.namespace, identity.author, advisory.CLASS, advisory.KIND, record)
    hand = await by.signers.for_document(document)
    row: ListedRow | None = None
    if is_dry_run:
        would = await store.rehearse(document, edit, hand)
        row = would.row if would else None
    else:
        await store.commit(document, edit, hand)
    row = row or await store.listing(advisory.WORD, identity.did, record.decode(), by.namespace)
    if row is None:
        raise NotFound(f"{record.decode()} is deleted", code="unknown-advisory")
    return read_advisory(row)


def read_advisory(row: ListedRow) -> Advisory:
    """What the store keeps of it: our own JSON, made by `registry.listings`."""
    said = _DECODER.decode(row.listing.fields)
    if row.namespace == COMMONS:
        return said
    return msgspec.structs.replace(said, namespace=place_text(row.namespace))


async def said_of(
    store: Store, own: str, versions: Mapping[str, Version], risk_of: RiskOf
) -> tuple[Finding, ...]:
    """What is said of these versions (full name → version), in every namespace that is joined.

    What counts most comes first. `risk_of` says which bytes would be accepted with each.
    """
    places = [one.namespace for one in await store.joined()]
    rows = await store.advisories(sorted(versions), places)
    followed, accepted = await followed_dids(store), await store.accepted_risks()

    def judged() -> tuple[Finding, ...]:
        found = findings(versions, map(read_advisory, rows), own=own, followed=followed)
        return tuple(_as_accepted(one, risk_of(one), accepted) for one in found)

    # Hundreds of texts of 16 KiB and of ranges that take a third of a millisecond each.
    return await asyncio.to_thread(judged)


async def followed_dids(store: Store) -> frozenset[str]:
    return frozenset(map(encode_did_key, await store.following()))


async def risks_of(store: Store, own: str, goal: Goal) -> tuple[Finding, ...]:
    """What is said of the versions that were chosen, those that are here already among them."""
    return await said_of(store, own, goal.resolution.versions, risk_in(goal))


@dataclass(frozen=True, slots=True)
class Accepting:
    """What a person accepts of what was found."""

    found: tuple[Finding, ...]
    """All of it, with what is accepted marked so."""
    risks: tuple[AcceptedRisk, ...]
    """To be remembered."""
    warnings: tuple[str, ...]


def accept(found: Iterable[Finding], named: Sequence[str], risk_of: RiskOf) -> Accepting:
    """What `named` means of what counts: ids of advisories, or beginnings that only one has.

    Two authors who say the same of a range use one id: who names it has read what both say.
    Raises `Conflict` (`ambiguous-advisory`). What nobody says is a warning: it may be withdrawn.
    """
    known, risks, warnings = list(found), list[AcceptedRisk](), list[str]()
    ids = sorted({one.advisory.id for one in known if one.counts})
    for text in named:
        meant = tuple(id for id in ids if id.startswith(f"adv-{text.removeprefix('adv-')}"))
        if len(meant) > 1:
            detail = f"{quoted(text)} may be {' or '.join(meant)}; more of its digits tell which"
            raise Conflict(detail, code="ambiguous-advisory", candidates=meant)
        if not meant:
            warnings.append(f"{text} was not needed: nobody who counts says that of these versions")
        for at, one in enumerate(known):
            if one.counts and one.advisory.id in meant:
                known[at] = _accepted(one)
                risks.append(risk_of(one))
    return Accepting(tuple(known), tuple(risks), tuple(warnings))


def risk_in(goal: Goal) -> RiskOf:
    """Of the bytes that were chosen, from where they were found."""

    def risk_of(one: Finding) -> AcceptedRisk:
        return _risk(one, goal.places[one.module], goal.release(one.module).wasm_hash)

    return risk_of


def risk_here(installed: Mapping[str, Installed]) -> RiskOf:
    """Of the bytes that are installed."""

    def risk_of(one: Finding) -> AcceptedRisk:
        here = installed[one.module]
        return _risk(one, here.namespace, here.sha256)

    return risk_of


def _risk(one: Finding, namespace: NamespaceKey, sha256: str) -> AcceptedRisk:
    said = one.advisory
    return AcceptedRisk(one.module, one.version, namespace, sha256, said.author, said.id)


def _as_accepted(one: Finding, risk: AcceptedRisk, accepted: Collection[AcceptedRisk]) -> Finding:
    """With whether it is accepted, or else what it was accepted for."""
    if risk in accepted:
        return _accepted(one)
    alike = [
        other
        for other in accepted
        if (other.module, other.version, other.author, other.advisory)
        == (risk.module, risk.version, risk.author, risk.advisory)
    ]
    if not alike:
        return one
    if any(other.sha256 == risk.sha256 for other in alike):
        unlike = "for the same bytes in another namespace"
    elif any(other.sha256 for other in alike):
        unlike = "for other bytes of this version"
    else:
        unlike = "before it was noted for which bytes"
    return msgspec.structs.replace(one, unlike=unlike)


def _accepted(one: Finding) -> Finding:
    return msgspec.structs.replace(one, accepted=True)


def refuse_malicious(found: Iterable[Finding], goal: Goal) -> None:
    """Raises `Rejected` where what is new here is called malicious by somebody who counts."""
    placed = {one.id for one in goal.plan.placed}
    if bad := [one for one in forbidding(found) if one.module in placed]:
        faults = tuple(Fault("/requirements", str(one)) for one in bad)
        ids = dict.fromkeys(one.advisory.id for one in bad)
        accepting = " ".join(f"--accept-risk {id}" for id in ids)
        told = "; ".join(map(str, bad))
        detail = f"{told}. Nothing was installed. Who knows better says so: {accepting}"
        raise Rejected(detail, code="malicious", faults=faults)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A version that is not installed after all."""

    module: str
    version: str
    why: str


async def withhold_malicious(store: Store, own: str) -> tuple[Withheld, ...]:
    """Uninstalls what would not be installed anew: what is malicious, and whatever needs that."""
    installed = {one.module: one for one in await store.installed_list()}
    versions = {id: parse_version(one.version) for id, one in installed.items()}
    found = forbidding(await said_of(store, own, versions, risk_here(installed)))
    gone = {one.module: Withheld(one.module, one.version, str(one)) for one in found}
    pending = list(gone)
    while pending:
        bad = pending.pop()
        for id, one in installed.items():
            if bad in one.dependencies and id not in gone:
                gone[id] = Withheld(id, one.version, f"{id} {one.version} needs {bad}")
                pending.append(id)
    if gone:
        await store.apply_install(InstallChanges(remove=sorted(gone)))
    return tuple(gone[id] for id in sorted(gone))


def risk_warnings(found: Iterable[Finding]) -> tuple[str, ...]:
    """All that counts, and a few of the rest: strangers can say what they like, as often."""
    known = list(found)
    counting = [str(one) for one in known if one.counts]
    others = [str(one) for one in known if not one.counts]
    more = len(others) - OTHERS_TOLD_MAX
    said = [f"{more} more are said by strangers: panspermia audit"] if more > 0 else []
    return (*counting, *others[:OTHERS_TOLD_MAX], *said)


def forbidding(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """What only who accepts the risk installs."""
    return tuple(one for one in found if one.is_forbidding)
