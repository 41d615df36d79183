"""Ranges as frames carry them: one after another, each bound as its difference from the last.

A range begins where the one before it ended, the first at the lower end of the area's keys. A bound
is a point between keys and need not be a key, so it is cut to the few bytes that tell it from its
neighbours: splitting 100,000 entries costs about 4 bytes a bound instead of 150.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crdt.order import Bounds, RangeSummary
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Listing, RangeItem, Skip, Summary, Upper, split_ids
from p2p.protocol.limits import RANGE_SUFFIX_BYTES_MAX

BOUND_BYTES_MAX = 1_024  # the longest key of our paths has 800: six components, their zeros escaped
# Bytes kept of a bound beyond where it differs from its neighbours: one part in 65,536 of the gap.
SPARE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Summarised:
    """The peer holds so many entries in this range, with this fingerprint."""

    bounds: Bounds
    summary: RangeSummary


@dataclass(frozen=True, slots=True)
class Enumerated:
    """The sender holds exactly these entries in this range."""

    bounds: Bounds
    ids: tuple[bytes, ...]


Range = Summarised | Enumerated


def read_ranges(items: Sequence[RangeItem], whole: Bounds) -> list[Range]:
    """The ranges of a frame, ascending, inside `whole`. Raises `RemoteProtocolError`."""
    if sum(len(item.upper.suffix) for item in items if item.upper) > RANGE_SUFFIX_BYTES_MAX:
        raise RemoteProtocolError("range-bound", "the bounds of a frame are too long altogether")
    ranges: list[Range] = []
    lower = whole.lower
    for position, item in enumerate(items):
        if item.upper is None and position != len(items) - 1:
            raise RemoteProtocolError("range-order", "a range follows the one that ends the area")
        upper = whole.upper if item.upper is None else _read_bound(item.upper, lower, whole)
        bounds = Bounds(lower, upper)
        match item:
            case Summary(count=count, fingerprint=fingerprint):
                ranges.append(Summarised(bounds, RangeSummary(count, fingerprint)))
            case Listing(ids=ids):
                ranges.append(Enumerated(bounds, tuple(split_ids(ids))))
            case Skip():
                pass
        if upper is not None:
            lower = upper
    return ranges


def _read_bound(upper: Upper, lower: bytes, whole: Bounds) -> bytes:
    if upper.shared > len(lower) or upper.shared + len(upper.suffix) > BOUND_BYTES_MAX:
        raise RemoteProtocolError("range-bound", "a bound shares more bytes than there are")
    bound = lower[: upper.shared] + upper.suffix
    if bound <= lower or (whole.upper is not None and bound > whole.upper):
        raise RemoteProtocolError("range-order", "a range is empty or leaves its area")
    return bound


def write_ranges(ranges: Iterable[Range], whole: Bounds) -> tuple[RangeItem, ...]:
    """The items of a frame for `ranges`, which ascend inside `whole`; gaps become a Skip."""
    items: list[RangeItem] = []
    lower = whole.lower
    for range in ranges:
        if range.bounds.lower != lower:
            assert range.bounds.lower > lower, "ranges ascend"
            items.append(Skip(_write_bound(range.bounds.lower, lower)))
            lower = range.bounds.lower
        upper = range.bounds.upper
        written = None if upper in (None, whole.upper) else _write_bound(upper or b"", lower)
        match range:
            case Summarised(summary=summary):
                items.append(Summary(written, summary.count, summary.fingerprint))
            case Enumerated(ids=ids):
                items.append(Listing(written, b"".join(ids)))
        lower = lower if upper is None else upper
    return tuple(items)


def _write_bound(bound: bytes, lower: bytes) -> Upper:
    shared = shared_bytes(bound, lower)
    return Upper(shared, bound[shared:])


def shared_bytes(left: bytes, right: bytes) -> int:
    """How many bytes two keys begin with in common."""
    for at, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return at
    return min(len(left), len(right))


def shorten(parts: Sequence[Bounds]) -> list[Bounds]:
    """The same cover with its inner bounds cut short; adjoining parts, ascending.

    Cutting moves a bound down, never past its neighbours, so no part is lost or turned round; some
    entries just before a bound may change sides, which only makes parts a little unequal.
    """
    ends = [parts[0].lower, *(part.lower for part in parts[1:]), parts[-1].upper]
    inner = [_cut(ends, at) for at in range(1, len(ends) - 1)]
    cuts = [parts[0].lower, *inner, parts[-1].upper]
    return [Bounds(lower, upper) for lower, upper in pairwise(cuts) if lower is not None]


def _cut(ends: Sequence[bytes | None], at: int) -> bytes:
    here, before, after = ends[at], ends[at - 1], ends[at + 1]
    assert here is not None
    assert before is not None
    shared = max(shared_bytes(before, here), shared_bytes(here, after or b""))
    return here[: shared + 1 + SPARE_BYTES]


def estimated_bytes(range: Range) -> int:
    """About how long a range is in a frame."""
    match range:
        case Summarised():
            return 32
        case Enumerated(ids=ids):
            return 12 + 16 * len(ids)
