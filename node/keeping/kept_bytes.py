"""How much is kept, at the most: asked for each blob, so it is not added up anew each time.

a look finds what is kept ─┐
a fetch ends, some go      ┴─▸ as much as that; what became a person's since, the next look sees
"""

from collections.abc import Collection, Iterable

from crdt.blob import BlobId


class KeptBytes:
    """Each blob counted whole."""

    def __init__(self) -> None:
        self._sizes: dict[BlobId, int] = {}
        self._since: dict[BlobId, int] = {}
        """What came and went (0) since the last look began: it may not have seen that."""
        self._total = 0

    def look(self) -> None:
        """What is kept is read from now on."""
        self._since = {}

    def found(self, kept: Iterable[tuple[BlobId, int]]) -> None:
        """The look ended, with these and their sizes."""
        self._sizes = dict(kept) | self._since
        self._total = sum(self._sizes.values())

    def came(self, blob: BlobId, size: int) -> None:
        """A part of it may be here."""
        self._note(blob, size)

    def went(self, blobs: Iterable[BlobId]) -> None:
        for blob in blobs:
            self._note(blob, 0)

    def without(self, blobs: Collection[BlobId]) -> int:
        """Bytes of all others."""
        return self._total - sum(self._sizes.get(blob, 0) for blob in blobs)

    def _note(self, blob: BlobId, size: int) -> None:
        self._total += size - self._sizes.get(blob, 0)
        self._sizes[blob] = self._since[blob] = size
