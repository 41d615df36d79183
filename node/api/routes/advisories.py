"""Advisories: what is said against versions of modules, and of what is installed here."""

from collections.abc import Iterable
from typing import Final

import msgspec

from node.api.advisory_models import (
    Advisories,
    AdvisoriesQuery,
    Audit,
    FindingItem,
    NewAdvisory,
    SaidAdvisory,
    Withdrawal,
)
from node.api.endpoint import Call, reads, writes
from node.api.models import InNamespace, NoQuery
from node.services.advise import (
    module_meant,
    read_advisory,
    risk_here,
    said_of,
    say,
    take_back,
)
from node.services.curate import Curator
from node.services.names import author_meant
from node.services.places import place_meant, places_meant
from node.wiring import Node
from registry.advisory import WORD, Advisory, Claim, Finding
from registry.versions import parse_version

STRANGERS_TEXT_CHARACTERS_MAX: Final = 300  # a paragraph; `/api/advisories?module=` has it all


async def list_advisories(node: Node, call: Call[AdvisoriesQuery, None]) -> Advisories:
    """Advisories, the last one said first; those on one module all at once."""
    query = call.query
    author = None if query.author is None else await author_meant(node.store, query.author)
    if query.module is not None:
        return Advisories(await _on_module(node, query, author), None)
    places = await places_meant(node.store, query.namespace)
    where = f"advisories {author} {query.kind} {[place.hex() for place in places]}"
    page = await node.store.listings(
        WORD,
        author=author,
        tag=query.kind,
        limit=query.limit,
        cursor=node.cursors.open(where, query.cursor),
        namespaces=places,
    )
    return Advisories(tuple(map(read_advisory, page.rows)), node.cursors.seal(where, page.next))


async def _on_module(
    node: Node, query: AdvisoriesQuery, author: str | None
) -> tuple[Advisory, ...]:
    assert query.module is not None
    places = await places_meant(node.store, query.namespace)
    name = await module_meant(node.store, query.module, places[0])
    found = await node.store.advisories([str(name)], places, author=author)
    said = (read_advisory(row) for row in found)
    return tuple(one for one in said if query.kind in (None, one.kind))[: query.limit]


async def publish(node: Node, call: Call[NoQuery, NewAdvisory]) -> SaidAdvisory:
    """Warn of versions of a module, as this node's author. Said again, it is changed.

    `dry_run` does every check and says what would be.
    """
    body = call.body
    place = await place_meant(node.store, body.namespace)
    replacement = body.replacement
    if replacement:
        replacement = str(await module_meant(node.store, replacement, place))
    claim = Claim(
        module=await module_meant(node.store, body.module, place),
        range=body.range,
        kind=body.kind,
        title=body.title,
        text=body.text,
        fixed=body.fixed,
        replacement=replacement,
    )
    by = Curator(node.signers, place)
    said = await say(by, claim, now_us=node.clock_us(), is_dry_run=body.dry_run)
    return _said(said, is_dry_run=body.dry_run)


async def withdraw(node: Node, call: Call[InNamespace, Withdrawal]) -> SaidAdvisory:
    """An advisory of this node's author holds no more; that it was said stays visible."""
    by, body = Curator(node.signers, await place_meant(node.store, call.query.namespace)), call.body
    id, now_us = call.path["advisory"], node.clock_us()
    said = await take_back(by, id, body.reason, now_us=now_us, is_dry_run=body.dry_run)
    return _said(said, is_dry_run=body.dry_run)


def _said(said: Advisory, *, is_dry_run: bool) -> SaidAdvisory:
    return SaidAdvisory(**msgspec.structs.asdict(said), dry_run=is_dry_run)


async def audit(node: Node, call: Call[NoQuery, None]) -> Audit:
    """What is said of the versions that are installed here, and whose word counts."""
    installed = {one.module: one for one in await node.store.installed_list()}
    versions = {id: parse_version(one.version) for id, one in installed.items()}
    found = await said_of(node.store, node.identity.did, versions, risk_here(installed))
    is_ok = not any(one.is_alarming for one in found)
    return Audit(is_ok, len(installed), finding_items(found))


def finding_items(found: Iterable[Finding]) -> tuple[FindingItem, ...]:
    """Of a stranger's text only its beginning: many of them may speak, 16 KiB each."""
    return tuple(
        FindingItem(
            **msgspec.structs.asdict(one if one.counts else _cut(one)),
            counts=one.counts,
            alarming=one.is_alarming,
            words=str(one),
        )
        for one in found
    )


def _cut(one: Finding) -> Finding:
    said = one.advisory
    if len(said.text) <= STRANGERS_TEXT_CHARACTERS_MAX:
        return one
    text = said.text[:STRANGERS_TEXT_CHARACTERS_MAX] + "…"
    return msgspec.structs.replace(one, advisory=msgspec.structs.replace(said, text=text))


ENDPOINTS = (
    reads(
        "/api/advisories", list_advisories, Advisories, query=AdvisoriesQuery,
        problems=(404, 409, 422),
    ),
    writes("/api/advisories", publish, SaidAdvisory, body=NewAdvisory, status=201, problems=(404,)),
    writes(
        "/api/advisories/{advisory}/withdraw", withdraw, SaidAdvisory, body=Withdrawal,
        query=InNamespace, problems=(404,),
    ),
    reads("/api/audit", audit, Audit),
)  # fmt: skip
