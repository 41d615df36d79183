"""What is held of a blob that is wanted, and so what is to be asked for next.

The store is asked, never a peer. What is missing is noted in the `Wanted`, and what it may be asked
against: pages and chunks of another blob that is here whole.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from crdt.blob import BlobId, BlobRoot, Chunking, Manifest, parse_root
from crdt.errors import CrdtError
from crdt.many_chunks import first_of_each, size_of
from p2p.protocol.delta_questions import FindWhole
from p2p.protocol.effects import (
    BlobFailed,
    BlobFetched,
    FindManifest,
    FindRoot,
    MissingChunks,
    MissingPages,
    Unstored,
)
from p2p.protocol.outbox import Steps
from p2p.protocol.relation import relate_chunks, relate_pages
from p2p.protocol.wanted import Stage, Wanted

NOT_STORED, NO_ROOM, TOO_LARGE = "not-stored", "no-room", "too-large"
# Of a blob, looked at together: 2.3 MB at most, for 16 GiB, or some 500 MB of small chunks. They
# name 65,536 chunks at most: as many as a store lists.
MANIFEST_PAGES = 64
BASE_PAGES = MANIFEST_PAGES + 16  # of what it is related to: their ends are elsewhere

End = BlobFetched | BlobFailed


def look(
    wanted: Wanted, *, goes_on: Callable[[], bool], begin: Callable[[Sequence[int]], int]
) -> Steps[End | None]:
    """What is missing is to be asked for now, or it has come to an end.

    `goes_on`: whether it is wanted still; nothing follows where it is not. `begin` says with which
    of the chunks that are missing.
    """
    wanted.stage, wanted.ahead, wanted.relation = Stage.LOOKING, [], None
    wanted.again.clear()
    if wanted.root is None:
        root: bytes | Unstored | None = yield FindRoot(wanted.blob)
        if isinstance(root, Unstored):
            return unstored(wanted.blob, root)
        if root is None:
            wanted.stage = Stage.ROOT
            wanted.missing([0])
            return None
        try:
            wanted.root = parse_root(root, wanted.blob)
        except CrdtError as error:
            detail = f"What is held of it is damaged: {error}"
            return BlobFailed(wanted.blob, NOT_STORED, detail)
    if (failed := unfit(wanted, wanted.root.size)) is not None:
        return failed
    if wanted.base is None and wanted.root.chunking is Chunking.CONTENT and goes_on():
        yield from _find_base(wanted)
    if not wanted.has_pages and goes_on():
        pages: Sequence[int] | Unstored = yield MissingPages(wanted.blob)
        if isinstance(pages, Unstored):
            return unstored(wanted.blob, pages)
        wanted.has_pages = not pages
        if pages:
            if wanted.base is not None:
                wanted.relation = relate_pages(wanted.root, wanted.base)
            wanted.stage = Stage.PAGES
            wanted.missing(pages)
            return None
    if not goes_on():
        return None
    return (yield from _look_for_chunks(wanted, wanted.root, goes_on, begin))


def _look_for_chunks(
    wanted: Wanted,
    root: BlobRoot,
    goes_on: Callable[[], bool],
    begin: Callable[[Sequence[int]], int],
) -> Steps[End | None]:
    missing: Sequence[int] | Unstored = yield MissingChunks(wanted.blob)
    if isinstance(missing, Unstored):
        return unstored(wanted.blob, missing)
    if not missing:
        wanted.bytes_held, wanted.chunks_held = root.size, root.chunk_count
        return BlobFetched(wanted.blob, root.size)
    if not goes_on():
        return None
    page = root.page_of(missing[0])
    manifest: Manifest | Unstored | None = yield FindManifest(wanted.blob, page, MANIFEST_PAGES)
    if manifest is None:
        manifest = Unstored("A part of it was dropped meanwhile: fetch it again.")
    if isinstance(manifest, Unstored):
        return unstored(wanted.blob, manifest)
    wanted.manifest = manifest
    missing = missing[: bisect_left(missing, manifest.chunk_end)]
    # What comes after these pages is counted when it comes, or is looked for.
    end_bytes = root.page_offsets[manifest.first_page + len(manifest.pages)]
    wanted.bytes_held = end_bytes - size_of(manifest, missing)
    wanted.chunks_held = manifest.chunk_end - len(missing)
    if wanted.base is not None and goes_on():
        wanted.relation = yield from relate_chunks(manifest, wanted.base, BASE_PAGES)
    first = first_of_each(manifest, missing)  # one chunk may stand in many places
    wanted.stage = Stage.CHUNKS
    wanted.missing(first, start=begin(first))
    return None


def _find_base(wanted: Wanted) -> Steps[None]:
    """The first of those that it may be like that is here whole, and cut where its content says."""
    for blob in wanted.relative_to:
        root: object = yield FindWhole(blob)
        if not isinstance(root, bytes) or blob == wanted.blob:
            continue
        try:
            parsed = parse_root(root, blob)
        except CrdtError:
            continue  # damaged: the store finds out when it is read
        if parsed.chunking is Chunking.CONTENT and parsed.size:
            wanted.base = parsed
            return


def unfit(wanted: Wanted, size: int) -> BlobFailed | None:
    """Where it is larger than is wanted."""
    if size <= wanted.size_bytes_max:
        return None
    fault = f"it has {size} bytes, at most {wanted.size_bytes_max} are wanted"
    return BlobFailed(wanted.blob, TOO_LARGE, fault)


def unstored(blob: BlobId, why: Unstored) -> BlobFailed:
    """What the store cannot take or go on with."""
    return BlobFailed(blob, NO_ROOM if why.is_full else NOT_STORED, why.sentence)
