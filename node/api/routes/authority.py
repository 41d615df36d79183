"""Who may do what: rights given and held, taken back and explained."""

import os
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import Response

from crdt.capability import decode_capability
from crdt.did import encode_did_key
from crdt.keys import NamespaceKey, is_communal
from node.api.endpoint import Call, reads, writes
from node.api.models import InNamespace, NoQuery
from node.api.models import Place as PlaceText
from node.api.rights import (
    AgainItem,
    EffectItem,
    ExplainQuery,
    ExplanationItem,
    GrantItem,
    InPlace,
    NewCheckpoint,
    NewGrant,
    NewReapply,
    NewRevocation,
    NewUnrevocation,
    PlaceChange,
    Publishers,
    RecordText,
    Rights,
    RightsQuery,
    Stated,
    StatementItem,
)
from node.api.shown_rights import (
    show_effect,
    show_explanation,
    show_grant,
    show_right,
    show_statements,
)
from node.errors import BadRequest
from node.services.ages import keys_that_matter
from node.services.called import names_here
from node.services.explain import explain, publishers, record_named
from node.services.forks import fork_warning, proof_of
from node.services.granting import (
    Place,
    Right,
    check_ahead,
    grant,
    hand_on,
    overlooked,
    stand,
    standing,
)
from node.services.namespaces import Keeper
from node.services.places import place_meant, places_meant
from node.services.reapply import reapply
from node.services.revoking import (
    Planned,
    beat,
    carry_out,
    check_point,
    effect_of,
    plan_revocation,
    plan_unrevocation,
)
from node.wiring import Node
from storage.explaining import Said

STATEMENTS_SHOWN_MAX = 100
"""The last that came."""


class StatementsQuery(Struct, frozen=True):
    namespace: PlaceText | None = None
    """All that are joined, unless one is named."""
    type: Literal["all", "revoke", "unrevoke", "drop", "heartbeat", "checkpoint"] = "all"


class RecordQuery(InNamespace, frozen=True, kw_only=True):
    record: RecordText
    """A module as it is named elsewhere, or WHOSE/class/kind/record."""


class Statements(Struct, frozen=True):
    statements: tuple[StatementItem, ...]


async def list_rights(node: Node, call: Call[RightsQuery, None]) -> Rights:
    """The capabilities this node holds and those it gave, in words, with how each stands."""
    query = call.query
    place = None if query.namespace is None else await place_meant(node.store, query.namespace)
    held, given = await standing(keeper(node), place, now_us=node.clock_us())
    names = await names_here(node.store, node.identity)
    return Rights(
        tuple(show_right(one, names) for one in held) if query.which != "given" else (),
        tuple(show_right(one, names) for one in given) if query.which != "held" else (),
    )


async def list_statements(node: Node, call: Call[StatementsQuery, None]) -> Statements:
    """What root keys said of late: revocations, what was taken back, heartbeats, checkpoints.

    In communal namespaces of the keys that this person has to do with: strangers have theirs, and
    as many as they like.
    """
    query = call.query
    names = await names_here(node.store, node.identity)
    known = await keys_that_matter(node.store, node.identity.author)
    said: list[Said] = []
    for place in await places_meant(node.store, query.namespace):
        said += await node.store.said(
            place,
            type=None if query.type == "all" else query.type,
            issuers=known if is_communal(place) else None,
            limit=STATEMENTS_SHOWN_MAX,
        )
    said.sort(key=lambda one: -one.number)
    return Statements(show_statements(said[:STATEMENTS_SHOWN_MAX], names))


async def add_grant(node: Node, call: Call[NoQuery, NewGrant]) -> GrantItem:
    """Give somebody rights, or pass on a capability; the answer has the code to hand over."""
    body, by, now_us = call.body, keeper(node), node.clock_us()
    place = await _place(node, body.namespace, body.area, body.record, body.until)
    check_ahead(place.until, (place.area,) if place.area else (), now_us)
    if body.capability is not None:
        if body.rights:
            detail = "what is passed on is to read or to write already: name no rights"
            raise BadRequest(detail, code="bad-grant")
        granted = await hand_on(
            by, body.capability, body.to, place, now_us=now_us, passphrase=body.passphrase
        )
    else:
        rights = body.rights or _usual(body)
        granted = await grant(by, body.to, rights, place, passphrase=body.passphrase)
    names = await names_here(node.store, node.identity)
    given = [await stand(by, decode_capability(one), now_us=now_us) for one in granted.capabilities]
    shown = show_grant(granted.code, given, names)
    where = Place(given[0].capability.namespace, record=place.record)
    notes = (shown.note, await overlooked(by, where))
    return replace(shown, note=" ".join(filter(None, notes)))


async def add_revocation(node: Node, call: Call[NoQuery, NewRevocation]) -> EffectItem:
    """Take back what came from here through a key; with `dry_run` only say what would go."""
    body, by = call.body, keeper(node)
    place = await _place(node, body.namespace, body.area, body.record, None)
    planned = await plan_revocation(
        by,
        body.key,
        place,
        since=body.since,
        reason=body.reason,
        passphrase=body.passphrase,
    )
    return await _done(node, planned, body.passphrase, dry_run=body.dry_run)


async def add_unrevocation(node: Node, call: Call[NoQuery, NewUnrevocation]) -> EffectItem:
    """Take a revocation back: what it cut counts again, byte for byte."""
    body = call.body
    planned = await plan_unrevocation(keeper(node), body.statement, passphrase=body.passphrase)
    return await _done(node, planned, body.passphrase, dry_run=body.dry_run)


async def add_heartbeat(node: Node, call: Call[NoQuery, InPlace]) -> Stated:
    """Say that the key of a namespace, or else the author's, still watches."""
    namespace = await place_meant(node.store, call.body.namespace)
    done = await beat(keeper(node), namespace, passphrase=call.body.passphrase)
    return Stated(done.id.hex(), encode_did_key(namespace), 0)


async def add_checkpoint(node: Node, call: Call[NoQuery, NewCheckpoint]) -> Stated:
    """Say what is held of one's own documents, or which of two branches is to count."""
    namespace = await place_meant(node.store, call.body.namespace)
    done, count = await check_point(keeper(node), node.signers, namespace, call.body.keep)
    return Stated(done.id.hex(), encode_did_key(namespace), count)


async def get_explanation(node: Node, call: Call[ExplainQuery, None]) -> ExplanationItem:
    """Who could write a record, and why; which of its entries count, and which do not."""
    namespace = await place_meant(node.store, call.query.namespace)
    found = await explain(keeper(node), call.query.what, namespace, now_us=node.clock_us())
    names = await names_here(node.store, node.identity)
    return show_explanation(found, names, map(fork_warning, found.forks))


async def get_proof(node: Node, call: Call[NoQuery, None]) -> Response:
    """Proof that this entry contradicts another one of its key, for `panspermia cap inspect`."""
    proof = await proof_of(node.store, call.path["entry"])
    headers = {"content-disposition": "attachment"}
    return Response(proof, 200, headers, "application/octet-stream")


async def add_again(node: Node, call: Call[NoQuery, NewReapply]) -> AgainItem:
    """Make again what this device had written and what fell with what others lost."""
    body = call.body
    namespace = await place_meant(node.store, body.namespace)
    document = await record_named(keeper(node), body.record, namespace)
    done = await reapply(node.store, node.signers, document, dry_run=body.dry_run)
    places = tuple(PlaceChange(where, what) for where, what in done.places)
    entry = done.entry.hex() if done.entry else None
    return AgainItem(done.changes, done.unreadable, done.left, places, entry, body.dry_run)


async def list_publishers(node: Node, call: Call[InNamespace, None]) -> Publishers:
    """Who may publish this module beside its author, and how each right stands."""
    return await _publishers(node, call.path["id"], call.query.namespace)


async def list_publishers_of(node: Node, call: Call[RecordQuery, None]) -> Publishers:
    """Who may write this record, of any kind, beside its owner, and how each right stands."""
    return await _publishers(node, call.query.record, call.query.namespace)


async def _publishers(node: Node, record: str, place: str) -> Publishers:
    namespace = await place_meant(node.store, place)
    document = await record_named(keeper(node), record, namespace)
    found = await publishers(keeper(node), document, now_us=node.clock_us())
    names = await names_here(node.store, node.identity)
    return Publishers(tuple(show_right(one, names) for one in found))


def keeper(node: Node) -> Keeper:
    return Keeper(node.home, node.identity, node.store, os.urandom)


async def _place(
    node: Node, namespace: str, area: str | None, record: str | None, until: str | None
) -> Place:
    key: NamespaceKey = await place_meant(node.store, namespace)
    return Place(key, area, record, until)


def _usual(body: NewGrant) -> Sequence[Right]:
    if body.area is None and body.record is None:
        detail = "say which rights to give: --read, --write, --admin"
        raise BadRequest(detail, code="bad-grant")
    return ("write",)


async def _done(
    node: Node, planned: Planned, passphrase: str | None, *, dry_run: bool
) -> EffectItem:
    """What it would do is found before it is done: afterwards there is no before to compare."""
    effect = await effect_of(node.store, planned)
    statement: bytes | None = None
    if not dry_run:
        done = await carry_out(keeper(node), planned, passphrase=passphrase)
        statement = done.id
    names = await names_here(node.store, node.identity)
    shown = show_effect(effect, names, kept=planned.kept, statement=statement, dry_run=dry_run)
    return replace(shown, note=planned.note)


ENDPOINTS = (
    reads("/api/capabilities", list_rights, Rights, query=RightsQuery, problems=(404, 422)),
    reads(
        "/api/statements", list_statements, Statements, query=StatementsQuery,
        problems=(404, 422),
    ),
    writes("/api/grants", add_grant, GrantItem, body=NewGrant, status=201, problems=(404, 507)),
    writes("/api/revocations", add_revocation, EffectItem, body=NewRevocation, problems=(404,)),
    writes(
        "/api/unrevocations", add_unrevocation, EffectItem, body=NewUnrevocation,
        problems=(404,),
    ),
    writes("/api/heartbeats", add_heartbeat, Stated, body=InPlace, status=201, problems=(404,)),
    writes(
        "/api/checkpoints", add_checkpoint, Stated, body=NewCheckpoint, status=201,
        problems=(404,),
    ),
    reads("/api/explain", get_explanation, ExplanationItem, query=ExplainQuery,
          problems=(404, 409, 422)),
    reads("/api/proofs/{entry}", get_proof, "application/octet-stream", problems=(404, 409)),
    writes("/api/reapply", add_again, AgainItem, body=NewReapply, problems=(404,)),
    reads("/api/publishers", list_publishers_of, Publishers, query=RecordQuery,
          problems=(404, 409, 422)),
    reads("/api/modules/{id:module}/publishers", list_publishers, Publishers, query=InNamespace,
          problems=(404, 409, 422)),
)  # fmt: skip
