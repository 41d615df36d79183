"""Snapshots of universes: bodies of any length in, the same bytes out.

A body is the snapshot itself, with `tick` and the rest in the query; or JSON around one, as
multiverse clients send it, with the rest beside it. What came inside of JSON goes back so.
"""

import hashlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from blake3 import blake3
from starlette.responses import Response, StreamingResponse

from crdt.blob import BlobId
from node.api.bare_ids import id_told, is_theirs, updated_told
from node.api.cleaned import cleaned_list
from node.api.cleaned_snapshots import cleaned_snapshot
from node.api.endpoint import Call, Endpoint, reads
from node.api.followed import Followed, Take
from node.api.problems import ENCODER
from node.api.replays import IDEMPOTENCY_KEY, once_streamed, place_of
from node.api.requests import answer_cached, is_known
from node.api.routes.blobs import length_of, wanted_range
from node.api.routes.universes import A_UNIVERSE, OPENED, hand_of, universe_called
from node.api.snapshot_bodies import JSON, Upload, upload_of, wrapped_upload
from node.api.universe_models import (
    SnapshotDone,
    SnapshotList,
    SnapshotQuery,
    SnapshotsQuery,
    SnapshotUpload,
)
from node.api.universes_shown import entries_of, entry_of, gone_of
from node.errors import Unverified
from node.services.fetch import hold_blob
from node.services.following import begin_blob, follow_blob
from node.services.mended import damage_told, stream_mended
from node.services.offered import Kept, Offered
from node.services.pruning import due_by_upload
from node.services.snapshots import as_games_mean_it, keep_same, keep_snapshot
from node.services.universes import LATEST, events_for, snapshot_meant
from node.services.uploads import Tally, counted
from node.wiring import Node
from storage.errors import NotHeld
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from universe.event import encode_event
from universe.parts import decay_json
from universe.retention import Dropped
from universe.taken import Taken, Together

log = logging.getLogger(__name__)

MINUTE: Final = "private, no-cache"
QUERY_CHARACTERS_MAX: Final = 63 << 10
"""Of an upload: an event of 8,192 characters stands there, and what names the state beside it."""
SHOWN_MAX: Final = 16
"""Of what went with an upload, in its answer and in the log."""
FOLLOWED_BYTES_MIN: Final = 8 << 20
"""Of another's snapshot: what is smaller is fetched before its answer begins."""


async def put_snapshot(node: Node, call: Call[SnapshotUpload, None]) -> Response:
    """Keep a snapshot: the body as it is, of any length and kind, with `tick` in the query.

    `Content-Encoding: gzip` and `zstd` are undone. `X-Checksum`, the BLAKE3 of the plain bytes, is
    compared where it is sent. Without `tick` the body is JSON around a snapshot, of any length too:
    `{"snapshot": …, "tick": …}`, or `compressedSnapshot`, base64 of its gzip. The same bytes at the
    same tick and of the same type, with the same decay and event, are the snapshot that is there
    (200). What the universe's rule keeps no longer goes in the same act, and `dropped` says so; who
    sets no rule keeps up to 2,000 autosaves, and of more the oldest are thinned: see `prune`. Bytes
    that the universe has already come with no body, by the id of a snapshot that has them
    (`bytes_of`): 404 or 409 where they have to be sent.
    """
    row = await universe_called(node, call)
    request, now_us = call.request, node.clock_us()
    if call.query.bytes_of or call.query.tick or "tick" in request.query_params:
        upload = upload_of(request, call.query, length_of(request), now_us=now_us)
    else:
        clean = cleaned_snapshot if call.has_no_token else None
        upload = wrapped_upload(request, call.query, clean, now_us=now_us)
    return await _put(node, call, row, upload)


async def get_snapshot(node: Node, call: Call[SnapshotQuery, None]) -> Response:
    """A snapshot at a tick: its very bytes, or the JSON that it came in, with `X-Checksum`.

    Where a tick has several, the newest, or the one of `?snapshot=<id>`. One that is not here is
    fetched from peers, and goes out as it comes: all of it, whatever `Range` says.
    """
    row = await universe_called(node, call)
    query = call.query
    found = await snapshot_meant(
        node.store, row, call.path["tick"], query.snapshot, is_nearest=query.nearest
    )
    is_wrapped = found.wrapped and not query.raw
    before = after = b""
    if is_wrapped:
        events = await events_for(node.store, row, [found])
        event = events.get(found.event or b"")
        entry = entry_of(found, event, is_as_sent=is_theirs(node, call))
        before, after = b'{"snapshot":', b',"entry":' + ENCODER.encode(entry) + b"}"
    tag = f'"{found.id.hex()}{hashlib.sha256(after).hexdigest()[:16] if is_wrapped else ""}"'
    headers = {
        "etag": tag,
        "cache-control": MINUTE,
        "x-checksum": found.checksum.hex(),
        "x-snapshot": found.id.hex(),
        "x-tick": str(found.tick),
    }
    if is_known(call.request, tag):
        return Response(status_code=304, headers=headers)
    blob, patience_s = BlobId(found.blob), query.patience_s
    media = JSON if is_wrapped else found.media
    called = f"the snapshot of {row.listing.target} at tick {found.tick} ({found.id.hex()[:16]})"
    if found.size > FOLLOWED_BYTES_MIN and not await node.store.has_blob(blob):
        return await _followed(node, call, found, called, before, after, headers, media)
    async with damage_told(node.store, blob, called):
        await hold_blob(node.store, node.network, blob, FOLLOWED_BYTES_MIN, patience_s=patience_s)
    state = await node.store.blob_state(blob)
    if state is None:
        raise NotHeld(f"The bytes of snapshot {found.id.hex()} are not here.")
    if state.size != found.size:
        detail = f"snapshot {found.id.hex()} says {found.size:,} bytes, its blob has {state.size:,}"
        raise Unverified(detail)
    if not is_wrapped:
        # Whoever made it chose the type: no browser is to show it or run it.
        headers |= {"accept-ranges": "bytes", "content-disposition": "attachment"}
        start, end, status = wanted_range(call.request, tag, state.size)
    else:
        start, end, status = 0, state.size, 200
    headers["content-length"] = str(len(before) + end - start + len(after))
    if status == 206:
        headers["content-range"] = f"bytes {start}-{end - 1}/{state.size}"
    if call.request.method == "HEAD":
        return _typed(Response(None, status, headers), media)
    pieces = stream_mended(
        node.store,
        node.network,
        blob,
        start,
        end,
        called=called,
        size_bytes=state.size,
        patience_s=patience_s,
    )
    if status == 200:
        pieces = _checked(pieces, found)
    # The first piece before the head: until then what nobody gives is still a problem to be told.
    first = await anext(pieces, b"")
    return _typed(StreamingResponse(_all_of(before + first, pieces, after), status, headers), media)


async def _followed(
    node: Node,
    call: Call[SnapshotQuery, None],
    found: SnapshotRow,
    called: str,
    before: bytes,
    after: bytes,
    headers: dict[str, str],
    media: str,
) -> Response:
    """One of another's, of any size: from its first chunk on it goes out as it is fetched."""
    blob, size, patience_s = BlobId(found.blob), found.size, call.query.patience_s
    headers["content-length"] = str(len(before) + size + len(after))
    if not before:
        headers["content-disposition"] = "attachment"
    if call.request.method == "HEAD":
        return _typed(Response(None, 200, headers), media)
    async with damage_told(node.store, blob, called):
        await begin_blob(node.store, node.network, blob, size, patience_s=patience_s)

    async def work(take: Take) -> None:
        hasher, waiting = blake3(), before

        async def checked(piece: bytes) -> None:
            nonlocal waiting
            hasher.update(piece)
            if waiting:
                await take(waiting)
            waiting = piece

        async with damage_told(node.store, blob, called):
            await follow_blob(
                node.store,
                node.network,
                blob,
                size,
                checked,
                called=called,
                patience_s=patience_s,
            )
        _check(hasher.digest(), found)
        await take(waiting + after)

    return _typed(Followed(work, headers), media)


async def list_snapshots(node: Node, call: Call[SnapshotsQuery, None]) -> SnapshotList:
    """The snapshots of a universe by tick, the lowest first; by default all of them."""
    row = await universe_called(node, call)
    query, where = call.query, f"snapshots {row.number} {call.query.order}"
    last = node.cursors.open(where, query.cursor)
    found = await node.store.snapshots(
        row.number,
        limit=query.limit,
        after=None if last is None else _place(last),
        is_newest_first=query.order == "newest",
    )
    more = _place_text(found[-1]) if len(found) == query.limit else None
    counts = await node.store.universe_counts([row.number])
    newest_us = counts[row.number].newest_us if row.number in counts else 0
    return SnapshotList(
        await id_told(node, call, row.listing.target),
        entries_of(
            found, await events_for(node.store, row, found), is_as_sent=is_theirs(node, call)
        ),
        updated_told(node, call, row, newest_us),
        node.cursors.seal(where, more),
    )


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
        ticks = ", ".join(f"{one.snapshot.tick}" for one in kept.dropped[:SHOWN_MAX])
        more = " …" if len(kept.dropped) > SHOWN_MAX else ""
        said = "%s: what went with an upload, by the universe's rule or its own: %d, of tick %s"
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


def _typed(response: Response, media: str) -> Response:
    """With the very Content-Type that it came with: no charset is added."""
    response.headers["content-type"] = media
    return response


async def _checked(pieces: AsyncGenerator[bytes], row: SnapshotRow) -> AsyncGenerator[bytes]:
    """The last piece goes out when all of them are what was signed: else the answer breaks off."""
    hasher, waiting = blake3(), b""
    async for piece in pieces:
        hasher.update(piece)
        if waiting:
            yield waiting
        waiting = piece
    _check(hasher.digest(), row)
    yield waiting


def _check(digest: bytes, row: SnapshotRow) -> None:
    if digest != row.checksum:
        detail = f"the bytes of snapshot {row.id.hex()} are not those that were signed"
        raise Unverified(detail)


async def _all_of(first: bytes, rest: AsyncGenerator[bytes], last: bytes) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece
    if last:
        yield last


def _place_text(row: SnapshotRow) -> str:
    return f"{row.tick} {row.at_us} {row.id.hex()}"


def _place(text: str) -> tuple[int, int, bytes]:
    tick, at_us, id = text.split(" ")
    return int(tick), int(at_us), bytes.fromhex(id)


A_SNAPSHOT: Final = f"{A_UNIVERSE}/snapshot"
ENDPOINTS = (
    Endpoint(
        "POST", A_SNAPSHOT, put_snapshot, "write", {200: SnapshotDone, 201: SnapshotDone},
        SnapshotUpload, query_characters_max=QUERY_CHARACTERS_MAX,
        problems=(404, 408, 409, 413, 415, 422, 507), opened_by=OPENED,
    ),
    Endpoint(
        "GET", f"{A_SNAPSHOT}/{{tick}}", get_snapshot, "read",
        {200: "application/octet-stream", 206: "application/octet-stream"}, SnapshotQuery,
        problems=(404, 409, 416, 422, 504),
    ),
    reads(
        f"{A_UNIVERSE}/snapshots", list_snapshots, SnapshotList, query=SnapshotsQuery,
        problems=(409, 422), clean_query=cleaned_list,
    ),
)  # fmt: skip
