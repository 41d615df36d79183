"""What all indexes, or notes, of ours, or all small files of a server, may hold in one import.

Each is bounded by itself; a folder of many of them, each a small .gz, would fill the memory or take
hours.
"""

from registry.formats.errors import InvalidFile, Place
from universe.formats.claims import Plain, object_in
from universe.formats.imported import Files
from universe.formats.index import Index
from universe.formats.limits import ALL_INDEXES_BYTES_MAX, ALL_LISTED_MAX, INDEX_BYTES_MAX
from universe.formats.taking import read


class Budget:
    """Once it is spent, nothing more is read."""

    def __init__(self) -> None:
        self._bytes, self._listed = ALL_INDEXES_BYTES_MAX, ALL_LISTED_MAX

    def object_of(self, files: Files, path: str, bytes_max: int = INDEX_BYTES_MAX) -> Plain:
        """A small JSON file that holds an object: see `object_in`. Raises `InvalidFile`."""
        if self._bytes >= 0:
            data = read(files, path, bytes_max)
            self._bytes -= len(data)
            if self._bytes >= 0:
                return object_in(data, path)
        reason = f"beyond {ALL_INDEXES_BYTES_MAX:,} bytes, unpacked, of all such files together"
        raise InvalidFile(path, Place(), reason)

    def spend(self, index: Index) -> None:
        """What it lists. Raises `InvalidFile`."""
        self._listed -= len(index.listed) + len(index.events)
        if self._listed < 0:
            reason = f"beyond {ALL_LISTED_MAX:,} states and events in all such files together"
            raise InvalidFile(index.path, Place(), reason)
