"""Buckets that may be overdrawn: what was read is passed on, and the next read waits."""

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.relay.pacing import BURST_S, PIECE_BYTES_MIN, Pacer, piece, spend


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


@pytest.mark.parametrize("many", [1, 2, 50, 2_048])
def test_however_many_share_a_rate_all_get_the_same_and_none_rests_for_long(many: int) -> None:
    """Everybody always has more to send, and is read whenever its rest is over."""
    pacer, longest_s = Pacer.of_bytes(256 << 10, now_s=0.0), 0.0
    settled_s, until_s = 10.0, 70.0  # all begin at once: who came first had more of the burst
    passed: Counter[int] = Counter()
    turns = [(0.0, who) for who in range(many)]
    resting: set[int] = set()
    while turns[0][0] < until_s:
        now_s, who = heapq.heappop(turns)
        resting.discard(who)
        pacer.resting = len(resting)
        size = piece([pacer], 256 << 10, now_s=now_s)
        rest_s = pacer.spend(size, now_s=now_s)
        longest_s = max(longest_s, rest_s)
        passed[who] += size if now_s >= settled_s else 0
        resting.add(who)
        heapq.heappush(turns, (now_s + max(rest_s, 1e-6), who))
    assert longest_s < 3.0
    allowed = pacer.per_s * (until_s - settled_s)
    assert 0.9 * allowed < passed.total() < 1.1 * allowed
    assert max(passed.values()) < 1.5 * min(passed.values())


def test_what_nothing_slows_is_read_as_it_comes() -> None:
    assert piece([], 1_000, now_s=0.0) == 1_000
    assert piece([Pacer.of_bytes(1e9, now_s=0.0)], 1_000, now_s=0.0) == 1_000
    assert piece([Pacer.of_bytes(1e-3, now_s=0.0)], 1_000, now_s=0.0) == PIECE_BYTES_MIN
