"""A state on its way into a file: what it is, and what belongs around it there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO, Final

from blake3 import blake3

HEAD_BYTES: Final = 4_096
"""By which what belongs around it is known."""


class Sink:
    """Takes the bytes of a state in order, and writes them with what belongs around them."""

    def __init__(
        self, target: IO[bytes], around: Callable[[bytes], tuple[bytes, bytes] | None]
    ) -> None:
        self._target, self._around = target, around
        self._head: bytes | None = b""
        self._behind = b""
        self._blake3, self._sha256 = blake3(), hashlib.sha256()
        self.has_no_place = False

    @property
    def checksum(self) -> str:
        return self._blake3.hexdigest()

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()

    def write(self, data: bytes) -> int:
        self._blake3.update(data)
        if self._head is not None:
            self._head += data
            if len(self._head) >= HEAD_BYTES:
                self._begin()
        else:
            self._put(data)
        return len(data)

    def finish(self) -> None:
        if self._head is not None:
            self._begin()
        self._put(self._behind)

    def _begin(self) -> None:
        head, self._head = self._head or b"", None
        found = self._around(head[:HEAD_BYTES])
        self.has_no_place = found is None
        before, self._behind = found or (b"", b"")
        self._put(before + head)

    def _put(self, data: bytes) -> None:
        if not self.has_no_place:
            self._sha256.update(data)
            self._target.write(data)
