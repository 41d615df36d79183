"""Text of strangers must not steer a terminal; units are those that people know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.text import duration_text, full_name, printable, short_did, short_name, size_text


@given(st.text())
def test_whatever_is_printed_is_printable_and_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ünïcödé 生命", "plain – ünïcödé 生命"),
        ("\x1b[31mred", "\\u{1b}[31mred"),
        ("a\nb", "a\\u{a}b"),
        ("\u202eevil", "\\u{202e}evil"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3072.0 GiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (61, "1 min"), (3_720, "1 h 2 min"), (93_784, "1 d 2 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_names() -> None:
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    assert short_did(did) == "z6Mkha…ta2doK"
    assert short_name(f"{did}/io.x") == "z6Mkha…ta2doK/io.x"
    assert short_name("io.x") == "io.x"
    assert full_name({"author_did": did, "id": "io.x"}) == f"{did}/io.x"
