"""Exact sets of versions: finite unions of half-open intervals, closed under and, or, not.

A set is what a range means, and what the solver computes with. Sets are immutable, and equal sets
are equal values. Verified against npm's own matching (see tests/registry).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.versions import (
    END,
    FIRST_PRERELEASE,
    FIRST_RELEASE,
    Place,
    Version,
    after,
    is_release,
    place_of,
)

Interval = tuple[Place, Place]
BEYOND: Place = (3,)  # after every place, so (x, BEYOND) comes after all that begins at x


@dataclass(frozen=True, slots=True)
class Relation:
    """How one set lies to another; both hold at once only for the empty set."""

    is_subset: bool
    is_disjoint: bool


@dataclass(frozen=True, slots=True)
class VersionSet:
    """Sorted, disjoint, half-open intervals of places."""

    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> "VersionSet":
        """Any intervals, in any order, overlapping or empty."""
        merged: list[Interval] = []
        for low, high in sorted(pair for pair in intervals if pair[0] < pair[1]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    @classmethod
    def empty(cls) -> "VersionSet":
        return cls()

    @classmethod
    def full(cls) -> "VersionSet":
        return cls(((FIRST_RELEASE, END),))

    @classmethod
    def singleton(cls, version: Place) -> "VersionSet":
        return cls(((version, after(version)),))

    @property
    def is_empty(self) -> bool:
        return not self.intervals

    @property
    def is_singleton(self) -> bool:
        return len(self.intervals) == 1 and self.intervals[0][1] == after(self.intervals[0][0])

    def allows(self, version: Version) -> bool:
        return place_of(version) in self

    def __contains__(self, place: Place) -> bool:
        index = bisect_right(self.intervals, (place, BEYOND)) - 1
        return index >= 0 and place < self.intervals[index][1]

    def __or__(self, other: object) -> "VersionSet":
        if not isinstance(other, VersionSet):
            return NotImplemented
        return VersionSet.of((*self.intervals, *other.intervals))

    def __and__(self, other: object) -> "VersionSet":
        if not isinstance(other, VersionSet):
            return NotImplemented
        mine, yours = self.intervals, other.intervals
        if mine == yours:
            return self
        common: list[Interval] = []
        left = right = 0
        while left < len(mine) and right < len(yours):
            low = max(mine[left][0], yours[right][0])
            high = min(mine[left][1], yours[right][1])
            if low < high:
                common.append((low, high))
            if mine[left][1] <= yours[right][1]:
                left += 1
            else:
                right += 1
        return VersionSet(tuple(common))

    def __invert__(self) -> "VersionSet":
        gaps: list[Interval] = []
        low = FIRST_RELEASE
        for begin, end in self.intervals:  # sorted and disjoint, so the gaps are
            if low < begin:
                gaps.append((low, begin))
            low = end
        if low < END:
            gaps.append((low, END))
        return VersionSet(tuple(gaps))

    def __sub__(self, other: object) -> "VersionSet":
        if not isinstance(other, VersionSet):
            return NotImplemented
        return self & ~other

    def is_subset(self, other: "VersionSet") -> bool:
        return self & other == self

    def is_superset(self, other: "VersionSet") -> bool:
        return other.is_subset(self)

    def is_disjoint(self, other: "VersionSet") -> bool:
        if self._is_apart(other):
            return True
        return (self & other).is_empty

    def relation(self, other: "VersionSet") -> Relation:
        mine, yours = self.intervals, other.intervals
        if not mine or not yours:
            return _APART if mine else _NOTHING
        low, high, begin, end = mine[0][0], mine[-1][1], yours[0][0], yours[-1][1]
        if high <= begin or end <= low:
            return _APART
        if len(yours) == 1:
            if begin <= low and high <= end:
                return _INSIDE
            return _OVERLAPPING if _meets(mine, begin, end) else _APART
        if len(mine) == 1:
            if not _meets(yours, low, high):
                return _APART
            at = bisect_right(yours, (low, BEYOND)) - 1
            return _INSIDE if at >= 0 and high <= yours[at][1] else _OVERLAPPING
        both = self & other
        return Relation(both == self, both.is_empty)

    def _is_apart(self, other: "VersionSet") -> bool:
        """Whether one ends before the other begins: most pairs a solver asks about do."""
        mine, yours = self.intervals, other.intervals
        return not mine or not yours or mine[-1][1] <= yours[0][0] or yours[-1][1] <= mine[0][0]

    def count_in(self, places: Sequence[Place]) -> int:
        """How many of `places` (sorted, ascending) the set holds."""
        return sum(
            bisect_left(places, high) - bisect_left(places, low) for low, high in self.intervals
        )

    def best_of(self, places: Sequence[Place]) -> Place | None:
        """The highest release the set holds of `places` (sorted), else the highest pre-release."""
        best: Place | None = None
        for low, high in reversed(self.intervals):
            for bound in (high, FIRST_PRERELEASE):  # the part above the releases is second choice
                at = bisect_left(places, min(high, bound)) - 1
                if at < 0 or places[at] < low:
                    continue
                if is_release(places[at]):
                    return places[at]
                best = best or places[at]
        return best

    def __str__(self) -> str:
        """Only the releases, in npm's words: what a person reads."""
        parts = [text for text in map(_spoken, self.intervals) if text]
        return " || ".join(parts) or ("pre-releases only" if self.intervals else "nothing")


_NOTHING = Relation(is_subset=True, is_disjoint=True)
_APART = Relation(is_subset=False, is_disjoint=True)
_INSIDE = Relation(is_subset=True, is_disjoint=False)
_OVERLAPPING = Relation(is_subset=False, is_disjoint=False)


def _meets(intervals: Sequence[Interval], low: Place, high: Place) -> bool:
    """Whether any of them has something in [low, high)."""
    at = bisect_right(intervals, (low, BEYOND))  # those before it begin at `low` or below
    return (at > 0 and low < intervals[at - 1][1]) or (
        at < len(intervals) and intervals[at][0] < high
    )


def _spoken(interval: Interval) -> str:
    low, high = interval
    if low >= FIRST_PRERELEASE:
        return ""
    floor, ceiling = (".".join(map(str, edge[1:])) for edge in interval)
    if high == after(low):
        return floor
    bounds = [f">={floor}"] * (low > FIRST_RELEASE) + [f"<{ceiling}"] * (high < FIRST_PRERELEASE)
    return " ".join(bounds) or "*"
