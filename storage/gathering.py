"""What is stored as a blob, in whatever pieces it comes, gathered into pieces of some MiB."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence

from crdt.blob import ManifestBuilder
from crdt.chunking import Cutter
from crdt.digest import payload_digest

GATHERED_BYTES = 4 << 20  # stored at once


async def gathered(
    data: bytes | Iterable[bytes] | AsyncIterable[bytes],
) -> AsyncGenerator[list[bytes]]:
    """Lists of pieces that have some MiB together."""
    if isinstance(data, bytes):
        for at in range(0, len(data), GATHERED_BYTES):
            yield [data[at : at + GATHERED_BYTES]]
    elif isinstance(data, AsyncIterable):
        pieces: list[bytes] = []
        size = 0
        async for piece in data:
            pieces.append(bytes(piece))
            size += len(piece)
            if size >= GATHERED_BYTES:
                yield pieces
                pieces, size = [], 0
        if pieces:
            yield pieces
    else:
        source = iter(data)
        while pieces := await asyncio.to_thread(_next_pieces, source):
            yield pieces


def _next_pieces(source: Iterator[bytes]) -> list[bytes]:
    pieces: list[bytes] = []
    size = 0
    for piece in source:
        pieces.append(bytes(piece))
        size += len(piece)
        if size >= GATHERED_BYTES:
            break
    return pieces


def cut_hashed(
    cutter: Cutter, builder: ManifestBuilder, pieces: Sequence[bytes] | None
) -> list[tuple[bytes, bytes]]:
    """The chunks that these pieces end, with their hashes; with None the last ones."""
    if pieces is None:
        chunks = cutter.finish()
    else:
        chunks = [chunk for piece in pieces for chunk in cutter.push(piece)]
    hashed = [(payload_digest(chunk), chunk) for chunk in chunks]
    for hash, chunk in hashed:
        builder.add(hash, len(chunk))
    return hashed
