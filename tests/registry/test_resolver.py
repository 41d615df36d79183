import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.errors import InvalidRange, TooHard, Unsolvable
from registry.ranges import parse_range
from registry.resolver import Resolution, resolve
from registry.version_sets import VersionSet
from registry.versions import Version, after, place_of, preference
from tests.registry.indexes import (
    MemoryIndex,
    as_npm,
    chain,
    index_of,
    layered,
    padded,
    three_sat,
)

# What pub has and we do not: overriding what others ask for (6 cases), choosing the lowest (2).
NOT_OURS = {"downgrade", "overrides"}
CASES = {"resolver-dart-pub": 32, "resolver-poetry": 15}


def chosen(resolution: Resolution) -> dict[str, str]:
    return chosen_of(resolution.versions)


def chosen_of(versions: Mapping[str, Version]) -> dict[str, str]:
    return {package: str(version) for package, version in versions.items()}


def cases(vectors: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((vectors / name / "cases.json").read_text())
    ours = [case for case in found if not NOT_OURS & set(case["needs"])]
    assert len(ours) >= CASES[name]
    return ours


def asked(case: dict[str, Any]) -> tuple[MemoryIndex, dict[str, str]]:
    """What is published and what is asked for: of development too, and the application itself."""
    repo, root = list(case["repo"]), {**dict(case["root"]), **case.get("dev", {})}
    if application := case.get("root_package"):
        repo.append({**application, "deps": {}})
        root[application["name"]] = application["version"]
    return MemoryIndex(repo), root


@pytest.mark.parametrize("name", CASES)
def test_other_projects_cases(vectors: Path, name: str) -> None:
    """`solvable` binds. Where their answer differs from ours it would be taste; none does."""
    for case in cases(vectors, name):
        index, root = asked(case)
        held: dict[str, str] = case.get("locked") or {}
        locked = {name: padded(text) for name, text in held.items()}
        if not case["expect"]["solvable"]:
            with pytest.raises(Unsolvable):
                resolve(index, root, locked=locked, parse=as_npm)
            continue
        resolution = resolve(index, root, locked=locked, parse=as_npm)
        assert_valid(index, root, resolution, as_npm)
        if (result := case["expect"]["result"]) is not None:
            expected = {name: padded(text) for name, text in result.items()}
            assert dict(resolution.versions) == expected, case["id"]


def assert_valid(
    index: MemoryIndex,
    root: Mapping[str, str],
    resolution: Resolution,
    parse: Callable[[str], VersionSet] = parse_range,
) -> None:
    """Everything asked for is there, in a range, and nothing else is."""
    reached = set(root)
    for package, text in root.items():
        assert parse(text).allows(resolution.versions[package])
    for package, version in resolution.versions.items():
        assert resolution.dependencies[package] == index.dependencies(package, version)
        for needed, text in index.dependencies(package, version).items():
            reached.add(needed)
            assert parse(text).allows(resolution.versions[needed])
    assert set(resolution.versions) == reached


def test_the_newest_release_is_chosen_and_a_pre_release_only_by_name() -> None:
    index = index_of({"a 1.0.0": {}, "a 1.1.0": {}, "a 2.0.0-rc.1": {}})
    assert chosen(resolve(index, {"a": "*"})) == {"a": "1.1.0"}
    assert chosen(resolve(index, {"a": ">=2.0.0-rc.0"})) == {"a": "2.0.0-rc.1"}
    assert chosen(resolve(index, {"a": "^1.0.0 || >=2.0.0-rc.0"})) == {"a": "1.1.0"}


def test_what_is_locked_stays_while_it_fits() -> None:
    index = index_of({"a 1.0.0": {"b": "*"}, "a 1.1.0": {"b": "*"}, "b 1.0.0": {}, "b 2.0.0": {}})
    locked = {"a": Version.parse("1.0.0"), "b": Version.parse("1.0.0")}
    assert chosen(resolve(index, {"a": "^1"}, locked=locked)) == {"a": "1.0.0", "b": "1.0.0"}
    moved = resolve(index, {"a": "^1.1"}, locked=locked)
    assert chosen(moved) == {"a": "1.1.0", "b": "1.0.0"}


def test_a_yanked_version_only_by_exact_pin_or_lock() -> None:
    index = index_of({"a 1.0.0": {}, "a 1.1.0!": {}, "b 1.0.0": {"a": "1.1.0"}})
    assert chosen(resolve(index, {"a": "*"})) == {"a": "1.0.0"}
    assert chosen(resolve(index, {"a": "=1.1.0"})) == {"a": "1.1.0"}
    locked = {"a": Version.parse("1.1.0")}
    assert chosen(resolve(index, {"a": "*"}, locked=locked)) == {"a": "1.1.0"}
    with pytest.raises(Unsolvable, match=r"1\.1\.0 was yanked"):
        resolve(index, {"b": "*"})  # a pin by somebody else does not bring it back


def test_a_circle_that_fits_is_no_fault() -> None:
    index = index_of({"a 1.0.0": {"b": "^1"}, "b 1.0.0": {"a": "^1"}})
    assert chosen(resolve(index, {"a": "*"})) == {"a": "1.0.0", "b": "1.0.0"}


def test_a_version_that_depends_on_itself_is_no_choice() -> None:
    index = index_of({"a 1.0.0": {}, "a 1.1.0": {"a": "^1"}})
    assert chosen(resolve(index, {"a": "*"})) == {"a": "1.0.0"}
    with pytest.raises(Unsolvable, match="depends on itself"):
        resolve(index, {"a": "1.1.0"})


def test_a_version_with_an_unreadable_dependency_is_no_choice() -> None:
    index = index_of({"a 1.0.0": {}, "a 1.1.0": {"b": "latest"}, "b 1.0.0": {}})
    assert chosen(resolve(index, {"a": "*"})) == {"a": "1.0.0"}
    with pytest.raises(InvalidRange):
        resolve(index, {"a": "latest"})


def test_the_same_question_has_the_same_answer_in_any_order() -> None:
    index = layered(60, 5, seed=1)
    root = {f"p{number:04}": "*" for number in range(0, 60, 7)}
    once = resolve(index, root)
    again = resolve(index, dict(reversed(root.items())))
    assert (chosen(once), once.steps) == (chosen(again), again.steps)
    assert list(once.versions) == sorted(once.versions)


def test_the_budget_of_steps_and_of_time() -> None:
    index, root = three_sat(25, 107, seed=3)
    with pytest.raises(TooHard, match="10 steps"):
        resolve(index, root, steps_max=10)
    asked = iter([False, False, True])
    with pytest.raises(TooHard, match="in time"):
        resolve(index, root, is_out_of_time=lambda: next(asked))


# Steps, not seconds: what a better machine cannot hide. Each bound is twice what was measured.
@pytest.mark.parametrize(("roots", "steps_max"), [(20, 1_700), (1_000, 4_000)])
def test_a_thousand_packages_of_ten_versions(roots: int, steps_max: int) -> None:
    index = layered(1_000, 10, seed=7)
    root = {f"p{number:04}": "*" for number in range(0, 1_000, 1_000 // roots)}
    resolution = resolve(index, root)
    assert_valid(index, root, resolution)
    assert resolution.steps < steps_max


@pytest.mark.parametrize(("length", "versions"), [(4, 10), (6, 10), (10, 10), (12, 20)])
def test_a_conflict_at_the_end_of_a_chain_is_found_at_once(length: int, versions: int) -> None:
    """Without learning, the tries grow as versions to the power of length."""
    with pytest.raises(Unsolvable, match="gone"):
        resolve(chain(length, versions), {"link0": "*"}, steps_max=10 * length)


def test_two_packages_that_pin_each_other_end_with_an_explanation() -> None:
    index = index_of(
        {
            "a 1.0.0": {"b": "1.0.0"},
            "a 2.0.0": {"b": "2.0.0"},
            "b 1.0.0": {"a": "2.0.0"},
            "b 2.0.0": {"a": "1.0.0"},
        }
    )
    with pytest.raises(Unsolvable, match="in a circle: a → b → a"):
        resolve(index, {"a": "*", "b": "*"}, steps_max=20)


@pytest.mark.parametrize(("variables", "clauses"), [(15, 64), (25, 107)])
def test_hard_problems_end_within_their_steps(variables: int, clauses: int) -> None:
    index, root = three_sat(variables, clauses, seed=5)
    try:
        assert_valid(index, root, resolve(index, root, steps_max=20_000))
    except Unsolvable as error:
        assert len(error.detail.splitlines()) < 60  # noqa: PT017 - either answer may be right


small_range = st.sampled_from(
    ["*", "^1", "^2", "1.0.0", "2.0.0", ">=1.1.0", "<2", "1.1.0 || 2.0.0"]
)
package = st.sampled_from(["a", "b", "c", "d", "e"])
needs = st.dictionaries(package, small_range, max_size=3)
title = st.tuples(package, st.sampled_from(["1.0.0", "1.1.0", "2.0.0", "1.1.0!"])).map(" ".join)


@given(st.dictionaries(title, needs, max_size=12), needs)
def test_an_answer_is_valid_and_a_refusal_is_right(
    packages: dict[str, dict[str, str]], root: dict[str, str]
) -> None:
    index = index_of(packages)
    try:
        assert_valid(index, root, resolve(index, root))
    except Unsolvable as error:
        assert not solvable(index, root)
        assert error.detail.endswith(".")  # noqa: PT017 - either end is right, each with its check


@given(st.dictionaries(title, needs, max_size=12), needs)
@example(
    {"a 1.0.0": {}, "a 1.1.0": {}, "a 2.0.0": {}, "b 1.0.0": {"c": "*"}}
    | {"c 1.0.0": {}, "c 2.0.0": {"a": "^1"}},
    {"a": "*", "b": "*"},
)
def test_nothing_asked_for_could_be_newer_while_the_rest_stays(
    packages: dict[str, dict[str, str]], root: dict[str, str]
) -> None:
    """Neither alone nor together with others of them: an exhaustive search finds no such set."""
    index = index_of(packages)
    try:
        found = resolve(index, root).versions
    except Unsolvable:
        return
    for package in root:
        floors = {name: at_least(index, name, found[name]) for name in root}
        floors[package] -= VersionSet.singleton(place_of(found[package]))
        assert not solvable(index, root, floors), (package, chosen_of(found))


def at_least(index: MemoryIndex, package: str, version: Version) -> VersionSet:
    """The versions that are no worse: a release is better than any pre-release."""
    floor = preference(version)
    better = [one for one in index.versions(package) if preference(one) >= floor]
    return VersionSet.of((place, after(place)) for place in map(place_of, better))


def solvable(
    index: MemoryIndex, root: Mapping[str, str], further: Mapping[str, VersionSet] | None = None
) -> bool:
    """By trying everything; `further` bounds what may be chosen of a package."""
    ranges = {name: [parse_range(text)] for name, text in root.items()}
    for name, accepts in (further or {}).items():
        ranges[name].append(accepts)
    return tried(index, ranges, {}, root)


def tried(
    index: MemoryIndex,
    ranges: dict[str, list[VersionSet]],
    placed: dict[str, Version],
    root: Mapping[str, str],
) -> bool:
    for package, version in placed.items():
        if not all(accepts.allows(version) for accepts in ranges[package]):
            return False
    left = [package for package in ranges if package not in placed]
    if not left:
        return True
    for version in index.versions(left[0]):
        wanted = index.dependencies(left[0], version)
        pinned = left[0] in root and parse_range(root[left[0]]).is_singleton
        if left[0] in wanted or (index.is_yanked(left[0], version) and not pinned):
            continue
        further = {name: list(found) for name, found in ranges.items()}
        for name, text in wanted.items():
            further.setdefault(name, []).append(parse_range(text))
        if tried(index, further, {**placed, left[0]: version}, root):
            return True
    return False
