"""What a session needs of a store. `storage` fits by its shape, the tests by a small fake.

The core never awaits: the shell does, for each `Query`, and hands the answer back.
"""

from collections.abc import Awaitable, Collection, Sequence
from typing import Protocol

from crdt.area import Area
from crdt.blob import BlobId, Manifest
from crdt.change import SignedEntry
from crdt.keys import AuthorKey, NamespaceKey
from crdt.order import Bounds, RangeSummary


class Refusal(Protocol):
    """Why an entry was not taken."""

    @property
    def code(self) -> str: ...


class Received(Protocol):
    """What became of the entries that were handed to the store."""

    @property
    def added(self) -> Sequence[bytes]: ...
    @property
    def known(self) -> int: ...
    @property
    def refused(self) -> Sequence[Refusal]: ...


class EntryStore(Protocol):
    """The entries of all namespaces, in key order; ids are the first 16 bytes of an entry's id."""

    def summarise(
        self, namespace: NamespaceKey, area: Area, bounds: Sequence[Bounds]
    ) -> Awaitable[Sequence[RangeSummary]]: ...
    def split(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, parts: int
    ) -> Awaitable[Sequence[Bounds]]: ...
    def ids(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, limit: int
    ) -> Awaitable[Sequence[bytes]]: ...
    def holds(
        self, namespace: NamespaceKey, ids: Sequence[bytes]
    ) -> Awaitable[Collection[bytes]]: ...
    def kept_out(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, source: str | None = None
    ) -> Awaitable[Collection[bytes]]: ...
    def entries(
        self, namespace: NamespaceKey, ids: Sequence[bytes]
    ) -> Awaitable[Sequence[SignedEntry]]: ...
    def receive(
        self, entries: Sequence[SignedEntry], *, source: str, author: AuthorKey | None = None
    ) -> Awaitable[Received]: ...


class BlobStore(Protocol):
    """Content-addressed blobs in verified chunks."""

    def may_read_blob(
        self, blob: BlobId, claims: Sequence[tuple[NamespaceKey, Area]]
    ) -> Awaitable[bool]: ...
    def may_know_blob(
        self, blob: BlobId, claims: Sequence[tuple[NamespaceKey, Area]]
    ) -> Awaitable[bool]: ...
    def blob_manifest(
        self, blob: BlobId, first_page: int, pages: int
    ) -> Awaitable[Manifest | None]: ...
    def begin_blob(self, blob: BlobId, root: bytes) -> Awaitable[object]: ...
    def has_blob(self, blob: BlobId) -> Awaitable[bool]: ...
    def blob_root(self, blob: BlobId) -> Awaitable[bytes | None]: ...
    def blob_page(self, blob: BlobId, page: int) -> Awaitable[bytes | None]: ...
    def add_page(self, blob: BlobId, page: int, data: bytes) -> Awaitable[object]: ...
    def missing_pages(self, blob: BlobId) -> Awaitable[Sequence[int]]: ...
    def missing_chunks(self, blob: BlobId) -> Awaitable[Sequence[int]]: ...
    def check_room(self, blob: BlobId) -> Awaitable[object]: ...
    def release_room(self, blob: BlobId) -> None: ...
    def held_runs(self, blob: BlobId, first: int, limit: int) -> Awaitable[Sequence[int]]: ...
    def add_chunks(
        self,
        blob: BlobId,
        chunks: Sequence[tuple[int, bytes]],
        *,
        hashes: Sequence[bytes] | None = None,
    ) -> Awaitable[object]: ...
    def add_at_once(
        self, blob: BlobId, first: int, chunks: Sequence[bytes], hashes: Sequence[bytes]
    ) -> bool:
        """Whether they could be added without waiting for anybody; else nothing was done.

        Raises as `add_chunks`.
        """
        ...

    def read_run(
        self, blob: BlobId, first: int, count: int, *, size_bytes_max: int
    ) -> Awaitable[Sequence[bytes | memoryview]]: ...


class SyncStore(EntryStore, BlobStore, Protocol):
    """Both."""
