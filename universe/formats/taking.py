"""The bytes that a `Source` names, in pieces, and what is made of them."""

import hashlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from typing import Final

from blake3 import blake3

from crdt.blob import BLOB_BYTES_MAX
from registry.formats.errors import InvalidFile, Place
from universe.formats.imported import Content, Files, Source
from universe.formats.unpacking import PIECE_BYTES, Unpacking

LINE_BYTES_MAX: Final = 4 << 20
"""A legend with a genotype of 20,000 connections."""


def pieces_of(files: Files, source: Source) -> Iterator[bytes]:
    """Raises `InvalidFile`, also in the midst of it."""
    if source.row is not None:
        yield from files.world(source.path, source.row)
        return
    if source.span is not None:
        yield from _part(files.unpacked(source.path), source.path, source.span)
    elif source.is_packed:
        yield from _unpacked(files, source.path)
    else:
        yield from files.chunks(source.path)


def _part(data: bytes, file: str, span: tuple[int, int]) -> Iterator[bytes]:
    start, end = span
    if len(data) < end:
        reason = "ends before the part that was found in it"
        raise InvalidFile(file, Place(byte=len(data)), reason)
    for at in range(start, end, PIECE_BYTES):
        yield data[at : min(at + PIECE_BYTES, end)]


def content_of(files: Files, source: Source) -> Content:
    """What they are. Raises `InvalidFile`, where there are none too."""
    return content_of_pieces(pieces_of(files, source), source.path)


class Contents:
    """What whole files are, as they lie. Each is read once, however often it is asked for."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._found: dict[str, Content | InvalidFile] = {}

    def of(self, path: str) -> Content:
        """Raises `InvalidFile`, also where it is larger than a state may be."""
        found = self._found.get(path)
        if found is None:
            try:
                found = self._read(path)
            except InvalidFile as wrong:
                found = wrong
            self._found[path] = found
        if isinstance(found, InvalidFile):
            raise InvalidFile(found.file, found.place, found.reason_text)
        return found

    def _read(self, path: str) -> Content:
        if (size := self.files.listing.files[path].size) > BLOB_BYTES_MAX:
            raise InvalidFile(path, Place(), f"{size:,} bytes, at most {BLOB_BYTES_MAX:,}")
        return content_of(self.files, Source(path))


def content_of_pieces(pieces: Iterable[bytes], file: str) -> Content:
    """The same of bytes at hand."""
    size, checksum, sha256 = 0, blake3(), hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        checksum.update(piece)
        sha256.update(piece)
    if not size:
        raise InvalidFile(file, Place(), "is empty")
    return Content(size, checksum.digest(), sha256.digest())


def read(files: Files, path: str, bytes_max: int) -> bytes:
    """A file, unpacked where it is a .gz. Raises `InvalidFile` where it is larger."""
    held = BytesIO()  # joined at once, pieces would be there twice
    for piece in _unpacked(files, path, bytes_max):
        held.write(piece)
    return held.getvalue()


def head_of(files: Files, path: str, size: int) -> bytes:
    """The first bytes, for a first look: what is no more readable ends it."""
    found = b""
    try:
        for piece in _unpacked(files, path):
            found += piece[: size - len(found)]
            if len(found) >= size:
                break
    except InvalidFile:
        pass
    return found


def lines_of(files: Files, path: str, bytes_max: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number from 1, without its end; None for one of too many bytes.

    Ends behind `bytes_max`, in the order of the file. Raises `InvalidFile`.
    """
    number, held, is_long, taken = 1, b"", False, 0
    for piece in chain(_unpacked(files, path), (b"\n",)):
        taken += len(piece)
        first, *others = piece.split(b"\n")
        held += first
        for rest in others:
            if is_long or held.strip():
                yield number, None if is_long else held
            number, held, is_long = number + 1, rest, False
        if len(held) > LINE_BYTES_MAX:
            held, is_long = b"", True
        if taken > bytes_max:
            return


def _unpacked(files: Files, path: str, bytes_max: int | None = None) -> Iterator[bytes]:
    unpacking = Unpacking(path) if bytes_max is None else Unpacking(path, bytes_max)
    for chunk in files.chunks(path):
        yield from unpacking.feed(chunk)
    yield from unpacking.close()
