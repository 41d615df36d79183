"""One JSON value whose text comes in pieces: is it one, and where does it end.

In the memory of its open brackets, whatever its size. A token is looked at once for each level of
brackets that a pattern spans (`_LEVELS`), and once more, at most; brackets that open or close in a
row are one step. So no text is slow.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from itertools import islice
from typing import Final

from registry.formats.errors import InvalidFile, Place

DEPTH_MAX: Final = 1_000
"""Brackets in brackets; other readers end there too."""
ATOM_BYTES_MAX: Final = 1_024
"""Digits of a number."""

# What was taken is never tried again in another way: classes are possessive, groups atomic. To make
# groups with several ways possessive does not do: Python before 3.11.5 matches those wrongly.
_HEX: Final = r"[0-9a-fA-F]"
_CHARACTERS: Final = (
    r'(?>(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]'
    rf"|u{_HEX}{{4}}))*)"  # also half of a character: see `halves`
)
_STRING: Final = f'"{_CHARACTERS}"'
_LONG: Final = f"[-+.0-9a-zA-Z]{{{ATOM_BYTES_MAX + 1}}}"
_NUMBER: Final = rf"(?>(?!{_LONG})-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)"
_SCALAR: Final = f"(?>{_STRING}|{_NUMBER}|true|false|null)"
_GAP: Final = r"[ \t\r\n]*+"
_LEVELS: Final = 4
"""Of brackets in one pattern: most of what lies innermost is gone over in one step."""

_OPENED: Final = rf"([\[{{])(?:(?<=\[){_GAP}|(?<=\{{){_GAP}{_STRING}{_GAP}:{_GAP})"


def _value_of(levels: int) -> str:
    if not levels:
        return _SCALAR
    inner = _value_of(levels - 1)
    item = rf"{inner}{_GAP}(?:,{_GAP}(?!\])|(?=\]))"
    member = rf"{_STRING}{_GAP}:{_GAP}{inner}{_GAP}(?:,{_GAP}(?!\}})|(?=\}}))"
    return rf"(?>{_SCALAR}|\[{_GAP}(?>(?:{item})*)\]|\{{{_GAP}(?>(?:{member})*)\}})"


@cache
def _items() -> re.Pattern[bytes]:
    """As many items of a list as end in what came. Made when it is needed: that takes 20 ms."""
    return _compiled(f"(?>(?:{_value_of(_LEVELS)}{_GAP},{_GAP})*)")


@cache
def _members() -> re.Pattern[bytes]:
    """The same of an object."""
    return _compiled(f"(?>(?:{_STRING}{_GAP}:{_GAP}{_value_of(_LEVELS)}{_GAP},{_GAP})*)")


@cache
def _down() -> re.Pattern[bytes]:
    """Two brackets or more that open one in the other, with the key that each value has."""
    return _compiled(f"(?>(?:{_OPENED}){{2,}})")


@cache
def _each_down() -> re.Pattern[bytes]:
    return _compiled(_OPENED)


@cache
def _up() -> re.Pattern[bytes]:
    """Brackets that close; ends with one, as what is behind may be of something else."""
    return _compiled(rf"[\]}}](?>(?:{_GAP}[\]}}])*)")


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


ONE_STRING: Final = _compiled(_STRING)
_SOME_CHARACTERS: Final = _compiled(_CHARACTERS)
_ONE_ATOM: Final = _compiled(f"{_NUMBER}|true|false|null")
_RUN: Final = _compiled("[-+.0-9a-zA-Z]*+")
SPACE: Final = _compiled(_GAP)
_ESCAPE_BYTES_MAX: Final = 6
_OPEN_LIST, OPEN_OBJECT, QUOTE, _ESCAPE = b'[{"\\'
_CLOSE_LIST, CLOSE_OBJECT, COMMA, COLON = b"]},:"
_BLANKS: Final = b" \t\r\n"
_TO_OPEN: Final = bytes.maketrans(b"]}", b"[{")


class _State(IntEnum):
    VALUE = 0
    FIRST_ITEM = 1
    FIRST_KEY = 2
    KEY = 3
    COLON = 4
    AFTER = 5
    TEXT = 6
    """Inside of a string that is longer than what came of it."""
    NAME = 7
    """The same of a key."""


class Value:
    """One value, of any size."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._state = _State.VALUE
        self._open = bytearray()
        self.is_done = False
        self._steps: tuple[Callable[[bytes, int, bool], int], ...] = (
            self._value, self._first_item, self._first_key, self._key, self._colon, self._after,
            self._text, self._text,
        )  # fmt: skip

    def read(self, text: bytes, at: int, place: int, *, is_last: bool = False) -> int:
        """How far `text` could be read from `at`; the rest is to come again, with what follows.

        `place`: of `text` in the whole. Raises `InvalidFile`.
        """
        try:
            while not self.is_done:
                if self._state < _State.TEXT:
                    at = end_of(SPACE, text, at)
                if at == len(text):
                    break
                then = self._steps[self._state](text, at, is_last)
                if then == at:
                    break
                at = then
        except _Wrong as wrong:
            raise InvalidFile(self._file, Place(byte=place + wrong.at), wrong.reason) from None
        if is_last and not self.is_done:
            raise InvalidFile(self._file, Place(byte=place + len(text)), "ends too early")
        return at

    def _value(self, text: bytes, at: int, is_last: bool) -> int:
        if self._open and self._open[-1] == _OPEN_LIST:
            at, self._state = end_of(_items(), text, at), _State.VALUE
            if at == len(text):
                return at
        first = text[at]
        if first == QUOTE:
            return self._string(text, at, _State.TEXT)
        if first in (_OPEN_LIST, OPEN_OBJECT):
            if down := self._several_down(text, at):
                return down
            if len(self._open) == DEPTH_MAX:
                raise _Wrong(at, f"nested more than {DEPTH_MAX:,} deep")
            self._open.append(first)
            self._state = _State.FIRST_ITEM if first == _OPEN_LIST else _State.FIRST_KEY
            return at + 1
        end = end_of(_RUN, text, at)
        if end - at > ATOM_BYTES_MAX:
            raise _Wrong(at, f"a number of more than {ATOM_BYTES_MAX:,} digits")
        if end == len(text) and not is_last:
            return at
        if _ONE_ATOM.fullmatch(text, at, end) is None:
            raise _Wrong(at, "there is no value")
        self._ended()
        return end

    def _first_item(self, text: bytes, at: int, is_last: bool) -> int:
        if text[at] == _CLOSE_LIST:
            return self._closed(at)
        return self._value(text, at, is_last)

    def _first_key(self, text: bytes, at: int, is_last: bool) -> int:
        if text[at] == CLOSE_OBJECT:
            return self._closed(at)
        return self._key(text, at, is_last)

    def _key(self, text: bytes, at: int, is_last: bool) -> int:
        at, self._state = end_of(_members(), text, at), _State.KEY
        if at == len(text):
            return at
        if text[at] != QUOTE:
            raise _Wrong(at, "a key is missing")
        return self._string(text, at, _State.NAME)

    def _colon(self, text: bytes, at: int, is_last: bool) -> int:
        if text[at] != COLON:
            raise _Wrong(at, "a : is missing")
        self._state = _State.VALUE
        return at + 1

    def _after(self, text: bytes, at: int, is_last: bool) -> int:
        is_list = self._open[-1] == _OPEN_LIST
        if text[at] == COMMA:
            self._state = _State.VALUE if is_list else _State.KEY
            return at + 1
        if text[at] != (_CLOSE_LIST if is_list else CLOSE_OBJECT):
            raise _Wrong(at, f"a , or {']' if is_list else '}'} is missing")
        return self._several_up(text, at) or self._closed(at)

    def _string(self, text: bytes, at: int, unended: _State) -> int:
        self._state = unended
        whole = ONE_STRING.match(text, at)
        if whole is None:
            return at + 1
        self._string_ended()
        return whole.end()

    def _text(self, text: bytes, at: int, is_last: bool) -> int:
        at = end_of(_SOME_CHARACTERS, text, at)
        if at == len(text):
            return at
        if text[at] == QUOTE:
            self._string_ended()
            return at + 1
        if text[at] != _ESCAPE:
            raise _Wrong(at, "a control character in a text")
        if len(text) - at >= _ESCAPE_BYTES_MAX or is_last:
            raise _Wrong(at, "an escape that is none")
        return at

    def _several_down(self, text: bytes, at: int) -> int:
        """All brackets that open here at once, as far as so many may be; 0 where it is one."""
        room = DEPTH_MAX - len(self._open)
        found = _down().match(text, at) if room else None
        if found is None:
            return 0
        end = found.end()
        opened = b"".join(_each_down().findall(text, at, end))
        if len(opened) > room:
            opened = opened[:room]
            *_, last = islice(_each_down().finditer(text, at, end), room)
            end = last.end()
        self._open += opened
        self._state = _State.FIRST_ITEM if opened[-1] == _OPEN_LIST else _State.VALUE
        return end

    def _several_up(self, text: bytes, at: int) -> int:
        """All that close here; 0 where they are not those that are open."""
        end = end_of(_up(), text, at)
        closed = text[at:end].translate(None, _BLANKS)[::-1].translate(_TO_OPEN)
        if not self._open.endswith(closed):
            return 0
        del self._open[-len(closed) :]
        self._ended()
        return end

    def _string_ended(self) -> None:
        if self._state == _State.NAME:
            self._state = _State.COLON
        else:
            self._ended()

    def _closed(self, at: int) -> int:
        self._open.pop()
        self._ended()
        return at + 1

    def _ended(self) -> None:
        self._state = _State.AFTER
        self.is_done = not self._open


class _Wrong(Exception):
    """At this byte of what came."""

    def __init__(self, at: int, reason: str) -> None:
        self.at, self.reason = at, reason


def end_of(pattern: re.Pattern[bytes], text: bytes, at: int) -> int:
    """Of one that matches nothing, too."""
    found = pattern.match(text, at)
    assert found is not None, "it matches nothing, too"
    return found.end()
