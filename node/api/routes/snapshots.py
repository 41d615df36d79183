"""Snapshots of universes: the same bytes out that came; what came inside of JSON goes back so."""

import hashlib
from collections.abc import AsyncGenerator
from typing import Final

from blake3 import blake3
from starlette.responses import Response, StreamingResponse

from crdt.blob import BlobId
from node.api.bare_ids import id_told, is_theirs, updated_told
from node.api.cleaned import cleaned_list
from node.api.endpoint import Call, Endpoint, reads
from node.api.followed import Followed, Take
from node.api.problems import ENCODER
from node.api.requests import is_known
from node.api.routes.blobs import wanted_range
from node.api.routes.universes import A_UNIVERSE, universe_called
from node.api.snapshot_bodies import JSON
from node.api.universe_models import (
    SnapshotList,
    SnapshotQuery,
    SnapshotsQuery,
)
from node.api.universes_shown import entries_of, entry_of
from node.errors import Unverified
from node.services.fetch import hold_blob
from node.services.following import begin_blob, follow_blob
from node.services.let_go import snapshot_ever
from node.services.mended import damage_told, stream_mended
from node.services.universes import events_for
from node.wiring import Node
from storage.errors import NotHeld
from storage.listing import SnapshotRow
from storage.listings import ListedRow

MINUTE: Final = "private, no-cache"
FOLLOWED_BYTES_MIN: Final = 8 << 20
"""Of another's snapshot: what is smaller is fetched before its answer begins."""


async def get_snapshot(node: Node, call: Call[SnapshotQuery, None]) -> Response:
    """A snapshot at a tick: its very bytes, or the JSON that it came in, with `X-Checksum`.

    Where a tick has several, the newest, or the one of `?snapshot=<id>`, also one that was let go,
    until `gc` takes its bytes. One that is not here is fetched from peers, and goes out as it
    comes: all of it, whatever `Range` says.
    """
    row = await universe_called(node, call)
    query = call.query
    found, _ = await snapshot_ever(
        node.store, row, call.path["tick"], query.snapshot, is_nearest=query.nearest
    )
    is_wrapped = found.wrapped and not query.raw
    before, after = await _around(node, call, row, found) if is_wrapped else (b"", b"")
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
    media = JSON if is_wrapped else found.media
    called = f"the snapshot of {row.listing.target} at tick {found.tick} ({found.id.hex()[:16]})"
    if found.size > FOLLOWED_BYTES_MIN and not await node.store.has_blob(BlobId(found.blob)):
        return await _followed(node, call, row, found, called, before, after, headers, media)
    await _hold(node, row, found, called, query.patience_s)
    return await _held(node, call, found, called, before, after, headers, media)


async def _around(
    node: Node, call: Call[SnapshotQuery, None], row: ListedRow, found: SnapshotRow
) -> tuple[bytes, bytes]:
    """The JSON before and behind one that came inside of JSON."""
    events = await events_for(node.store, row, [found])
    event = events.get(found.event or b"")
    entry = entry_of(found, event, is_as_sent=is_theirs(node, call))
    return b'{"snapshot":', b',"entry":' + ENCODER.encode(entry) + b"}"


async def _hold(
    node: Node, row: ListedRow, found: SnapshotRow, called: str, patience_s: float | None
) -> None:
    """All of it is here from now on, as long as was signed. Raises `NotHeld`, `Unverified`."""
    blob = BlobId(found.blob)
    async with damage_told(node.store, blob, called):
        await hold_blob(
            node.store,
            node.network,
            blob,
            FOLLOWED_BYTES_MIN,
            patience_s=patience_s,
            universe=row.number,
        )
    state = await node.store.blob_state(blob)
    if state is None:
        raise NotHeld(f"The bytes of snapshot {found.id.hex()} are not here.")
    if state.size != found.size:
        detail = f"snapshot {found.id.hex()} says {found.size:,} bytes, its blob has {state.size:,}"
        raise Unverified(detail)


async def _held(
    node: Node,
    call: Call[SnapshotQuery, None],
    found: SnapshotRow,
    called: str,
    before: bytes,
    after: bytes,
    headers: dict[str, str],
    media: str,
) -> Response:
    """One that is here: all of it, or what `Range` says where nothing is around it."""
    start, end, status = 0, found.size, 200
    if not before:
        # Whoever made it chose the type: no browser is to show it or run it.
        headers |= {"accept-ranges": "bytes", "content-disposition": "attachment"}
        start, end, status = wanted_range(call.request, headers["etag"], found.size)
    headers["content-length"] = str(len(before) + end - start + len(after))
    if status == 206:
        headers["content-range"] = f"bytes {start}-{end - 1}/{found.size}"
    if call.request.method == "HEAD":
        return _typed(Response(None, status, headers), media)
    pieces = stream_mended(
        node.store,
        node.network,
        BlobId(found.blob),
        start,
        end,
        called=called,
        size_bytes=found.size,
        patience_s=call.query.patience_s,
    )
    if status == 200:
        pieces = _checked(pieces, found)
    # The first piece before the head: until then what nobody gives is still a problem to be told.
    first = await anext(pieces, b"")
    return _typed(StreamingResponse(_all_of(before + first, pieces, after), status, headers), media)


async def _followed(
    node: Node,
    call: Call[SnapshotQuery, None],
    row: ListedRow,
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
        await begin_blob(
            node.store, node.network, blob, size, patience_s=patience_s, universe=row.number
        )

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
                universe=row.number,
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
        "GET", f"{A_SNAPSHOT}/{{tick}}", get_snapshot, "read",
        {200: "application/octet-stream", 206: "application/octet-stream"}, SnapshotQuery,
        problems=(404, 409, 416, 422, 504),
    ),
    reads(
        f"{A_UNIVERSE}/snapshots", list_snapshots, SnapshotList, query=SnapshotsQuery,
        problems=(409, 422), clean_query=cleaned_list,
    ),
)  # fmt: skip
