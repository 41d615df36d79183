import time
from collections.abc import Mapping, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.circles import CIRCLES_TOLD_MAX, circles, told_circles


def test_each_circle_is_told_once_by_its_shortest_way() -> None:
    needs = {
        "app": {"a", "lone"},
        "a": {"b", "c"},
        "b": {"a"},
        "c": {"d"},
        "d": {"a"},
        "lone": set[str](),
        "self": {"self"},
    }
    assert list(circles(needs)) == [("a", "b"), ("c", "d", "a"), ("self",)]


def test_a_tree_with_a_shared_leaf_has_none() -> None:
    assert not list(circles({"app": {"a", "b"}, "a": {"leaf"}, "b": {"leaf"}}))


def test_a_circle_of_thousands_needs_no_recursion() -> None:
    size = 3_000
    needs = {str(number): {str((number + 1) % size)} for number in range(size)}
    assert len(next(circles(needs))) == size


@pytest.mark.parametrize(
    "needs",
    [
        {f"p{at:05}": {f"p{at + 1:05}"} for at in range(5_000)} | {"p05000": {"p04999"}},
        {"hub": {str(at) for at in range(5_000)}} | {str(at): {"hub"} for at in range(5_000)},
        {str(at): {str((at + by) % 2_000) for by in range(1, 50)} for at in range(2_000)},
    ],
    ids=["a chain into a circle", "a hub", "a knot"],
)
def test_a_knot_that_mallory_tied_takes_no_time(needs: Mapping[str, Set[str]]) -> None:
    """One search for each of thousands of packages took seconds."""
    before_s = time.process_time()
    told = list(told_circles(needs))
    assert time.process_time() - before_s < 1.0
    assert told
    assert len(told) <= CIRCLES_TOLD_MAX + 1


def test_a_long_circle_is_told_by_its_beginning() -> None:
    needs = {f"p{at:03}": {f"p{(at + 1) % 100:03}"} for at in range(100)}
    (told,) = told_circles(needs)
    assert told == f"{' → '.join(f'p{at:03}' for at in range(12))} → 88 more → p000"
    assert list(told_circles({"a": {"a"}}, {"a": "short"})) == ["short → short"]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefg"))))
def test_circles_hold_just_the_packages_that_lead_back_to_themselves(
    needs: dict[str, set[str]],
) -> None:
    reach = {package: set(needed) for package, needed in needs.items()}
    for _ in needs:
        for package in reach:
            reach[package] |= {far for near in reach[package] for far in reach.get(near, ())}
    found = list(circles(needs))
    for circle in found:
        assert len(set(circle)) == len(circle)
        for one, following in zip(circle, (*circle[1:], circle[0]), strict=True):
            assert following in needs[one]
    assert {package for circle in found for package in circle} == {
        package for package, far in reach.items() if package in far
    }
