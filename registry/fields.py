"""Fields of a map that a stranger wrote. All raise `MalformedRecord` that names the field."""

import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from registry.errors import MalformedRecord, quoted
from registry.plain import as_map
from registry.wasm.names import unsafe

TIME_US_MAX: Final = 253_402_300_799_999_999  # the year 9999, where RFC 3339 ends

Plain = Mapping[str, Any]
Kind = TypeVar("Kind")


def typed(value: object, kind: type[Kind], what: str) -> Kind:
    """`value`, if it is of that very type: a bool is no int here."""
    if type(value) is not kind:
        raise MalformedRecord(f"{what} is {type(value).__name__}, not {kind.__name__}")
    return value


def map_at(value: Plain, key: str) -> dict[str, Any]:
    return map_of(value.get(key), key)


def map_of(value: object, what: str) -> dict[str, Any]:
    fields = as_map(value)
    if fields is None:
        raise MalformedRecord(f"{what} is {type(value).__name__}, not a map")
    return fields


def bytes_at(fields: Plain, key: str, length: int) -> bytes:
    value = typed(fields.get(key), bytes, key)
    if len(value) != length:
        raise MalformedRecord(f"{key} has {len(value)} bytes, not {length}")
    return value


def time_at(fields: Plain, key: str) -> int:
    """µs since 1970, before the year 10000."""
    value = typed(fields.get(key), int, key)
    if not 0 <= value <= TIME_US_MAX:
        raise MalformedRecord(f"{key} is {value}")
    return value


def text_at(fields: Plain, key: str, bytes_max: int) -> str:
    """Any text, several lines of it; "" where there is none."""
    value = typed(fields.get(key, ""), str, key)
    if len(value) > bytes_max or len(value.encode(errors="replace")) > bytes_max:
        raise MalformedRecord(f"{key} has more than {bytes_max} bytes")
    return value


def line_at(fields: Plain, key: str, characters_max: int) -> str:
    """One line that shows what it is; "" where there is none."""
    value = typed(fields.get(key, ""), str, key)
    if len(value) > characters_max:
        raise MalformedRecord(f"{key} has {len(value)} characters, at most {characters_max}")
    if reason := unsafe_line(value):
        raise MalformedRecord(f"{key} {reason}")
    return value


def whole_at(fields: Plain, key: str, most: int) -> int:
    """0 to `most`; 0 where there is none."""
    value = typed(fields.get(key, 0), int, key)
    if not 0 <= value <= most:
        raise MalformedRecord(f"{key} is {quoted(str(value))}, not 0 to {most}")
    return value


def real_at(fields: Plain, key: str) -> float:
    """A finite number, whole ones too; 0 where there is none."""
    value = fields.get(key, 0.0)
    if type(value) is int:  # at most 64 bits: a document holds no more
        return float(value)
    if not math.isfinite(real := typed(value, float, key)):
        raise MalformedRecord(f"{key} is {real}, no number in JSON")
    return real


def is_set(fields: Plain, key: str) -> bool:
    """False where there is none."""
    return typed(fields.get(key, False), bool, key)


def unsafe_line(text: str) -> str | None:
    """Why `text` is no line to show, or None. Dots are no path in prose."""
    return unsafe(text.replace("..", ""))
