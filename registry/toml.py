"""TOML for files that people write and strangers send: bounded, and with the lines of its keys."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from typing import Any

from registry.plain import as_list, as_map

# A dotted key of n parts costs the parser n² steps, and a key ends with its line. A line of ours
# has an id of 16 parts and a range of 256 characters; which dots are in keys, only the parser
# knows, so all dots count.
LINE_DOTS_MAX = 192
BITS_MAX = 1_024  # TOML itself has room for 64
DEPTH_MAX = 8  # a manifest nests three deep

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_HEADER = re.compile(r"^\s*\[{1,2}([^\[\]]+)\]")
_KEY = re.compile(r"""^\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.-])+)\s*=""")
_PART = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


class NotToml(Exception):
    """The text is not TOML, or nests beyond any use; `line` where it is known."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.line = line


def load(text: str) -> dict[str, Any]:
    """The tables of `text`. Raises `NotToml`. The caller bounds the length."""
    if at := _dotted_line(text):
        raise NotToml(f"more than {LINE_DOTS_MAX} dots in one line; break it up", at)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _located(str(error)) from error
    except RecursionError as error:
        raise NotToml("nested too deep") from error
    except ValueError as error:  # beyond the digits Python's int() takes
        raise NotToml("a number is too long") from error
    if _holds_long_number(document):  # in hex Python counts no digits
        raise NotToml("a number is too long")
    if _depth_exceeds(document, DEPTH_MAX):
        raise NotToml(f"nested more than {DEPTH_MAX} deep")
    return document


class Lines:
    """Where the keys of a text are set.

    A scan by lines, good enough to point at: it knows `[table]` and `key =`, not inline tables.
    """

    def __init__(self, text: str) -> None:
        self._first: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                table = _parts(header[1])
                self._first.setdefault(table, number)
            elif key := _KEY.match(line):
                self._first.setdefault((*table, *_parts(key[1])), number)

    def of(self, path: tuple[str, ...]) -> int | None:
        """The line that sets `path`, else that of the nearest above it; None where none is seen."""
        above = (path[:length] for length in range(len(path), 0, -1))
        return next((self._first[each] for each in above if each in self._first), None)


def quote(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(_escape(character) for character in text)
    return f'"{escaped}"'


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean “x”?)` for a near miss, else nothing."""
    near = difflib.get_close_matches(word[:64].lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _escape(character: str) -> str:
    if character in ('"', "\\"):
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _parts(key: str) -> tuple[str, ...]:
    return tuple("".join(groups) for groups in _PART.findall(key))


def _located(message: str) -> NotToml:
    place = _AT_LINE.search(message)
    return NotToml(message[: place.start()], int(place[1])) if place else NotToml(message)


def _dotted_line(text: str) -> int | None:
    lines = enumerate(text.split("\n"), 1)
    return next((number for number, line in lines if line.count(".") > LINE_DOTS_MAX), None)


def _holds_long_number(document: object) -> bool:
    """Whether it has a number that nobody means, and that Python would not write as text."""
    level: list[object] = [document]
    while level:
        if any(isinstance(value, int) and value.bit_length() > BITS_MAX for value in level):
            return True
        level = [value for each in level for value in _values(each)]
    return False


def _depth_exceeds(value: object, depth_max: int) -> bool:
    """Iterative: the parser itself may have gone hundreds deep."""
    level = [value]
    for _ in range(depth_max + 1):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(container: object) -> list[object]:
    """Those in it that hold something themselves."""
    return [child for child in _values(container) if isinstance(child, dict | list)]


def _values(container: object) -> Iterable[object]:
    found = as_map(container)
    return found.values() if found is not None else as_list(container) or ()
