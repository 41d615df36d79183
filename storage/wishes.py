"""Blobs that are being fetched now, and for whom: a person who waits, or others (`storage.kept`).

A blob may be fetched for both at once. It is begun for the person then, whoever asked first: so a
part that came while they waited is theirs, also where they stop, or the process is killed.
"""

from collections import Counter
from collections.abc import Collection, Generator
from contextlib import contextmanager

from crdt.blob import BlobId
from crdt.keys import AuthorKey


class Wishes:
    """Read also by the thread that writes blobs."""

    def __init__(self) -> None:
        self._asked = Counter[BlobId]()
        self._kept: dict[BlobId, tuple[AuthorKey, ...]] = {}

    @contextmanager
    def keeping(self, blob: BlobId, author: AuthorKey) -> Generator[None]:
        """It is fetched for others. `author`: who names it."""
        self._kept[blob] = (*self._kept.get(blob, ()), author)
        try:
            yield
        finally:
            authors = [*self._kept.pop(blob)]
            authors.remove(author)
            if authors:
                self._kept[blob] = tuple(authors)

    @contextmanager
    def asking(self, blob: BlobId) -> Generator[None]:
        """A person waits for it."""
        self._asked[blob] += 1
        try:
            yield
        finally:
            self._asked[blob] -= 1
            if not self._asked[blob]:
                del self._asked[blob]

    def author_of(self, blob: BlobId) -> AuthorKey | None:
        """Who names what is fetched for others alone; None for a person's."""
        authors = self._kept.get(blob)
        return authors[0] if authors and blob not in self._asked else None

    def is_asked(self, blob: BlobId) -> bool:
        return blob in self._asked

    @property
    def blobs(self) -> Collection[BlobId]:
        """All of them: nothing takes away what is being fetched."""
        return self._kept.keys() | self._asked.keys()
