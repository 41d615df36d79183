"""A body of any length, piece by piece: decoded within limits, counted and hashed on the way.

```
pieces ─▸ as they are, or gzip or zstd ─▸ Tally: size, BLAKE3 ─▸ whoever keeps them
```
What is wrong with it is raised before its end, so that whoever keeps it has kept nothing. A few
hundred bytes of gzip or zstd can stand for gigabytes: so never more than `STEP_BYTES` of what comes
out is in memory, and what swells more than any state of a world is refused.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Final, Protocol

import zstandard
from blake3 import blake3

from crdt.blob import BLOB_BYTES_MAX
from node.errors import BadRequest, Rejected

STEP_BYTES: Final = 1 << 18
GZIP: Final = 31
"""What zlib calls its frame."""
ZSTD_SLICE_BYTES: Final = 256
"""A block of 4 bytes stands for 128 KiB: so much of it comes to 8 MiB at most."""
ZSTD_WINDOW_BYTES_MAX: Final = 8 << 20
"""What reading zstd holds: as much as HTTP lets a sender ask for (RFC 9659, section 3)."""
SWELLS_BYTES_MIN: Final = 64 << 20
SWELLS_MAX: Final = 250
"""Times its size: a world as JSON comes to 5 or 10."""
ENCODINGS: Final = ("identity", "gzip", "zstd")


class Inflater(Protocol):
    """`push` gives what comes out of it, `finish` raises `Rejected` where the end is missing.

    After `close` it holds nothing, whoever holds it: an error holds all that it went through.
    """

    def push(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


class Tally:
    """What went by."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = blake3()

    @property
    def checksum(self) -> bytes:
        """BLAKE3, 32 bytes."""
        return self._hash.digest()

    def count(self, piece: bytes) -> bytes:
        """Raises `Rejected` for more than a blob may have."""
        self.size += len(piece)
        if self.size > BLOB_BYTES_MAX:
            raise Rejected(f"more than {BLOB_BYTES_MAX:,} bytes", code="blob-too-large")
        self._hash.update(piece)
        return piece

    def check(self, expected: bytes | None) -> None:
        """Raises `Rejected` where nothing came, or something else than was said."""
        if not self.size:
            raise Rejected("the body is empty: a snapshot has one byte at least", code="empty-body")
        if expected is not None and expected != self.checksum:
            detail = (
                f"the bytes that came have the BLAKE3 {self.checksum.hex()}, and not"
                f" {expected.hex()}; nothing was stored. Send them again"
            )
            raise Rejected(detail, code="checksum-mismatch")


class Gzip:
    """One member or several, as `cat a.gz b.gz` has them."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=GZIP)
        self._is_between = True

    def push(self, data: bytes) -> Iterator[bytes]:
        out = bytearray()
        while data:
            self._is_between = False
            try:
                out += self._inflater.decompress(data, STEP_BYTES - len(out))
            except zlib.error as error:
                raise Rejected(f"the body is no gzip: {error}", code="bad-encoding") from error
            if self._inflater.eof:
                data = self._inflater.unused_data
                self._inflater = zlib.decompressobj(wbits=GZIP)
                self._is_between = True
            else:
                data = self._inflater.unconsumed_tail
            if len(out) == STEP_BYTES:
                yield bytes(out)
                out.clear()
        if out:  # of many members each gives its own few bytes
            yield bytes(out)

    def finish(self) -> None:
        if not self._is_between:
            raise Rejected("the body ends in the middle of its gzip", code="bad-encoding")

    def close(self) -> None:
        self._inflater = zlib.decompressobj(wbits=GZIP)


class Zstd:
    """One frame or several."""

    def __init__(self) -> None:
        self._inflater = _zstd()
        self._is_between = True

    def push(self, data: bytes) -> Iterator[bytes]:
        view, out = memoryview(data), bytearray()
        while view:
            self._is_between = False
            part, view = view[:ZSTD_SLICE_BYTES], view[ZSTD_SLICE_BYTES:]
            try:
                out += self._inflater.decompress(bytes(part))
            except zstandard.ZstdError as error:
                raise Rejected(_no_zstd(error), code="bad-encoding") from error
            while len(out) >= STEP_BYTES:
                yield bytes(out[:STEP_BYTES])
                del out[:STEP_BYTES]
            if self._inflater.eof:
                view = memoryview(self._inflater.unused_data + bytes(view))
                self._inflater = _zstd()
                self._is_between = True
        if out:  # of noise each slice gives its own few bytes, and whoever takes a piece does much
            yield bytes(out)

    def finish(self) -> None:
        if not self._is_between:
            raise Rejected("the body ends in the middle of its zstd", code="bad-encoding")

    def close(self) -> None:
        self._inflater = _zstd()


def _no_zstd(error: zstandard.ZstdError) -> str:
    if "too much memory" in str(error):
        return (
            f"the body is zstd whose window is larger than {ZSTD_WINDOW_BYTES_MAX >> 20} MiB, the"
            " most that HTTP allows (RFC 9659): pack it at level 19 or below, and without --long"
        )
    return f"the body is no zstd: {error}"


def _zstd() -> "zstandard.ZstdDecompressionObj":
    return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX).decompressobj()


_INFLATERS: Final[dict[str, Callable[[], Inflater]]] = {"gzip": Gzip, "zstd": Zstd}


async def counted(
    pieces: AsyncGenerator[bytes], encoding: str, tally: Tally, expected: bytes | None = None
) -> AsyncGenerator[bytes]:
    """The plain bytes of a body; at its end they are what was `expected`, a BLAKE3.

    When it ends, or is closed, so are `pieces`, for whose turn somebody may wait. Raises
    `BadRequest` for an encoding that is not known, `Rejected` for all that is wrong with it.
    """
    if encoding not in ENCODINGS:
        detail = f"Content-Encoding {encoding[:32]!r} is none of {', '.join(ENCODINGS)}"
        raise BadRequest(detail, code="content-encoding")
    inflater = _INFLATERS[encoding]() if encoding in _INFLATERS else None
    came = 0
    try:
        async for piece in pieces:
            came += len(piece)
            if inflater is None:
                if piece:
                    yield tally.count(piece)
                    del piece
                continue
            out = inflater.push(piece)
            del piece
            while (plain := await asyncio.to_thread(_next, out, tally)) is not None:
                if tally.size > max(SWELLS_BYTES_MIN, SWELLS_MAX * came):
                    detail = (
                        f"{came:,} bytes came to more than {SWELLS_MAX} times as many: send it as"
                        " it is, without Content-Encoding"
                    )
                    raise Rejected(detail, code="swells-too-much")
                yield plain
                del plain
        if inflater is not None:
            inflater.finish()
        tally.check(expected)
    finally:
        if inflater is not None:
            inflater.close()
        await pieces.aclose()


def _next(out: Iterator[bytes], tally: Tally) -> bytes | None:
    piece = next(out, None)
    return None if piece is None else tally.count(piece)
