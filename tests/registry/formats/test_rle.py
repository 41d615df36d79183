"""Patterns as RLE: what Golly and LifeWiki write, and what nobody should."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats import Format, InvalidFile, read
from registry.formats.limits import COORDINATE_MAX, RUNS_MAX
from registry.formats.patterns import (
    Pattern,
    Run,
    bounds_of,
    family_of,
    normal_rule,
    rows_of,
)
from registry.formats.rle import letters_of, pattern_of_rle, state_of, write_rle

GUN = b"""#N Gosper glider gun
#O Bill Gosper, November 1970
#C The first known gun
#C and the first known finite pattern with unbounded growth.
x = 36, y = 9, rule = B3/S23
24bo$22bobo$12b2o6b2o12b2o$11bo3bo4b2o12b2o$2o8bo5bo3b2o$2o8bo3bob2o4b
obo$10bo5bo7bo$11bo3bo$12b2o!
"""
GLIDER = (Run(0, 1, 1, 1), Run(1, 2, 1, 1), Run(2, 0, 3, 1))


def test_a_pattern_of_lifewiki() -> None:
    (found,) = read(Format.RLE, GUN, "gun.rle")
    assert found.data == GUN
    assert (found.kind, found.name, found.by) == (
        "genome", "Gosper glider gun", "Bill Gosper, November 1970",
    )  # fmt: skip
    assert found.description.startswith("The first known gun and the first")
    assert found.tags == ("pattern", "life")
    assert found.fields == {"rule": "B3/S23", "width": 36, "height": 9, "population": 36}


@pytest.mark.parametrize(
    "text",
    [
        "x = 3, y = 3\nbob$2bo$3o!",
        "x=3,y=3,rule=B3/S23\nbo$bbo$ooo!",
        "#r 23/3\nx = 3, y = 3\n\nb\no$\n2\nbo$3o",
        "# a comment\r\nx = 3, y = 3, rule = b3s23\r\nbob$2b\r\no$3o!\r\nfor people",
        "bo$2bo$3o!",
        "X = 3 , Y = 3, Rule = life\n.A$..A$3A!",
        "x = 0, y = 0\nbo$\n# between\n2bo$3o!\n#C after",
        "\ufeffx = 3, y = 3\nbo$2bo$3o!",
    ],
)
def test_the_many_ways_to_write_a_glider(text: str) -> None:
    pattern = pattern_of_rle(text.encode(), "glider.rle")
    assert pattern.runs == GLIDER
    assert pattern.rule == "B3/S23"


def test_what_comments_say() -> None:
    text = b"#CXRLE Pos=-5,7 Gen=3480106827776\n#c low\n#P 1 2\nx = 1, y = 1\no!\n#O late\n"
    pattern = pattern_of_rle(text, "a.rle")
    assert pattern.fields == {"left": 1, "top": 2, "generation": 3480106827776}
    assert (pattern.comments, pattern.by) == (("low",), "late")


def test_states_and_rules_of_any_kind_are_kept() -> None:
    text = b"x = 4, y = 1, rule = R5,C0,M1,S34..58,B34..45,NM:T400,400\nApA2.yO!"
    pattern = pattern_of_rle(text, "bugs.rle")
    assert pattern.runs == (Run(0, 0, 1, 1), Run(0, 1, 1, 25), Run(0, 4, 1, 255))
    assert pattern.rule == "R5,C0,M1,S34..58,B34..45,NM:T400,400"
    assert family_of(pattern.rule) == "larger-than-life"
    assert pattern_of_rle(write_rle(pattern), "again.rle").runs == pattern.runs


@pytest.mark.parametrize(
    ("rule", "normal", "family"),
    [
        ("23/3", "B3/S23", "life"),
        ("s23/b36:T10,20", "B36/S23:T10,20", "life-like"),
        ("345/3/6", "345/3/6", "generations"),
        ("B2-a/S12", "B2-a/S12", "non-totalistic"),
        ("WireWorld", "WireWorld", "WireWorld"),
        ("Life", "B3/S23", "life"),
    ],
)
def test_rules_and_their_families(rule: str, normal: str, family: str) -> None:
    assert (normal_rule(rule), family_of(rule)) == (normal, family)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1, y = 1\no1000000000000o!", "line 2, column 2: a run of '1000000000000' cells"),
        ("x = 1, y = 1\n2000000000o!", "line 2, column 1: a run of"),
        ("x = 1, y = 1\n1000000000b\n1000000000bo!", "line 3, column 1: reaches further"),
        ("x = 1, y = 1\n1000000000$1000000000$o!", "reaches further"),
        ("x = 1, y = 1\n0o!", "a run of '0'"),
        ("x = 1, y = 1\nb?o!", "line 2, column 2: '\\?' is no state"),
        ("x = 1, y = 1\nq!", "line 2, column 1: 'q' is no state"),
        ("x = 1, y = 1\no\n  3\n q!", "line 4, column 2: 'q' is no state"),
        ("x = 1, y = 1\nyP!", "'yP' is no state"),
        ("x = 1, y = 1\np!", "'p' is no state"),
        ("x = 1, y = 1\n3", "'3' is no state"),
        ("#C only words", "holds no pattern"),
        ("", "holds no pattern"),
        (f"x = 1, y = 1, rule = {'B' * 300}\no!", "a rule of more than"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        read(Format.RLE, text.encode(), "bad.rle")


def test_runs_have_a_number_that_they_end_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.formats.patterns.RUNS_MAX", 4)  # the real one takes a second
    assert RUNS_MAX > 100_000
    assert read(Format.RLE, b"x = 1, y = 1\nABAB!", "few.rle")
    with pytest.raises(InvalidFile, match="line 2, column 5: more than 4 runs of live cells"):
        read(Format.RLE, b"x = 1, y = 1\nABABA!", "many.rle")


def test_a_run_as_wide_as_the_world_costs_one_row_until_it_is_drawn() -> None:
    (found,) = read(Format.RLE, b"x = 1, y = 1\n1000000000o!", "wide.rle")
    assert found.fields["population"] == 1_000_000_000 < COORDINATE_MAX
    with pytest.raises(InvalidFile, match="to write out"):
        rows_of(pattern_of_rle(found.data, "wide.rle"), "wide.rle")


def test_a_packed_pattern_is_kept_packed() -> None:
    packed = gzip.compress(GUN)
    (found,) = read(Format.RLE, packed, "gun.rle.gz")
    assert (found.data, found.name) == (packed, "Gosper glider gun")


@given(st.integers(0, 255))
def test_letters_of_states(state: int) -> None:
    assert state_of(letters_of(state)) == state


CELLS = st.dictionaries(
    st.tuples(st.integers(-40, 40), st.integers(-9, 9)), st.integers(1, 255), max_size=60
)


@given(CELLS, st.sampled_from(["B3/S23", "WireWorld", "345/3/6:P9,0"]), st.booleans())
def test_reading_undoes_writing(
    cells: dict[tuple[int, int], int], rule: str, is_plain: bool
) -> None:
    runs = tuple(Run(y, x, 1, 1 if is_plain else state) for (y, x), state in sorted(cells.items()))
    pattern = Pattern(runs, rule, name="a name", by="somebody", comments=("one", "two"))
    again = pattern_of_rle(write_rle(pattern), "again.rle")
    assert (again.rule, again.name, again.by) == (rule, "a name", "somebody")
    assert again.comments == ("one", "two")
    assert again.population == pattern.population
    assert rows_of(again, "a") == rows_of(pattern, "a")
    box = bounds_of(pattern)
    place = (again.fields.get("left", 0), again.fields.get("top", 0))
    assert place == ((box.left, box.top) if box.left or box.top else (0, 0))
    assert all(len(line) <= 70 for line in write_rle(pattern).splitlines())
