"""JSON of strangers: what is refused before it is parsed, and where things stand in the text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.errors import InvalidFile
from registry.formats.json_text import Reader, check, members, parse, start_of
from registry.formats.limits import JSON_DEPTH_MAX, JSON_VALUES_MAX, NUMBER_CHARACTERS_MAX

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN, st.sampled_from([None, 1]))
def test_what_json_takes_is_taken(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert parse(text, "a.json") == value


@given(st.lists(PLAIN) | st.dictionaries(st.text(), PLAIN), st.sampled_from([None, 2]))
def test_the_parts_stand_where_they_are_said_to(
    value: list[object] | dict[str, object], indent: int | None
) -> None:
    text = f" {json.dumps(value, indent=indent, ensure_ascii=False)}\n"
    parts = [*members(text, start_of(text))]
    pairs = [*value.items()] if isinstance(value, dict) else [("", each) for each in value]
    assert [(part.key, part.value) for part in parts] == pairs
    assert [json.loads(text[part.start : part.end]) for part in parts] == [v for _, v in pairs]


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ('{"a": 1,\n "a": 2}', "line 2, column 2", "the key 'a' occurs twice"),
        ('{"x": {"b": 1}, "y": [{"b": 1, "c": 1, "b": 2}]}', "line 1, column 40", "'b' occurs"),
        ('{"a": "a", "c": {"a": 1}, "\\u0061": 2}', "line 1, column 27", "'a' occurs twice"),
        ('{"a":\n  NaN}', "line 2, column 3", "'NaN' is no JSON"),
        ('{"a": -Infinity}', "line 1, column 7", "only finite numbers"),
        ('{"a": 1e999}', "line 1, column 7", "beyond the numbers"),
        (f'{{"a": {"1" * 65}}}', "line 1, column 7", f"more than {NUMBER_CHARACTERS_MAX}"),
        ('{"a": 1', "line 1, column 8", "delimiter"),
        ('{"a": "\n"}', "line 1, column 8", "control character"),
        ("[1] 2", "line 1, column 5", "Extra data"),
        ("", "line 1, column 1", "Expecting value"),
        ('{"a": tru}', "line 1, column 7", "Expecting value"),
        ('["never ends', "line 1, column 2", "Unterminated"),
        ('{"a": 1e+}', "line 1, column 8", "delimiter"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, where: str, why: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        parse(text, "my.json")
    assert refused.value.detail.startswith(f"my.json: {where}: ")
    assert why in refused.value.detail


def test_brackets_in_texts_are_no_depth() -> None:
    check(json.dumps(["[" * 1_000, '\\"{{{']), "a.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * (JSON_DEPTH_MAX + 1), "[{" * 5_000])
def test_depth_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(InvalidFile, match="deep"):
        parse(text, "deep.json")
    inside = "[" * JSON_DEPTH_MAX + "]" * JSON_DEPTH_MAX
    assert parse(inside, "a.json") is not None


def test_so_is_their_number() -> None:
    with pytest.raises(InvalidFile, match="values"):
        parse(f"[{'0,' * (JSON_VALUES_MAX + 1)}0]", "many.json")


def test_quotes_that_never_end_cost_no_square() -> None:
    with pytest.raises(InvalidFile):  # a quadratic look would take minutes
        parse('["' + '\\"' * 200_000, "quotes.json")


def test_a_reader_points_at_what_is_wrong() -> None:
    value = {"a": {"b~/c": [{"n": 1.5}]}}
    reader = next(iter(Reader(value, "f").inside("a").objects("b~/c", 1)))
    assert reader.number("n") == 1.5
    for take, why in (
        (lambda: reader.whole("n"), "/a/b~/c/0/n: must be a whole number"),
        (lambda: reader.text("m"), "/a/b~/c/0/m: is missing"),
        (lambda: reader.flag("n"), "must be true or false"),
        (lambda: reader.inside("n"), "must be an object"),
        (lambda: reader.items("n", 1), "must be a list"),
    ):
        with pytest.raises(InvalidFile, match=why):
            take()
    with pytest.raises(InvalidFile, match="2 of them, at most 1"):
        Reader({"x": [1, 2]}, "f").items("x", 1)


@pytest.mark.parametrize(
    ("number", "fits"), [(255, True), (256, False), (-1, False), (True, False)]
)
def test_whole_numbers_have_their_bits(number: int, fits: bool) -> None:
    reader = Reader({"n": number}, "f")
    if fits:
        assert reader.whole("n", bits=8) == number
    else:
        with pytest.raises(InvalidFile, match="of 8 bits"):
            reader.whole("n", bits=8)
    assert Reader({"n": -128}, "f").whole("n", bits=8, is_signed=True) == -128
