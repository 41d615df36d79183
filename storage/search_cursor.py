"""Where a page of a search ended: a sort's word and integers, as text that says nothing more.

```
base64url of JSON [sort, value, tie, horizon]
```
"""

import base64
import binascii
import json
from typing import Final, TypeAlias

from storage.errors import BadCursor

Key: TypeAlias = tuple[int, ...]

CURSOR_CHARS_MAX: Final = 512
PARTS: Final = 3
VALUE_MAX: Final = 1 << 65  # what a tier is worth goes beyond a column


def encode_cursor(key: Key, sort: str) -> str:
    numbers = ", ".join(map(str, key))
    return base64.urlsafe_b64encode(f'["{sort}", {numbers}]'.encode()).decode()


def decode_cursor(cursor: str, sort: str) -> Key:
    """Raises `BadCursor`."""
    try:
        if len(cursor) > CURSOR_CHARS_MAX:
            raise ValueError("too long")
        told, *key = json.loads(base64.b64decode(cursor.encode(), b"-_", validate=True))
        if told != sort or len(key) != PARTS:
            raise ValueError("of another search")
        if not all(type(part) is int and 0 <= part < VALUE_MAX for part in key):
            raise ValueError("out of range")
        if not max(key[1:]) < 1 << 63:
            raise ValueError("out of range")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor(f"This is no cursor of a search sorted by {sort}: {error}") from error
    return tuple(key)
