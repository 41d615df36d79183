import pytest

from registry.errors import Unsolvable
from registry.explanation import SENTENCES_MAX
from registry.resolver import resolve
from tests.registry.indexes import index_of, three_sat
from tests.registry.people import ALICE_DID, BOB_DID


def explained(packages: dict[str, dict[str, str]], root: dict[str, str]) -> Unsolvable:
    with pytest.raises(Unsolvable) as caught:
        resolve(index_of(packages), root)
    return caught.value


def test_a_conflict_names_the_very_ranges_and_who_asked() -> None:
    error = explained(
        {
            "foo 1.0.0": {"shared": "^2.0"},
            "bar 1.0.0": {"shared": ">=2.9 <4"},
            "shared 2.0.0": {},
            "shared 3.5.0": {},
        },
        {"foo": "1.0.0", "bar": "1.x"},
    )
    assert error.detail.splitlines() == [
        "You ask for bar 1.x.",
        "You ask for foo 1.0.0.",
        "bar 1.0.0 needs shared >=2.9 <4.",
        "foo 1.0.0 needs shared ^2.0.",
        "So no set of versions fits: no shared is both >=2.9 <4 (for bar 1.0.0) and ^2.0"
        " (for foo 1.0.0).",
    ]


def test_a_missing_module_is_named_with_who_wants_it() -> None:
    error = explained({"a 1.0.0": {"b": "^1"}, "a 1.1.0": {"b": "^1"}}, {"a": "^1"})
    assert error.missing == ("b",)
    assert "No module b is known here; every version of a (^1) asked for it." in error.detail
    assert error.detail.endswith("So nothing fits until b is here.")


def test_a_module_that_nobody_has_is_missing_from_the_start() -> None:
    error = explained({}, {"a": "^1"})
    assert error.missing == ("a",)
    assert "No module a is known here; you (^1) asked for it." in error.detail


def test_a_range_without_a_version_says_what_there_is() -> None:
    error = explained({"a 1.0.0": {}, "a 2.1.3": {}}, {"a": "^3"})
    assert "There is no a in ^3; the newest here is 2.1.3." in error.detail


def test_a_pre_release_alone_is_not_taken_and_that_is_said() -> None:
    packages: dict[str, dict[str, str]] = {"a 2.0.0-rc.1": {}}
    hint = ", only pre-releases; ^2.0.0-rc.1 would take 2.0.0-rc.1."
    assert f"There is no release of a in ^2{hint}" in explained(packages, {"a": "^2"}).detail
    assert f"There is no release of a{hint}" in explained(packages, {"a": "*"}).detail
    none = "There is no a in ^3; the newest here is 2.0.0-rc.1."
    assert none in explained(packages, {"a": "^3"}).detail


def test_a_pre_release_beside_releases_is_named_where_it_would_help() -> None:
    packages: dict[str, dict[str, str]] = {"a 1.0.0": {}, "a 2.0.0-rc.1": {}, "a 2.0.0-rc.2": {}}
    taken = "There is no release of a in ^2; ^2.0.0-rc.2 would take 2.0.0-rc.2."
    assert taken in explained(packages, {"a": "^2"}).detail
    other = "There is no a in ^3; the newest here is 1.0.0."
    assert other in explained(packages, {"a": "^3"}).detail


def test_a_range_that_takes_nothing_is_called_so() -> None:
    error = explained({"a 1.0.0": {"b": ">2 <1"}, "b 1.0.0": {}}, {"a": "*"})
    assert "a 1.0.0 needs b >2 <1, which no version can be." in error.detail.splitlines()


def test_a_long_chain_is_told_by_its_facts_alone() -> None:
    packages = {f"p{at} 1.0.0": {f"p{at + 1}": "^1"} for at in range(9)}
    error = explained(
        {**packages, "p9 1.0.0": {"z": "^1"}, "z 1.0.0": {}, "z 2.0.0": {}}, {"p0": "*", "z": "^2"}
    )
    assert error.detail.splitlines() == [
        "You ask for p0 in any version.",
        "You ask for z ^2.",
        *(f"p{at} 1.0.0 needs p{at + 1} ^1." for at in range(9)),
        "p9 1.0.0 needs z ^1.",
        "So no set of versions fits: no z is both ^1 (for p9 1.0.0) and ^2 (for you).",
    ]


def test_what_was_left_out_is_told_with_its_reason() -> None:
    error = explained({"a 1.0.0!": {}, "a 1.1.0": {"a": "*"}}, {"a": "^1"})
    assert "No version of a in ^1 may be used: 1.0.0 was yanked, 1.1.0 depends on itself." in (
        error.detail
    )


def test_a_yanked_version_that_both_could_use_is_told() -> None:
    error = explained(
        {
            "a 1.0.0": {"c": "<2"},
            "b 1.0.0": {"c": ">1.0.0"},
            "c 1.0.0": {},
            "c 1.5.0!": {},
            "c 2.0.0": {},
        },
        {"a": "*", "b": "*"},
    )
    assert error.detail.endswith("; 1.5.0 was yanked.")


def test_a_circle_is_said_plainly() -> None:
    error = explained(
        {
            "a 1.0.0": {"b": "^1"},
            "b 1.0.0": {"c": "^1"},
            "c 1.0.0": {"a": "^2"},
            "a 2.0.0": {"b": "^1"},
        },
        {"a": "^1"},
    )
    assert "These need one another in a circle: a → b → c → a." in error.detail.splitlines()


def test_authors_are_named_only_where_ids_are_the_same() -> None:
    alices, bobs, map_ = f"{ALICE_DID}/x.dice", f"{BOB_DID}/x.dice", f"{BOB_DID}/x.map"
    error = explained(
        {
            f"{alices} 1.0.0": {map_: "^1"},
            f"{bobs} 1.0.0": {map_: "^2"},
            f"{map_} 1.0.0": {},
            f"{map_} 2.0.0": {},
        },
        {alices: "*", bobs: "*"},
    )
    assert f"…{ALICE_DID[-6:]}/x.dice" in error.detail
    assert f"…{BOB_DID[-6:]}/x.dice" in error.detail
    assert BOB_DID not in error.detail
    assert "no x.map is both ^2" in error.detail


def test_a_long_proof_is_cut() -> None:
    index, root = three_sat(12, 90, seed=2)
    with pytest.raises(Unsolvable) as caught:
        resolve(index, root)
    lines = caught.value.detail.splitlines()
    assert "… and more steps of the same sort." in lines
    assert len(lines) < SENTENCES_MAX + 40
