"""From bytes to text, and from a file's text to what people are shown of it."""

import re
import zlib

from registry.formats.errors import InvalidFile, Place
from registry.formats.limits import FILE_BYTES_MAX, UNPACKED_BYTES_MAX
from registry.manifest import (
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)
from registry.wasm.names import dotted, unsafe

GZIP_MAGIC = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"
OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
GZIP_WINDOW = 16 + zlib.MAX_WBITS

_NOT_IN_TAGS = re.compile(r"[\s/,]+")


def check_size(data: bytes, file: str, bytes_max: int = FILE_BYTES_MAX) -> None:
    """Raises `InvalidFile`."""
    if len(data) > bytes_max:
        raise InvalidFile(file, Place(), f"{len(data):,} bytes, at most {bytes_max:,} are read")


def is_gzip(data: bytes) -> bool:
    return data.startswith(GZIP_MAGIC)


def unpacked(data: bytes, file: str, bytes_max: int = UNPACKED_BYTES_MAX) -> bytes:
    """What is inside a .gz, or `data` itself where it is none. Raises `InvalidFile`."""
    check_size(data, file)
    if not is_gzip(data):
        return data
    parts: list[bytes] = []
    left, rest = bytes_max, data
    while is_gzip(rest):  # members one after another are one file
        inflater = zlib.decompressobj(GZIP_WINDOW)
        try:
            part = inflater.decompress(rest, left + 1)
        except zlib.error as error:
            raise InvalidFile(file, Place(), f"damaged gzip: {error}") from error
        left -= len(part)
        if left < 0:
            raise InvalidFile(file, Place(), f"unpacks to more than {bytes_max:,} bytes")
        if not inflater.eof:
            raise InvalidFile(file, Place(byte=len(data)), "the end of the gzip is missing")
        parts.append(part)
        rest = inflater.unused_data
    return b"".join(parts)


def head_of(data: bytes, size: int) -> bytes:
    """The first bytes, of a .gz of what is inside; for a first look only, so never an error."""
    if not is_gzip(data):
        return data[:size]
    try:
        return zlib.decompressobj(GZIP_WINDOW).decompress(data, size)
    except zlib.error:
        return data[:size]


def text_of(data: bytes, file: str, *, is_old: bool = False) -> str:
    """The text of a file that may be packed; without the mark at its start, if it has one.

    `is_old`: a file from the time before UTF-8, whose comments may be Latin-1.
    Raises `InvalidFile`.
    """
    plain = unpacked(data, file)
    for bom, encoding in OTHER_BOMS.items():
        if plain.startswith(bom):
            raise InvalidFile(file, Place(byte=0), f"is {encoding}; save it as UTF-8")
    plain = plain.removeprefix(BOM)
    if (nul := plain.find(b"\0")) >= 0:
        raise InvalidFile(file, Place(byte=nul), "holds a NUL, which no text does")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError as error:
        if is_old:
            return plain.decode("latin-1")
        raise InvalidFile(file, Place(byte=error.start), "is not UTF-8 from here on") from error


def place_in(text: str, at: int) -> Place:
    """Line and column of a character, both counted from 1."""
    return Place(line=text.count("\n", 0, at) + 1, column=at - text.rfind("\n", 0, at))


class Lines:
    """As `place_in`, for places that are asked for one after another."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at, self._line = 0, 1

    def place(self, at: int) -> Place:
        assert at >= self._at
        self._line += self._text.count("\n", self._at, at)
        start = self._text.rfind("\n", self._at, at)
        column = at - start if start >= 0 else at - self._text.rfind("\n", 0, at)
        self._at = at
        return Place(line=self._line, column=column)


def line_of(text: str, characters_max: int = NAME_CHARACTERS_MAX) -> str:
    """`text` as one line to show: nothing in it that hides or turns around what it stands in."""
    cut = text[: characters_max * 4]  # what is cleaned away may be long too
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(" " if each.isspace() else each for each in cut)
        cut = "".join(each for each in cut if not unsafe(each))
    shown = " ".join(cut.split())
    if len(shown) > characters_max:
        shown = f"{shown[: characters_max - 1].rstrip()}…"
    return shown.replace("..", "‥") if dotted(shown) else shown


def prose_of(text: str) -> str:
    """The same for a description."""
    return line_of(text, DESCRIPTION_CHARACTERS_MAX)


def name_of(file: str) -> str:
    """A name for what a file holds, from the file's own: without folders and endings."""
    last = re.split(r"[/\\]", file)[-1]
    for ending in (".gz", *re.findall(r"\.[A-Za-z][A-Za-z0-9]{0,15}$", last.removesuffix(".gz"))):
        last = last.removesuffix(ending)
    return line_of(last) or "unnamed"


def tag_of(text: str) -> str:
    """`text` as a tag, "" where nothing is left of it."""
    words = _NOT_IN_TAGS.sub("-", line_of(text, TAG_CHARACTERS_MAX).lower())
    return words.strip("-….")[:TAG_CHARACTERS_MAX]


def tags_of(*texts: str) -> tuple[str, ...]:
    tags = dict.fromkeys(tag_of(each) for each in texts)
    return tuple(tag for tag in tags if tag)[:TAGS_MAX]
