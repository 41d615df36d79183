"""JSON looked through as it comes: its parts that are wanted go on, piece by piece.

```
pieces ─▸ Envelope({"snapshot"}) ─▸ ("snapshot", piece of its value), as they come
                 └─ at the end: other members, in one small object
pieces ─▸ Whole                     one value and nothing behind it, or `InvalidFile`
```
In the memory of a piece and of the brackets that are open, whatever the size.
"""

import codecs
import json
from collections.abc import Collection, Iterator
from enum import IntEnum
from typing import Final

from registry.errors import quoted
from registry.formats.errors import InvalidFile, Place
from universe.formats.json_value import (
    CLOSE_OBJECT,
    COLON,
    COMMA,
    ONE_STRING,
    OPEN_OBJECT,
    QUOTE,
    SPACE,
    Value,
    end_of,
)

STEP_BYTES: Final = 1 << 16
"""Looked at without a pause."""
NAME_BYTES_MAX: Final = 1_024
"""Of a member of an envelope."""
OTHERS_BYTES_MAX: Final = 1 << 20
"""Of all members of an envelope that are kept."""
MEMBERS_MAX: Final = 10_000
"""Of an envelope. Each takes some microseconds, however short it is."""


class _Reader:
    """What both have: a rest that comes again, and UTF-8."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._rest = b""
        self._place = 0
        """Of the rest in the whole."""
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def _joined(self, data: bytes, *, is_last: bool = False) -> bytes:
        """Raises `InvalidFile` for what is no UTF-8."""
        here = self._place + len(self._rest) - len(self._utf8.getstate()[0])
        try:
            self._utf8.decode(data, is_last)
        except UnicodeDecodeError as error:
            raise InvalidFile(self._file, Place(byte=here + error.start), "is no UTF-8") from error
        return self._rest + data if self._rest else data

    def _leave(self, text: bytes, at: int) -> None:
        self._place += at
        self._rest = text[at:]

    def _wrong(self, at: int, reason: str) -> InvalidFile:
        return InvalidFile(self._file, Place(byte=self._place + at), reason)


class Whole(_Reader):
    """A text that is one value. Every method raises `InvalidFile`."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self._value = Value(file)

    def push(self, data: bytes) -> None:
        for at in range(0, len(data), STEP_BYTES):
            self._read(data[at : at + STEP_BYTES])

    def finish(self) -> None:
        self._read(b"", is_last=True)

    def _read(self, data: bytes, *, is_last: bool = False) -> None:
        text = self._joined(data, is_last=is_last)
        at = self._value.read(text, 0, self._place, is_last=is_last)
        if self._value.is_done:
            at = end_of(SPACE, text, at)
            if at < len(text):
                raise self._wrong(at, "goes on behind its end")
        self._leave(text, at)


class _Part(IntEnum):
    BEGIN = 0
    FIRST = 1
    KEY = 2
    COLON = 3
    VALUE = 4
    INSIDE = 5
    AFTER = 6
    END = 7


_MISSING: Final = {
    _Part.BEGIN: "must be an object",
    _Part.AFTER: "a , or } is missing",
    _Part.COLON: "a : is missing",
    _Part.END: "goes on behind its end",
}


class Envelope(_Reader):
    """An object, of which members in `wanted` are handed on. Methods raise `InvalidFile`.

    A member that is null is as one that is not there. One of `wanted` may be there once. Of the
    others those in `kept` are (None: all), and the rest is passed over.
    """

    def __init__(
        self, wanted: Collection[str], file: str, kept: Collection[str] | None = None
    ) -> None:
        super().__init__(file)
        self._wanted, self._kept = wanted, kept
        self._part = _Part.BEGIN
        self._key = ""
        self._value = Value(file)
        self._seen: set[str] = set()
        self._others = bytearray()
        self._members = 0
        self._has_begun = False
        """Something of the value was read."""

    @property
    def kept_bytes(self) -> int:
        """Of the others, until now."""
        return len(self._others)

    def push(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """(member, piece of its text) of those that are wanted, in order."""
        for at in range(0, len(data), STEP_BYTES):
            yield from self._read(data[at : at + STEP_BYTES])

    def finish(self) -> bytes:
        """What was kept, as an object of JSON."""
        for _ in self._read(b"", is_last=True):  # a number that ends with the text: no object does
            break
        if self._part != _Part.END:
            raise self._wrong(len(self._rest), "ends too early")
        return b"{" + self._others + b"}"

    def _read(self, data: bytes, *, is_last: bool = False) -> Iterator[tuple[str, bytes]]:
        text, at = self._joined(data, is_last=is_last), 0
        while at < len(text):
            if self._part == _Part.INSIDE:
                end = self._value.read(text, at, self._place, is_last=is_last)
                yield from self._handed_on(text[at:end], at)
                at = end
                if not self._value.is_done:
                    break
                self._part = _Part.AFTER
            at = end_of(SPACE, text, at)
            if at < len(text):
                end, part = self._outside(text, at, is_last=is_last)
                if end == at and part == self._part:
                    break
                at, self._part = end, part
        self._leave(text, at)

    def _handed_on(self, piece: bytes, at: int) -> Iterator[tuple[str, bytes]]:
        """Of the value that is read: kept, where its key is not wanted."""
        is_first, self._has_begun = not self._has_begun, self._has_begun or bool(piece)
        if self._key not in self._wanted:
            self._keep(at, piece)
        elif piece and not (is_first and self._value.is_done and piece == b"null"):
            if is_first and self._key in self._seen:
                raise self._wrong(at, f"the key {quoted(self._key)} occurs twice")
            self._seen.add(self._key)
            yield self._key, piece

    def _outside(self, text: bytes, at: int, *, is_last: bool) -> tuple[int, _Part]:
        """One step outside of the values: (how far, what comes there)."""
        first = text[at]
        match self._part:
            case _Part.BEGIN if first == OPEN_OBJECT:
                return at + 1, _Part.FIRST
            case _Part.FIRST | _Part.AFTER if first == CLOSE_OBJECT:
                return at + 1, _Part.END
            case _Part.AFTER if first == COMMA:
                return at + 1, _Part.KEY
            case _Part.FIRST | _Part.KEY:
                end = self._name(text, at, is_last=is_last)
                return end, self._part if end == at else _Part.COLON
            case _Part.COLON if first == COLON:
                return at + 1, _Part.VALUE
            case _Part.VALUE:
                self._value, self._has_begun = Value(self._file), False
                return at, _Part.INSIDE
            case _:
                raise self._wrong(at, _MISSING[self._part])

    def _name(self, text: bytes, at: int, *, is_last: bool) -> int:
        found = ONE_STRING.match(text, at, at + NAME_BYTES_MAX)
        if found is None:
            if text[at] == QUOTE and len(text) - at < NAME_BYTES_MAX and not is_last:
                return at
            raise self._wrong(at, f"a key of at most {NAME_BYTES_MAX:,} bytes is missing")
        self._members += 1
        if self._members > MEMBERS_MAX:
            raise self._wrong(at, f"has more than {MEMBERS_MAX:,} members")
        self._key = json.loads(found[0])
        if self._key not in self._wanted:
            comma = b"," if self._others else b""
            self._keep(at, comma + found[0] + b":")
        return found.end()

    def _keep(self, at: int, piece: bytes) -> None:
        if self._kept is not None and self._key not in self._kept:
            return
        self._others += piece
        if len(self._others) > OTHERS_BYTES_MAX:
            most = f"more than {OTHERS_BYTES_MAX:,} bytes"
            raise self._wrong(at, f"{most} beside {' and '.join(sorted(self._wanted))}")
