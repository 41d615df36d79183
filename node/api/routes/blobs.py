"""Bytes by their hash: kept, listed, fetched from peers, and given in streams of any length."""

import re
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from crdt.blob import BLOB_BYTES_MAX, BlobId, Chunking
from node.api.arriving import pieces_arriving
from node.api.endpoint import Call, Endpoint, deletes, reads
from node.api.models import NoQuery, PageQuery, Place
from node.api.problems import ENCODER, ProblemError
from node.api.requests import is_known
from node.api.story import NDJSON, Story, TellLine, Work, told
from node.errors import BadRequest
from node.services.fetch import IN_MEMORY_BYTES_MAX, PATIENCE_S_MAX, hold_blob, waits_for
from node.services.mended import damage_told, stream_mended
from node.services.places import place_meant
from node.services.universes import universe_meant
from node.wiring import Node
from p2p.protocol.limits import RELATIVE_TO_MAX
from registry.listed import rfc3339
from storage.errors import NotHeld
from storage.pinned import PinnedBlob

# What has a name by its hash never changes.
FOREVER: Final = "public, max-age=31536000, immutable"
MEDIA_TYPE: Final = "application/octet-stream"
RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
NAME_CHARACTERS_MAX: Final = 255
CHUNKS: Final = {"fixed": Chunking.FIXED, "content": Chunking.CONTENT}
WORDS: Final = {chunking: word for word, chunking in CHUNKS.items()}


class AddQuery(Struct, frozen=True):
    """How a blob that is sent is kept."""

    name: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)] = ""
    """For people; never sent to anybody."""
    chunks: Annotated[str, Meta(pattern="^(fixed|content)$")] = "fixed"
    """`content`: cut where the content says, so that the next version of it shares what is the
    same. `fixed`: pieces of 256 KiB, for what does not change."""


class FetchBody(Struct, frozen=True):
    """What a blob may be much like."""

    relative_to: Annotated[tuple[str, ...], Meta(max_length=RELATIVE_TO_MAX)] = ()
    """Ids of blobs, the likest first: of the first that is here whole, and cut by its content as
    this one is, only what differs is fetched."""
    patience_s: Annotated[int, Meta(ge=1, le=PATIENCE_S_MAX)] | None = None
    """So long nobody may be there who could give it, once somebody gave some of it; else 120 s."""
    universe: Annotated[str, Meta(max_length=512)] = ""
    """Of which it is a state, as `/api/universe/{id}` takes it: it is like those beside it there,
    whatever else names it. One in which it does not stand says nothing."""
    namespace: Place | None = None
    """In which that universe is; else any that was joined."""


class BlobShown(Struct, frozen=True):
    """A blob that this person keeps."""

    id: str
    name: str
    size: int
    chunks: str
    chunk_count: int
    added_at: str
    whole: bool


class BlobPage(Struct, frozen=True):
    blobs: tuple[BlobShown, ...]
    next: str | None = None


class BlobHeld(Struct, frozen=True):
    """A blob that is here now."""

    id: str
    size: int
    chunk_count: int


async def get_blob(node: Node, call: Call[NoQuery, None]) -> Response:
    """The bytes of a blob, or a `Range` of them; a small one is fetched where it is not here.

    A larger one: `POST /api/blobs/{blob}/fetch` first, which tells how far it is. What the disk
    damaged of one that is here comes again on the way.
    """
    text = call.path["blob"]
    blob = blob_id(text)
    tag = f'"{text}"'
    headers = {"etag": tag, "cache-control": FOREVER, "accept-ranges": "bytes"}
    if is_known(call.request, tag) and await node.store.has_blob(blob):
        return Response(status_code=304, headers=headers)
    async with damage_told(node.store, blob, f"blob {text[:16]}", "blob-damaged"):
        await hold_blob(node.store, node.network, blob, IN_MEMORY_BYTES_MAX)
    state = await node.store.blob_state(blob)
    if state is None:
        raise NotHeld(f"Blob {text} is not here.")
    # Of a stranger: never anything that a browser would show or run.
    headers["content-disposition"] = "attachment"
    start, end, status = wanted_range(call.request, tag, state.size)
    headers["content-length"] = str(end - start)
    if status == 206:
        headers["content-range"] = f"bytes {start}-{end - 1}/{state.size}"
    if call.request.method == "HEAD":
        return Response(None, status, headers, MEDIA_TYPE)
    pieces = stream_mended(
        node.store,
        node.network,
        blob,
        start,
        end,
        called=f"blob {text[:16]}",
        size_bytes=state.size,
        code="blob-damaged",
    )
    # The first piece before the head: until then a damaged chunk is still a problem to be told.
    first = await anext(pieces, b"")
    return StreamingResponse(_all_of(first, pieces), status, headers, MEDIA_TYPE)


async def add_blob(node: Node, call: Call[AddQuery, None]) -> BlobShown:
    """Keep the body, of any length and kind, as a blob; its id is its name for everybody.

    It is kept until it is removed. A blob that no record names is given to whoever knows its id.
    """
    if call.request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError(415, "content-encoding", "send the body as it is, without an encoding")
    blob = await node.store.put_blob(
        pieces_arriving(call.request),
        chunking=CHUNKS[call.query.chunks],
        size_bytes=length_of(call.request),
    )
    await node.store.pin_blob(blob, call.query.name)
    kept = await node.store.pinned_blob(blob)
    if kept is None:
        raise NotHeld(f"Blob {blob.hex()} was removed at this very moment.")
    return shown(kept)


async def list_blobs(node: Node, call: Call[PageQuery, None]) -> BlobPage:
    """The blobs that this person added."""
    after = node.cursors.open("blobs", call.query.cursor)
    found = await node.store.pinned_blobs(after=int(after or 0), limit=call.query.limit)
    last = str(found[-1].number) if len(found) == call.query.limit else None
    return BlobPage(tuple(map(shown, found)), node.cursors.seal("blobs", last))


async def remove_blob(node: Node, call: Call[NoQuery, None]) -> Response:
    """Keep a blob no longer: where nothing else names it, the next collection takes it."""
    blob = blob_id(call.path["blob"])
    if not await node.store.unpin_blob(blob):
        raise NotHeld(f"Blob {blob.hex()} is none that you added.")
    return Response(status_code=204)


async def fetch_blob(node: Node, call: Call[NoQuery, FetchBody]) -> Response:
    """Have a blob of any size fetched; a line for each step, the last one its result.

    Lines are `{"stage": "fetch", "id", "done", "total"}` in bytes, with `waits` and the reason
    while nobody is there who could be asked, then
    `{"event": "result", …}` or `{"event": "error", …}`.
    Who stops reading stops it; what came stays.
    """
    relative_to = tuple(map(blob_id, call.body.relative_to))
    body, blob = call.body, blob_id(call.path["blob"])
    universe = await _universe(node, body)
    return Story(_fetching(node, blob, relative_to, body.patience_s, universe))


async def _universe(node: Node, body: FetchBody) -> int:
    """The number of its record; 0: none is said. Raises as `universe_meant`, and `NotFound` for a
    namespace."""
    places = None if body.namespace is None else [await place_meant(node.store, body.namespace)]
    if not body.universe:
        return 0
    return (await universe_meant(node.store, body.universe, places)).number


def blob_id(text: str) -> BlobId:
    """Raises `BadRequest`."""
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise BadRequest("a blob's id is 64 lower-case hex digits", code="bad-blob-id")
    return BlobId(bytes.fromhex(text))


def length_of(request: Request) -> int | None:
    """That it says its body has; no more than a blob may have makes room."""
    said = request.headers.get("content-length", "")
    size = int(said) if re.fullmatch("[0-9]{1,19}", said) else BLOB_BYTES_MAX + 1
    return size if size <= BLOB_BYTES_MAX else None


def wanted_range(request: Request, tag: str, size: int) -> tuple[int, int, int]:
    """(first byte, end, status) that a request asks for: one range, or all of it (RFC 9110, 14.2).

    Raises `ProblemError` 416 for a range outside of it.
    """
    asked = RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or request.headers.get("if-range", tag) != tag or not any(asked.groups()):
        return 0, size, 200
    first, last = asked.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end and first and last and int(last) < int(first):
        return 0, size, 200  # no range at all: as if it were not there
    if start >= end:
        raise ProblemError(416, "no-such-range", f"the blob has {size:,} bytes")
    return start, end, 206


def shown(kept: PinnedBlob) -> BlobShown:
    return BlobShown(
        kept.id.hex(),
        kept.name,
        kept.size,
        WORDS[kept.chunking],
        kept.chunk_count,
        rfc3339(kept.added_us),
        kept.is_complete,
    )


async def _all_of(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _fetching(
    node: Node,
    blob: BlobId,
    relative_to: Sequence[BlobId],
    patience_s: float | None,
    universe: int,
) -> Work:
    async def work(tell: TellLine) -> BlobHeld:
        def tell_progress(done: int, total: int) -> None:
            line = {"stage": "fetch", "id": blob.hex(), "done": done, "total": total}
            if why := waits_for(node.network, blob):
                line["waits"] = why
            tell(ENCODER.encode(line) + b"\n")

        await hold_blob(
            node.store,
            node.network,
            blob,
            BLOB_BYTES_MAX,
            tell_progress,
            timeout_s=None,
            patience_s=patience_s,
            relative_to=relative_to,
            universe=universe,
        )
        state = await node.store.blob_state(blob)
        if state is None:
            raise NotHeld(f"Blob {blob.hex()} was removed at this very moment.")
        return BlobHeld(blob.hex(), state.size, state.chunk_count)

    return told("a fetch", work)


ENDPOINTS = (
    Endpoint(
        "GET", "/api/blobs/{blob}", get_blob, "read", {200: MEDIA_TYPE, 206: MEDIA_TYPE}, NoQuery,
        problems=(404, 416, 504),
    ),
    reads("/api/blobs", list_blobs, BlobPage, query=PageQuery, problems=(404,)),
    Endpoint(
        "POST", "/api/blobs", add_blob, "write", {201: BlobShown}, AddQuery,
        problems=(404, 408, 415, 422, 507),
    ),
    deletes("/api/blobs/{blob}", remove_blob),
    Endpoint(
        "POST", "/api/blobs/{blob}/fetch", fetch_blob, "write", {200: NDJSON}, NoQuery, FetchBody,
        problems=(404, 409, 413, 415, 422),
    ),
)  # fmt: skip
