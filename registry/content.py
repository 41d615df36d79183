"""The original bytes of a genome or a seed: what it is named by, and how they are kept.

```
body  format, file, size, blob, text?
```
The record is the BLAKE3 of the bytes, and that is the identity of the thing. The bytes are a blob,
never written anew in another form; short ones that are text stand in the document too, so that
lists show them on every node, and the record itself says whether they are the right ones.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from crdt.blob import manifest_of
from crdt.change import DocumentId
from crdt.digest import DIGEST_BYTES
from crdt.document import Editor, Scalar
from registry.errors import InvalidName, MalformedRecord, Problem, quoted
from registry.fields import Plain, bytes_at, line_at, text_at, whole_at
from registry.head import line_problem, put_all

CONTENT_BYTES_MAX: Final = 10 << 20
"""As a module; a usual genome has 10 kB."""
TEXT_BYTES_MAX: Final = 32 * 1024
"""Of bytes that stand in the document too: with a card of 20 KiB they fit one change."""
FILE_CHARACTERS_MAX: Final = 128
UNKNOWN: Final = "unknown"
"""The format of what no reader here knows."""

_FORMAT: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BEGINNING: Final = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
_MEDIA: Final[Mapping[str, str]] = {
    "bibites": "application/json",
    "lenia": "application/json",
    "neat-network": "application/json",
    "primordium-config": "application/toml",
    "primordium-legends": "application/json",
    "primordium-lineages": "application/json",
    "primordium-migration": "application/json",
    "primordium-registry": "application/vnd.sqlite3",
}


@dataclass(frozen=True, slots=True)
class Content:
    """What is kept of the bytes. `text` is empty where they are long, or no text."""

    identity: bytes
    format: str
    file: str
    size: int
    blob: bytes
    text: str
    is_guess: bool = False
    """Nobody said the format: it was told from the bytes."""

    @classmethod
    def of(
        cls, data: bytes, *, format: str = UNKNOWN, file: str = "", is_guess: bool = False
    ) -> "Content":
        """Hashes the bytes: 10 MiB take some 40 ms."""
        identity, blob = blake3(data).digest(), manifest_of(data).id
        return cls(identity, format, file, len(data), blob, _text_of(data), is_guess)

    @property
    def id(self) -> str:
        """As people write it: 64 hex digits."""
        return self.identity.hex()


def identity_of(document: DocumentId) -> bytes:
    """Raises `MalformedRecord` where the record is no hash."""
    if len(document.record) != DIGEST_BYTES:
        raise MalformedRecord(f"a record of {len(document.record)} bytes, not {DIGEST_BYTES}")
    return document.record


def content_of(identity: bytes, body: Plain) -> Content:
    """Raises `MalformedRecord`, also where the text is not what the record names."""
    format = line_at(body, "format", 32) or UNKNOWN
    if not _FORMAT.fullmatch(format):
        raise MalformedRecord(f"a format {quoted(format)}")
    text = text_at(body, "text", TEXT_BYTES_MAX)
    size = whole_at(body, "size", CONTENT_BYTES_MAX)
    if text and blake3(data := _encoded(text)).digest() != identity:
        raise MalformedRecord(f"a text of {len(data)} bytes that has another hash than its record")
    file = line_at(body, "file", FILE_CHARACTERS_MAX)
    if "/" in file or "\\" in file:
        raise MalformedRecord(f"a file {quoted(file)} in some folder")
    return Content(identity, format, file, size, bytes_at(body, "blob", DIGEST_BYTES), text)


def put_content(editor: Editor, content: Content) -> bool:
    """Let the body say this of the bytes. Whether anything changed.

    A file's name that is not given stays, and so does a format that somebody said.
    """
    is_said = editor.get(("body", "format")) not in (None, UNKNOWN)
    values: dict[str, Scalar] = {
        "format": None if content.is_guess and is_said else content.format,
        "file": content.file or None,
        "size": content.size,
        "blob": content.blob,
        "text": content.text or None,
    }
    return put_all(editor, "body", values)


def content_problems(content: Content) -> list[Problem]:
    """What readers would refuse."""
    problems: list[Problem] = []
    if not content.size:
        problems.append(Problem("/content", "is empty: there is nothing to publish"))
    if content.size > CONTENT_BYTES_MAX:
        detail = f"{content.size} bytes, at most {CONTENT_BYTES_MAX}"
        problems.append(Problem("/content", detail))
    if not _FORMAT.fullmatch(content.format):
        problems.append(Problem("/format", "is no word of a-z, 0-9 and -"))
    problem = line_problem(content.file, FILE_CHARACTERS_MAX)
    if "/" in content.file or "\\" in content.file:
        problem = "is a path, not the name of a file"
    return problems + ([Problem("/file", problem)] if problem else [])


def media_type(format: str, *, is_text: bool) -> str:
    """What the bytes are handed out as; never as anything that a browser runs."""
    if format in _MEDIA:
        return _MEDIA[format]
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"


def is_identity(text: str) -> bool:
    """Whether a genome or a seed may be called so."""
    return _HEX.fullmatch(text) is not None


def parse_identity(text: str) -> str:
    """`text` itself, if it is the id of a genome or a seed. Raises `InvalidName`."""
    if not is_identity(text):
        raise InvalidName(f"{quoted(text)} is no id: 64 digits of 0-9 and a-f")
    return text


def parse_beginning(text: str) -> str:
    """`text` itself, if it is an id or its first 8 digits or more. Raises `InvalidName`."""
    if not _BEGINNING.fullmatch(text):
        detail = "64 digits of 0-9 and a-f, or the first 8 or more of them"
        raise InvalidName(f"{quoted(text)} is no id: {detail}")
    return text


def _text_of(data: bytes) -> str:
    """The bytes as the text they are, where they are short and a text that writes back alike."""
    if len(data) > TEXT_BYTES_MAX or b"\0" in data:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise MalformedRecord("a text with half a character in it") from error
