"""How a record does over time, from days that its signers say."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from registry.trends import POINTS_MAX, Step, span_of, trends, unix_us
from storage.listing import DAY_US, DayCount

# Thursday, 2026-11-19, at noon.
THURSDAY = unix_us("2026-11-19T12:00:00Z")
TODAY = THURSDAY // DAY_US


def test_weeks_begin_on_monday_and_the_last_one_is_running() -> None:
    span = span_of(THURSDAY, THURSDAY + DAY_US, "week", 3)
    counts = [
        DayCount("downloads", TODAY - 3, 2),  # this Monday
        DayCount("downloads", TODAY - 4, 3),  # last Sunday
        DayCount("ratings", TODAY, 2, 9),
        DayCount("dependants", span.first, 1),
        DayCount("dependants", span.first - 1, 4),
        DayCount("ratings", TODAY + 1, 1, 5),
        DayCount("downloads", None, 6),
    ]
    found = trends("did/x", "module", counts, span, "week", whole=False)
    assert [point.since for point in found.points] == ["2026-11-02", "2026-11-09", "2026-11-16"]
    assert [point.downloads for point in found.points] == [0, 3, 2]
    assert [point.ratings for point in found.points] == [0, 0, 2]
    assert [point.average for point in found.points] == [None, None, 4.5]
    assert [point.dependants for point in found.points] == [1, 0, 0]
    assert (found.before.dependants, found.ahead.ratings, found.ahead.average) == (4, 1, 5.0)
    assert (found.undated.downloads, found.whole) == (6, False)


def test_days_are_whole_days_in_utc() -> None:
    midnight = unix_us("2026-03-01T00:00:00Z")
    for at_us, since in ((midnight - 1, "2026-02-28"), (midnight, "2026-03-01")):
        span = span_of(at_us, at_us + DAY_US, "day", 2)
        assert trends("x", "seed", (), span, "day").points[-1].since == since


def test_a_clock_that_is_ahead_by_a_zone_counts_today_and_one_that_lies_does_not() -> None:
    span = span_of(THURSDAY, THURSDAY + DAY_US, "day", 2)
    assert span.day_of(THURSDAY + DAY_US) == TODAY
    assert span.day_of(THURSDAY + DAY_US + 1) == TODAY + 1
    assert span.day_of(1 << 62) == TODAY + 1
    assert (span.day_of(0), span.day_of(THURSDAY - DAY_US)) == (span.first - 1, TODAY - 1)


DAYS = st.none() | st.integers(0, 40_000)
COUNTS = st.builds(
    DayCount,
    st.sampled_from(["downloads", "ratings", "dependants"]),
    DAYS,
    st.integers(1, 9),
    st.integers(1, 45),
)


@given(st.lists(COUNTS), st.sampled_from(["day", "week"]), st.integers(1, POINTS_MAX), st.randoms())
def test_nothing_is_lost_or_counted_twice_in_any_order(
    counts: list[DayCount], step: Step, points: int, random: Random
) -> None:
    span = span_of(THURSDAY, THURSDAY + DAY_US, step, points)
    found = trends("did/x", "module", counts, span, step)
    assert len(found.points) == points
    for what in ("downloads", "ratings", "dependants"):
        rest = (found.before, found.ahead, found.undated)
        told = sum(getattr(one, what) for one in (*found.points, *rest))
        assert told == sum(one.count for one in counts if one.what == what)
    random.shuffle(counts)
    assert trends("did/x", "module", counts, span, step) == found
