"""Ranges on the wire: what was written is read, bounds are short, and lies are refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.order import Bounds, RangeSummary
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Listing, RangeItem, Skip, Summary, Upper
from p2p.protocol.limits import RANGE_SUFFIX_BYTES_MAX
from p2p.protocol.ranges import (
    BOUND_BYTES_MAX,
    Enumerated,
    Range,
    Summarised,
    read_ranges,
    shared_bytes,
    shorten,
    write_ranges,
)

WHOLE = Bounds(b"a", b"n")
PRINT = b"f" * 16
keys = st.binary(min_size=1, max_size=6)


@st.composite
def covers(draw: st.DrawFn) -> list[Bounds]:
    """Adjoining bounds, ascending, the last one perhaps without an end."""
    inner = sorted(draw(st.sets(keys, min_size=2, max_size=12)))
    upper = None if draw(st.booleans()) else inner.pop()
    ends: list[bytes | None] = [b"", *inner[:-1], upper]
    return [Bounds(lower or b"", end) for lower, end in pairwise(ends)]


@given(covers(), st.data())
def test_what_was_written_is_read(cover: list[Bounds], data: st.DataObject) -> None:
    whole = Bounds(b"", cover[-1].upper)
    chosen = data.draw(st.lists(st.sampled_from(cover), unique=True).map(sort))
    ranges: list[Range] = [
        Summarised(bounds, RangeSummary(number, PRINT))
        if number % 2
        else Enumerated(bounds, (bytes([number]) * 16,))
        for number, bounds in enumerate(chosen)
    ]
    assert read_ranges(write_ranges(ranges, whole), whole) == ranges


def sort(some: list[Bounds]) -> list[Bounds]:
    return sorted(some, key=lambda bounds: bounds.lower)


@given(covers())
def test_shortened_bounds_still_cover_in_order(cover: list[Bounds]) -> None:
    cut = shorten(cover)
    assert len(cut) == len(cover)
    assert (cut[0].lower, cut[-1].upper) == (cover[0].lower, cover[-1].upper)
    for before, after in pairwise(cut):
        assert before.upper == after.lower
        assert before.lower < after.lower
    for one, original in zip(cut[1:], cover[1:], strict=True):
        assert len(one.lower) <= len(original.lower)


@given(keys, keys)
def test_shared_bytes(left: bytes, right: bytes) -> None:
    shared = shared_bytes(left, right)
    assert left[:shared] == right[:shared]
    assert left[shared : shared + 1] != right[shared : shared + 1] or left == right


def summary(shared: int, suffix: bytes) -> Summary:
    return Summary(Upper(shared, suffix), 1, PRINT)


def long_bounds() -> tuple[RangeItem, ...]:
    """Each bound within its limit, all of them together far over the one for a frame."""
    count = RANGE_SUFFIX_BYTES_MAX // BOUND_BYTES_MAX + 1
    return tuple(
        Skip(Upper(0, b"b" + number.to_bytes(2, "big") + bytes(BOUND_BYTES_MAX - 3)))
        for number in range(count)
    )


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ((summary(2, b""),), "range-bound"),
        ((summary(0, b"b" * (BOUND_BYTES_MAX + 1)),), "range-bound"),
        (long_bounds(), "range-bound"),
        ((summary(1, b""),), "range-order"),  # empty
        ((summary(0, b"A"),), "range-order"),  # before the area
        ((summary(0, b"na"),), "range-order"),  # beyond it
        ((summary(0, b"c"), summary(0, b"b")), "range-order"),
        ((summary(0, b"c"), Skip(Upper(1, b""))), "range-order"),
        ((Skip(None), summary(0, b"c")), "range-order"),
        ((Listing(None, b"cut"),), "ids"),
        ((Listing(None, b"i" * 32),), "ids"),
    ],
)
def test_lies_are_refused(items: tuple[RangeItem, ...], code: str) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        read_ranges(items, WHOLE)
    assert refusal.value.code == code


def test_a_bound_is_the_difference_from_the_one_before() -> None:
    items = (summary(1, b"bc"), Skip(Upper(2, b"d")), Listing(None, b"i" * 16))
    assert read_ranges(items, WHOLE) == [
        Summarised(Bounds(b"a", b"abc"), RangeSummary(1, PRINT)),
        Enumerated(Bounds(b"abd", b"n"), (b"i" * 16,)),
    ]
