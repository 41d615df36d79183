from hypothesis import given
from hypothesis import strategies as st

from registry.ranges import parse_range
from registry.version_sets import VersionSet
from registry.versions import Place, is_release, parse_version, place_of
from tests.registry.test_ranges import npm_range, version

places = st.lists(version.map(lambda text: place_of(parse_version(text))), unique=True).map(sorted)


@given(npm_range, places)
def test_counting_is_asking_for_each(text: str, known: list[Place]) -> None:
    taken = parse_range(text)
    assert taken.count_in(known) == sum(place in taken for place in known)


@given(npm_range, places)
def test_the_best_is_the_highest_release_else_the_highest_pre_release(
    text: str, known: list[Place]
) -> None:
    taken = parse_range(text)
    inside = [place for place in known if place in taken]
    releases = [place for place in inside if is_release(place)]
    assert taken.best_of(known) == (max(releases or inside) if inside else None)


@given(version)
def test_a_singleton_holds_one(text: str) -> None:
    place = place_of(parse_version(text))
    only = VersionSet.singleton(place)
    assert place in only
    assert only.is_singleton
    assert only == parse_range(f"={text}")
    assert not (~only).is_singleton


edges = st.integers(0, 12).map(lambda patch: (0, 0, 0, patch))
sets = st.lists(st.tuples(edges, edges), max_size=4).map(VersionSet.of)


@given(sets, sets)
def test_a_relation_is_what_is_common(one: VersionSet, other: VersionSet) -> None:
    relation, both = one.relation(other), one & other
    assert relation.is_subset == (both == one)
    assert relation.is_disjoint == both.is_empty


def test_relations() -> None:
    one, two, none = parse_range("^1"), parse_range(">=1"), VersionSet.empty()
    assert one.relation(two).is_subset
    assert two.is_superset(one)
    assert one.is_disjoint(parse_range("^2"))
    assert none.relation(one).is_subset
    assert none.relation(one).is_disjoint
    assert VersionSet.full() == ~none
