"""The quick fake of the store: the same answers from a sorted list, no disk, nothing verified."""

from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from crdt.area import Area
from crdt.blob import BlobId, BlobRoot, Chunking, Manifest, manifest_of, parse_page, parse_root
from crdt.change import SignedEntry
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from crdt.keys import AuthorKey, NamespaceKey
from crdt.order import (
    ITEM_ID_BYTES,
    LANES,
    Bounds,
    RangeSummary,
    fingerprint,
    lanes,
    order_key,
)
from storage.appended import Appended, AppendedEvent, Listener
from storage.errors import NotHeld


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str


@dataclass(frozen=True, slots=True)
class Received:
    added: tuple[bytes, ...]
    known: int
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Index:
    """The items of one area, sorted, with the running sums of their lanes."""

    keys: list[bytes]
    ids: list[bytes]
    sums: list[tuple[int, ...]]

    def span(self, bounds: Bounds) -> tuple[int, int]:
        start = bisect_left(self.keys, bounds.lower)
        end = len(self.keys) if bounds.upper is None else bisect_left(self.keys, bounds.upper)
        return start, max(start, end)


@dataclass(slots=True)
class _Blob:
    root: BlobRoot
    root_bytes: bytes
    pages: dict[int, bytes] = field(default_factory=dict[int, bytes])
    chunks: dict[int, bytes] = field(default_factory=dict[int, bytes])


class MemoryStore:
    """Obeys `p2p.protocol.ports.SyncStore`.

    `refuses` names ids that it refuses to take, `keeps_out` those that it has no room for.
    """

    def __init__(self, refuses: Collection[bytes] = (), keeps_out: Collection[bytes] = ()) -> None:
        self.keeps_out = keeps_out
        self.held: dict[NamespaceKey, dict[bytes, SignedEntry]] = {}
        self.refuses = refuses
        self.refuses_with = "bad-signature"
        self.questions = 0
        self._indices: dict[tuple[NamespaceKey, Area], _Index] = {}
        self._appended = Appended()
        self._blobs: dict[BlobId, _Blob] = {}
        self.named_in: dict[BlobId, Collection[NamespaceKey]] = {}

    def add(self, entries: Sequence[SignedEntry]) -> tuple[bytes, ...]:
        """Takes `entries`; the ids of those that are new."""
        new: list[bytes] = []
        for signed in entries:
            id = signed.id
            of_namespace = self.held.setdefault(signed.entry.namespace, {})
            if id[:ITEM_ID_BYTES] not in of_namespace:
                of_namespace[id[:ITEM_ID_BYTES]] = signed
                new.append(id)
        if new:
            self._indices.clear()
        return tuple(new)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["MemoryStore"]:
        """As a disk would be: what is held is there again when it is opened again."""
        yield self

    def ids_held(self) -> set[bytes]:
        return {id for of_namespace in self.held.values() for id in of_namespace}

    async def summarise(
        self, namespace: NamespaceKey, area: Area, bounds: Sequence[Bounds]
    ) -> list[RangeSummary]:
        self.questions += 1
        index = self._index(namespace, area)
        return [_summary(index, one) for one in bounds]

    async def split(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, parts: int
    ) -> list[Bounds]:
        index = self._index(namespace, area)
        start, end = index.span(bounds)
        pieces = max(1, min(parts, end - start))
        at = [start + (end - start) * piece // pieces for piece in range(1, pieces)]
        cuts = [index.keys[place] for place in at]
        return [
            Bounds(lower, upper)
            for lower, upper in zip([bounds.lower, *cuts], [*cuts, bounds.upper], strict=True)
        ]

    async def ids(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, limit: int
    ) -> list[bytes]:
        index = self._index(namespace, area)
        start, end = index.span(bounds)
        return index.ids[start : min(end, start + limit)]

    async def holds(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> set[bytes]:
        self.questions += 1
        held = self.held.get(namespace, {})
        return {id for id in ids if id in held}

    async def kept_out(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, source: str | None = None
    ) -> set[bytes]:
        self.questions += 1
        return {id for id in ids if id in self.keeps_out}

    async def entries(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> list[SignedEntry]:
        self.questions += 1
        held = self.held.get(namespace, {})
        return [held[id] for id in ids if id in held]

    async def receive(
        self, entries: Sequence[SignedEntry], *, source: str, author: AuthorKey | None = None
    ) -> Received:
        good = [signed for signed in entries if signed.id[:ITEM_ID_BYTES] not in self.refuses]
        added = self.add(good)
        self._tell(good, added, source)
        refused = (Refusal(self.refuses_with),) * (len(entries) - len(good))
        return Received(added, len(good) - len(added), refused)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._appended.subscribe(listener)

    def _tell(self, entries: Sequence[SignedEntry], added: Sequence[bytes], source: str) -> None:
        by_namespace: dict[NamespaceKey, list[SignedEntry]] = {}
        for signed in entries:
            if signed.id in added:
                by_namespace.setdefault(signed.entry.namespace, []).append(signed)
        for namespace, new in by_namespace.items():
            ids = tuple(signed.id for signed in new)
            of = tuple(signed.entry for signed in new)
            self._appended.tell(AppendedEvent(namespace, ids, of, frozenset(), source))

    def put_blob(self, data: bytes, chunking: Chunking = Chunking.FIXED) -> BlobId:
        manifest = manifest_of(data) if chunking is Chunking.FIXED else content_manifest_of(data)
        root = parse_root(manifest.root, manifest.id)
        blob = self._blobs[manifest.id] = _Blob(root, manifest.root)
        blob.pages.update(enumerate(manifest.pages))
        blob.chunks.update(enumerate(cut([data], chunking)))
        return manifest.id

    def blobs_held(self) -> set[BlobId]:
        """Those of which nothing is missing."""
        return {id for id, one in self._blobs.items() if len(one.chunks) == one.root.chunk_count}

    def blob(self, id: BlobId) -> bytes:
        return b"".join(chunk for _, chunk in sorted(self._blobs[id].chunks.items()))

    async def may_read_blob(
        self, blob: BlobId, claims: Sequence[tuple[NamespaceKey, Area]]
    ) -> bool:
        """`named_in`: the namespaces whose records name it; none of them, and anybody may."""
        named_in = self.named_in.get(blob)
        return named_in is None or any(of in named_in for of, _ in claims)

    async def may_know_blob(
        self, blob: BlobId, claims: Sequence[tuple[NamespaceKey, Area]]
    ) -> bool:
        return await self.may_read_blob(blob, claims)

    async def blob_manifest(self, blob: BlobId, first_page: int, pages: int) -> Manifest | None:
        one = self._blobs.get(blob)
        if one is None:
            return None
        end = min(first_page + pages, one.root.page_count)
        if any(page not in one.pages for page in range(first_page, end)):
            return None
        return Manifest(one.root, tuple(one.pages[at] for at in range(first_page, end)), first_page)

    async def has_blob(self, blob: BlobId) -> bool:
        return blob in self.blobs_held()

    async def blob_root(self, blob: BlobId) -> bytes | None:
        return self._blobs[blob].root_bytes if blob in self._blobs else None

    async def blob_page(self, blob: BlobId, page: int) -> bytes | None:
        return self._blobs[blob].pages.get(page) if blob in self._blobs else None

    async def begin_blob(self, blob: BlobId, root: bytes) -> None:
        self._blobs.setdefault(blob, _Blob(parse_root(root, blob), root))

    async def add_page(self, blob: BlobId, page: int, data: bytes) -> None:
        one = self._blobs[blob]
        one.pages[page] = data
        if one.root.chunking is Chunking.CONTENT:  # what is held of any blob is not missing
            held = self._chunks_by_hash()
            for index, name in enumerate(
                parse_page(data, one.root, page), one.root.page_starts[page]
            ):
                if name.hash in held:
                    one.chunks[index] = held[name.hash]

    def _chunks_by_hash(self) -> dict[bytes, bytes]:
        blobs = [one for one in self._blobs.values() if one.root.chunking is Chunking.CONTENT]
        return {payload_digest(data): data for one in blobs for data in one.chunks.values()}

    def drop_blob(self, blob: BlobId) -> None:
        """As gc does with what nobody names."""
        del self._blobs[blob]

    async def missing_pages(self, blob: BlobId) -> list[int]:
        one = self._blobs[blob]
        return [page for page in range(len(one.root.page_hashes)) if page not in one.pages]

    async def missing_chunks(self, blob: BlobId) -> list[int]:
        one = self._blobs[blob]
        return [index for index in range(one.root.chunk_count) if index not in one.chunks]

    async def check_room(self, blob: BlobId) -> None:
        """It has room for everything."""

    def release_room(self, blob: BlobId) -> None:
        """It has room for everything."""

    async def held_runs(self, blob: BlobId, first: int, limit: int) -> list[int]:
        held = sorted(self._blobs[blob].chunks) if blob in self._blobs else []
        runs: list[tuple[int, int]] = []
        for index in held:
            if runs and sum(runs[-1]) == index:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((index, 1))
        turn = next((at for at, run in enumerate(runs) if sum(run) > first), 0)
        return [number for run in [*runs[turn:], *runs[:turn]][:limit] for number in run]

    async def add_chunks(
        self,
        blob: BlobId,
        chunks: Sequence[tuple[int, bytes]],
        *,
        hashes: Sequence[bytes] | None = None,
    ) -> None:
        self._blobs[blob].chunks.update(chunks)

    def add_at_once(
        self, blob: BlobId, first: int, chunks: Sequence[bytes], hashes: Sequence[bytes]
    ) -> bool:
        """Never: when something is stored is the simulator's to say."""
        return False

    async def read_run(
        self, blob: BlobId, first: int, count: int, *, size_bytes_max: int
    ) -> list[bytes]:
        one, run = self._blobs.get(blob), list[bytes]()
        for index in range(first, first + count):
            data = one.chunks.get(index) if one is not None else None
            size_bytes_max -= len(data or b"")
            if data is None or size_bytes_max < 0:
                break
            run.append(data)
        return run

    async def read_chunk(self, blob: BlobId, index: int) -> bytes:
        one = self._blobs.get(blob)
        if one is None or index not in one.chunks:
            raise NotHeld("A chunk is not held.")
        return one.chunks[index]

    def _index(self, namespace: NamespaceKey, area: Area) -> _Index:
        index = self._indices.get((namespace, area))
        if index is None:
            held = self.held.get(namespace, {}).items()
            items = sorted(
                (order_key(signed.entry) + id, id)
                for id, signed in held
                if area.includes_entry(signed.entry)
            )
            numbers: list[tuple[int, ...]] = [lanes(id) for _, id in items]
            nothing: tuple[int, ...] = (0,) * LANES
            sums = accumulate(numbers, _add, initial=nothing)
            index = _Index([key for key, _ in items], [id for _, id in items], list(sums))
            self._indices[namespace, area] = index
        return index


def _add(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int.__add__, left, right))


def _summary(index: _Index, bounds: Bounds) -> RangeSummary:
    start, end = index.span(bounds)
    sums = [
        after - before for before, after in zip(index.sums[start], index.sums[end], strict=True)
    ]
    return RangeSummary(end - start, fingerprint(sums, end - start))
