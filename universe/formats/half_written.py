"""Whether a state that is called JSON is: one may be cut off, or have more behind its end.

It is kept as it is, and told. What is short is held and looked at whole; of what is longer only how
it begins and ends, so that a large one costs no more than it does to read it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from registry.formats.errors import InvalidFile
from registry.formats.texts import BOM
from universe.formats.halves import whole_characters
from universe.formats.json_pieces import STEP_BYTES, Whole

HELD_BYTES_MAX: Final = 32 << 20
NO_JSON: Final = "is not one value of JSON: it is kept as it is"
_BLANKS: Final = b" \t\r\n"
_ENDS: Final = {b"{": b"}", b"[": b"]", b'"': b'"'}


class Look:
    """At the pieces of a state, on their way."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._end = b""
        self._is_long = False

    def at(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces."""
        for piece in pieces:
            self._end = piece.rstrip(_BLANKS)[-1:] or self._end
            if not self._is_long:
                self._held += piece
                if len(self._held) > HELD_BYTES_MAX:
                    self._is_long = True
                    del self._held[STEP_BYTES:]
            yield piece

    def is_json(self) -> bool:
        """Blanks around it, and a mark before it, are nothing that is wrong."""
        text = bytes(self._held).removeprefix(BOM).strip(_BLANKS)
        if self._is_long:
            return bool(self._end) and _begins(text) and self._end == _ENDS.get(text[:1], self._end)
        try:
            if not text.isascii():
                text.decode()  # inside of texts nobody looks at it: see `msgspec.Raw`
            msgspec.json.decode(whole_characters(text), type=msgspec.Raw)
        except RecursionError:  # deep, and nothing that is known to be wrong
            return True
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        return True


def _begins(text: bytes) -> bool:
    try:
        Whole("").push(text)
    except InvalidFile:
        return False
    return True
