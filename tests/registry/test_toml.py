import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.toml import Lines, NotToml, did_you_mean, load, quote


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_comes_back(text: str) -> None:
    assert tomllib.loads(f"x = {quote(text)}") == {"x": text}
    assert quote(text).isprintable()


@given(st.text())
def test_any_text_is_toml_or_our_error(text: str) -> None:
    try:
        assert load(text) == tomllib.loads(text)
    except NotToml as error:
        assert error.detail  # noqa: PT017 - the text may as well be TOML


def test_the_line_of_a_key_or_of_the_nearest_above() -> None:
    lines = Lines('[a]\nb = 1\n"c.d" = {e = 1}\n[f]\n[f."g.h"]\ni.j = 1\n')
    assert lines.of(("a", "b")) == 2
    assert lines.of(("a", "c.d", "e")) == 3
    assert lines.of(("f", "missing")) == 4
    assert lines.of(("f", "g.h", "i", "j")) == 6
    assert lines.of(("g",)) is None


def test_a_near_miss_is_guessed_and_a_far_one_is_not() -> None:
    assert "name" in did_you_mean("nmae", ["name", "version"])
    assert did_you_mean("zebra", ["name", "version"]) == ""


@pytest.mark.parametrize("text", ["a = [[[[[[[[[1]]]]]]]]]", "a.b.c.d.e.f.g.h.i.j = 1"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(NotToml, match="deep"):
        load(text)
