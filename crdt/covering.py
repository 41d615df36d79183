"""Which chunks of one blob lie where another blob has others, told by the chunks that both have.

    chunks   A ─── B ─── C ─── D        A and D are in both; D lies 3 bytes further on in `others`,
    others   A ─── X ──── Y ──── D      so what B and C stand for lies in X and Y, moved by 0 to 3

Where the next common chunks before and behind have moved by very different lengths, something long
came in or went out between them: then the nearer of the two tells. Pages count as chunks of the
bytes they stand for.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

MARGIN_BYTES: Final = 4096
"""How far before and behind its place a chunk is looked for, since an edit in it moves its end."""
SPAN_BYTES: Final = 16_384
"""Beside three times the chunk's length: so long is what is taken to cover it."""
RUN_CHUNKS_MAX: Final = 64
"""More than of the shortest chunks lie in the longest such span."""


class Covered(NamedTuple):
    """A chunk that the others have not, by its number, and the numbers of those at its place."""

    chunk: int
    others: range


def covering(
    chunks: Sequence[tuple[bytes, int]], others: Sequence[tuple[bytes, int]]
) -> Iterator[Covered]:
    """Each of `chunks` that is not among `others`, in order, and which of those cover its place.

    Both are (hash, size in bytes) in the order of their blobs. No range is longer than
    `RUN_CHUNKS_MAX`; one is empty where the others end before that place. What both have several
    times is taken for the one that lies nearest to where it is expected. O(n log n).
    """
    places = _Places(others)
    first = first_at = 0  # of those behind the last common chunk: number, offset
    shift = at = 0
    for number, (hash, size) in enumerate(chunks):
        place = places.nearest(hash, at + shift)
        at += size
        if place is None:
            continue
        moved = place - (at - size)
        yield from _gap(chunks, range(first, number), first_at, places.offsets, (shift, moved))
        first, first_at, shift = number + 1, at, moved
    missing = range(first, len(chunks))
    yield from _gap(chunks, missing, first_at, places.offsets, (shift, shift))


class _Places:
    """Where which chunk lies."""

    def __init__(self, chunks: Sequence[tuple[bytes, int]]) -> None:
        self.offsets = array("Q", accumulate((size for _, size in chunks), initial=0))
        self._one: dict[bytes, int] = {}
        self._several: dict[bytes, list[int]] = {}
        for (hash, _), offset in zip(chunks, self.offsets, strict=False):
            first = self._one.setdefault(hash, offset)
            if first != offset:
                self._several.setdefault(hash, [first]).append(offset)

    def nearest(self, hash: bytes, expected: int) -> int | None:
        """The place of the chunk that lies nearest to where it is expected, if there is any."""
        several = self._several.get(hash)
        if several is None:
            return self._one.get(hash)
        after = bisect_left(several, expected)
        near = several[max(0, after - 1) : after + 1]
        return min(near, key=lambda place: abs(place - expected))


def _gap(
    chunks: Sequence[tuple[bytes, int]],
    missing: range,
    at: int,
    offsets: "array[int]",
    shifts: tuple[int, int],
) -> Iterator[Covered]:
    """What covers the chunks between two that are common, which have moved by `shifts`. The first
    of them begins `at`."""
    for place, number in enumerate(missing):
        size = chunks[number][1]
        span = 3 * size + SPAN_BYTES
        least, most = min(shifts), max(shifts)
        if size + most - least + 2 * MARGIN_BYTES > span:
            least = most = shifts[0] if place < len(missing) / 2 else shifts[1]
        start = at + least - MARGIN_BYTES
        end = at + size + most + MARGIN_BYTES
        yield Covered(number, _run(offsets, start, end, span))
        at += size


def _run(offsets: "array[int]", start: int, end: int, span: int) -> range:
    """The chunks that have a byte from `start` to `end`, as far as they begin within `span`."""
    if end <= 0 or start >= offsets[-1]:
        return range(0)
    first = max(0, bisect_right(offsets, start) - 1)
    if offsets[first] + span < end:  # a long chunk before it would be all that is taken
        first = max(0, bisect_right(offsets, start + MARGIN_BYTES) - 1)
    last = bisect_left(offsets, min(end, offsets[first] + span), first)
    return range(first, min(last, len(offsets) - 1, first + RUN_CHUNKS_MAX))
