"""A snapshot inside of a JSON body, as multiverse clients send it, taken out as it comes.

```
{"snapshot": …, "tick": 1200}             ─▸ the JSON of `snapshot`, piece by piece
{"compressedSnapshot": "H4s…", "tick": …} ─▸ base64 ─▸ gzip ─▸ JSON, piece by piece
                                             then the rest: `WrappedSnapshot`
```
What is wrong with it is raised before its last piece: nothing is kept then.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from node.api.problems import ProblemError
from node.api.requests import Clean
from node.api.universe_models import WrappedSnapshot
from node.errors import Fault, Rejected
from node.services import uploads
from node.services.uploads import SWELLS_MAX, Gzip
from registry.formats.errors import InvalidFile
from universe.formats.halves import whole_characters
from universe.formats.json_pieces import STEP_BYTES, Envelope, Whole

PLAIN: Final = "snapshot"
PACKED: Final = "compressedSnapshot"
BESIDE: Final = frozenset(WrappedSnapshot.__struct_fields__)
"""What else stands there says nothing: it is passed over, however long it is."""
INSIDE: Final = "what `compressedSnapshot` holds"

_ESCAPE: Final = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|/)")


class Wrapped:
    """`push` gives what comes out of it, `finish` what the body says beside it.

    `clean` makes that fit before it is read. Raises `ProblemError`, `Rejected`.
    """

    def __init__(self, clean: Clean | None = None) -> None:
        self._clean = clean
        self._envelope = Envelope({PLAIN, PACKED}, "the body", kept=BESIDE)
        self._from = ""
        self._packed: _Packed | None = None

    @property
    def beside_bytes(self) -> int:
        """What is held until the end."""
        return self._envelope.kept_bytes

    def push(self, data: bytes) -> Iterator[bytes]:
        try:
            for key, piece in self._envelope.push(data):
                if self._from not in ("", key):
                    raise _invalid(key, f"is there beside `{self._from}`: send one of them")
                self._from = key
                if key == PLAIN:
                    yield piece
                    continue
                if self._packed is None:
                    self._packed = _Packed()
                yield from self._packed.push(piece)
        except InvalidFile as wrong:
            raise _refused(wrong) from wrong

    def finish(self) -> WrappedSnapshot:
        try:
            said = self._envelope.finish()
        except InvalidFile as wrong:
            raise _refused(wrong) from wrong
        try:
            wrapped = self._read(whole_characters(said))
        except msgspec.ValidationError as error:
            raise ProblemError(422, "invalid-body", str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProblemError(400, "not-json", str(error)) from error
        if not self._from:
            detail = "the body holds no snapshot: send `snapshot`, or `compressedSnapshot`"
            raise Rejected(detail, code="invalid-body", faults=(Fault("/snapshot", "is missing"),))
        if self._packed is not None:
            self._packed.finish()
        return wrapped

    def _read(self, text: bytes) -> WrappedSnapshot:
        if self._clean is None:
            return msgspec.json.decode(text, type=WrappedSnapshot)
        given = msgspec.json.decode(text, type=dict[str, Any])
        return msgspec.convert(self._clean(given), WrappedSnapshot)


class _Packed:
    """Base64 of gzip of JSON, as the text of a JSON string."""

    def __init__(self) -> None:
        self._has_begun = False
        self._rest = b""
        self._is_padded = False
        self._gzip = Gzip()
        self._whole = Whole(INSIDE)
        self._came = self._size = 0

    def push(self, text: bytes) -> Iterator[bytes]:
        if not self._has_begun and not text.startswith(b'"'):
            raise _invalid(PACKED, "is no text: send base64 of its gzip")
        self._has_begun = True
        self._rest += _ESCAPE.sub(_plain, text.replace(b'"', b""))
        usable = len(self._rest) - len(self._rest) % 4
        if usable and self._is_padded:
            raise _invalid(PACKED, "is no base64: it goes on behind its end")
        self._is_padded = self._rest.endswith(b"=")
        data, self._rest = self._rest[:usable], self._rest[usable:]
        self._came += len(data)
        for piece in self._gzip.push(_decoded(data)):
            for at in range(0, len(piece), STEP_BYTES):
                step = piece[at : at + STEP_BYTES]
                self._size += len(step)
                if self._size > max(uploads.SWELLS_BYTES_MIN, SWELLS_MAX * self._came):
                    detail = (
                        f"{self._came:,} bytes of `compressedSnapshot` came to more than"
                        f" {SWELLS_MAX} times as many: send `snapshot` as it is"
                    )
                    raise Rejected(detail, code="swells-too-much")
                self._checked(step)
                yield step

    def finish(self) -> None:
        if self._rest:
            raise _invalid(PACKED, "is no base64: it ends too early")
        self._gzip.finish()
        self._checked(None)

    def _checked(self, step: bytes | None) -> None:
        try:
            if step is None:
                self._whole.finish()
            else:
                self._whole.push(step)
        except InvalidFile as wrong:
            raise ProblemError(400, "not-json", str(wrong)) from wrong


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise _invalid(PACKED, f"is no base64: {error}") from error


def _plain(escape: re.Match[bytes]) -> bytes:
    """What a writer of JSON may escape in base64; no piece ends in the middle of one."""
    return bytes.fromhex(escape[1].decode()) if escape[1] else b"/"


def _refused(wrong: InvalidFile) -> ProblemError:
    if wrong.reason_text == "must be an object":
        return ProblemError(422, "invalid-body", str(wrong))
    return ProblemError(400, "not-json", str(wrong))


def _invalid(key: str, reason: str) -> Rejected:
    fault = Fault(f"/{key}", reason)
    return Rejected(f"`{key}` {reason}", code="invalid-body", faults=(fault,))
