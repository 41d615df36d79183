"""What a text says around the words that were looked for: escaped, the words within <b>."""

import asyncio
import html
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import chain
from typing import Final, TypeAlias, cast

from storage.search_words import ASCII_RUN, SHOWN_RUN, WORD_CHARS_MAX, fold, is_unspaced, stem

SNIPPET_CHARS: Final = 160
TEXT_CHARS_MAX: Final = 4_096  # of a text that is looked at
BEFORE_CHARS: Final = 40  # of what stands before the first word found
# Of the descriptions of all records on one page, and of their texts: sixteen words that are all
# slips cost a second at worst in these, 0.1 s mostly, and of a thousand records nobody reads more
# than how they begin.
PAGE_CHARS_MAX: Final = 1 << 18
# Marked on the event loop itself: mostly far less than a thread would cost, some 50 ms in texts
# that are made of beginnings of the words.
AT_ONCE_CHARS_MAX: Final = 1 << 17
STARTS_MAX: Final = 64  # each is looked for alone: of more forms of the words, word by word
# Stems that the beginning of one of their words does not have.
_IRREGULAR: Final = {"die": "dying", "lie": "lying", "tie": "tying", "sky": "skies"}
_ESCAPED: Final = re.compile("[&<>\"']")
# What no text says: it stands between those of a page, and where a mark begins and ends.
END, _OPEN, _CLOSE = "\0\1\2"
_MARKS: Final = re.compile(f"[{_OPEN}{_CLOSE}]")
SLOW: Final = 8  # times as long takes a text that is not ASCII, or where slips are looked for


class Marker:
    """Marks words as the index found them: by their stem, begun, or one slip away."""

    def __init__(
        self, words: Sequence[str], is_begun: bool = True, has_slips: bool = False
    ) -> None:
        self.has_slips = has_slips
        self._words = frozenset(words)
        self._stems = frozenset(map(stem, words))
        last = words[-1] if words and is_begun else ""
        self._begun = last if len(last) > 1 else ""
        self._known: dict[str, bool] = {}  # of one page: texts say the same ones again and again

    def snippet(self, text: str, chars_max: int = TEXT_CHARS_MAX) -> str | None:
        """A part of the beginning of `text` as HTML; None where none of the words is in it."""
        return self.each([text], chars_max)[0]

    def each(self, texts: Sequence[str], chars_max: int = TEXT_CHARS_MAX) -> list[str | None]:
        """`snippet` of each."""
        longest = max(map(len, texts), default=0)
        if longest > chars_max:
            texts = [text[:chars_max] for text in texts]
        short = [text if len(text) <= SNIPPET_CHARS else "" for text in texts]
        page = END.join(texts if longest <= SNIPPET_CHARS else short)
        if not page.isascii():
            page = END.join([text if text.isascii() else "" for text in short])
        if page.count(END) != len(texts) - 1 or _MARKS.search(page):
            return [self._said(text) for text in texts]
        # All of the page as one text, so that little is done for each of its lines.
        marked = _marked_at(page, self._ascii_places(page.lower(), len(page))).split(END)
        return [
            (line if "<b>" in line else None)
            if line and len(text) <= SNIPPET_CHARS
            else self._said(text)
            for text, line in zip(texts, marked, strict=True)
        ]

    def _said(self, text: str) -> str | None:
        if text.isascii():
            places = self._ascii_places(text.lower(), SNIPPET_CHARS)
        else:
            places = self._places(text)
        return self._shown(text, places) if places else None

    def _shown(self, text: str, places: Sequence[tuple[int, int]]) -> str:
        start, stop = _window(text, places)
        escape = html.escape if _ESCAPED.search(text, start, stop) else str
        pieces = ["…"] if start else []
        at = start
        for first, last in places:
            if first >= at and last <= stop:
                pieces += [escape(text[at:first]), "<b>", escape(text[first:last]), "</b>"]
                at = last
        pieces.append(escape(text[at:stop]))
        pieces += ["…"] if stop < len(text) else []
        return "".join(pieces)

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Of one that is not ASCII."""
        found: list[tuple[int, int]] = []
        for run in SHOWN_RUN.finditer(text):
            word = run[0]
            folded = _fold(word) if len(word) <= WORD_CHARS_MAX else fold(word)
            if is_unspaced(folded):
                found += _within(word, run.start(), self._unspaced)
            elif self._is_meant(folded):
                found.append(run.span())
        return found

    def _ascii_places(self, text: str, reach: int) -> list[tuple[int, int]]:
        """Most texts: only what begins as one of the words is looked at, or with a slip is one.

        From the first place on at least those within `reach` characters.
        """
        starts: Collection[str]
        if self.has_slips:
            starts = {run for run in {*ASCII_RUN.findall(text)} if self._is_meant(run)}
            if len(starts) > STARTS_MAX:
                return [run.span() for run in ASCII_RUN.finditer(text) if run[0] in starts]
        else:
            starts = self._starts
        found: set[tuple[int, int]] = set()
        known, find, run_at = self._known, text.find, ASCII_RUN.match
        end = len(text)
        for start in starts:
            at = find(start)
            while 0 <= at < end:
                run = run_at(text, at)
                word = run[0] if run else start
                if at and text[at - 1].isalnum():  # within a word, which may say it again and again
                    at = find(start, at + len(word))
                    continue
                if (is_meant := known.get(word)) is None:
                    is_meant = self._is_meant(word)
                if is_meant:
                    found.add((at, at + len(word)))
                    end = min(end, at + reach)
                at = find(start, at + len(word))
        return sorted(found)

    @cached_property
    def _starts(self) -> list[str]:
        """How every word with one of the stems begins: an ending is never longer than the rest of
        a word that a person would write, a last y turns into an i, and an e may be put back.
        """
        starts = {one.removesuffix("i").removesuffix("e") for one in self._stems}
        starts.update(self._words, (self._begun,))
        starts.update(_IRREGULAR[one] for one in self._stems if one in _IRREGULAR)
        starts.discard("")
        # Where a longer one is found, so is one that it begins with: its word is looked at there.
        shortest: list[str] = []
        for start in sorted(starts):
            if not shortest or not start.startswith(shortest[-1]):
                shortest.append(start)
        return shortest

    def _is_meant(self, word: str) -> bool:
        word = word[:WORD_CHARS_MAX]
        if (known := self._known.get(word)) is None:
            known = self._known[word] = self._is_one(word)
        return known

    def _is_one(self, word: str) -> bool:
        if word in self._words or (self._begun and word.startswith(self._begun)):
            return True
        if stem(word) in self._stems:
            return True
        if self.has_slips:
            for one, head, tail in self._slipped:
                if (word.startswith(head) or word.endswith(tail)) and is_near(word, one):
                    return True
        return False

    @cached_property
    def _slipped(self) -> list[tuple[str, str, str]]:
        """Each word, and how it begins and ends but for two letters: a slip spares one of these."""
        halves = [(one, max(0, len(one) - 2) // 2) for one in self._words]
        return [(one, one[:half], one[half + 2 :]) for one, half in halves]

    @cached_property
    def _unspaced(self) -> tuple[str, ...]:
        return tuple(word for word in self._words if is_unspaced(word))


def _marked_at(page: str, places: Iterable[tuple[int, int]]) -> str:
    """`page`, which has none of `_MARKS`, as HTML."""
    pieces: list[str] = []
    at = 0
    for first, last in places:
        pieces += (page[at:first], _OPEN, page[first:last], _CLOSE)
        at = last
    pieces.append(page[at:])
    marked = "".join(pieces)
    if _ESCAPED.search(marked):
        marked = html.escape(marked)
    return marked.replace(_OPEN, "<b>").replace(_CLOSE, "</b>")


Texts: TypeAlias = tuple[str, str]
"""Of a record: its description, and what else it says."""


async def snippets(marker: Marker, page: Sequence[Texts]) -> list[str]:
    """Of each record what it says around the words, empty where it has none of them.

    What takes long is done beside the event loop. Of a long page only beginnings are looked at.
    """
    chars_max = min(TEXT_CHARS_MAX, PAGE_CHARS_MAX // max(1, len(page)))
    if _is_short(marker, page, chars_max):
        return _marked(marker, page, chars_max)
    return await asyncio.to_thread(_marked, marker, page, chars_max)


def _is_short(marker: Marker, page: Sequence[Texts], chars_max: int) -> bool:
    """Mostly it is, whatever they are."""
    if sum(map(len, chain.from_iterable(page))) * SLOW <= AT_ONCE_CHARS_MAX:
        return True
    chars = sum(
        min(len(text), chars_max) * (1 if text.isascii() and not marker.has_slips else SLOW)
        for texts in page
        for text in texts
    )
    return chars <= AT_ONCE_CHARS_MAX


def _marked(marker: Marker, page: Sequence[Texts], chars_max: int) -> list[str]:
    if not page:
        return []
    descriptions, texts = zip(*page, strict=True)
    said = marker.each(descriptions, chars_max)
    if None in said:
        silent = [at for at, one in enumerate(said) if one is None]
        rest = marker.each([texts[at] for at in silent], chars_max)
        for at, one in zip(silent, rest, strict=True):
            said[at] = one or ""
    return cast("list[str]", said)


def nearest(words: Sequence[str], texts: Iterable[str]) -> str | None:
    """`words` with each that none of `texts` has replaced by one of theirs, a slip away.

    None where there is nothing to replace, or nothing to replace it by.
    """
    there: dict[str, None] = {}
    for text in texts:
        text = text[:TEXT_CHARS_MAX]
        if text.isascii():
            there.update(
                dict.fromkeys(run[:WORD_CHARS_MAX] for run in ASCII_RUN.findall(text.lower()))
            )
            continue
        for run in SHOWN_RUN.findall(text):
            there.setdefault(_fold(run)[:WORD_CHARS_MAX])
    stems = {stem(word) for word in there}
    meant = [
        word
        if word in there or stem(word) in stems
        else next((other for other in there if is_near(word, other)), word)
        for word in words
    ]
    return " ".join(meant) if meant != [*words] else None


def is_near(one: str, other: str) -> bool:
    """Whether a letter more, less or other, or two in the other order, makes them the same."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1:
        return False
    if len(one) > len(other):
        one, other = other, one
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    is_swapped = one[at : at + 2] == other[at : at + 2][::-1]
    return one[at + 1 :] == other[at + 1 :] or (is_swapped and one[at + 2 :] == other[at + 2 :])


_fold = lru_cache(maxsize=1 << 15)(fold)


def _within(run: str, start: int, wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Where a run of a script without spaces has any of them; neighbours are one place."""
    is_marked = [False] * len(run)
    for pair in wanted:
        at = run.find(pair)
        while at >= 0:
            is_marked[at : at + len(pair)] = [True] * len(pair)
            at = run.find(pair, at + 1)
    places: list[tuple[int, int]] = []
    for at, marked in enumerate(is_marked):
        if marked and places and places[-1][1] == start + at:
            places[-1] = (places[-1][0], start + at + 1)
        elif marked:
            places.append((start + at, start + at + 1))
    return places


def _window(text: str, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Where to cut: from a little before the first place on, at spaces where there are any."""
    if len(text) <= SNIPPET_CHARS:
        return 0, len(text)
    start = max(0, min(places[0][0] - BEFORE_CHARS, len(text) - SNIPPET_CHARS))
    if start and (space := text.find(" ", start, places[0][0])) >= 0:
        start = space + 1
    stop = min(len(text), start + SNIPPET_CHARS)
    if stop < len(text) and (space := text.rfind(" ", places[0][1], stop)) >= 0:
        stop = space
    return start, max(stop, min(places[0][1], start + SNIPPET_CHARS))
