"""Peers: who is there, connecting, comparing, and what was refused."""

from starlette.responses import Response

from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import (
    NewPeer,
    NoQuery,
    PageQuery,
    Peer,
    Peers,
    RefusedItem,
    RefusedPage,
    SyncReports,
    SyncWanted,
)
from node.errors import NotFound
from node.wiring import Node
from registry.listed import rfc3339


async def list_peers(node: Node, call: Call[NoQuery, None]) -> Peers:
    """Connected peers, and addresses that were found or named."""
    return Peers(tuple(node.network.peers()), tuple(node.network.discovered()))


async def connect_peer(node: Node, call: Call[NoQuery, NewPeer]) -> Peer:
    """Connect to a node at `host:port`."""
    return await node.network.connect(call.body.address)


async def disconnect_peer(node: Node, call: Call[NoQuery, None]) -> Response:
    """End the session with a device."""
    if not await node.network.disconnect(call.path["device"]):
        raise NotFound(f"no connection to {call.path['device']}", code="unknown-peer")
    return Response(status_code=204)


async def sync_now(node: Node, call: Call[NoQuery, SyncWanted]) -> SyncReports:
    """Compare with every connected peer now, and fetch what is missing."""
    return SyncReports(tuple(await node.network.sync(call.body.timeout_s)))


async def list_refused(node: Node, call: Call[PageQuery, None]) -> RefusedPage:
    """What was refused, from whom and why; the newest first."""
    cursor = node.cursors.open("refused", call.query.cursor)
    limit = call.query.limit
    rows = await node.store.refused(limit, None if cursor is None else int(cursor))
    items = tuple(
        RefusedItem(
            row.id,
            rfc3339(row.at_us),
            row.refusal.source,
            row.refusal.where,
            row.refusal.code,
            row.refusal.detail,
            row.count,
        )
        for row in rows
    )
    last = str(rows[-1].id) if len(rows) == limit else None
    return RefusedPage(items, node.cursors.seal("refused", last))


ENDPOINTS = (
    reads("/api/peers", list_peers, Peers),
    writes(
        "/api/peers", connect_peer, Peer, body=NewPeer, status=201, problems=(504,),
        is_replayable=False,
    ),
    deletes("/api/peers/{device}", disconnect_peer),
    writes(
        "/api/sync", sync_now, SyncReports, body=SyncWanted, problems=(504,), is_replayable=False
    ),
    reads("/api/refused", list_refused, RefusedPage, query=PageQuery, problems=(404,)),
)  # fmt: skip
