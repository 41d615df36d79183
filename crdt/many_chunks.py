"""Questions about many chunks of a manifest at once: a large blob has half a million.

Nothing is called for each of them, so 65,536 take 20 ms.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from crdt.blob import CHUNK_BYTES, Chunking, ChunkName, Manifest
from crdt.digest import DIGEST_BYTES

NAMED = struct.Struct(f">{DIGEST_BYTES}sI")  # in a page of version 2: hash, then length
NAMED_BYTES = NAMED.size


def size_of(manifest: Manifest, chunks: Sequence[int]) -> int:
    """How many bytes these chunks, in order, have together."""
    root = manifest.parsed
    if root.chunking is Chunking.FIXED:
        short = root.chunk_count * CHUNK_BYTES - root.size
        has_last = bool(chunks) and chunks[-1] == root.chunk_count - 1
        return len(chunks) * CHUNK_BYTES - short * has_last
    total = 0
    for page, some in _by_page(manifest, chunks):
        if len(some) == root.page_chunk_count(page):
            total += root.page_size(page)
            continue
        data, start = manifest.page(page), root.page_starts[page]
        for chunk in some:
            end = NAMED_BYTES * (chunk - start + 1)
            total += int.from_bytes(data[end - 4 : end], "big")
    return total


def first_of_each(manifest: Manifest, chunks: Sequence[int]) -> list[int]:
    """Of these chunks, in order, those whose bytes no earlier one of them has."""
    width = DIGEST_BYTES if manifest.parsed.chunking is Chunking.FIXED else NAMED_BYTES
    seen: set[bytes] = set()
    found: list[int] = []
    for page, some in _by_page(manifest, chunks):
        data, start = manifest.page(page), manifest.parsed.page_starts[page]
        for chunk in some:
            at = width * (chunk - start)
            hash = data[at : at + DIGEST_BYTES]
            if hash not in seen:
                seen.add(hash)
                found.append(chunk)
    return found


def names_of(manifest: Manifest) -> list[ChunkName]:
    """Of all chunks that these pages name, in order."""
    root, end = manifest.parsed, manifest.first_page + len(manifest.pages)
    if root.chunking is Chunking.CONTENT:
        return list(map(ChunkName._make, NAMED.iter_unpack(b"".join(manifest.pages))))
    numbers = range(root.page_starts[manifest.first_page], root.page_starts[end])
    return [ChunkName(manifest.chunk_hash(one), manifest.chunk_size(one)) for one in numbers]


def _by_page(manifest: Manifest, chunks: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """Pages, and those of the chunks, in order, that each names."""
    at = 0
    while at < len(chunks):
        page = manifest.parsed.page_of(chunks[at])
        until = bisect_left(chunks, manifest.parsed.page_starts[page + 1], at)
        yield page, chunks[at:until]
        at = until
