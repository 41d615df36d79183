"""Half of a character, as programs that count in UTF-16 cut texts: JSON may have it, text may not.

`"🌱".slice(0, 1)` of JavaScript is `"\\ud83c"` in JSON: by RFC 8259 that is a string, of no
characters that anybody can write down. What is kept as it came keeps it; what is read as a text has
U+FFFD in its place.
"""

import re
from typing import Final

_HEX: Final = "[0-9a-fA-F]"
# A backslash that is escaped itself begins nothing: of a row of them the last, if they are odd.
_HALVES: Final = re.compile(
    (
        r"(?<!\\)((?>(?:\\\\)*))\\u(?:"
        rf"([dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}})|[dD][89a-fA-F]{_HEX}{{2}})"
    ).encode()
)


def whole_characters(text: bytes) -> bytes:
    r"""JSON with `\ufffd` for each half that stands alone; all else is as it was."""
    return _HALVES.sub(_whole, text) if rb"\u" in text else text


def _whole(found: re.Match[bytes]) -> bytes:
    return found[0] if found[2] else found[1] + rb"\ufffd"
