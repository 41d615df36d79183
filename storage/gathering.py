"""What is stored as a blob, in whatever pieces it comes, gathered into pieces of some MiB.

Of all that come at once little is held, however many they are: see decision 131.

```
sender ─▸ gathered: up to 4 MiB each, and of all together 16 ─▸ turn: cut, hashed, packed, written
              └─ beyond that each goes on with what it has ──────────┘    two at a time
```
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator
from typing import Final, NamedTuple

from crdt.blob import ManifestBuilder
from crdt.chunking import Cutter
from crdt.digest import payload_digest

GATHERED_BYTES: Final = 4 << 20
"""Stored at once."""
TOGETHER_BYTES: Final = 16 << 20
"""Of all that are gathered at the same time: where these are more than four, each has a share."""
SHARE_BYTES_MIN: Final = 64 << 10
"""However many they are: as long as the longest chunk."""
PIECE_BYTES: Final = 64
"""That a piece takes beside its bytes: somebody may send two of them at a time."""
TURNS: Final = 2
"""Steps at once. Each takes some 12 MiB, and what it does for most of its time is for one core."""


class Step(NamedTuple):
    """What is stored at once."""

    pieces: list[bytes]
    is_last: bool
    """Then it may be empty, too: all that is left is stored with it."""


class Gathering:
    """All that come into one store."""

    def __init__(self, together_bytes: int = TOGETHER_BYTES) -> None:
        self.turn = asyncio.Semaphore(TURNS)
        """To store what was gathered. Nobody who has it waits for a sender."""
        self._together_bytes = together_bytes
        self._held_bytes = self._coming_now = 0

    @property
    def held_bytes(self) -> int:
        """Of all, what came and is not stored."""
        return self._held_bytes

    def gathered(
        self, data: bytes | Iterable[bytes] | AsyncIterable[bytes]
    ) -> AsyncGenerator[Step]:
        """Steps of some MiB, or less where all together hold too much, and one that is the last.

        Whoever asks for the next one has stored those before, and they are gone. A sender that is
        slow or silent keeps what it brought, and takes nothing of the share of the others.
        """
        if isinstance(data, bytes):
            return _slices(data)
        return self._coming(data) if isinstance(data, AsyncIterable) else _read(iter(data))

    async def _coming(self, data: AsyncIterable[bytes]) -> AsyncGenerator[Step]:
        pieces: list[bytes] = []
        size = 0
        self._coming_now += 1
        try:
            async for piece in data:
                pieces.append(bytes(piece))
                taken = len(piece) + PIECE_BYTES
                size += taken
                self._held_bytes += taken
                del piece
                if size >= self._enough_bytes:
                    yield Step(pieces, is_last=False)
                    pieces.clear()  # whoever took the list still has it while the next come
                    self._held_bytes -= size
                    size = 0
            yield Step(pieces, is_last=True)
        finally:
            self._held_bytes -= size
            self._coming_now -= 1

    @property
    def _enough_bytes(self) -> int:
        if self._held_bytes <= self._together_bytes:
            return GATHERED_BYTES
        return max(SHARE_BYTES_MIN, self._together_bytes // self._coming_now)


async def _slices(data: bytes) -> AsyncGenerator[Step]:
    for at in range(0, len(data) or 1, GATHERED_BYTES):
        end = at + GATHERED_BYTES
        yield Step([data[at:end]], is_last=end >= len(data))


async def _read(source: Iterator[bytes]) -> AsyncGenerator[Step]:
    is_last = False
    while not is_last:
        step = await asyncio.to_thread(_next_step, source)
        is_last = step.is_last
        yield step
        del step


def _next_step(source: Iterator[bytes]) -> Step:
    pieces: list[bytes] = []
    size = 0
    for piece in source:
        pieces.append(bytes(piece))
        size += len(piece)
        if size >= GATHERED_BYTES:
            return Step(pieces, is_last=False)
    return Step(pieces, is_last=True)


def cut_hashed(cutter: Cutter, builder: ManifestBuilder, step: Step) -> list[tuple[bytes, bytes]]:
    """The chunks that this step ends, with their hashes; less than one is left in the cutter."""
    chunks = [chunk for piece in step.pieces for chunk in cutter.push(piece)]
    chunks += cutter.finish() if step.is_last else cutter.flush()
    hashed = [(payload_digest(chunk), chunk) for chunk in chunks]
    for hash, chunk in hashed:
        builder.add(hash, len(chunk))
    return hashed
