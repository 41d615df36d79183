"""A large JSON text looked through without being built: where its parts begin and end.

```
cursor = Cursor(data, "save.json")
for key in cursor.members():            of the object at which it stands
    if key == "world":
        for inner in cursor.members():  goes down into the value …
            …
    elif key == "header":
        start, end = cursor.span()      … or over it, in one step
                                        what is not asked for is passed over
```
One pass, in the memory of the text alone, of so many steps (`costs`). What is passed over is known
to be closed, not to be correct: a snapshot may be any bytes.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Final

from registry.errors import quoted
from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import parse
from registry.formats.texts import BOM, OTHER_BOMS, text_of
from universe.formats.costs import Costs
from universe.formats.halves import whole_characters
from universe.formats.limits import DEPTH_MAX, KEY_BYTES_MAX, MEMBERS_MAX, PART_BYTES_MAX

_LEVELS: Final = 2
"""Of brackets that are gone over in one step: most lists and objects are as flat."""
_TEXT: Final = r'"(?:[^"\\]++|\\.)*+"'


def _flat(levels: int) -> str:
    """What lies between brackets, with so many levels of them in it."""
    plain = rf'[^"\[\]{{}}]++|{_TEXT}'
    return rf"{plain}|[\[{{](?>(?:{_flat(levels - 1)}){{0,64}})[\]}}]" if levels else plain


# What was taken is never tried again in another way, and is taken again for each level at most:
# linear on any text. Counted repetitions bound what the matching holds in memory. Ends with the
# bracket that it came to, or with nothing at a text without an end and where all ends.
_BRACKET: Final = re.compile(rf"(?>(?:{_flat(_LEVELS)}){{0,256}})([\[\]{{}}]?)".encode(), re.DOTALL)
_STRING: Final = re.compile(_TEXT.encode(), re.DOTALL)
_SCALAR: Final = re.compile(rb"-?[0-9][0-9.eE+-]*+|true|false|null")
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_CLOSES: Final = {b"{": b"}", b"[": b"]"}
_PIECE_BYTES: Final = 1 << 20
_MEMBER_STEPS: Final = 8
"""As long as going over so many values takes each member that is stopped at."""


class Cursor:
    """Stands before a value of `data`. Every method raises `InvalidFile` with the byte."""

    def __init__(self, data: bytes, file: str, costs: Costs | None = None) -> None:
        """`costs`: of all that is looked through in one go."""
        check_encoding(data, file)
        self._costs = costs or Costs()
        self._data, self._file = data, file
        self._at = self.ended = len(BOM) if data.startswith(BOM) else 0
        """`ended`: where the last value that it went over ended."""
        self._depth = 0
        self._pass_space()

    @property
    def is_object(self) -> bool:
        return self._data.startswith(b"{", self._at)

    @property
    def is_list(self) -> bool:
        return self._data.startswith(b"[", self._at)

    @property
    def at(self) -> int:
        return self._at

    def members(self) -> Iterator[str]:
        """The keys of the object here; at each the cursor stands before its value."""
        seen: set[str] = set()
        for _ in self._inside(b"{"):
            key = self._key()
            if key in seen:
                raise self._wrong(f"the key {quoted(key)} occurs twice")
            seen.add(key)
            self._spend(_MEMBER_STEPS)
            start = self._at
            yield key
            if self._at == start:
                self.span()

    def items(self) -> Iterator[int]:
        """The numbers of the list here, from 0; at each the cursor stands before its value."""
        for number, _ in enumerate(self._inside(b"[")):
            start = self._at
            yield number
            if self._at == start:
                self.span()

    def span(self) -> tuple[int, int]:
        """Where the value here begins and ends; the cursor goes behind it."""
        start = self._at
        first = self._data[start : start + 1]
        if first in _CLOSES:
            self._at = self._end_of_brackets()
        else:
            found = (_STRING if first == b'"' else _SCALAR).match(self._data, start)
            if found is None:
                texts = {b"": "ends too early", b'"': "a text without an end"}
                raise self._wrong(texts.get(first, "there is no value"))
            self._at = found.end()
        self.ended = self._at
        return start, self._at

    def value(self) -> object:
        """The value here, if it is a small one; half of a character in it is U+FFFD."""
        start, end = self.span()
        if end - start > PART_BYTES_MAX:
            reason = f"{end - start:,} bytes, at most {PART_BYTES_MAX:,} of this part are read"
            raise InvalidFile(self._file, Place(byte=start), reason)
        self._costs.parts.spend(end - start, self._file, Place(byte=start))
        try:
            data = whole_characters(self._data[start:end])
            return parse(text_of(data, self._file), self._file)
        except InvalidFile as wrong:
            place = Place(byte=start)
            raise InvalidFile(self._file, place, f"from here: {wrong.reason_text}") from wrong

    def end(self) -> None:
        """There is nothing more."""
        self._pass_space()
        if self._at < len(self._data):
            raise self._wrong("goes on behind its end")

    def _inside(self, opening: bytes) -> Iterator[None]:
        if not self._data.startswith(opening, self._at):
            kind = "an object" if opening == b"{" else "a list"
            raise self._wrong(f"must be {kind}")
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong(f"nested more than {DEPTH_MAX} deep")
        self._step(1)
        closing = _CLOSES[opening]
        for count in range(MEMBERS_MAX + 1):
            if count == 0 and self._data.startswith(closing, self._at):
                break
            if count == MEMBERS_MAX:
                raise self._wrong(f"more than {MEMBERS_MAX:,} in one")
            yield
            self._pass_space()
            if not self._data.startswith(b",", self._at):
                break
            self._step(1)
        if not self._data.startswith(closing, self._at):
            raise self._wrong(f"a {(b',' + closing).decode()[0]} or {closing.decode()} is missing")
        self._depth -= 1
        self.ended = self._at + 1
        self._step(1)

    def _key(self) -> str:
        found = _STRING.match(self._data, self._at, self._at + KEY_BYTES_MAX)
        if found is None:
            raise self._wrong(f"a key of at most {KEY_BYTES_MAX:,} bytes is missing")
        try:
            key = str(json.loads(whole_characters(found[0])))
        except ValueError as error:
            raise self._wrong("a key that is no text") from error
        self._at = found.end()
        self._pass_space()
        if not self._data.startswith(b":", self._at):
            raise self._wrong("a : is missing")
        self._step(1)
        return key

    def _end_of_brackets(self) -> int:
        depth, most = self._depth + 1, self._costs.steps.left
        steps = 1  # a value is one, with what closes it
        end, wrong, reason = 0, len(self._data), "ends too early"
        for found in _BRACKET.finditer(self._data, self._at + 1):
            start, behind = found.span(1)
            if start == found.start() == behind or steps > most:
                break
            if start == behind:  # a stretch of flat ones, with no end yet
                steps += 1
                continue
            if self._data[start] in b"[{":
                steps += 1
                depth += 1
                if depth > DEPTH_MAX:
                    wrong, reason = start, f"nested more than {DEPTH_MAX} deep"
                    break
            else:
                depth -= 1
                if depth == self._depth:
                    end = behind
                    break
        self._spend(steps)
        if not end:
            raise InvalidFile(self._file, Place(byte=wrong), reason)
        return end

    def _spend(self, steps: int) -> None:
        self._costs.steps.spend(steps, self._file, Place(byte=self._at))

    def _step(self, count: int) -> None:
        self._at += count
        self._pass_space()

    def _pass_space(self) -> None:
        found = _SPACE.match(self._data, self._at)
        assert found is not None, "it matches nothing, too"
        self._at = found.end()

    def _wrong(self, reason: str) -> InvalidFile:
        return InvalidFile(self._file, Place(byte=self._at), reason)


def check_encoding(data: bytes, file: str) -> None:
    """Raises `InvalidFile` where it is not UTF-8, with the byte; in pieces, so without a copy."""
    for bom, encoding in OTHER_BOMS.items():
        if data.startswith(bom):
            raise InvalidFile(file, Place(byte=0), f"is {encoding}; save it as UTF-8")
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    for start in range(0, len(data), _PIECE_BYTES):
        piece = view[start : start + _PIECE_BYTES]
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, start + _PIECE_BYTES >= len(data))
        except UnicodeDecodeError as error:
            where = Place(byte=max(0, start - kept + error.start))
            raise InvalidFile(file, where, "is not UTF-8 from here on") from error
