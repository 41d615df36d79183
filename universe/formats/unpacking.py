"""A file that may be a .gz, unpacked piece by piece: bounded, whatever it claims.

What begins as no gzip goes through as it is, whatever its name. Source of the format: RFC 1952.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from registry.formats.errors import InvalidFile, Place
from registry.formats.texts import GZIP_MAGIC, GZIP_MEMBERS_MAX, GZIP_WINDOW
from universe.formats.limits import BOMB_BYTES, UNPACKED_BYTES_MAX, UNPACKED_TIMES_MAX

PIECE_BYTES: Final = 1 << 20


class Unpacking:
    """Feed it the file in order, then `close`. Both raise `InvalidFile`."""

    def __init__(self, file: str, bytes_max: int = UNPACKED_BYTES_MAX) -> None:
        self._file, self._bytes_max = file, bytes_max
        self._head = b""
        self._inflater = zlib.decompressobj(GZIP_WINDOW)
        self._is_inside = False  # of a member
        self._is_plain = self._is_over = False
        self._members = 0
        self._taken = self._given = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Pieces of at most `PIECE_BYTES`; take all of them before the next chunk."""
        self._taken += len(chunk)
        if self._head or not (self._is_plain or self._members):
            chunk, self._head = self._head + chunk, b""
            if len(chunk) < len(GZIP_MAGIC):
                self._head = chunk
                return
        if not (self._is_plain or self._members):
            self._is_plain = not chunk.startswith(GZIP_MAGIC)
        if self._is_plain:
            for start in range(0, len(chunk), PIECE_BYTES):
                yield self._count(chunk[start : start + PIECE_BYTES])
        else:
            yield from self._inflate(chunk)

    def close(self) -> Iterator[bytes]:
        """What was still held back."""
        if self._is_inside:
            raise InvalidFile(self._file, Place(byte=self._taken), "the end of the gzip is missing")
        if self._head and not self._members:
            yield self._count(self._head)

    def _inflate(self, rest: bytes) -> Iterator[bytes]:
        while rest:
            if not self._is_inside:
                if len(rest) < len(GZIP_MAGIC):
                    self._head = rest
                    return
                if self._is_over or not rest.startswith(GZIP_MAGIC):
                    self._is_over = True  # padding behind the last one, as gzip passes it over
                    return
                self._members += 1
                if self._members > GZIP_MEMBERS_MAX:
                    reason = f"more than {GZIP_MEMBERS_MAX} gzips in one"
                    raise InvalidFile(self._file, Place(), reason)
                self._inflater, self._is_inside = zlib.decompressobj(GZIP_WINDOW), True
            try:
                piece = self._inflater.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise InvalidFile(self._file, Place(), f"damaged gzip: {error}") from error
            if piece:
                yield self._count(piece)
            rest = self._inflater.unconsumed_tail
            if self._inflater.eof:
                rest, self._is_inside = self._inflater.unused_data, False
            elif not rest and len(piece) < PIECE_BYTES:
                return

    def _count(self, piece: bytes) -> bytes:
        self._given += len(piece)
        if self._given > self._bytes_max:
            raise InvalidFile(self._file, Place(), f"more than {self._bytes_max:,} bytes, unpacked")
        times = self._given // max(1, self._taken)
        if self._given > BOMB_BYTES and times > UNPACKED_TIMES_MAX:
            reason = f"unpacks to {times:,} times its size, at most {UNPACKED_TIMES_MAX} are taken"
            raise InvalidFile(self._file, Place(), reason)
        return piece
