"""Bytes that are no text, archives that are bombs, and names that people can be shown."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.errors import InvalidFile, Place
from registry.formats.texts import (
    head_of,
    line_of,
    name_of,
    place_in,
    prose_of,
    tag_of,
    tags_of,
    text_of,
    unpacked,
)
from registry.manifest import DESCRIPTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX, TAG_CHARACTERS_MAX
from registry.wasm.names import unsafe


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"abc\xff", "byte 3: is not UTF-8"),
        (b"\xff\xfea\0", "byte 0: is UTF-16"),
        (b"\xfe\xff\0a", "byte 0: is UTF-16"),
        (b"ab\0c", "byte 2: holds a NUL"),
        (b"\xed\xa0\x80", "byte 0: is not UTF-8"),  # half a character, as UTF-8 forbids
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (gzip.compress(b"x" * 1_000, mtime=0)[:-20], "the end of the gzip is missing"),
    ],
)
def test_what_is_no_text_is_refused_with_its_byte(data: bytes, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        text_of(data, "a.txt")


def test_text_may_be_marked_packed_or_old() -> None:
    assert text_of(b"\xef\xbb\xbfhi", "a") == "hi"
    assert text_of(gzip.compress(b"hi") + gzip.compress(b" you"), "a.gz") == "hi you"
    assert text_of("Größe".encode("latin-1"), "a.rle", is_old=True) == "Größe"


def test_a_bomb_is_stopped_at_its_bound() -> None:
    bomb = gzip.compress(bytes(3_000_000))
    assert len(unpacked(bomb, "a.gz", 3_000_000)) == 3_000_000
    with pytest.raises(InvalidFile, match="unpacks to more than 2,999,999 bytes"):
        unpacked(bomb, "a.gz", 2_999_999)
    assert len(head_of(bomb, 100)) == 100
    assert head_of(b"\x1f\x8bno", 3) == b"\x1f\x8bn"


@given(st.text() | st.text(alphabet="./\\a\u202e\x1b\ud800 \n", max_size=300))
def test_what_is_shown_hides_nothing_and_has_an_end(text: str) -> None:
    for shown, most in ((line_of(text), NAME_CHARACTERS_MAX), (tag_of(text), TAG_CHARACTERS_MAX)):
        assert len(shown) <= most
        assert unsafe(shown) is None
    assert len(prose_of(text)) <= DESCRIPTION_CHARACTERS_MAX
    assert not set(tag_of(text)) & set(" /,\n")
    assert name_of(text)
    assert unsafe(name_of(text)) is None


def test_names_come_from_files() -> None:
    assert name_of("dir/Gosper glider-gun.rle.gz") == "Gosper glider-gun"
    assert name_of("C:\\life\\acorn.lif") == "acorn"
    assert name_of("p1.5.cells") == "p1.5"
    assert name_of(".rle") == "unnamed"
    assert tags_of("Non Totalistic", "a/b", "", "a/b") == ("non-totalistic", "a-b")


def test_places_are_counted_from_one() -> None:
    assert str(place_in("ab\ncd", 4)) == "line 2, column 2"
    assert str(Place(pointer="/a/0")) == "/a/0"
    assert str(Place(byte=7)) == "byte 7"
    assert str(Place()) == ""
