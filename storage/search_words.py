"""The words of a text, as the index keeps them and as they are looked for: one way for both.

Compatibility forms, case, accents and marks that nobody types are folded away; words are runs of
letters and digits. Scripts written without spaces give pairs of neighbouring characters, so that a
part of a sentence is found. Only what this gives ever reaches a query: there are no operators.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import tantivy

WORD_CHARS_MAX: Final = 64
"""The rest of a longer one is not looked at: keys and hashes are found by their beginning."""
BEGINNING_CHARS: Final = range(2, 11)
"""Lengths of the beginnings kept; one letter begins half of all words, ten are hardly begun."""

# Combining accents (Latin, Greek, Cyrillic), Hebrew points, Arabic vowels and stretching.
_MARKS: Final = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u0655\u0670"
# What is not seen: soft hyphen, joiners, directions, variation selectors, byte order mark.
_UNSEEN: Final = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
_DROPPED: Final = re.compile(f"[{_MARKS}{_UNSEEN}]")
# Thai, Lao, Myanmar, Khmer, kana, the ideographs of all planes.
_UNSPACED: Final = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3\u3005-\u3007\u3041-\u3096\u30a1-\u30fc"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# A letter of Indian and other scripts carries signs that Python counts as no part of a word.
_SIGNS: Final = "\u0900-\u0963\u0966-\u0dff\u0f18-\u0fbc\ua8e0-\ua8ff"
_RUN: Final = re.compile(f"[{_UNSPACED}]+|(?:(?![{_UNSPACED}_])[\\w{_SIGNS}])+")
ASCII_RUN: Final = re.compile("[a-z0-9]+")
_IS_UNSPACED: Final = re.compile(f"[{_UNSPACED}]")
SHOWN_RUN: Final = re.compile(f"[{_UNSPACED}]+|(?:(?![{_UNSPACED}_])[\\w{_SIGNS}{_MARKS}])+")
"""A word in a text that is shown as it is."""

_STEMMER: Final = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
    .filter(tantivy.Filter.stemmer("english"))
    .build()
)


def fold(text: str) -> str:
    """One form of all that people take for the same text."""
    if text.isascii():
        return text.lower()
    text = text.encode("utf-8", "replace").decode()  # lone surrogates are in no index
    # Twice: folding the case of a composed letter can bring out a mark, and the other way round.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _DROPPED.sub("", folded).casefold())


def runs(text: str) -> list[str]:
    """The words in order, of scripts without spaces whole runs."""
    folded = fold(text)
    return (ASCII_RUN if folded.isascii() else _RUN).findall(folded)


def is_unspaced(run: str) -> bool:
    return bool(_IS_UNSPACED.match(run))


def wanted_words(text: str, most: int) -> list[str]:
    """What to look for, each once, in order; of unspaced runs the pairs."""
    found: dict[str, None] = {}
    for run in runs(text):
        pieces = _pairs(run) if is_unspaced(run) and len(run) > 1 else [run[:WORD_CHARS_MAX]]
        for piece in pieces:
            found.setdefault(piece)
            if len(found) >= most:
                return [*found]
    return [*found]


def kept_words(text: str) -> list[str]:
    """What the index keeps; of unspaced runs each character too, for who looks for one."""
    if text.isascii():
        return [run[:WORD_CHARS_MAX] for run in runs(text)]
    found: list[str] = []
    for run in runs(text):
        if is_unspaced(run):
            found += run
            found += _pairs(run)
        else:
            found.append(run[:WORD_CHARS_MAX])
    return found


def beginnings(words: Iterable[str]) -> set[str]:
    """Of each word, as far as it may be typed so far; it may be whole."""
    least, most = BEGINNING_CHARS.start, BEGINNING_CHARS.stop
    return {word[:length] for word in words for length in range(least, min(most, len(word) + 1))}


@lru_cache(maxsize=1 << 15)
def stem(word: str) -> str:
    """`word` without its English ending; other languages are hardly touched."""
    found: list[str] = _STEMMER.analyze(word)
    return found[0] if found else word


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]
