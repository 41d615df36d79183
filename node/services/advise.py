"""Advisories: saying something against versions of a module, and what is said of what one has."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from node.errors import Fault, NotFound, Rejected
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
from registry.versions import Version
from storage.listings import ListedRow
from storage.store import Store

OTHERS_TOLD_MAX: Final = 3
_DECODER: Final = msgspec.json.Decoder(Advisory)


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
    return await _edited(by, id.encode(errors="replace"), edit, is_dry_run=is_dry_run)


async def _edited(by: Curator, record: bytes, edit: Edit, *, is_dry_run: bool) -> Advisory:
    identity, store = by.signers.identity, by.signers.store
    document = DocumentId(by.namespace, identity.author, advisory.CLASS, advisory.KIND, record)
    hand = await by.signers.for_document(document)
    row: ListedRow | None = None
    if is_dry_run:
        row = await store.rehearse(document, edit, hand)
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


async def advisories_on(store: Store, modules: Collection[str]) -> list[Advisory]:
    """All that is held of these (full names), in every namespace that is joined."""
    places = [one.namespace for one in await store.joined()]
    return [read_advisory(row) for row in await store.advisories(sorted(modules), places)]


async def said_of(store: Store, own: str, versions: Mapping[str, Version]) -> tuple[Finding, ...]:
    """What is said of these versions (full name → version); what counts most first."""
    said = await advisories_on(store, versions.keys())
    return findings(versions, said, own=own, followed=await followed_dids(store))


async def followed_dids(store: Store) -> frozenset[str]:
    return frozenset(map(encode_did_key, await store.following()))


async def risks_of(store: Store, own: str, goal: Goal) -> tuple[Finding, ...]:
    """What is said of the versions that were chosen, those that are here already among them."""
    return await said_of(store, own, goal.resolution.versions)


def refuse_malicious(found: Iterable[Finding], goal: Goal) -> None:
    """Raises `Rejected` where what is new here is called malicious by somebody who counts."""
    placed = {one.id for one in goal.plan.placed}
    if bad := [one for one in forbidding(found) if one.module in placed]:
        faults = tuple(Fault("/requirements", str(one)) for one in bad)
        detail = (
            "; ".join(map(str, bad))
            + ". Nothing was installed. Who knows better says so: --accept-risk"
        )
        raise Rejected(detail, code="malicious", faults=faults)


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
