"""A folder that is a dict: `Files` as `node` has them of a real one, in small."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from registry.formats.errors import InvalidFile, Place
from universe.formats.imported import Content, Listing, LyingFile, Source
from universe.formats.unpacking import Unpacking

CHANGED_US = 1_700_000_000_000_000


class MemoryFiles:
    def __init__(
        self, files: Mapping[str, bytes], name: str = "data", links: Mapping[str, str] | None = None
    ) -> None:
        self.files = dict(files)
        lying = {path: LyingFile(len(data), CHANGED_US) for path, data in self.files.items()}
        self.listing = Listing(name, lying, [*(links or {}).items()])

    def read(self, path: str, bytes_max: int) -> bytes:
        return self._bytes(path, bytes_max)

    def content(self, source: Source) -> Content:
        data = self.taken(source)
        return Content(len(data), blake3(data).digest(), hashlib.sha256(data).digest())

    def taken(self, source: Source) -> bytes:
        data = self._bytes(source.path, 1 << 30)
        return data if source.span is None else data[slice(*source.span)]

    def _bytes(self, path: str, bytes_max: int) -> bytes:
        if path not in self.files:
            raise InvalidFile(path, Place(), "is not there")
        unpacking = Unpacking(path, bytes_max)
        pieces = [*unpacking.feed(self.files[path]), *unpacking.close()]
        return b"".join(pieces)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def as_json(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can say
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
