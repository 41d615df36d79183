"""A backup, as a stream."""

from typing import Annotated

from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from node.api.endpoint import Call, Endpoint
from node.api.models import NoQuery, Request
from node.api.routes.live_invites import keeper
from node.services.backup import backup_pieces, prepare_backup
from node.wiring import Node

MEDIA_TYPE = "application/octet-stream"
TOTAL_HEADER = "panspermia-bytes"
"""About how many bytes are to come, for a bar of progress."""
ENTRY_BYTES = 1_000
"""Of one entry, capability and signature with it, in practice."""


class BackupWanted(Request, frozen=True):
    passphrase: Annotated[str, Meta(min_length=8, max_length=1_024)]
    """Seals the keys in the file; opens the author's key, where that is sealed here."""
    everything: bool = False
    """Entries of all authors, not only one's own."""


async def back_up(node: Node, call: Call[NoQuery, BackupWanted]) -> Response:
    """All of this home in one file, from which a new home goes on; keys are sealed in it."""
    body = call.body
    backup = await prepare_backup(
        keeper(node), body.passphrase, node.clock_us(), is_everything=body.everything
    )
    about = backup.head.entries * ENTRY_BYTES + backup.head.blob_bytes
    pieces = backup_pieces(keeper(node), backup)
    headers = {TOTAL_HEADER: str(about), "cache-control": "no-store"}
    return StreamingResponse(pieces, 200, headers, MEDIA_TYPE)


ENDPOINTS = (
    Endpoint(
        "POST", "/api/backup", back_up, "admin", {200: MEDIA_TYPE}, NoQuery, BackupWanted,
        problems=(413, 415, 422),
    ),
)  # fmt: skip
