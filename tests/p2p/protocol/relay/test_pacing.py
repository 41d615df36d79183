"""Buckets that may be overdrawn: what was read is passed on, and the next read waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.relay.pacing import BURST_S, Pacer, spend


def test_a_burst_goes_at_once_and_what_is_beyond_it_waits() -> None:
    pacer = Pacer.of_bytes(1_000.0, now_s=0.0)
    assert pacer.spend(1_000.0 * BURST_S, now_s=0.0) == 0.0
    assert pacer.spend(500.0, now_s=0.0) == pytest.approx(0.5)
    assert pacer.spend(0.0, now_s=0.5) == pytest.approx(0.0)


def test_the_slowest_of_several_counts() -> None:
    fast, slow = Pacer.full(100.0, 0.0, now_s=0.0), Pacer.full(10.0, 0.0, now_s=0.0)
    assert spend([fast, slow], 10.0, now_s=0.0) == pytest.approx(1.0)
    assert spend([], 10.0, now_s=0.0) == 0.0


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=50))
def test_whoever_waits_as_told_stays_within_the_rate(sizes: list[int]) -> None:
    pacer, now_s = Pacer.of_bytes(100.0, now_s=0.0), 0.0
    for size in sizes:
        now_s += pacer.spend(size, now_s=now_s)
    assert sum(sizes) <= 100.0 * (now_s + BURST_S) + 1e-3
