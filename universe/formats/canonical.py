"""JSON as ai_village hashes it: keys sorted, nothing between, every number as it was written.

Its program sorts keys by their UTF-16 units, and then its engine puts those that are numbers of a
list first, in their order. Source: ECMA-262, OrdinaryOwnPropertyKeys.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Final

from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import Token, parse_verbatim
from registry.formats.texts import text_of
from registry.plain import as_list, as_map
from universe.formats.limits import CHECKED_BYTES_MAX

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_NUMBER_MAX: Final = (1 << 32) - 2


def value_of(part: bytes, file: str) -> object:
    """What `sha256_of` takes. Raises `InvalidFile`, where the part is too large too."""
    check_size(len(part), file)
    return parse_verbatim(text_of(part, file), file)


def check_size(size: int, file: str) -> None:
    """Raises `InvalidFile` where a part is too large to be checked."""
    if size > CHECKED_BYTES_MAX:
        reason = f"{size:,} bytes: a SHA-256 is checked of at most {CHECKED_BYTES_MAX:,}"
        raise InvalidFile(file, Place(), reason)


def sha256_of(value: object) -> str:
    """Hex, of the value as the program hashes it."""
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(piece.encode())
    return digest.hexdigest()


def _pieces(value: object) -> Iterator[str]:
    if isinstance(value, Token):
        yield value
    elif (found := as_map(value)) is not None:
        yield "{"
        for number, key in enumerate(sorted(found, key=_order)):
            yield f"{',' if number else ''}{json.dumps(key, ensure_ascii=False)}:"
            yield from _pieces(found[key])
        yield "}"
    elif (items := as_list(value)) is not None:
        yield "["
        for number, each in enumerate(items):
            if number:
                yield ","
            yield from _pieces(each)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _order(key: str) -> tuple[int, int, bytes]:
    if _NUMBER.fullmatch(key) and int(key) <= _NUMBER_MAX:
        return 0, int(key), b""
    return 1, 0, key.encode("utf-16-be")
