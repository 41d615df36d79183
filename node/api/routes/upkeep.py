"""Keeping the node in order: the index, blobs, and stopping."""

from node.api.endpoint import Call, writes
from node.api.models import Collected, NoQuery, Nothing, Reindexed, Stopping
from node.wiring import Node


async def reindex(node: Node, call: Call[NoQuery, Nothing]) -> Reindexed:
    """Make lists and the search index again from the entries."""
    await node.store.rematerialise()
    records = await node.index.rebuild()
    node.events.publish("index", {"state": "rebuilt", "records": records})
    return Reindexed(records)


async def collect_blobs(node: Node, call: Call[NoQuery, Nothing]) -> Collected:
    """Drop what its owner let go for good, and blobs that nothing refers to.

    Also those that were kept because records name them, where none that counts does any more.
    """
    await node.store.drop()
    await node.keeping.look()
    collected = await node.store.gc()
    return Collected(collected.blobs, collected.bytes)


async def shut_down(node: Node, call: Call[NoQuery, Nothing]) -> Stopping:
    """Stop the node in order."""
    node.stop.set()
    return Stopping("stopping")


ENDPOINTS = (
    writes("/api/reindex", reindex, Reindexed, body=Nothing, is_replayable=False),
    writes("/api/gc", collect_blobs, Collected, body=Nothing, is_replayable=False),
    writes("/api/shutdown", shut_down, Stopping, body=Nothing, access="admin", is_replayable=False),
)
