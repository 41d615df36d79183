"""Blobs that this node keeps because records name them."""

from node.api.endpoint import Call, reads
from node.api.models import PageQuery
from node.keeping.shown import KeptPage, keep_state, show_kept, show_shares, show_waiting
from node.wiring import Node


async def list_kept(node: Node, call: Call[PageQuery, None]) -> KeptPage:
    """What is kept and for whom, of what budget, and what waits and why."""
    after = node.cursors.open("kept", call.query.cursor)
    limit = call.query.limit
    found = await node.store.kept_blobs(after=int(after or 0), limit=limit)
    last = str(found[-1].number) if len(found) == limit else None
    return KeptPage(
        keep=await keep_state(node.keeping),
        shares=tuple(await show_shares(node.keeping, limit)),
        waits=tuple(show_waiting(node.keeping)),
        blobs=tuple(show_kept(node.keeping, one) for one in found),
        next=node.cursors.seal("kept", last),
    )


ENDPOINTS = (reads("/api/kept", list_kept, KeptPage, query=PageQuery, problems=(404,)),)
