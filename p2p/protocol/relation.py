"""Where the pieces of one blob lie in another one that is held: what deltas are asked against.

    wanted   A ─── b ─── c ─── D        b and c are missing; A and D, which both blobs have,
    base     A ─── B ──── C ── D        tell that these lie in B and C: give them against those

Chunks are related under the pages that are looked at together, pages by what the roots say of them.
"""

from array import array
from bisect import bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from crdt.blob import BlobId, BlobRoot, Manifest
from crdt.covering import covering
from crdt.many_chunks import names_of
from p2p.protocol import limits
from p2p.protocol.effects import FindManifest
from p2p.protocol.frames import Base
from p2p.protocol.pieces import CHUNK, PAGE

Piece = tuple[bytes, int]  # its name, and how many bytes of the blob it stands for


@dataclass(frozen=True, slots=True)
class Relation:
    """Of neighbouring pieces, from `first` on, to those of `base` from `base_first` on.

    `starts` and `ends` say for each which of those cover its place, from 0; `offsets` where each of
    those lies among their bytes.
    """

    base: BlobId
    piece: int
    first: int
    base_first: int
    starts: "array[int]"
    ends: "array[int]"
    offsets: "array[int]"

    def base_of(self, first: int, count: int) -> Base | None:
        """What covers so many pieces, as far as a base may go; None where nothing does."""
        at = max(0, first - self.first)
        spans = slice(at, max(0, first + count - self.first))
        found = [
            (start, end)
            for start, end in zip(self.starts[spans], self.ends[spans], strict=True)
            if start < end
        ]
        if not found:
            return None
        start, end = min(found)[0], max(end for _, end in found)
        most = self.offsets[start] + limits.DELTA_BASE_BYTES_MAX
        fits = bisect_right(self.offsets, most) - 1
        end = min(end, start + limits.RUN_CHUNKS_MAX, fits)
        return Base(self.base, self.base_first + start, end - start) if start < end else None


def relate_pages(root: BlobRoot, base: BlobRoot) -> Relation:
    """Of all pages, by their hashes and the bytes that they stand for."""
    sizes = [base.page_bytes(page) for page in range(base.page_count)]
    starts, ends = _cover(_pages(root), _pages(base), 0)
    return Relation(base.id, PAGE, 0, 0, starts, ends, _offsets(sizes))


def relate_chunks(
    manifest: Manifest, base: BlobRoot, pages_max: int
) -> Generator[FindManifest, Any, Relation | None]:
    """Of the chunks that these pages name; None where the base went meanwhile."""
    pages = _covering_pages(manifest, base, pages_max)
    if not pages:
        return None
    held: object = yield FindManifest(base.id, pages.start, len(pages))
    if not isinstance(held, Manifest):
        return None
    starts = manifest.parsed.page_starts, base.page_starts
    offsets = manifest.parsed.page_offsets, base.page_offsets
    # What lies before the first of them counts as one chunk, so that places are those in the blobs.
    own = [(b"own", offsets[0][manifest.first_page]), *names_of(manifest)]
    others = [(b"others", offsets[1][pages.start]), *names_of(held)]
    first, base_first = starts[0][manifest.first_page], starts[1][pages.start] - 1
    firsts, ends = _cover(own, others, 1)
    sizes = _offsets([size for _, size in others])
    return Relation(base.id, CHUNK, first, base_first, firsts[1:], ends[1:], sizes)


def _cover(
    own: Sequence[Piece], others: Sequence[Piece], least: int
) -> tuple["array[int]", "array[int]"]:
    """By which of the others, from `least` on, each is covered: the first, and the one after."""
    starts, ends = (array("Q", bytes(8 * len(own))) for _ in range(2))
    for number, covers in covering(own, others):
        starts[number], ends[number] = max(covers.start, least), covers.stop
    return starts, ends


def _offsets(sizes: Sequence[int]) -> "array[int]":
    return array("Q", accumulate(sizes, initial=0))


def _covering_pages(manifest: Manifest, base: BlobRoot, pages_max: int) -> range:
    """Those of the base that name the chunks at the same places, all of them if they are few."""
    if base.page_count <= pages_max:
        return range(base.page_count)
    looked_at = range(manifest.first_page, manifest.first_page + len(manifest.pages))
    found = [
        covers
        for page, covers in covering(_pages(manifest.parsed), _pages(base))
        if page in looked_at and covers
    ]
    start = min((covers.start for covers in found), default=0)
    end = max((covers.stop for covers in found), default=0)
    return range(start, min(end, start + pages_max))


def _pages(root: BlobRoot) -> list[Piece]:
    return [(hash, root.page_size(page)) for page, hash in enumerate(root.page_hashes)]
