"""Bytes by their hash."""

from starlette.responses import Response

from crdt.blob import BlobId
from node.api.endpoint import Call, reads
from node.api.models import NoQuery
from node.api.requests import is_known
from node.errors import BadRequest
from node.services.fetch import fetch_blob
from node.wiring import Node

# What has a name by its hash never changes.
FOREVER = "public, max-age=31536000, immutable"


async def get_blob(node: Node, call: Call[NoQuery, None]) -> Response:
    """The bytes of a blob; fetched from peers where they are not here."""
    text = call.path["blob"]
    try:
        blob = BlobId(bytes.fromhex(text))
    except ValueError as error:
        raise BadRequest("a blob's id is 64 hex digits", code="bad-blob-id") from error
    if len(blob) != 32 or text != text.lower():
        raise BadRequest("a blob's id is 64 lower-case hex digits", code="bad-blob-id")
    tag = f'"{text}"'
    headers = {"etag": tag, "cache-control": FOREVER}
    if is_known(call.request, tag) and await node.store.has_blob(blob):
        return Response(status_code=304, headers=headers)
    data = await fetch_blob(node.store, node.network, blob)
    # Of a stranger: never anything that a browser would show or run.
    headers["content-disposition"] = "attachment"
    return Response(data, 200, headers, "application/octet-stream")


ENDPOINTS = (reads("/api/blobs/{blob}", get_blob, "application/octet-stream", problems=(404, 504)),)
