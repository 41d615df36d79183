"""Blobs: payloads too large to inline, as chunks named by BLAKE3 under a two-level manifest.

    version 1, chunks of one size                    version 2, chunks that the content defines
    root  = [1, size, 262144, [page hash, …]]        [2, size, [[page hash, bytes, chunks], …]]
    page  = the hashes of 1,024 chunks, joined       hash ‖ length (u32 BE) of 256 to 1,024 chunks
    chunk = 256 KiB; the last one what remains       4 to 64 KiB; the last one what remains

A root is canonical CBOR; the blob's id is its hash, so root, pages and chunks are each checked when
they arrive, from whomever, in any order, and a fetch can stop and go on. The size is in the root:
it is known, and weighed, before anything is fetched. Of two blobs of version 2 that differ in
little, most chunks and most pages are the same bytes (`crdt/chunking.py` cuts them).
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate
from typing import Final, NamedTuple, NewType

import msgspec

from crdt import cbor
from crdt.digest import DIGEST_BYTES, payload_digest
from crdt.errors import Malformed

BlobId = NewType("BlobId", bytes)

CHUNK_BYTES = 262_144
"""256 KiB: four fit in a frame, and a resumed fetch repeats no more than one."""
CONTENT_CHUNK_BYTES_MIN = 4096
"""Of all chunks but the last: what stands for a chunk (a name, a row) stays small beside it."""
CONTENT_CHUNK_BYTES_MAX = 65_536
PAGE_CHUNKS_MAX = 1024
"""A page of 32 KiB stands for 256 MiB."""
CONTENT_PAGE_CHUNKS_MIN = 256
"""Of all pages but the last. On average 500 chunks, 18 KB: an edit sends one such page again."""
PAGES_MAX = 4096
"""1 TiB; the root stays below 150 KB and in one frame."""
CONTENT_PAGES_MAX = 8192
"""About 80 GB; the root is one piece of 352 KB at most. What is larger has chunks of one size."""
BLOB_BYTES_MAX: Final = PAGES_MAX * PAGE_CHUNKS_MAX * CHUNK_BYTES
ROOT_BYTES_MAX: Final = 64 + CONTENT_PAGES_MAX * (1 + 2 + DIGEST_BYTES + 5 + 3)

_NAMED = struct.Struct(f">{DIGEST_BYTES}sI")
_FixedRoot = tuple[int, int, int, tuple[bytes, ...]]
_ContentRoot = tuple[int, int, tuple[tuple[bytes, int, int], ...]]


class Chunking(IntEnum):
    """How a blob is cut; the version of its manifest."""

    FIXED = 1
    CONTENT = 2


class ChunkName(NamedTuple):
    """What a page says of one chunk."""

    hash: bytes
    size: int


@dataclass(frozen=True, slots=True)
class BlobRoot:
    """What the root says: enough to check every page.

    `page_starts` and `page_offsets` are the number of each page's first chunk and the place of its
    first byte; one more stands at the end of each: how many chunks, how many bytes there are.
    """

    id: BlobId
    chunking: Chunking
    encoded: bytes
    page_hashes: tuple[bytes, ...]
    page_starts: tuple[int, ...]
    page_offsets: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.page_offsets[-1]

    @property
    def chunk_count(self) -> int:
        return self.page_starts[-1]

    @property
    def page_count(self) -> int:
        return len(self.page_hashes)

    def page_chunk_count(self, page: int) -> int:
        """How many chunks a page names."""
        return self.page_starts[page + 1] - self.page_starts[page]

    def page_size(self, page: int) -> int:
        """How many bytes of the blob a page stands for."""
        return self.page_offsets[page + 1] - self.page_offsets[page]

    def page_bytes(self, page: int) -> int:
        """How many bytes the page itself has."""
        width = DIGEST_BYTES if self.chunking is Chunking.FIXED else _NAMED.size
        return width * self.page_chunk_count(page)

    def page_of(self, chunk: int) -> int:
        """The page that names a chunk. Raises `IndexError` for one that there is not."""
        if not 0 <= chunk < self.chunk_count:
            raise IndexError(f"chunk {chunk} of {self.chunk_count}")
        return bisect_right(self.page_starts, chunk) - 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The root and its pages, each checked by `parse_page`: enough to check every chunk of them.

    All pages, or neighbours from `first_page` on. A chunk that none of them names: `IndexError`.
    """

    parsed: BlobRoot
    pages: tuple[bytes, ...]
    first_page: int = 0
    _ends: dict[int, "array[int]"] = field(
        default_factory=dict[int, "array[int]"], init=False, compare=False, repr=False
    )

    @property
    def id(self) -> BlobId:
        return self.parsed.id

    @property
    def size(self) -> int:
        return self.parsed.size

    @property
    def root(self) -> bytes:
        """The root's bytes."""
        return self.parsed.encoded

    @property
    def chunk_count(self) -> int:
        return self.parsed.chunk_count

    @property
    def chunk_end(self) -> int:
        """The first chunk after those that the pages here name."""
        return self.parsed.page_starts[self.first_page + len(self.pages)]

    def page(self, page: int) -> bytes:
        """The bytes of one page."""
        if not 0 <= page - self.first_page < len(self.pages):
            raise IndexError(f"page {page} is not among the {len(self.pages)} here")
        return self.pages[page - self.first_page]

    def chunk_hash(self, chunk: int) -> bytes:
        """The name of a chunk."""
        page = self.parsed.page_of(chunk)
        width = DIGEST_BYTES if self.parsed.chunking is Chunking.FIXED else _NAMED.size
        at = width * (chunk - self.parsed.page_starts[page])
        return self.page(page)[at : at + DIGEST_BYTES]

    def chunk_size(self, chunk: int) -> int:
        """How many bytes a chunk has."""
        if self.parsed.chunking is Chunking.FIXED and 0 <= chunk < self.parsed.page_starts[-1]:
            return min(CHUNK_BYTES, self.parsed.page_offsets[-1] - chunk * CHUNK_BYTES)
        page = self.parsed.page_of(chunk)
        at = _NAMED.size * (chunk - self.parsed.page_starts[page]) + DIGEST_BYTES
        return int.from_bytes(self.page(page)[at : at + 4], "big")

    def chunk_offset(self, chunk: int) -> int:
        """The place of a chunk's first byte in the blob."""
        page = self.parsed.page_of(chunk)
        if self.parsed.chunking is Chunking.FIXED:
            return chunk * CHUNK_BYTES
        place = chunk - self.parsed.page_starts[page]
        return self.parsed.page_offsets[page] + (self._ends_in(page)[place - 1] if place else 0)

    def chunk_at(self, offset: int) -> int:
        """The chunk that holds a byte. Raises `IndexError` beyond the end."""
        if not 0 <= offset < self.size:
            raise IndexError(f"byte {offset} of {self.size}")
        if self.parsed.chunking is Chunking.FIXED:
            return offset // CHUNK_BYTES
        page = bisect_right(self.parsed.page_offsets, offset) - 1
        ends = self._ends_in(page)
        return self.parsed.page_starts[page] + bisect_right(
            ends, offset - self.parsed.page_offsets[page]
        )

    def _ends_in(self, page: int) -> "array[int]":
        """Where the chunks of a page end, counted from the page's first byte; made when asked."""
        if page not in self._ends:
            sizes = (size for _, size in _NAMED.iter_unpack(self.page(page)))
            self._ends[page] = array("Q", accumulate(sizes))
        return self._ends[page]


class ManifestBuilder:
    """The manifest of a blob whose chunks come one after another; keeps their names alone."""

    def __init__(self, chunking: Chunking = Chunking.FIXED) -> None:
        self._chunking = chunking
        self._sizes: list[tuple[int, int]] = []  # of each page that ended: bytes, chunks
        self._pages: list[bytes] = []
        self._page = bytearray()
        self._page_bytes = 0
        self._page_chunks = 0
        self._last_size: int | None = None  # of the chunk before: only the last may be short

    def add(self, hash: bytes, size: int) -> None:
        """The next chunk. Raises `Malformed` where no blob has so many."""
        is_fixed = self._chunking is Chunking.FIXED
        smallest, largest = _bounds(self._chunking)
        if not 0 < size <= largest or (self._last_size or largest) < smallest:
            raise ValueError(f"a chunk of {self._last_size} bytes before one of {size}")
        most = PAGES_MAX if is_fixed else CONTENT_PAGES_MAX
        if len(self._pages) >= most:
            raise Malformed("blob-too-large", f"a blob of more than {most} pages")
        self._last_size = size
        self._page += hash if is_fixed else _NAMED.pack(hash, size)
        self._page_bytes += size
        self._page_chunks += 1
        if self._page_chunks == PAGE_CHUNKS_MAX or (not is_fixed and self._ends_after(hash)):
            self._end_page()

    def finish(self) -> Manifest:
        """Of all that was added."""
        if self._page:
            self._end_page()
        root = _encode_root(self._chunking, self._pages, self._sizes)
        return Manifest(parse_root(root, BlobId(payload_digest(root))), tuple(self._pages))

    def _ends_after(self, hash: bytes) -> bool:
        # The content decides here too, so that a chunk more or less moves the end of one page only.
        return self._page_chunks >= CONTENT_PAGE_CHUNKS_MIN and hash[-1] == 0

    def _end_page(self) -> None:
        self._pages.append(bytes(self._page))
        self._sizes.append((self._page_bytes, self._page_chunks))
        self._page.clear()
        self._page_bytes = self._page_chunks = 0


def chunks_of(data: bytes) -> Iterator[bytes]:
    """The chunks of one size of a whole blob, in order."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def build_manifest(chunk_hashes: Sequence[bytes], size: int) -> Manifest:
    """Of a blob of `size` bytes with these chunks of one size; `Malformed` over 1 TiB."""
    if size > BLOB_BYTES_MAX:
        raise _too_large(size)
    if len(chunk_hashes) != _ceil_divide(size, CHUNK_BYTES):
        raise ValueError(f"{len(chunk_hashes)} chunks cannot hold {size} bytes")
    builder = ManifestBuilder(Chunking.FIXED)
    for number, hash in enumerate(chunk_hashes):
        builder.add(hash, min(CHUNK_BYTES, size - number * CHUNK_BYTES))
    return builder.finish()


def build_content_manifest(chunks: Iterable[ChunkName]) -> Manifest:
    """Of a blob with these chunks that its content defines; `Malformed` where they are too many."""
    builder = ManifestBuilder(Chunking.CONTENT)
    for chunk in chunks:
        builder.add(chunk.hash, chunk.size)
    return builder.finish()


def manifest_of(data: bytes) -> Manifest:
    """The manifest, with chunks of one size, of a whole blob."""
    return build_manifest([payload_digest(chunk) for chunk in chunks_of(data)], len(data))


def parse_root(root: bytes, id: BlobId) -> BlobRoot:
    """The root that `id` names; `Malformed` where these bytes are another or make no sense."""
    if len(root) > ROOT_BYTES_MAX:
        raise Malformed("blob-root", f"a blob's root of {len(root)} bytes")
    if payload_digest(root) != id:
        raise Malformed("blob-hash", "a blob's root that does not have the hash asked for")
    value = cbor.decode(
        root, bytes_max=ROOT_BYTES_MAX, items_max=5 + 4 * CONTENT_PAGES_MAX, depth_max=3
    )
    try:
        if isinstance(value, list) and value[:1] == [Chunking.CONTENT]:
            content = msgspec.convert(value, _ContentRoot, builtin_types=[bytes])
            return _content_root(root, id, content)
        return _fixed_root(root, id, msgspec.convert(value, _FixedRoot, builtin_types=[bytes]))
    except msgspec.ValidationError as error:
        raise Malformed("blob-root", f"a blob's root of another form: {error}") from error


def parse_page(page: bytes, root: BlobRoot, number: int) -> tuple[ChunkName, ...]:
    """The chunks that page `number` names; `Malformed` where these bytes are not that page."""
    if not 0 <= number < root.page_count:
        raise Malformed("blob-page", f"page {number} of {root.page_count}")
    count = root.page_chunk_count(number)
    if len(page) != root.page_bytes(number):
        raise Malformed("blob-page", f"page {number} has {len(page)} bytes for {count} chunks")
    if payload_digest(page) != root.page_hashes[number]:
        raise Malformed("blob-hash", f"page {number} does not have the hash its root names")
    if root.chunking is Chunking.FIXED:
        left = root.page_size(number)
        return tuple(
            ChunkName(
                page[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES],
                min(CHUNK_BYTES, left - place * CHUNK_BYTES),
            )
            for place in range(count)
        )
    chunks = tuple(map(ChunkName._make, _NAMED.iter_unpack(page)))
    is_last = number == root.page_count - 1
    if not _sizes_allowed([chunk.size for chunk in chunks], is_last=is_last):
        raise Malformed("blob-page", f"page {number} names a chunk of a size that none has")
    if sum(chunk.size for chunk in chunks) != root.page_size(number):
        raise Malformed("blob-page", f"page {number} stands for other bytes than its root says")
    return chunks


def check_chunk(chunk: bytes, manifest: Manifest, number: int) -> bytes:
    """Its hash; `Malformed` where these bytes are not chunk `number`."""
    if not 0 <= number < manifest.chunk_count:
        raise Malformed("blob-chunk", f"chunk {number} of {manifest.chunk_count}")
    if len(chunk) != manifest.chunk_size(number):
        raise Malformed("blob-chunk", f"chunk {number} has {len(chunk)} bytes")
    hash = payload_digest(chunk)
    if hash != manifest.chunk_hash(number):
        raise Malformed("blob-hash", f"chunk {number} does not have the hash its page names")
    return hash


def _fixed_root(root: bytes, id: BlobId, value: _FixedRoot) -> BlobRoot:
    version, size, chunk_bytes, page_hashes = value
    if (version, chunk_bytes) != (Chunking.FIXED, CHUNK_BYTES):
        raise Malformed("blob-root", f"a blob of version {version}, chunks of {chunk_bytes} bytes")
    if not 0 <= size <= BLOB_BYTES_MAX:
        raise _too_large(size)
    if len(page_hashes) != _ceil_divide(size, PAGE_CHUNKS_MAX * CHUNK_BYTES):
        raise Malformed("blob-root", f"{len(page_hashes)} pages for {size} bytes")
    _check_widths(page_hashes)
    count = _ceil_divide(size, CHUNK_BYTES)
    starts = (min(page * PAGE_CHUNKS_MAX, count) for page in range(len(page_hashes) + 1))
    page_starts = tuple(starts)
    page_offsets = tuple(min(start * CHUNK_BYTES, size) for start in page_starts)
    return BlobRoot(id, Chunking.FIXED, root, page_hashes, page_starts, page_offsets)


def _content_root(root: bytes, id: BlobId, value: _ContentRoot) -> BlobRoot:
    _, size, pages = value
    page_hashes = tuple(hash for hash, _, _ in pages)
    _check_widths(page_hashes)
    for number, (_, size_of_page, chunks) in enumerate(pages):
        is_last = number == len(pages) - 1
        if not (1 if is_last else CONTENT_PAGE_CHUNKS_MIN) <= chunks <= PAGE_CHUNKS_MAX:
            raise Malformed("blob-root", f"page {number} of {chunks} chunks")
        least = (chunks - is_last) * CONTENT_CHUNK_BYTES_MIN + is_last
        if not least <= size_of_page <= chunks * CONTENT_CHUNK_BYTES_MAX:
            raise Malformed("blob-root", f"page {number}: {size_of_page} bytes in {chunks} chunks")
    page_offsets = tuple(accumulate((of_page for _, of_page, _ in pages), initial=0))
    if page_offsets[-1] != size:
        raise Malformed("blob-root", f"pages of {page_offsets[-1]} bytes for {size}")
    page_starts = tuple(accumulate((chunks for _, _, chunks in pages), initial=0))
    return BlobRoot(id, Chunking.CONTENT, root, page_hashes, page_starts, page_offsets)


def _encode_root(
    chunking: Chunking, pages: Sequence[bytes], sizes: Sequence[tuple[int, int]]
) -> bytes:
    size = sum(of_page for of_page, _ in sizes)
    hashes = [payload_digest(page) for page in pages]
    if chunking is Chunking.FIXED:
        return cbor.encode([int(chunking), size, CHUNK_BYTES, hashes])
    named = [[hash, *of_page] for hash, of_page in zip(hashes, sizes, strict=True)]
    return cbor.encode([int(chunking), size, named])


def _sizes_allowed(sizes: Sequence[int], *, is_last: bool) -> bool:
    """Whether chunks of a page can be so long; the last one of a blob may be short."""
    full = sizes[:-1] if is_last else sizes
    is_long = all(size >= CONTENT_CHUNK_BYTES_MIN for size in full) and sizes[-1] > 0
    return is_long and max(sizes) <= CONTENT_CHUNK_BYTES_MAX


def _bounds(chunking: Chunking) -> tuple[int, int]:
    if chunking is Chunking.FIXED:
        return CHUNK_BYTES, CHUNK_BYTES
    return CONTENT_CHUNK_BYTES_MIN, CONTENT_CHUNK_BYTES_MAX


def _check_widths(page_hashes: Sequence[bytes]) -> None:
    if any(len(hash) != DIGEST_BYTES for hash in page_hashes):
        raise Malformed("blob-root", "the hash of a page has another width")


def _too_large(size: int) -> Malformed:
    return Malformed("blob-too-large", f"a blob of {size} bytes, at most {BLOB_BYTES_MAX}")


def _ceil_divide(size: int, part: int) -> int:
    return -(-size // part)
