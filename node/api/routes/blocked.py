"""Blocked authors and devices, and forgiving those that are refused for what they did."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from crdt.did import encode_did_key
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import NoQuery, Request
from node.errors import NotFound
from node.services.block import block, unblock
from node.wiring import Node
from registry.listed import rfc3339
from storage.blocked import REASON_CHARS_MAX, Blocked

PATH = "/api/blocked/{who:rest}"


class BlockedOne(Struct, frozen=True):
    did: str
    """did:key of an author or a device."""
    reason: str
    blocked_at: str


class BlockedList(Struct, frozen=True):
    blocked: tuple[BlockedOne, ...]


class NewBlock(Request, frozen=True):
    reason: Annotated[str, Meta(max_length=REASON_CHARS_MAX)] = ""
    """Your own words; nobody else sees them."""


async def list_blocked(node: Node, call: Call[NoQuery, None]) -> BlockedList:
    """Whom this person never wants to hear from, the latest first."""
    return BlockedList(tuple(map(_shown, await node.store.blocked())))


async def put_blocked(node: Node, call: Call[NoQuery, NewBlock]) -> BlockedOne:
    """Block an author or a device, by did:key or by your name for the author.

    Sessions with it end, and what it wrote is refused from now on; what is held stays.
    """
    who, reason = call.path["who"], call.body.reason
    return _shown(await block(node.store, node.network, node.identity, who, reason))


async def delete_blocked(node: Node, call: Call[NoQuery, None]) -> Response:
    """Hear from it again. What was refused meanwhile comes with the next comparison."""
    await unblock(node.store, node.network, call.path["who"])
    return Response(status_code=204)


async def forgive_peer(node: Node, call: Call[NoQuery, None]) -> Response:
    """Forget what a device (by did:key) or a host did, so that it may come in again."""
    who = call.path["offender"]
    if not node.network.forgive(who):
        raise NotFound(f"nothing is held against {who}", code="unknown-peer")
    return Response(status_code=204)


def _shown(one: Blocked) -> BlockedOne:
    return BlockedOne(encode_did_key(one.key), one.reason, rfc3339(one.blocked_us))


ENDPOINTS = (
    reads("/api/blocked", list_blocked, BlockedList),
    writes(PATH, put_blocked, BlockedOne, body=NewBlock, method="PUT", problems=(404, 507)),
    deletes(PATH, delete_blocked, problems=(422,)),
    deletes("/api/refused-peers/{offender:rest}", forgive_peer),
)
