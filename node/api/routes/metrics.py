"""Counts for Prometheus."""

from starlette.responses import Response

from node.api.endpoint import Call, reads
from node.api.models import NoQuery
from node.keeping.shown import keep_state
from node.metrics import MEDIA_TYPE, exposed, relay_metrics
from node.wiring import Node


async def get_metrics(node: Node, call: Call[NoQuery, None]) -> Response:
    """Counts for Prometheus."""
    counts = await node.store.counts()
    peers, keep = node.network.peers(), await keep_state(node.keeping)
    values: dict[str, float] = {
        "uptime_seconds": round(node.clock_s() - node.started_s, 3),
        "peers_connected": len(peers),
        "entries": counts.entries,
        "documents": counts.documents,
        "blobs": counts.blobs,
        "blob_bytes": counts.blob_bytes,
        "kept_blobs": keep.blobs,
        "kept_bytes": keep.bytes,
        "kept_bytes_max": keep.budget_bytes,
        "kept_waiting": sum(one.count for one in keep.waits),
        "refused_total": counts.refused,
        "left_out": counts.left_out,
        "strangers_bytes": counts.room.strangers_bytes,
        "kept_out": counts.room.kept_out,
        "index_behind": node.index.behind_of(counts.changed),
        "received_bytes": sum(one.bytes_in for one in peers),
        "sent_bytes": sum(one.bytes_out for one in peers),
        "relays_registered": sum(one.state == "registered" for one in node.relays.shown()),
    }
    if (server := node.relay) is not None:
        held = await node.store.relay_held()
        values.update(relay_metrics(server.relay, server.passed_bytes, held))
    return Response(exposed(values, counts.records), media_type=MEDIA_TYPE)


ENDPOINTS = (reads("/metrics", get_metrics, "text/plain"),)
