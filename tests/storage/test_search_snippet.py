"""What is shown of what was found: marked as it was found, and never on the event loop for long."""

import html
import re
import string
import sys
import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.search_snippet import (
    AT_ONCE_CHARS_MAX,
    PAGE_CHARS_MAX,
    SLOW,
    TEXT_CHARS_MAX,
    Marker,
    is_near,
    snippets,
)
from storage.search_words import fold, stem


class Watched(Marker):
    """Notes which threads mark."""

    def __init__(self, words: Sequence[str], *, has_slips: bool = False) -> None:
        super().__init__(words, has_slips=has_slips)
        self.threads: set[int] = set()

    def each(self, texts: Sequence[str], chars_max: int = TEXT_CHARS_MAX) -> list[str | None]:
        self.threads.add(threading.get_ident())
        return super().each(texts, chars_max)


@pytest.mark.parametrize(
    ("text", "has_slips", "records"),
    [("soup " * 700, False, 100), ("süß " * 700, False, 10), ("soup " * 700, True, 10)],
)
async def test_a_long_page_is_marked_beside_the_event_loop(
    text: str, has_slips: bool, records: int
) -> None:
    marker = Watched(("soup", "suss"), has_slips=has_slips)
    found = await snippets(marker, [("", text)] * records)
    assert len(found) == records
    assert all("<b>" in one for one in found)
    assert threading.get_ident() not in marker.threads


async def test_a_usual_page_waits_for_no_thread() -> None:
    marker = Watched(("soup",))
    page = [("A soup of cells.", "readme " * 50)] * 20
    assert await snippets(marker, page) == ["A <b>soup</b> of cells."] * 20
    assert marker.threads == {threading.get_ident()}


async def test_of_a_thousand_records_their_beginnings_are_looked_at() -> None:
    each = PAGE_CHARS_MAX // 1_000
    page = [("." * (each - 5) + " soup", ""), ("." * each + " soup", "")] * 500
    found = await snippets(Marker(("soup",)), page)
    assert all("<b>soup</b>" in one for one in found[::2])
    assert set(found[1::2]) == {""}
    (whole,) = await snippets(Marker(("soup",)), [("." * each + " soup", "")])
    assert "<b>soup</b>" in whole


def test_what_is_marked_at_once_is_a_part_of_a_page() -> None:
    assert AT_ONCE_CHARS_MAX * SLOW > PAGE_CHARS_MAX > AT_ONCE_CHARS_MAX
    assert TEXT_CHARS_MAX * 20 <= PAGE_CHARS_MAX


def calls_of(work: Callable[[], object]) -> int:
    """How often it calls something, in Python or C."""
    calls = 0

    def note(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_a_long_word_takes_no_step_for_each_of_its_letters() -> None:
    """Whoever writes such texts would hold up everybody who looks for their letters."""
    words = ["a" * number for number in range(1, 17)]
    texts = ["x" + "a" * 4_000] * 20
    assert Marker(words).each(texts) == [None] * 20
    assert calls_of(lambda: Marker(words).each(texts)) < 1_000  # of 80,000 letters


def test_of_a_text_that_says_it_everywhere_only_what_is_shown_is_marked() -> None:
    words = [*"abcde", "ab", "abc", "abcd"]
    texts = ["abcde " * 600] * 20
    assert calls_of(lambda: Marker(words).each(texts)) < 20_000  # of 12,000 words


@settings(max_examples=200, deadline=None)
@given(
    said=st.lists(st.sampled_from(("clock", "clocks", "gear", "a", "in", "cloc<k")), min_size=60),
    at=st.integers(0, 400),
    words=st.lists(st.sampled_from(("clock", "gear", "ge", "c", "a")), min_size=1),
    has_slips=st.booleans(),
)
def test_a_long_text_is_shown_as_one_that_is_looked_at_word_by_word(
    said: list[str], at: int, words: list[str], has_slips: bool
) -> None:
    text = " ".join(said)
    text = text[:at] + " of nothing" * 20 + text[at:] + " end"
    other = Marker(words, has_slips=has_slips).snippet(text[:-3] + "é" * 3)
    snippet = Marker(words, has_slips=has_slips).snippet(text)
    assert (snippet and snippet.replace(" end", " ééé")) == other


@settings(max_examples=200, deadline=None)
@given(
    texts=st.lists(st.text("clock gear\nü神经<0", max_size=12), max_size=6),
    words=st.lists(st.sampled_from(("clock", "gear", "ge", "c", "0", "神经", "ür")), min_size=1),
    has_slips=st.booleans(),
)
@example(texts=["", "clock", "", "a ü clock", "clock\nclock", ""], words=["clock"], has_slips=False)
def test_a_page_is_marked_as_each_of_its_texts_is(
    texts: list[str], words: list[str], has_slips: bool
) -> None:
    def marker() -> Marker:
        return Marker(tuple(words), has_slips=has_slips)

    page = marker().each(texts)
    assert page == [marker().snippet(text) for text in texts]
    for text, said in zip(texts, page, strict=True):
        assert said is None or html.unescape(re.sub("</?b>", "", said)) == text


@settings(max_examples=200, deadline=None)
@given(
    word=st.text("abe", min_size=1, max_size=6),
    texts=st.lists(st.text("abé ", max_size=30), min_size=1, max_size=3),
)
@example(word="abab", texts=["baab aabb abba", "abaab bab"])
def test_a_slip_is_marked_where_it_is_near(word: str, texts: list[str]) -> None:
    """Words of a page are sorted out by how they begin or end before they are compared."""

    def shown(run: str) -> str:
        is_meant = is_near(fold(run), word) or stem(fold(run)) == stem(word)
        return f"<b>{run}</b>" if is_meant and run.strip() else run

    said = Marker((word,), is_begun=False, has_slips=True).each(texts)
    for text, snippet in zip(texts, said, strict=True):
        assert (snippet or text) == "".join(map(shown, re.split("( +)", text)))


def test_many_forms_of_a_word_are_marked_as_few_are() -> None:
    forms = [f"clo{letter}k{more}" for letter in string.ascii_lowercase for more in ("", "s", "x")]
    marker = Marker(("clock",), is_begun=False, has_slips=True)
    each = [Marker(("clock",), is_begun=False, has_slips=True).snippet(form) for form in forms]
    assert marker.each([*forms, "clooock"]) == [*each, None]
    assert marker.snippet(" ".join(forms), 1 << 20) is not None


@pytest.mark.parametrize(
    "forms",
    ["moving move moved moves", "hoping hope hopes", "rating rated rates", "use using used uses",
     "agreeing agreed agree", "studies study studying", "happy happiness", "running run runs",
     "dying die died dies", "lying lie lies", "tying tie tied", "skies sky", "early", "being be",
     "generously generous", "evolving evolve evolved", "cities city", "e", "eie"],
)  # fmt: skip
def test_every_form_of_a_word_is_marked_whatever_else_the_text_says(forms: str) -> None:
    """ASCII texts are looked through by how words begin, others word by word."""
    for word in forms.split():
        marker = Marker((word, "gun"))
        for other in forms.split():
            text = f"A {other} thing"
            assert marker.snippet(text) == f"A <b>{other}</b> thing", (word, other)
            assert marker.snippet(f"{text}: ö") == f"A <b>{other}</b> thing: ö", (word, other)


@pytest.mark.parametrize(
    ("word", "is_meant"),
    [("network", True), ("netwrok", True), ("netwok", True), ("networkk", True), ("etwork", True),
     ("nettwwork", False), ("work", False), ("networking", True), ("ökö", True), ("ökö1", True)],
)  # fmt: skip
def test_a_slip_is_a_letter_away_whatever_its_length(word: str, is_meant: bool) -> None:
    marker = Marker(("network", "oko"), is_begun=False, has_slips=True)
    for _ in range(2):  # known the second time
        assert (marker.snippet(f"a {word} b") is not None) == is_meant
