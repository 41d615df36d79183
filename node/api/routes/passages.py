"""Passages between universes, and who travels through them (S1)."""

import os
import uuid

from node.api.endpoint import Call, Endpoint, reads, writes
from node.api.models import InNamespace, NoQuery
from node.api.passage_models import (
    Acceptance,
    Decision,
    GateTaken,
    NewGate,
    NewPassage,
    OnePassage,
    PassageDone,
    Passages,
    PassagesQuery,
    Recall,
    Travel,
    TravelDone,
    Travellers,
    TravellersQuery,
    cleaned_passage,
    show_passage,
    show_traveller,
)
from node.errors import NotAllowed, NotFound, Rejected
from node.services.names import author_meant
from node.services.passages import (
    Ferry,
    accept_passage,
    close_passage,
    create_passage,
    document_of,
    full_name,
    passage_called,
    passages_held,
    read_value,
)
from node.services.places import place_meant
from node.services.travel import (
    MIGRATION_FORMAT,
    Gatekeeper,
    Passenger,
    migration_passenger,
)
from node.wiring import Node
from registry.head import Words
from storage.namespaces import COMMONS_NAME
from universe.gate import Verdict
from universe.names import parse_full_name
from universe.passage import PREFIX, Passage, Said
from universe.receipts import MIGRATION_BYTES
from universe.record import WORD as UNIVERSE


async def propose_passage(node: Node, call: Call[NoQuery, NewPassage]) -> PassageDone:
    """Propose a passage between two universes, one of them this author's.

    Where both are, it is open at once; else the other owner accepts it.
    """
    body = call.body
    if call.has_no_token and body.namespace != COMMONS_NAME:  # unread: which there are is private
        raise NotAllowed("without a token passages are made in commons alone")
    by = await _ferry(node, body.namespace)
    said = Said(
        source=await _universe(by, body.source),
        target=await _universe(by, body.target),
        type=body.type,
        stability=body.stability,
        maintained_us=node.clock_us(),
        every_us=None if body.every is None else body.every * 1_000,
        arrivals=body.arrivals,
        by=body.by,
    )
    id = body.id or f"{PREFIX}{uuid.UUID(bytes=os.urandom(16), version=4)}"
    words = Words(body.name, description=None, license=None, tags=None)
    passage = await create_passage(by, id, words, said)
    await _take_own_gates(node, by, passage)
    return PassageDone(success=True, passage=show_passage(passage))


async def accept_one(node: Node, call: Call[NoQuery, Acceptance]) -> PassageDone:
    """Accept a passage that the owner of the other universe proposes."""
    body = call.body
    by = await _ferry(node, body.namespace)
    passage = await _passage(by, call.path["passage"])
    said = Said(stability=body.stability, arrivals=body.arrivals, by=body.by)
    accepted = await accept_passage(by, passage, said)
    await _take_own_gates(node, by, accepted)
    return PassageDone(success=True, passage=show_passage(accepted))


async def list_passages(node: Node, call: Call[PassagesQuery, None]) -> Passages:
    """Passages that are known here, or those of one universe; the first thousand."""
    by = await _ferry(node, call.query.namespace)
    found = await passages_held(by, call.query.universe)
    return Passages(tuple(show_passage(one) for one in found))


async def get_passage(node: Node, call: Call[InNamespace, None]) -> OnePassage:
    """One passage, by its id, one's own first, or its full name."""
    by = await _ferry(node, call.query.namespace)
    return OnePassage(show_passage(await _passage(by, call.path["passage"])))


async def close_one(node: Node, call: Call[InNamespace, None]) -> PassageDone:
    """Close one's own half: who is under way comes back, nobody else leaves."""
    by = await _ferry(node, call.query.namespace)
    if call.has_no_token and call.query.namespace != COMMONS_NAME:
        raise NotAllowed("without a token passages are closed in commons alone")
    passage = await close_passage(by, await _passage(by, call.path["passage"]))
    return PassageDone(success=True, passage=show_passage(passage))


async def send_traveller(node: Node, call: Call[NoQuery, Travel]) -> TravelDone:
    """Send a traveller: its departure is signed, and the other gate answers when it hears of it."""
    body = call.body
    gates = await _gates(node, body.namespace)
    passage = await _passage(gates.by, call.path["passage"])
    source = await _end(gates.by, passage, body.source)
    if body.format == MIGRATION_FORMAT:
        migration, who = migration_passenger(body.data, body.soul)
    elif not body.soul:
        raise Rejected("who travels? `soul` names it", code="invalid-body")
    else:
        given = None if body.migration is None else bytes.fromhex(body.migration)
        migration = given or os.urandom(MIGRATION_BYTES)
        who = Passenger(body.data, body.soul, body.format, body.origin)
    sent = await gates.send(passage, source, migration, who, body.tick)
    return TravelDone(success=True, migration=migration.hex(), traveller=show_traveller(sent.story))


async def list_travellers(node: Node, call: Call[TravellersQuery, None]) -> Travellers:
    """Who ever was to go through a passage, and where each is by the receipts held."""
    gates = await _gates(node, call.query.namespace)
    passage = await _passage(gates.by, call.path["passage"])
    stories, lines = await gates.stories(passage)
    wanted = call.query.migration
    shown = tuple(
        show_traveller(one, with_data=wanted is not None)
        for one in stories
        if wanted is None or any(wanted == each.receipt.migration.hex() for each in one.receipts)
    )
    ends = passage.proposed.ends[:2]
    return Travellers(shown, tuple(end for end in ends if lines[end].equivocations))


async def recall_traveller(node: Node, call: Call[NoQuery, Recall]) -> TravelDone:
    """Ask for a traveller back: it comes unless the other gate let it in before it hears of it."""
    body = call.body
    gates = await _gates(node, body.namespace)
    passage = await _passage(gates.by, call.path["passage"])
    source = await _end(gates.by, passage, body.source)
    story = await gates.recall(source, bytes.fromhex(body.migration))
    return TravelDone(success=True, migration=body.migration, traveller=show_traveller(story))


async def decide_traveller(node: Node, call: Call[NoQuery, Decision]) -> TravelDone:
    """Let a traveller in that waits at one's own gate, or send it back."""
    body = call.body
    gates = await _gates(node, body.namespace)
    passage = await _passage(gates.by, call.path["passage"])
    for end in passage.proposed.ends[:2]:
        if parse_full_name(end)[0] != gates.by.did:
            continue
        for one in await gates.waiting(end):
            if one.receipt.migration.hex() == body.migration:
                verdict = Verdict("accept" if body.accept else "refuse", body.reason)
                await gates.decide(end, one.id, verdict, body.tick)
                stories, _ = await gates.stories(passage)
                who = one.receipt.traveller.who
                story = next(each for each in stories if each.who == who)
                return TravelDone(
                    success=True, migration=body.migration, traveller=show_traveller(story)
                )
    detail = f"nobody waits under {body.migration} at a gate of this author's"
    raise NotFound(detail, code="unknown-migration")


async def take_gate(node: Node, call: Call[NoQuery, NewGate]) -> GateTaken:
    """Make this device the gate of one's own universe, in place of one that is lost or stopped."""
    gates = await _gates(node, call.body.namespace)
    universe = await _universe(gates.by, call.body.universe)
    if parse_full_name(universe)[0] != gates.by.did:
        raise NotAllowed(f"{universe} is not this author's", code="not-your-passage")
    changed = await gates.take_gate(universe)
    return GateTaken(success=True, universe=universe, gate=gates.key.hex(), changed=changed)


async def _ferry(node: Node, place: str) -> Ferry:
    namespace = await place_meant(node.store, place)
    return Ferry(node.store, node.identity, node.clock_us, namespace)


async def _gates(node: Node, place: str) -> Gatekeeper:
    return Gatekeeper(await _ferry(node, place), node.gating)


async def _named(by: Ferry, text: str) -> str:
    """With a petname before the slash as the did:key it stands for."""
    whose, slash, id = text.rpartition("/")
    return f"{await author_meant(by.store, whose)}/{id}" if slash else text


async def _passage(by: Ferry, text: str) -> Passage:
    return await passage_called(by, await _named(by, text))


async def _universe(by: Ferry, text: str) -> str:
    """The full name of a universe: of a bare id one's own, else that of whom one follows."""
    name = full_name(by, await _named(by, text))
    if "/" in text or await read_value(by, document_of(name, "uni", by.namespace)) is not None:
        return name
    own, followed = await by.store.own_authors(), await by.store.followed_authors()
    same = await by.store.namesakes(UNIVERSE, text, by.namespace, own=own, followed=followed)
    return f"{same[0].row.listing.author}/{text}" if same else name


async def _end(by: Ferry, passage: Passage, text: str | None) -> str:
    """The end that is meant: where none is named, the one that is this author's."""
    if text is not None:
        return await _universe(by, text)
    ends = passage.proposed.ends[:2]
    own = [end for end in ends if parse_full_name(end)[0] == by.did]
    if not own:
        raise NotAllowed("neither universe is yours", code="not-your-passage")
    if len(own) == 2:
        raise Rejected("both ends are yours: say `from` which it leaves", code="not-an-end")
    return own[0]


async def _take_own_gates(node: Node, by: Ferry, passage: Passage) -> None:
    """The first device that makes or accepts a passage is the gate until another takes over."""
    gates = Gatekeeper(by, node.gating)
    for end in passage.proposed.ends[:2]:
        if parse_full_name(end)[0] == by.did:
            await gates.take_gate(end, only_first=True)


ONE = "/api/passage/{passage:lineage}"
ENDPOINTS = (
    writes(
        "/api/passage", propose_passage, PassageDone, body=NewPassage, status=201,
        problems=(403, 404), opened_by=("compat",), clean=cleaned_passage,
    ),
    reads("/api/passages", list_passages, Passages, query=PassagesQuery, problems=(404, 422)),
    writes("/api/gate", take_gate, GateTaken, body=NewGate, problems=(403, 404)),
    writes(f"{ONE}/accept", accept_one, PassageDone, body=Acceptance, problems=(403, 404)),
    writes(f"{ONE}/travel", send_traveller, TravelDone, body=Travel, problems=(403, 404)),
    writes(f"{ONE}/recall", recall_traveller, TravelDone, body=Recall, problems=(403, 404)),
    writes(f"{ONE}/decide", decide_traveller, TravelDone, body=Decision, problems=(403, 404)),
    reads(
        f"{ONE}/travellers", list_travellers, Travellers, query=TravellersQuery,
        problems=(409, 422),
    ),
    reads(ONE, get_passage, OnePassage, query=InNamespace, problems=(409, 422)),
    Endpoint(
        "DELETE", ONE, close_one, "write", {200: PassageDone}, InNamespace,
        problems=(403, 404, 409, 422), opened_by=("compat",),
    ),
)  # fmt: skip
