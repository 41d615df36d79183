"""How a record does over time: who downloads it, rates it and builds on it, each signer once.

Everything comes from signed records alone, so two nodes that hold the same ones show the same,
whatever came first. Times are what the signers say. Weeks begin on Monday, days at midnight UTC.

```
       before     ◂ points: the last one is running ▸      ahead         undated
  ─────────────┼────┼────┼────┼────┼────┼────┼──── … ─▸   a clock lies   nobody noted when
```
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, Literal, TypeAlias, TypedDict

import msgspec

from registry.listed import Module
from storage.listing import DAY_US, DayCount, Span, What

Step: TypeAlias = Literal["day", "week"]

POINTS_MAX: Final = 366
POINTS: Final = 26
DAYS: Final = {"day": 1, "week": 7}
MONDAY: Final = 3  # 1 January 1970 was a Thursday
_EPOCH: Final = date(1970, 1, 1)
_MIDNIGHT: Final = datetime(1970, 1, 1)  # in UTC, as `registry.listed` writes it


class Sums(msgspec.Struct, frozen=True):
    """How many signers."""

    downloads: int = 0
    """Who counted for it first then: installations of a module, downloads of anything else."""
    ratings: int = 0
    """Whose rating is of then, the latest of each."""
    average: float | None = None
    """Of those ratings."""
    dependants: int = 0
    """Whose first record that builds on it is of then."""


class Point(Sums, frozen=True, kw_only=True):
    since: str
    """Its first day, as 2026-01-31."""


class Trends(msgspec.Struct, frozen=True):
    id: str
    """Full name, `did/record`."""
    kind: str
    step: Step
    points: tuple[Point, ...]
    """Oldest first, without gaps."""
    before: Sums
    ahead: Sums
    """Dated later than a day from now: a clock that lies; in no point until then."""
    undated: Sums
    whole: bool
    """False: more records build on it than are looked at."""


def span_of(now_us: int, horizon_us: int, step: Step, points: int) -> Span:
    """Of `points` steps up to the one that is running."""
    today = now_us // DAY_US
    return Span(_first_day(today, step) - (points - 1) * DAYS[step], today, horizon_us)


def trends(
    id: str, kind: str, counts: Iterable[DayCount], span: Span, step: Step, *, whole: bool = True
) -> Trends:
    """`counts`: days as `Span.day_of` gives them, in any order."""
    starts = range(span.first, span.last + 1, DAYS[step])
    before, ahead, undated = _Adding(), _Adding(), _Adding()
    points = [_Adding() for _ in starts]
    for one in counts:
        if one.day is None:
            undated.add(one)
        elif one.day > span.last:
            ahead.add(one)
        elif one.day < span.first:
            before.add(one)
        else:
            points[(one.day - span.first) // DAYS[step]].add(one)
    return Trends(
        id,
        kind,
        step,
        tuple(
            Point(since=_written(start), **sums.values())
            for start, sums in zip(starts, points, strict=True)
        ),
        Sums(**before.values()),
        Sums(**ahead.values()),
        Sums(**undated.values()),
        whole,
    )


def building_on(module: str, others: Iterable[Module], span: Span) -> list[DayCount]:
    """Authors of modules that need `module` (a full name) in any version, by their first one."""
    first: dict[str, int] = {}
    for other in others:
        for version in other.versions:
            if any(need.module_id == module for need in version.dependencies):
                at_us = unix_us(version.published_at)
                first[other.author_did] = min(at_us, first.get(other.author_did, at_us))
    return first_days(first.values(), span)


def first_days(times_us: Iterable[int], span: Span) -> list[DayCount]:
    """One dependant each."""
    return [DayCount("dependants", span.day_of(at_us), 1) for at_us in times_us]


def unix_us(written: str) -> int:
    """What `registry.listed.rfc3339` wrote."""
    return (datetime.fromisoformat(written.removesuffix("Z")) - _MIDNIGHT) // timedelta(
        microseconds=1
    )


class _Values(TypedDict):
    downloads: int
    ratings: int
    average: float | None
    dependants: int


class _Adding:
    """Sums in the making."""

    def __init__(self) -> None:
        self._counts: dict[What, int] = {}
        self._stars = 0

    def add(self, one: DayCount) -> None:
        self._counts[one.what] = self._counts.get(one.what, 0) + one.count
        self._stars += one.stars_sum

    def values(self) -> _Values:
        rated = self._counts.get("ratings", 0)
        return {
            "downloads": self._counts.get("downloads", 0),
            "ratings": rated,
            "average": round(self._stars / rated, 2) if rated else None,
            "dependants": self._counts.get("dependants", 0),
        }


def _first_day(day: int, step: Step) -> int:
    return day if step == "day" else day - (day + MONDAY) % 7


def _written(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()
