"""Passages between universes, and who travels through them (S1)."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from crdt.keys import NamespaceKey
from node.api.bare_ids import is_theirs, limit_told, next_told, passages_told
from node.api.cleaned import cleaned_list
from node.api.endpoint import PASSAGE_REF, Call, Endpoint, reads, writes
from node.api.models import NoQuery, micros
from node.api.passage_models import (
    Acceptance,
    Decision,
    GateTaken,
    Maintenance,
    NewGate,
    NewPassage,
    OnePassage,
    PassageClosed,
    PassageDone,
    PassageQuery,
    Passages,
    PassageShown,
    PassagesQuery,
    Recall,
    Travel,
    TravelDone,
    Travellers,
    TravellerShown,
    TravellersQuery,
    cleaned_passage,
    cleaned_travel,
    show_passage,
    show_traveller,
    show_travellers,
)
from node.api.passages_meant import (
    end_meant,
    ferry_in,
    name_meant,
    passage_meant,
    place_of_both,
    universe_end,
)
from node.errors import BadRequest, NotAllowed, NotFound, Rejected
from node.services.fetch import hold_blob
from node.services.passage_lists import passages_page, wanted
from node.services.passages import (
    Ferry,
    accept_passage,
    close_passage,
    create_passage,
    gone_of,
    maintain_passage,
)
from node.services.passengers import MIGRATION_FORMAT, Passenger, migration_passenger
from node.services.places import places_meant
from node.services.taking import bytes_brought, only_one
from node.services.travel import Gatekeeper
from node.services.travellers import (
    Asked,
    story_held,
    travellers_through,
    travellers_under,
    who_waits,
)
from node.services.universes import universe_meant
from node.services.verdicts import bytes_told, check_decided
from node.wiring import Node
from registry.errors import UnknownRecord
from registry.head import Words
from storage.errors import NotHeld
from universe.gate import Verdict
from universe.names import parse_full_name
from universe.passage import PREFIX, Passage, Said
from universe.receipts import MIGRATION_BYTES, TRAVELLER_BYTES_MAX


async def propose_passage(node: Node, call: Call[NoQuery, NewPassage]) -> PassageDone:
    """Propose a passage between two universes, one of them this author's.

    Where both are, it is open at once; else the other owner accepts it.
    """
    body = call.body
    theirs = is_theirs(node, call)
    source = await universe_end(node, body.source, body.namespace, bare_is_own=theirs)
    target = await universe_end(node, body.target, body.namespace, bare_is_own=theirs)
    by = ferry_in(node, await place_of_both(node, source, target))
    said = Said(
        source=source.name,
        target=target.name,
        type=body.type,
        stability=body.stability,
        maintained_us=node.clock_us() if body.maintained is None else micros(body.maintained),
        every_us=micros(body.every),
        arrivals=body.arrivals,
        by=body.by,
    )
    id = body.id or f"{PREFIX}{uuid.UUID(bytes=os.urandom(16), version=4)}"
    made_us = micros(body.created_at)
    words = Words(body.name, description=None, license=None, tags=None, created_us=made_us)
    await _check_own_gates(node, by, source.name, target.name)
    passage = await create_passage(by, id, words, said)
    await _take_own_gates(node, by, passage)
    return PassageDone(success=True, passage=await _shown(call, node, by, passage))


async def accept_one(node: Node, call: Call[NoQuery, Acceptance]) -> PassageDone:
    """Accept a passage that the owner of the other universe proposes, or open one's half again."""
    body = call.body
    by, passage = await passage_meant(node, call.path["passage"], body.namespace)
    said = Said(stability=body.stability, arrivals=body.arrivals, by=body.by)
    try:
        await _check_own_gates(node, by, *passage.proposed.ends[:2])
        accepted = await accept_passage(by, passage, said)
    except (NotFound, UnknownRecord):
        await _refuse_apart(node, passage)
        raise
    await _take_own_gates(node, by, accepted)
    return PassageDone(success=True, passage=await _shown(call, node, by, accepted))


async def _refuse_apart(node: Node, passage: Passage) -> None:
    """Raises `Conflict` where the end that is not here for it lies in another namespace: whoever
    proposed it could not know."""
    ends = passage.proposed.ends[:2]
    source, target = [await universe_end(node, end, None, bare_is_own=False) for end in ends]
    await place_of_both(node, source, target)


async def list_passages(node: Node, call: Call[PassagesQuery, None]) -> Passages:
    """Passages that are known here, or those of one universe, a page at a time.

    To clients without a token, which know of no pages, a thousand.
    """
    query = call.query
    places = await places_meant(node.store, query.namespace)
    named = None if query.universe is None else await name_meant(node, query.universe)
    where = f"passages {named} {[one.hex() for one in places]}"
    page = await passages_page(
        node.store,
        wanted(node.identity.did, places, named),
        after=node.cursors.open(where, query.cursor),
        limit=limit_told(node, call, query.limit),
    )
    shown: dict[tuple[NamespaceKey, str], PassageShown] = {}
    for place in dict.fromkeys(one.namespace for one in page.passages):
        there = [one.passage for one in page.passages if one.namespace == place]
        each = await _shown_each(call, node, ferry_in(node, place), there)
        shown |= {(place, one.name): told for one, told in zip(there, each, strict=True)}
    listed = tuple(shown[one.namespace, one.passage.name] for one in page.passages)
    more = node.cursors.seal(where, page.next)
    return Passages(listed, next_told(node, call, more))


async def get_passage(node: Node, call: Call[PassageQuery, None]) -> OnePassage:
    """One passage, by its id, one's own first, or its full name."""
    by, passage = await passage_meant(node, call.path["passage"], call.query.namespace)
    return OnePassage(await _shown(call, node, by, passage))


async def maintain_one(node: Node, call: Call[NoQuery, Maintenance]) -> PassageDone:
    """Look after a passage of this author's: it carries travellers as its owners say again."""
    by, passage = await passage_meant(node, call.path["passage"], call.body.namespace)
    kept = await maintain_passage(by, passage, call.body.stability)
    return PassageDone(success=True, passage=await _shown(call, node, by, kept))


async def close_one(node: Node, call: Call[PassageQuery, None]) -> PassageClosed:
    """Close one's own half: who is under way comes back, nobody else leaves."""
    by, passage = await passage_meant(node, call.path["passage"], call.query.namespace)
    closed = await _shown(call, node, by, await close_passage(by, passage))
    return PassageClosed(success=True, passage=closed, message="closed; nobody else leaves by it")


async def send_traveller(node: Node, call: Call[NoQuery, Travel]) -> TravelDone:
    """Send a traveller: its departure is signed, and the other gate answers when it hears of it."""
    body = call.body
    gates, passage = await _gates(node, call.path["passage"], body.namespace)
    source = await end_meant(node, passage, body.source)
    origin = None if body.origin is None else await name_meant(node, body.origin)
    given = None if body.migration is None else bytes.fromhex(body.migration)
    if body.format == MIGRATION_FORMAT:
        migration, who = migration_passenger(body.data, body.soul, origin, given)
    elif not body.soul:
        raise Rejected("who travels? `soul` names it", code="invalid-body")
    else:
        migration = given or os.urandom(MIGRATION_BYTES)
        who = Passenger(body.data, body.soul, body.format, origin)
    sent = await gates.send(passage, source, migration, who, body.tick)
    return TravelDone(
        success=True,
        migration=migration.hex(),
        traveller=show_traveller(sent.story),
        known=not sent.is_new,
    )


async def list_travellers(node: Node, call: Call[TravellersQuery, None]) -> Travellers | Response:
    """Who ever left through a passage, and where each is by the receipts held.

    Who is under way is first, a page at a time. With a migration that journey and its bytes; with
    `raw` these alone, and `X-Checksum`.
    """
    gates, passage = await _gates(node, call.path["passage"], call.query.namespace)
    query, by = call.query, gates.by
    if query.migration is None:
        if query.raw:
            raise BadRequest("whose bytes? `migration` says it", code="bad-query")
        where = f"travellers {passage.name} {by.namespace.hex()}"
        after = node.cursors.open(where, query.cursor)
        page = await travellers_through(by, passage, after=after, limit=query.limit)
        shown = await asyncio.to_thread(lambda: list(map(show_traveller, page.stories)))
        gone = await gone_of(by, (one.universe for one in shown))
        shown = [replace(one, gone=True) if one.universe in gone else one for one in shown]
        return show_travellers(page, shown, node.cursors.seal(where, page.next))
    migration = bytes.fromhex(query.migration)
    page, departures = await travellers_under(by, passage, migration, await _asked(node, query))
    if query.raw:
        traveller = only_one(migration, page, departures)
        data = await bytes_brought(node.store, node.network, traveller)
        checksum = {"X-Checksum": traveller.hash.hex()}
        return Response(data, 200, checksum, "application/octet-stream")
    told, room = list[TravellerShown](), TRAVELLER_BYTES_MAX
    for story, one in zip(page.stories, departures, strict=True):
        size, data_here = one.receipt.traveller.size, None
        if size <= room:
            with suppress(NotHeld):  # whole a moment ago, as far as was known: a part rotted
                data_here = await bytes_told(node.store, one.receipt.traveller)
            room -= 0 if data_here is None else size
        told.append(await asyncio.to_thread(show_traveller, story, one, data_here))
    return show_travellers(page, told)


async def recall_traveller(node: Node, call: Call[NoQuery, Recall]) -> TravelDone:
    """Ask for a traveller back: it comes unless the other gate let it in before it hears of it."""
    body = call.body
    gates, passage = await _gates(node, call.path["passage"], body.namespace)
    source = await end_meant(node, passage, body.source)
    story = await gates.recall(source, bytes.fromhex(body.migration))
    return TravelDone(success=True, migration=body.migration, traveller=show_traveller(story))


async def decide_traveller(node: Node, call: Call[NoQuery, Decision]) -> TravelDone:
    """Let a traveller in that waits at one's own gate, or send it back. Said again it is known."""
    body = call.body
    gates, passage = await _gates(node, call.path["passage"], body.namespace)
    by, migration = gates.by, bytes.fromhex(body.migration)
    departure, answer = await who_waits(by, passage, migration, await _asked(node, body))
    one, is_new = departure.receipt.traveller, False
    if answer is None:
        verdict = Verdict("accept" if body.accept else "refuse", body.reason)
        if body.accept and one.blob is not None and one.size <= TRAVELLER_BYTES_MAX:
            await hold_blob(node.store, node.network, one.blob, one.size)
        end = departure.receipt.other
        decided = await gates.decide(end, departure.id, verdict, body.tick)
        answer, is_new = decided.answer, decided.is_new
    check_decided(answer, accept=body.accept)
    story = await asyncio.to_thread(show_traveller, await story_held(by, one.who))
    return TravelDone(success=True, migration=body.migration, traveller=story, known=not is_new)


async def take_gate(node: Node, call: Call[NoQuery, NewGate]) -> GateTaken:
    """Make this device the gate of one's own universe, in place of one that is lost or stopped."""
    places = await places_meant(node.store, call.body.namespace)
    row = await universe_meant(node.store, call.body.universe, places)
    universe = row.listing.target
    if row.listing.author != node.identity.did:
        detail = f"{universe} is not yours: only its owner says which device is its gate"
        raise NotAllowed(detail, code="not-your-universe")
    gates = Gatekeeper(ferry_in(node, row.namespace), node.gating)
    taken = await gates.take_gate(universe, anyway=call.body.anyway)
    return GateTaken(
        success=True,
        universe=universe,
        gate=gates.key.hex(),
        changed=taken.is_changed,
        lost=len(taken.given_up),
    )


async def _shown_each(
    call: Call[Any, Any], node: Node, by: Ferry, passages: Sequence[Passage]
) -> tuple[PassageShown, ...]:
    now_us, ends = by.clock_us(), {end for one in passages for end in one.proposed.ends[:2]}
    gone = await gone_of(by, ends)
    return await passages_told(node, call, [show_passage(one, now_us, gone) for one in passages])


async def _shown(call: Call[Any, Any], node: Node, by: Ferry, passage: Passage) -> PassageShown:
    (shown,) = await _shown_each(call, node, by, [passage])
    return shown


async def _gates(node: Node, text: str, place: str | None) -> tuple[Gatekeeper, Passage]:
    by, passage = await passage_meant(node, text, place)
    return Gatekeeper(by, node.gating), passage


async def _check_own_gates(node: Node, by: Ferry, source: str, target: str) -> None:
    """Before anything is written: this device may become their gate, where they have none yet."""
    gates = Gatekeeper(by, node.gating)
    for end, other in ((source, target), (target, source)):
        if parse_full_name(end)[0] == by.did:
            await gates.check_first(end, other)


async def _asked(node: Node, said: TravellersQuery | Decision) -> Asked:
    origin = None if said.origin is None else await name_meant(node, said.origin)
    return Asked(said.soul, origin)


async def _take_own_gates(node: Node, by: Ferry, passage: Passage) -> None:
    """The first device that makes or accepts a passage is the gate until another takes over."""
    gates = Gatekeeper(by, node.gating)
    for end in passage.proposed.ends[:2]:
        if parse_full_name(end)[0] == by.did:
            await gates.take_gate(end, only_first=True)


ONE = f"/api/passage/{{passage:{PASSAGE_REF}}}"
ENDPOINTS = (
    writes(
        "/api/passage", propose_passage, PassageDone, body=NewPassage, status=201,
        problems=(403, 404), opened_by=("compat",), clean=cleaned_passage,
        has_halves=True,
    ),
    reads(
        "/api/passages", list_passages, Passages, query=PassagesQuery, problems=(404, 422),
        clean_query=cleaned_list,
    ),
    writes("/api/gate", take_gate, GateTaken, body=NewGate, problems=(403, 404)),
    writes(f"{ONE}/accept", accept_one, PassageDone, body=Acceptance, problems=(403, 404)),
    writes(f"{ONE}/maintain", maintain_one, PassageDone, body=Maintenance, problems=(403, 404)),
    writes(
        f"{ONE}/travel", send_traveller, TravelDone, body=Travel, problems=(403, 404),
        body_bytes_max=2 * TRAVELLER_BYTES_MAX, opened_by=("compat",), clean=cleaned_travel,
        has_halves=True,
    ),
    writes(f"{ONE}/recall", recall_traveller, TravelDone, body=Recall, problems=(403, 404)),
    writes(f"{ONE}/decide", decide_traveller, TravelDone, body=Decision, problems=(403, 404, 504)),
    reads(
        f"{ONE}/travellers", list_travellers, Travellers, query=TravellersQuery,
        problems=(409, 422, 504, 507),
    ),
    reads(
        ONE, get_passage, OnePassage, query=PassageQuery, problems=(409, 422),
        clean_query=cleaned_list,
    ),
    Endpoint(
        "DELETE", ONE, close_one, "write", {200: PassageClosed}, PassageQuery,
        problems=(403, 404, 409, 422), opened_by=("compat",),
    ),
)  # fmt: skip
