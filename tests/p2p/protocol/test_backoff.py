"""Waiting before trying again: never beyond the ceiling, which doubles until its end."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2p.protocol.backoff import DOUBLINGS_MAX, FIRST_S, LONGEST_S, Backoff


@pytest.mark.parametrize(
    ("failures", "ceiling_s"),
    [(0, FIRST_S), (1, 1.0), (2, 2.0), (9, 256.0), (10, LONGEST_S), (10_000, LONGEST_S)],
)
def test_the_ceiling_doubles(failures: int, ceiling_s: float) -> None:
    waits = [Backoff(failures=failures).fail(Random(seed)) for seed in range(200)]
    assert 0 <= min(waits) < ceiling_s * 0.1
    assert ceiling_s * 0.9 < max(waits) <= ceiling_s


@given(st.integers(0, 3 * DOUBLINGS_MAX), st.integers())
def test_it_never_waits_longer_than_the_longest(failures: int, seed: int) -> None:
    backoff = Backoff(longest_s=8.0, failures=failures)
    assert 0 <= backoff.fail(Random(seed)) <= 8.0
    assert backoff.failures == failures + 1


def test_a_good_session_starts_over() -> None:
    backoff = Backoff(failures=9)
    backoff.reset()
    assert backoff.fail(Random(1)) <= FIRST_S
