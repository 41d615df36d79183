"""Snapshots of universes: bodies of any length in.

A body is the snapshot itself, with `tick` and the rest in the query; or JSON around one, as
multiverse clients send it, with the rest beside it.
"""

import hashlib
import logging
from dataclasses import replace
from typing import Final

from starlette.responses import Response

from node.api.bare_ids import is_theirs
from node.api.cleaned_snapshots import cleaned_snapshot
from node.api.endpoint import Call, Endpoint
from node.api.replays import IDEMPOTENCY_KEY, once_streamed, place_of
from node.api.requests import answer_cached
from node.api.routes.blobs import length_of
from node.api.routes.snapshots import A_SNAPSHOT
from node.api.routes.universes import OPENED, hand_of, universe_called
from node.api.snapshot_bodies import Upload, upload_of, wrapped_upload
from node.api.universe_models import SnapshotDone, SnapshotUpload
from node.api.universes_shown import entry_of, gone_of
from node.services.offered import Kept, Offered
from node.services.pruning import due_by_upload
from node.services.snapshots import as_games_mean_it, keep_same, keep_snapshot
from node.services.universes import LATEST, snapshot_meant
from node.services.uploads import Tally, counted
from node.wiring import Node
from storage.listings import ListedRow
from universe.event import encode_event
from universe.parts import decay_json
from universe.retention import Dropped
from universe.taken import Taken, Together

log = logging.getLogger(__name__)

QUERY_CHARACTERS_MAX: Final = 63 << 10
"""Of an upload: an event of 8,192 characters stands there, and what names the state beside it."""
SHOWN_MAX: Final = 16
"""Of what went with an upload, in its answer and in the log."""


async def put_snapshot(node: Node, call: Call[SnapshotUpload, None]) -> Response:
    """Keep a snapshot: the body as it is, of any length and kind, with `tick` in the query.

    `Content-Encoding: gzip` and `zstd` are undone. `X-Checksum`, the BLAKE3 of the plain bytes, is
    compared where it is sent. Without `tick` the body is JSON around a snapshot, of any length too:
    `{"snapshot": …, "tick": …}`, or `compressedSnapshot`, base64 of its gzip. The same bytes at the
    same tick and of the same type, with the same decay and event, are the snapshot that is there
    (200). What the universe's rule keeps no longer goes in the same act, and `dropped` says so; who
    sets no rule keeps up to 2,000 autosaves, and of more the oldest are thinned: see `prune`. Bytes
    that the universe has already come with no body, by the id of a snapshot that has them
    (`bytes_of`): 404 where they have to be sent.
    """
    row = await universe_called(node, call)
    request, now_us = call.request, node.clock_us()
    if call.query.bytes_of or call.query.tick or "tick" in request.query_params:
        size_bytes = length_of(request)
        upload = upload_of(request, call.query, size_bytes, node.large, now_us=now_us)
    else:
        clean = cleaned_snapshot if call.has_no_token else None
        upload = wrapped_upload(request, call.query, node.large, clean, now_us=now_us)
    return await _put(node, call, row, upload)


async def _put(
    node: Node, call: Call[SnapshotUpload, None], row: ListedRow, upload: Upload
) -> Response:
    request = call.request
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return (await _kept(node, call, row, upload))[1]

    async def drain() -> bytes:
        if call.query.bytes_of:
            return _mark(upload, call.query.bytes_of.encode())
        tally = Tally()
        async for _ in counted(upload.pieces, upload.encoding, tally):
            pass
        return _mark(upload, tally.checksum)

    async def work() -> tuple[bytes, Response]:
        return await _kept(node, call, row, upload)

    where = place_of(request.url.path, key)
    return await once_streamed(node.store, node.underway, where, drain, work)


async def _kept(
    node: Node, call: Call[SnapshotUpload, None], row: ListedRow, upload: Upload
) -> tuple[bytes, Response]:
    async def dropping(row: ListedRow, coming: Taken, together: Together) -> tuple[Dropped, ...]:
        if call.query.at is not None:  # with its own times from elsewhere: nothing goes for it
            return ()
        return await due_by_upload(node.store, row, coming, together, now_us=node.clock_us())

    def meant(offered: Offered) -> Offered:
        return as_games_mean_it(offered) if of_game else offered

    of_game, offered = is_theirs(node, call), upload.offered
    if call.query.bytes_of:
        kept = await keep_same(
            hand_of(node),
            row,
            meant(upload.told()),
            await snapshot_meant(node.store, row, LATEST, call.query.bytes_of),
            media=upload.media,
            checksum=upload.checksum,
            dropping=dropping,
        )
    else:
        kept = await keep_snapshot(
            hand_of(node),
            row,
            (lambda: meant(upload.told())) if offered is None else meant(offered),
            upload.pieces,
            encoding=upload.encoding,
            checksum=upload.checksum,
            size_bytes=upload.size_bytes,
            dropping=dropping,
        )
    if kept.dropped:
        shown = [one.snapshot for one in kept.dropped[:SHOWN_MAX]]
        ticks = ", ".join(f"{one.tick} (blob {one.blob.hex()})" for one in shown)
        more = " …" if len(kept.dropped) > SHOWN_MAX else ""
        said = (
            "%s: what went with an upload, by the universe's rule or its own: %d, of tick %s;"
            " panspermia gc gives the room back"
        )
        log.info(said, row.listing.target, len(kept.dropped), f"{ticks}{more}")
    answer = answer_cached(
        call.request, _done(kept, is_as_sent=of_game), 200 if kept.is_known else 201
    )
    return _mark(upload, call.query.bytes_of.encode() or kept.row.checksum), answer


def _done(kept: Kept, *, is_as_sent: bool) -> SnapshotDone:
    row = kept.row
    return SnapshotDone(
        success=True,
        id=row.id.hex(),
        tick=row.tick,
        checksum=row.checksum.hex(),
        fileSize=row.size,
        known=kept.is_known,
        dropped=len(kept.dropped),
        droppedSnapshots=tuple(
            gone_of(one, is_as_sent=is_as_sent) for one in kept.dropped[:SHOWN_MAX]
        ),
        entry=entry_of(row, kept.event, is_as_sent=is_as_sent),
    )


def _mark(upload: Upload, checksum: bytes) -> bytes:
    """What tells one upload from another."""
    said = upload.told()
    mark = hashlib.sha256(f"{said.tick} {said.kind} {said.wrapped} ".encode() + checksum)
    if said.decay is not None:
        mark.update(b" " + decay_json(said.decay).encode())
    if said.event is not None:  # when it came is another time each time
        mark.update(b" " + encode_event(replace(said.event, at_us=0)))
    return mark.digest()


ENDPOINTS = (
    Endpoint(
        "POST", A_SNAPSHOT, put_snapshot, "write", {200: SnapshotDone, 201: SnapshotDone},
        SnapshotUpload, query_characters_max=QUERY_CHARACTERS_MAX,
        problems=(404, 408, 409, 413, 415, 422, 507), opened_by=OPENED,
    ),
)  # fmt: skip
