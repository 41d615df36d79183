"""CBOR of which every value has one encoding, and every accepted encoding one value.

Core deterministic encoding (RFC 8949, section 4.2.1) of plain values: integers of 64 bits, byte
strings, UTF-8 text, arrays, maps with keys of one kind (text, bytes or natural numbers), false,
true, null and floats. Definite lengths, shortest heads, shortest floats, sorted unique keys, no
tags. Anything else, and anything left over, is `Malformed`; a claimed length is held against what
is there before anything is allocated for it.
"""

import struct
from typing import Any, Final

import cbor2

from crdt.errors import Malformed

DEPTH_MAX = 16
"""Deeper than any of our messages nests, shallower than any stack."""
ITEMS_MAX = 100_000
"""Bounds the memory of a value: a one-byte item costs up to 64 bytes as a Python object."""

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_KEYS: Final = frozenset({_UINT, _BYTES, _TEXT})
_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS: Final = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
_SIMPLE_VALUES: Final = {20: False, 21: True, 22: None}
_PLAIN: Final = frozenset[object]({str, bytes, bool, float, type(None)})
_CONTAINERS: Final = frozenset[object]({list, tuple, dict})
_NAN: Final = b"\xf9\x7e\x00"


def encode(value: Any) -> bytes:  # noqa: ANN401 - a union of plain values cannot say it recursively
    """The one encoding of a plain value; `TypeError` or `ValueError` for what is not plain."""
    _check_plain(value, DEPTH_MAX)
    return cbor2.dumps(value, canonical=True)


def decode(
    data: bytes, *, bytes_max: int, items_max: int = ITEMS_MAX, depth_max: int = DEPTH_MAX
) -> Any:  # noqa: ANN401 - what it is, the caller's model decides
    """The plain value whose one encoding is `data`, and all of it.

    Raises `Malformed` for everything else, and for more than `bytes_max` bytes, `items_max` items
    (keys and containers count) or `depth_max` containers within one another.
    """
    if len(data) > bytes_max:
        raise Malformed("cbor-too-long", f"{len(data)} bytes of CBOR, at most {bytes_max} allowed")
    return _Decoder(data, items_max, depth_max).value()


def _check_plain(value: Any, depth_left: int) -> None:  # noqa: ANN401 - see encode
    """cbor2 would write tags for a date or a set, and sort keys of several kinds by length first
    (RFC 7049); what is let through here it writes as RFC 8949 has it."""
    kind: object = value.__class__
    if kind in _PLAIN:
        return
    if kind is int:
        if not -(1 << 64) <= value < 1 << 64:
            raise ValueError("an integer of more than 64 bits")
    elif kind not in _CONTAINERS:
        raise TypeError(f"{kind} has no place in our CBOR")
    elif depth_left == 0:
        raise ValueError(f"nested more than {DEPTH_MAX} deep")
    elif kind is dict:
        _check_keys(value)
        for item in value.values():
            if item.__class__ not in _PLAIN:
                _check_plain(item, depth_left - 1)
    else:
        for item in value:
            if item.__class__ not in _PLAIN:
                _check_plain(item, depth_left - 1)


def _check_keys(entries: dict[Any, Any]) -> None:
    kinds = {key.__class__ for key in entries}
    if len(kinds) > 1 or not kinds <= {str, bytes, int}:
        raise TypeError("the keys of a map are all text, all bytes or all natural numbers")
    if kinds == {int} and not all(0 <= key < 1 << 64 for key in entries):
        raise ValueError("an integer key is negative or has more than 64 bits")


def _float_bytes(number: float) -> bytes:
    """The shortest of 2, 4 and 8 bytes that lose nothing; one NaN for all."""
    if number != number:
        return _NAN
    for info, form in _FLOATS.items():
        try:
            packed = form.pack(number)
        except OverflowError:  # too large for this width
            continue
        if form.unpack(packed)[0] == number:
            return bytes([_SIMPLE << 5 | info]) + packed
    raise AssertionError("eight bytes hold every float")


class _Decoder:
    """One pass over the bytes; recursion goes `depth_left` deep and no further."""

    __slots__ = ("_at", "_data", "_depth_max", "_items_left")

    def __init__(self, data: bytes, items_max: int, depth_max: int) -> None:
        self._data = data
        self._at = 0
        self._items_left = items_max - 1
        self._depth_max = depth_max

    def value(self) -> Any:  # noqa: ANN401 - see decode
        value = self._item(self._depth_max)
        left = len(self._data) - self._at
        if left:
            raise self._malformed("trailing-bytes", f"{left} bytes left over")
        return value

    def _item(self, depth_left: int) -> Any:  # noqa: ANN401 - see decode
        if self._at >= len(self._data):
            raise self._malformed("truncated", "an item is missing")
        head = self._data[self._at]
        major, info = head >> 5, head & 31
        self._at += 1
        if major == _SIMPLE:
            return self._simple(info)
        argument = info if info < 24 else self._argument(info)
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        if major == _UINT:
            return argument
        if major == _NINT:
            return ~argument
        if major == _TAG:
            raise self._malformed("tag", "a tag, which none of our messages has")
        return self._container(major, argument, depth_left)

    def _argument(self, info: int) -> int:
        """The number after a head, refused where a shorter head could say it."""
        size = _ARGUMENT_BYTES.get(info)
        if size is None:
            raise self._malformed("indefinite", "an indefinite or reserved length")
        argument = int.from_bytes(self._take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise self._malformed("not-shortest", f"{argument} in {size} bytes")
        return argument

    def _take(self, size: int) -> bytes:
        start, end = self._at, self._at + size
        if end > len(self._data):
            left = len(self._data) - start
            raise self._malformed("truncated", f"{size} bytes claimed, {left} left")
        self._at = end
        return self._data[start:end]

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise self._malformed("not-utf8", "text that is not UTF-8") from error

    def _simple(self, info: int) -> float | bool | None:
        if info in _SIMPLE_VALUES:
            return _SIMPLE_VALUES[info]
        if info not in _FLOATS:
            raise self._malformed("simple", f"the simple value {info}")
        packed = self._take(_ARGUMENT_BYTES[info])
        number: float = _FLOATS[info].unpack(packed)[0]
        if _float_bytes(number) != bytes([_SIMPLE << 5 | info]) + packed:
            raise self._malformed("not-shortest", f"the float {number} in {len(packed)} bytes")
        return number

    def _container(self, major: int, count: int, depth_left: int) -> list[Any] | dict[Any, Any]:
        items = count if major == _ARRAY else 2 * count
        if items > len(self._data) - self._at:  # an item has at least one byte
            raise self._malformed("truncated", f"{items} items claimed, fewer bytes left")
        self._items_left -= items
        if self._items_left < 0:
            raise self._malformed("too-many-items", "more items than allowed")
        if depth_left == 0:
            raise self._malformed("too-deep", "nested deeper than allowed")
        if major == _MAP:
            return self._map(count, depth_left - 1)
        read = self._item
        depth_left -= 1
        return [read(depth_left) for _ in range(count)]

    def _map(self, count: int, depth_left: int) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        previous = b""  # before every key: an encoding is never empty
        kind = self._data[self._at] >> 5 if count and self._at < len(self._data) else _UINT
        if kind not in _KEYS:
            raise self._malformed("key", "a key that is no text, bytes or natural number")
        for _ in range(count):
            start = self._at
            if start < len(self._data) and self._data[start] >> 5 != kind:
                raise self._malformed("key", "keys of several kinds")
            key = self._item(0)
            encoded = self._data[start : self._at]
            if encoded <= previous:
                raise self._malformed("key-order", "keys repeated or out of order")
            previous = encoded
            entries[key] = self._item(depth_left)
        return entries

    def _malformed(self, code: str, what: str) -> Malformed:
        return Malformed(f"cbor-{code}", f"CBOR: {what}, before byte {self._at}")
