"""Where the next page of a list begins: the sort key, target and namespace of a row, as text."""

import base64
import binascii
import json
import sys
from typing import Any

from storage.database import Row
from storage.errors import BadCursor

TIME_MAX = (1 << 63) - 1
CURSOR_CHARS_MAX = 8_192  # the longest sort key and target, every character of four bytes


def encode_cursor(row: Row, sort: str, horizon_us: int | None) -> str:
    """Of a row whose last columns are target, namespace and sort key."""
    told = [sort, row[-1], row[-3], row[-2].hex(), horizon_us]
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: str) -> tuple[Any, str, bytes, int | None]:
    """(sort key, target, namespace, horizon of the first page): what was ahead then stays last.

    Raises `BadCursor`.
    """
    try:
        if len(cursor) > CURSOR_CHARS_MAX:
            raise ValueError("too long")
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        told, key, target, namespace, horizon_us = json.loads(base64.urlsafe_b64decode(padded))
        first = {"name": str, "score": float}.get(sort, int)
        types = (first, str, str, int if sort == "recent" else type(None))
        if told != sort or (type(key), type(target), type(namespace), type(horizon_us)) != types:
            raise ValueError("of another list")
        if first is not str and not abs(key) <= (TIME_MAX if first is int else sys.float_info.max):
            raise ValueError("out of range")
        if horizon_us is not None and not 0 <= horizon_us < TIME_MAX:
            raise ValueError("out of range")
        key.encode() if isinstance(key, str) else key
        target.encode()
        last = bytes.fromhex(namespace)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor(f"This is no cursor of a list sorted by {sort}: {error}") from error
    return key, target, last, horizon_us
