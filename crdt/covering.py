"""Which chunks of one blob lie where another blob has others, told by the chunks that both have.

    chunks   A ─── B ─── C ─── D        A and D are in both; D lies 3 bytes further on in `others`,
    others   A ─── X ──── Y ──── D      so what B and C stand for lies in X and Y, moved by 0 to 3

Where the next common chunks before and behind have moved by very different lengths, something long
came in or went out between them: then the nearer of the two tells. Pages count as chunks of the
bytes they stand for.
"""

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
    offsets = list(accumulate((size for _, size in others), initial=0))
    places: dict[bytes, list[int]] = {}
    for (hash, _), offset in zip(others, offsets, strict=False):
        places.setdefault(hash, []).append(offset)
    missing: list[tuple[int, int]] = []  # since the last common chunk: number, offset
    shift = at = 0
    for number, (hash, size) in enumerate(chunks):
        if common := places.get(hash):
            shift_behind = _nearest(common, at + shift) - at
            yield from _gap(chunks, missing, offsets, (shift, shift_behind))
            missing.clear()
            shift = shift_behind
        else:
            missing.append((number, at))
        at += size
    yield from _gap(chunks, missing, offsets, (shift, shift))


def _gap(
    chunks: Sequence[tuple[bytes, int]],
    missing: list[tuple[int, int]],
    offsets: list[int],
    shifts: tuple[int, int],
) -> Iterator[Covered]:
    """What covers the chunks between two that are common, which have moved by `shifts`."""
    for place, (number, at) in enumerate(missing):
        size = chunks[number][1]
        span = 3 * size + SPAN_BYTES
        least, most = min(shifts), max(shifts)
        if size + most - least + 2 * MARGIN_BYTES > span:
            least = most = shifts[0] if place < len(missing) / 2 else shifts[1]
        start = at + least - MARGIN_BYTES
        end = at + size + most + MARGIN_BYTES
        yield Covered(number, _run(offsets, start, end, span))


def _run(offsets: list[int], start: int, end: int, span: int) -> range:
    """The chunks that have a byte from `start` to `end`, as far as they begin within `span`."""
    if end <= 0 or start >= offsets[-1]:
        return range(0)
    first = max(0, bisect_right(offsets, start) - 1)
    last = bisect_left(offsets, min(end, offsets[first] + span), first)
    return range(first, min(last, len(offsets) - 1, first + RUN_CHUNKS_MAX))


def _nearest(places: list[int], expected: int) -> int:
    after = bisect_left(places, expected)
    if after == len(places) or (after and expected - places[after - 1] <= places[after] - expected):
        return places[after - 1]
    return places[after]
