"""Blobs: payloads too large to inline, as chunks named by BLAKE3 under a two-level manifest.

    root  = canonical CBOR [1, size, chunk bytes, [hash of each page, …]]
    page  = the hashes of at most 1,024 chunks, 32 bytes each, joined
    chunk = 256 KiB of the blob; the last one what remains

The blob's id is the hash of its root, so root, pages and chunks are each checked when they arrive,
from whomever, in any order, and a fetch can stop and go on. The size is in the root: it is known,
and weighed, before anything is fetched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NewType

import msgspec

from crdt import cbor
from crdt.digest import DIGEST_BYTES, payload_digest
from crdt.errors import Malformed

BlobId = NewType("BlobId", bytes)

CHUNK_BYTES = 262_144
"""256 KiB: four fit in a frame, and a resumed fetch repeats no more than one."""
PAGE_CHUNKS_MAX = 1024
"""A page of 32 KiB stands for 256 MiB."""
PAGES_MAX = 4096
"""1 TiB; the root stays below 150 KB and in one frame."""
BLOB_BYTES_MAX: Final = PAGES_MAX * PAGE_CHUNKS_MAX * CHUNK_BYTES
ROOT_BYTES_MAX: Final = 64 + PAGES_MAX * (DIGEST_BYTES + 2)

_VERSION = 1
_Root = tuple[int, int, int, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class BlobRoot:
    """What the root says: enough to check every page."""

    id: BlobId
    size: int
    page_hashes: tuple[bytes, ...]

    @property
    def chunk_count(self) -> int:
        return _ceil_divide(self.size, CHUNK_BYTES)

    def page_chunk_count(self, page: int) -> int:
        """How many chunks a page names."""
        return min(PAGE_CHUNKS_MAX, self.chunk_count - page * PAGE_CHUNKS_MAX)

    def chunk_size(self, chunk: int) -> int:
        """How many bytes a chunk has."""
        return _chunk_size(self.size, chunk)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The root and all of its pages: enough to check every chunk."""

    id: BlobId
    size: int
    root: bytes
    pages: tuple[bytes, ...]

    @property
    def chunk_count(self) -> int:
        return _ceil_divide(self.size, CHUNK_BYTES)

    def chunk_hash(self, chunk: int) -> bytes:
        """The name of a chunk."""
        page, place = divmod(chunk, PAGE_CHUNKS_MAX)
        return page_hash_at(self.pages[page], place)

    def chunk_size(self, chunk: int) -> int:
        """How many bytes a chunk has."""
        return _chunk_size(self.size, chunk)


def chunks_of(data: bytes) -> Iterator[bytes]:
    """The chunks of a whole blob, in order."""
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def build_manifest(chunk_hashes: Sequence[bytes], size: int) -> Manifest:
    """The manifest of a blob of `size` bytes with these chunks; `Malformed` over 1 TiB."""
    if size > BLOB_BYTES_MAX:
        raise Malformed("blob-too-large", f"a blob of {size} bytes, at most {BLOB_BYTES_MAX}")
    if len(chunk_hashes) != _ceil_divide(size, CHUNK_BYTES):
        raise ValueError(f"{len(chunk_hashes)} chunks cannot hold {size} bytes")
    pages = tuple(
        b"".join(chunk_hashes[start : start + PAGE_CHUNKS_MAX])
        for start in range(0, len(chunk_hashes), PAGE_CHUNKS_MAX)
    )
    root = cbor.encode([_VERSION, size, CHUNK_BYTES, [payload_digest(page) for page in pages]])
    return Manifest(BlobId(payload_digest(root)), size, root, pages)


def manifest_of(data: bytes) -> Manifest:
    """The manifest of a whole blob."""
    return build_manifest([payload_digest(chunk) for chunk in chunks_of(data)], len(data))


def parse_root(root: bytes, id: BlobId) -> BlobRoot:
    """The root that `id` names; `Malformed` where these bytes are another or make no sense."""
    if len(root) > ROOT_BYTES_MAX:
        raise Malformed("blob-root", f"a blob's root of {len(root)} bytes")
    if payload_digest(root) != id:
        raise Malformed("blob-hash", "a blob's root that does not have the hash asked for")
    value = cbor.decode(root, bytes_max=ROOT_BYTES_MAX, items_max=PAGES_MAX + 5, depth_max=2)
    try:
        version, size, chunk_bytes, page_hashes = msgspec.convert(
            value, _Root, builtin_types=[bytes]
        )
    except msgspec.ValidationError as error:
        raise Malformed("blob-root", f"a blob's root of another form: {error}") from error
    if (version, chunk_bytes) != (_VERSION, CHUNK_BYTES):
        raise Malformed("blob-root", f"a blob of version {version}, chunks of {chunk_bytes} bytes")
    if not 0 <= size <= BLOB_BYTES_MAX:
        raise Malformed("blob-too-large", f"a blob of {size} bytes, at most {BLOB_BYTES_MAX}")
    if len(page_hashes) != _ceil_divide(size, PAGE_CHUNKS_MAX * CHUNK_BYTES):
        raise Malformed("blob-root", f"{len(page_hashes)} pages for {size} bytes")
    if any(len(hash) != DIGEST_BYTES for hash in page_hashes):
        raise Malformed("blob-root", "the hash of a page has another width")
    return BlobRoot(id, size, page_hashes)


def parse_page(page: bytes, root: BlobRoot, number: int) -> tuple[bytes, ...]:
    """The chunk hashes of page `number`; `Malformed` where these bytes are not that page."""
    if not 0 <= number < len(root.page_hashes):
        raise Malformed("blob-page", f"page {number} of {len(root.page_hashes)}")
    count = root.page_chunk_count(number)
    if len(page) != count * DIGEST_BYTES:
        raise Malformed("blob-page", f"page {number} has {len(page)} bytes for {count} chunks")
    if payload_digest(page) != root.page_hashes[number]:
        raise Malformed("blob-hash", f"page {number} does not have the hash its root names")
    return tuple(page_hash_at(page, place) for place in range(count))


def check_chunk(chunk: bytes, manifest: Manifest, number: int) -> None:
    """`Malformed` where these bytes are not chunk `number`."""
    if not 0 <= number < manifest.chunk_count:
        raise Malformed("blob-chunk", f"chunk {number} of {manifest.chunk_count}")
    if len(chunk) != manifest.chunk_size(number):
        raise Malformed("blob-chunk", f"chunk {number} has {len(chunk)} bytes")
    if payload_digest(chunk) != manifest.chunk_hash(number):
        raise Malformed("blob-hash", f"chunk {number} does not have the hash its page names")


def page_hash_at(page: bytes, place: int) -> bytes:
    """The chunk hash at a place of a page."""
    return page[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]


def _chunk_size(size: int, chunk: int) -> int:
    return min(CHUNK_BYTES, size - chunk * CHUNK_BYTES)


def _ceil_divide(size: int, part: int) -> int:
    return -(-size // part)
