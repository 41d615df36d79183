"""A folder that is a dict: `Files` as `node` has them of a real one, in small."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.formats.errors import InvalidFile, Place
from universe.formats.imported import Listing, LyingFile, Source, StoredWorld
from universe.formats.limits import SAVE_BYTES_MAX
from universe.formats.taking import content_of, pieces_of, read

CHUNK = 1_000
CHANGED_US = 1_700_000_000_000_000


class MemoryFiles:
    def __init__(
        self, files: Mapping[str, bytes], name: str = "data", links: Mapping[str, str] | None = None
    ) -> None:
        self.files = dict(files)
        self.tables: dict[str, list[tuple[int, bytes]]] = {}
        """By path, of each row the tick and the state."""
        lying = {path: LyingFile(len(data), CHANGED_US) for path, data in self.files.items()}
        self.listing = Listing(name, lying, [*(links or {}).items()])

    def chunks(self, path: str) -> Iterator[bytes]:
        data = self.files.get(path)
        if data is None:
            raise InvalidFile(path, Place(), "is not there")
        yield from (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))

    def unpacked(self, path: str) -> bytes:
        return read(self, path, SAVE_BYTES_MAX)

    def worlds(self, path: str) -> Sequence[StoredWorld]:
        told = self.tables.get(path)
        if told is None:
            raise InvalidFile(path, Place(), "is no database")
        return [
            StoredWorld(row, tick, content_of(self, Source(path, row=row)))
            for row, (tick, _) in enumerate(told, 1)
        ]

    def world(self, path: str, row: int) -> Iterator[bytes]:
        yield self.tables[path][row - 1][1]

    def taken(self, source: Source) -> bytes:
        return b"".join(pieces_of(self, source))


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def as_json(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can say
    return json.dumps(value, ensure_ascii=False, indent=2).encode()
