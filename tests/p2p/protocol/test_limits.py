"""Every bound is overstepped by some test, and tokens come back with time."""

import re
from pathlib import Path

from p2p.protocol import limits
from p2p.protocol.limits import TokenBucket

HERE = Path(__file__).parent
# How large a reply is aimed to be, and units: nobody can overstep them.
AIMS = {
    "MEBIBYTE",
    "RANGES_BYTES",
    "RUN_BYTES_MIN",
    "SPLIT_PARTS",
    "UNSENT_BYTES_AIM",
}


def test_every_bound_has_a_test_that_names_it() -> None:
    named = {name for name in vars(limits) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)} - AIMS
    tests = "\n".join(path.read_text() for path in HERE.parent.rglob("test_*.py"))
    assert named
    assert {name for name in named if not re.search(rf"\b{name}\b", tests)} == set()


def test_a_bucket_is_full_at_first_and_gives_one_at_a_time() -> None:
    bucket = TokenBucket.full(2.0, 3.0, now_s=10.0)
    assert [bucket.take(now_s=10.0) for _ in range(4)] == [True, True, True, False]


def test_tokens_flow_in_with_time_up_to_the_burst() -> None:
    bucket = TokenBucket.full(2.0, 3.0, now_s=0.0)
    assert bucket.take(now_s=0.0, tokens=3.0)
    assert not bucket.take(now_s=0.4)
    assert bucket.take(now_s=0.5)
    assert not bucket.take(now_s=100.0, tokens=3.1)
    assert bucket.take(now_s=100.0, tokens=3.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket.full(1.0, 1.0, now_s=10.0)
    assert bucket.take(now_s=10.0)
    assert not bucket.take(now_s=5.0)
    assert not bucket.take(now_s=10.5)
    assert bucket.take(now_s=11.0)


def test_tokens_are_spent_as_far_as_they_go_and_given_back_up_to_the_burst() -> None:
    bucket = TokenBucket.full(1.0, 8.0, now_s=0.0)
    bucket.spend(now_s=0.0, tokens=100.0)
    assert bucket.left(now_s=0.0) == 0.0
    bucket.give_back(3.0)
    assert bucket.left(now_s=2.0) == 5.0
    bucket.give_back(100.0)
    assert bucket.left(now_s=2.0) == 8.0
    bucket.spend(now_s=2.0, tokens=100.0, debt_max=3.0)
    assert bucket.left(now_s=2.0) == -3.0
    assert not bucket.take(now_s=5.5)
    assert bucket.take(now_s=6.0)
