"""A peer may owe as much as its line holds."""

from collections import deque

import pytest

from p2p.protocol import limits
from p2p.protocol.pace import Mark, Pace


def run(
    pace: Pace, *, rate: float, rtt_s: float, peers: int = 1, rounds: int = 200, start_s: float = 0
) -> float:
    """A line of that rate and round trip, always as full as it may be; when it ends."""
    now_s, busy_until_s, size = start_s, start_s, 64 << 10
    on_the_way: deque[tuple[float, Mark]] = deque()
    until = pace.came_bytes + rounds * limits.WINDOW_BYTES_FIRST
    while pace.came_bytes < until:
        while pace.in_flight_bytes + size <= pace.window_bytes(peers):
            busy_until_s = max(busy_until_s, now_s + rtt_s / 2) + size / rate
            on_the_way.append((busy_until_s + rtt_s / 2, pace.ask(size, now_s=now_s)))
        now_s, mark = on_the_way.popleft()
        pace.come(mark, size, now_s=now_s)
        pace.settle(size)
    pace.settle(pace.in_flight_bytes)
    return now_s


def test_a_short_line_keeps_the_first_window() -> None:
    """So a transfer that is cut loses less than 1 MiB on it, however fast it is."""
    pace = Pace()
    run(pace, rate=200e6, rtt_s=0.001)
    assert pace.window_bytes(1) == limits.WINDOW_BYTES_FIRST < 1 << 20


@pytest.mark.parametrize(("rate", "rtt_s"), [(50e6, 0.1), (12e6, 0.2), (100e6, 0.05)])
def test_a_long_line_runs_full(rate: float, rtt_s: float) -> None:
    pace = Pace()
    run(pace, rate=rate, rtt_s=rtt_s)
    assert pace.window_bytes(1) >= rate * rtt_s
    assert pace.window_bytes(1) <= 4 * rate * rtt_s + limits.WINDOW_BYTES_FIRST
    before = pace.came_bytes
    took_s = run(pace, rate=rate, rtt_s=rtt_s, rounds=200, start_s=1e6) - 1e6
    assert (pace.came_bytes - before) / took_s > 0.8 * rate


def test_no_line_gets_more_than_the_most() -> None:
    pace = Pace()
    run(pace, rate=1e9, rtt_s=0.3)
    assert pace.window_bytes(1) == limits.WINDOW_BYTES_MAX
    assert limits.WINDOWS_BYTES_MAX >= limits.WINDOW_BYTES_MAX


def test_several_share_the_first_window() -> None:
    assert Pace().window_bytes(3) == limits.WINDOW_BYTES_FIRST // 3


def test_a_round_trip_that_is_short_counts_for_nothing() -> None:
    pace = Pace(rate=1e9, rtt_s=limits.WINDOW_RTT_S)
    assert pace.beyond_bytes == 0


def test_a_rate_that_falls_is_forgotten() -> None:
    pace = Pace()
    now_s = run(pace, rate=100e6, rtt_s=0.1)
    fast = pace.window_bytes(1)
    run(pace, rate=1e6, rtt_s=0.1, rounds=60, start_s=now_s)
    assert pace.window_bytes(1) < fast / 10


def test_what_more_would_take() -> None:
    pace = Pace(rate=1e6, rtt_s=0.5)
    pace.ask(1_000_000, now_s=0.0)
    assert pace.expected_s(500_000) == 2.0
