import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.encoding import U64_MAX, Reader
from crdt.entry import Entry
from crdt.errors import Malformed
from crdt.keys import AuthorKey
from tests.crdt.strategies import ALICE, BOB, areas, areas_within, entries, small_paths

ALICES = AuthorKey(ALICE.public)
BOBS = AuthorKey(BOB.public)
small_entries = entries(small_paths)


def area_of(fields: dict[str, Any]) -> Area:
    """An area as willow-go's vectors write it."""
    subspace = fields["subspace_hex"]
    return Area(
        AuthorKey(bytes.fromhex(subspace)) if subspace else None,
        tuple(map(bytes.fromhex, fields["path_components_hex"])),
        fields["times_start"],
        fields["times_end"],
    )


def test_the_public_areas_of_willow_go(vectors: Path) -> None:
    cases = json.loads((vectors / "willow_go" / "areas" / "relative.json").read_text())["cases"]

    assert len(cases) == 8
    for case in cases:
        inner, outer = area_of(case["target"]), area_of(case["rel"])
        encoded = encode_area_in_area(inner, outer)
        assert encoded.hex() == case["encoded_hex"], case["name"]
        assert read_area_in_area(Reader(encoded), outer) == inner


@given(st.data(), areas())
def test_reading_an_area_undoes_writing_it(data: st.DataObject, outer: Area) -> None:
    inner = data.draw(areas_within(outer))
    reader = Reader(encode_area_in_area(inner, outer))

    assert outer.includes(inner)
    assert read_area_in_area(reader, outer) == inner
    reader.finish()


@given(st.data(), areas())
def test_under_the_rule_of_willow_rs_as_well(data: st.DataObject, outer: Area) -> None:
    inner = data.draw(areas_within(outer))
    encoded = encode_area_in_area(inner, outer, willow_rs=True)
    assert read_area_in_area(Reader(encoded), outer, willow_rs=True) == inner


@given(areas(), st.binary(max_size=120))
def test_any_bytes_are_refused_or_an_area_within(outer: Area, data: bytes) -> None:
    with suppress(Malformed):
        inner = read_area_in_area(Reader(data), outer)
        assert outer.includes(inner)
        assert inner.end is None or inner.start < inner.end <= U64_MAX
        encode_area_in_area(inner, outer)


@pytest.mark.parametrize(
    ("code", "outer", "data"),
    [
        ("area-subspace", Area(ALICES), "e0" + "00" * 32 + "0000"),
        ("area-times", Area(end=10), "60" + "00" + "00"),  # open within closed
        ("area-times", Area(), "40" + "00" + "00"),  # a start that counts from an open end
        ("area-times", Area(), "20" + "0001" + "00"),  # an end that does
        ("area-times", Area(), "70" + "00" + "00"),  # an open end that counts from the start
        ("area-times", Area(), "30" + "0500" + "00"),  # ends before it starts
        ("area-times", Area(), "30" + "0505" + "00"),  # ends where it starts
        ("area-times", Area(start=5, end=9), "00" + "0500" + "00"),  # starts before the outer
        ("area-times", Area(start=9), "33" + "00" + "ff" * 8 + "00"),  # ends after all time
        ("area-not-included", Area(end=10), "30" + "000b" + "00"),  # ends after the outer
        ("path-size", Area(path=(bytes(4096),)), "60" + "00" + "1161"),
        ("truncated", Area(), "e0" + "00" * 31),
        ("truncated", Area(), ""),
    ],
)
def test_an_area_that_reaches_out_of_the_outer_one_is_refused(
    code: str, outer: Area, data: str
) -> None:
    with pytest.raises(Malformed) as refusal:
        read_area_in_area(Reader(bytes.fromhex(data)), outer)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("inner", "header", "distances"),
    [
        (Area(start=100, end=200), 0x20, "0000"),  # each from its own end
        (Area(start=110, end=190), 0x20, "0a0a"),  # the end is nearer to the end
        (Area(start=150, end=200), 0x00, "3200"),  # on a tie from the end
        (Area(start=150, end=151), 0x00, "3231"),
    ],
)
def test_a_distance_counts_from_the_nearer_end(inner: Area, header: int, distances: str) -> None:
    outer = Area(start=100, end=200)
    assert encode_area_in_area(inner, outer).hex() == f"{header:02x}{distances}00"


@given(areas(), areas(), areas())
def test_inclusion_is_an_order(one: Area, two: Area, three: Area) -> None:
    assert one.includes(one)
    if one.includes(two) and two.includes(three):
        assert one.includes(three)
    if one.includes(two) and two.includes(one):
        assert one == two


@given(areas(), areas(), small_entries)
def test_what_an_area_includes_holds_for_its_entries(one: Area, two: Area, entry: Entry) -> None:
    if one.includes(two) and two.includes_entry(entry):
        assert one.includes_entry(entry)


@given(areas(), areas())
def test_an_intersection_is_the_largest_area_in_both(one: Area, two: Area) -> None:
    both = one.intersection(two)
    assert both == two.intersection(one)
    if both is not None:
        assert one.includes(both)
        assert two.includes(both)
    if one.includes(two):
        assert both == two


@given(areas(), areas(), areas())
def test_intersecting_three_areas_in_any_order(one: Area, two: Area, three: Area) -> None:
    left, right = one.intersection(two), two.intersection(three)
    assert one.intersection(one) == one
    assert (left and left.intersection(three)) == (right and one.intersection(right))


@given(areas(), areas(), small_entries)
def test_an_intersection_has_exactly_the_entries_of_both(
    one: Area, two: Area, entry: Entry
) -> None:
    both = one.intersection(two)
    is_in_both = one.includes_entry(entry) and two.includes_entry(entry)
    assert (both is not None and both.includes_entry(entry)) == is_in_both


@given(st.data(), areas())
def test_an_entry_lies_in_exactly_the_areas_that_include_its_moment(
    data: st.DataObject, area: Area
) -> None:
    entry = data.draw(small_entries)
    moment = Area(entry.subspace, entry.path, entry.timestamp, entry.timestamp + 1)
    assert area.includes_entry(entry) == area.includes(moment)


def test_alice_hands_bob_a_folder_until_noon() -> None:
    area = Area(ALICES, (b"pub", b"mod"), 100, 200)
    for other, is_included in (
        (area, True),
        (replace(area, path=(b"pub", b"mod", b"io.univrs.user")), True),
        (replace(area, start=199), True),
        (replace(area, path=(b"pub",)), False),
        (replace(area, path=(b"pub", b"module")), False),  # components, not letters
        (replace(area, subspace=BOBS), False),
        (replace(area, subspace=None), False),
        (replace(area, start=99), False),
        (replace(area, end=201), False),
        (replace(area, end=None), False),
    ):
        assert area.includes(other) == is_included
