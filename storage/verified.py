"""Which blob a snapshot names, of those that were verified here: each costs some 80 µs."""

from collections.abc import Callable
from typing import Final

from crdt.digest import payload_digest
from storage.listing import SnapshotRow

VERIFIED_MAX: Final = 32_768  # some 8 MB; a document of 30,000 operations has no more


class Verified:
    """What is wrong is remembered too: it is as dear. For one at a time."""

    def __init__(self) -> None:
        self._blobs: dict[bytes, bytes | None] = {}

    def blob_of(
        self, id: bytes, data: bytes, read: Callable[[bytes, bytes], SnapshotRow | None]
    ) -> bytes | None:
        """The blob that it names; None: it is no snapshot of that id. `read`: of `Parts`."""
        key = payload_digest(id + data)
        if key not in self._blobs:
            if len(self._blobs) >= VERIFIED_MAX:
                del self._blobs[next(iter(self._blobs))]
            row = read(id, data)
            self._blobs[key] = None if row is None else row.blob
        return self._blobs[key]
