"""Half of a character in JSON: JavaScript writes it, and a text has U+FFFD for it."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from universe.formats.halves import whole_characters
from universe.formats.json_pieces import Whole

ANY = st.text(alphabet=st.characters(exclude_categories=()), max_size=12)
ROUGH = st.lists(
    st.sampled_from(["\\", "u", "\\u", "ud83d", "\\ud83d", "\\uDE00", "\\u0041", "d83d", '"', "x"]),
    max_size=12,
).map("".join)


def without_halves(text: str) -> str:
    joined = re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"),
        text,
    )
    return re.sub("[\ud800-\udfff]", "�", joined)


@given(ANY)
def test_whatever_was_cut_is_a_text_then(text: str) -> None:
    written = json.dumps([text, {text: text}]).encode()
    one = without_halves(text)
    assert json.loads(whole_characters(written)) == [one, {one: one}]
    Whole("text").push(written)


@given(ROUGH)
def test_only_what_is_an_escape_is_one(rough: str) -> None:
    """Backslashes that are escaped themselves begin nothing, however many stand in a row."""
    body = f'"{rough}"'.encode()
    try:
        expected: str | None = without_halves(json.loads(body))
    except ValueError:
        expected = None
    try:
        found: str | None = json.loads(whole_characters(body))
    except ValueError:
        found = None
    assert found == expected


@pytest.mark.parametrize("part", [b"\\", b"\\\\u", b"\\ud83d", b"\\ud83d\\", b"\\ud83d\\ude00"])
def test_no_text_is_gone_over_again_and_again(part: bytes) -> None:
    """A megabyte of each, in a moment; by its square this would not end."""
    body = part * ((1 << 20) // len(part))
    assert len(whole_characters(body)) <= len(body)
