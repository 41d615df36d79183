"""Strict JSON, bounded before it is parsed, and the places of its parts in the text.

Standard `json` takes it apart; what it would let pass is refused first: depth and number of values
beyond any use, endless numbers, NaN and the infinities, keys that occur twice.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.errors import quoted
from registry.formats.errors import InvalidFile, Place
from registry.formats.limits import JSON_DEPTH_MAX, JSON_VALUES_MAX, NUMBER_CHARACTERS_MAX
from registry.formats.texts import place_in
from registry.plain import as_list, as_map

# Possessive, and a string that never ends is one token too: linear on any text.
_TOKEN = re.compile(
    r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]|[A-Za-z_]++|-?(?:Infinity|[0-9][0-9.eE+-]*+)', re.DOTALL
)
TOKENS_MAX = 4 * JSON_VALUES_MAX  # a value, its key, and two brackets

_BETWEEN = re.compile(r"[ \t\n\r,]*")
_UNSPACED = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\s"]++', re.DOTALL)
_PIECES = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s"\[\]{},:]++', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_WORDS = frozenset({"true", "false", "null"})
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})  # the parser would take them


@dataclass(frozen=True, slots=True)
class Part:
    """A value inside of another: `text[start:end]` are its characters."""

    key: str  # "" in a list
    start: int
    end: int
    value: object


def parse(text: str, file: str) -> object:
    """The value of `text`. Raises `InvalidFile` with line and column."""
    check(text, file)
    try:
        value = json.loads(text, object_pairs_hook=_once)
        if _HALF.search(text):  # that a text of ours cannot have, and no encoding takes
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise InvalidFile(file, Place(), "holds half of a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise InvalidFile(file, Place(error.lineno, error.colno), error.msg) from error
    except _Twice as error:
        where = _second(text, error.key)
        raise InvalidFile(file, where, f"the key {quoted(error.key)} occurs twice") from error
    except RecursionError as error:
        raise InvalidFile(file, Place(), "nested too deep") from error


def check(text: str, file: str) -> None:
    """Everything that has a bound, without building anything. Raises `InvalidFile`."""
    depth = opened = 0
    if text.count(",") > JSON_VALUES_MAX:
        raise InvalidFile(file, Place(), f"more than {JSON_VALUES_MAX:,} values")
    for number, token in enumerate(_TOKEN.finditer(text)):
        if number > TOKENS_MAX:
            where = place_in(text, token.start())
            raise InvalidFile(file, where, f"more than {JSON_VALUES_MAX:,} values")
        first = text[token.start()]
        if first in "[{":
            depth += 1
            opened += 1
            if depth > JSON_DEPTH_MAX or opened > JSON_VALUES_MAX:
                where = place_in(text, token.start())
                raise InvalidFile(file, where, f"nested more than {JSON_DEPTH_MAX} deep")
        elif first in "]}":
            depth -= 1
        elif first != '"' and (reason := _wrong_word(token[0])):
            raise InvalidFile(file, place_in(text, token.start()), reason)


def sequence(text: str, file: str) -> Iterator[Part]:
    """The values of a list, or of a text of several: one to a line, with or without a comma.

    Raises `InvalidFile` with line and column.
    """
    check(text, file)
    at = start_of(text)
    if text.startswith("[", at):
        parse(text, file)
        yield from members(text, at)
        return
    while at < len(text):
        try:
            value, end = _STRICT.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise InvalidFile(file, Place(error.lineno, error.colno), error.msg) from error
        except _Twice as error:
            where = _second(text, error.key)
            raise InvalidFile(file, where, f"the key {quoted(error.key)} occurs twice") from error
        yield Part("", at, end, value)
        between = _BETWEEN.match(text, end)
        assert between is not None, "it matches nothing, too"
        at = between.end()


def members(text: str, at: int = 0) -> Iterator[Part]:
    """The parts of the list or object that begins at `at`, of a text that `parse` took."""
    opening = text[at]
    assert opening in "[{"
    at = _after_space(text, at + 1)
    while text[at] not in "]}":
        key = ""
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            key, at = str(name), _after_space(text, _after_space(text, at) + 1)
        value, end = _DECODER.raw_decode(text, at)
        yield Part(key, at, end, value)
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def start_of(text: str) -> int:
    """Where the value begins."""
    return _after_space(text, 0)


def member(text: str, key: str, at: int) -> Part | None:
    return next((part for part in members(text, at) if part.key == key), None)


class Reader:
    """Takes a parsed object apart with the pointer of what is wrong.

    Every method raises `InvalidFile` where the value is none of its kind.
    """

    def __init__(self, value: object, file: str, pointer: str = "") -> None:
        self.file, self.pointer = file, pointer
        found = as_map(value)
        if found is None:
            raise self.wrong("", "must be an object")
        self.map = found

    def text(self, key: str, default: str | None = None) -> str:
        value = self.map.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "must be a text")
        return value

    def number(self, key: str) -> float:
        value = self.map.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, "must be a number")
        return value

    def whole(self, key: str, *, bits: int = 64, is_signed: bool = False) -> int:
        value = self.map.get(key)
        least = -(1 << bits - 1) if is_signed else 0
        most = 1 << (bits - 1 if is_signed else bits)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
            kind = "a whole number" if is_signed else "a whole number that is not negative"
            raise self.wrong(key, f"must be {kind} of {bits} bits")
        return value

    def flag(self, key: str) -> bool:
        value = self.map.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def items(self, key: str, count_max: int) -> Sequence[object]:
        found = as_list(self.map.get(key))
        if found is None:
            raise self.wrong(key, "must be a list")
        if len(found) > count_max:
            raise self.wrong(key, f"{len(found):,} of them, at most {count_max:,}")
        return found

    def objects(self, key: str, count_max: int) -> Iterator["Reader"]:
        for number, each in enumerate(self.items(key, count_max)):
            yield Reader(each, self.file, f"{self.pointer}/{key}/{number}")

    def inside(self, key: str) -> "Reader":
        if key not in self.map:
            raise self.wrong(key, "is missing")
        return Reader(self.map[key], self.file, f"{self.pointer}/{escaped(key)}")

    def one_of(self, key: str, words: frozenset[str]) -> str:
        value = self.text(key)
        if value not in words:
            raise self.wrong(key, f"{quoted(value)} is none of {', '.join(sorted(words))}")
        return value

    def wrong(self, key: str, reason: str) -> InvalidFile:
        pointer = f"{self.pointer}/{escaped(key)}" if key else self.pointer or "/"
        if key and key not in self.map:
            reason = "is missing"
        return InvalidFile(self.file, Place(pointer=pointer), reason)


def escaped(key: str) -> str:
    """A part of a JSON pointer, RFC 6901."""
    return key.replace("~", "~0").replace("/", "~1")


class Token(str):
    """A number as it stands in the text, which no rounding ever touches."""

    __slots__ = ()


def parse_verbatim(text: str, file: str) -> object:
    """As `parse`, with a `Token` for every number that has a point or an exponent."""
    parse(text, file)
    return json.loads(text, parse_float=Token)


def write(value: object) -> str:
    """Compact JSON, as serde_json writes it; a `Token` as it was read."""
    if isinstance(value, Token):
        return value
    if (found := as_map(value)) is not None:
        inside = (f"{write(key)}:{write(each)}" for key, each in found.items())
        return f"{{{','.join(inside)}}}"
    if (items := as_list(value)) is not None:
        return f"[{','.join(map(write, items))}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def compact(text: str) -> str:
    """The same JSON without the spaces and line ends between its parts."""
    return "".join(part[0] for part in _UNSPACED.finditer(text))


def indented(text: str) -> str:
    """The same JSON for people: one member to a line; every number as it stands."""
    lines: list[str] = [""]
    depth = 0
    for part in _PIECES.finditer(compact(text)):
        piece = part[0]
        if piece[0] in "]}":
            depth -= 1
            if not lines[-1].rstrip().endswith(("[", "{")):
                lines.append("  " * depth)
        lines[-1] += f"{piece} " if piece == ":" else piece
        if piece[0] in "[{":
            depth += 1
        if piece[0] in "[{," and not _closes(part):
            lines.append("  " * depth)
    return "\n".join(lines) + "\n"


def _closes(part: re.Match[str]) -> bool:
    """Whether the list or object that just opened has nothing in it."""
    return part.string.startswith(("]", "}"), part.end())


class _Twice(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise _Twice(next(key for key, count in counted.items() if count > 1))
    return found


_DECODER = json.JSONDecoder()
_STRICT = json.JSONDecoder(object_pairs_hook=_once)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None  # it matches nothing at all, too
    return found.end()


def _wrong_word(word: str) -> str | None:
    """Why a token that is no string and no bracket is refused."""
    if word in _WORDS:
        return None
    if word in _NO_NUMBERS:
        return f"{quoted(word)} is no JSON: only finite numbers are"
    if len(word) > NUMBER_CHARACTERS_MAX:
        return f"a number of more than {NUMBER_CHARACTERS_MAX} characters"
    if "e" in word.lower():
        try:
            is_finite = math.isfinite(float(word))
        except ValueError:
            return None  # the parser says where and why
        return None if is_finite else f"{quoted(word)} is beyond the numbers of 64 bits"
    return None


def _second(text: str, key: str) -> Place:
    """Where the second of two equal keys of one object stands; a slow look, for an error alone."""
    stack: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            stack.append(set())
        elif first in "]}" and stack:
            stack.pop()
        elif first == '"' and stack and text.startswith(":", _after_space(text, token.end())):
            name = str(json.loads(token[0]))
            if name == key and name in stack[-1]:
                return place_in(text, token.start())
            stack[-1].add(name)
    return Place()
