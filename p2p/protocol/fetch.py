"""Fetching a blob from one peer: root, pages, then chunks, each verified before it is kept.

    ROOT ──root──> PAGES ──all pages──> CHUNKS ──none missing──> done
       \\______ the peer has not got it · it is too large · our store is full ______> failed

At most 8 chunks are in flight. What is held already is never asked for again, so a fetch that was
cut off goes on where it stopped, with this peer or another. A piece with the wrong hash is the
peer's fault.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from crdt.blob import BlobId, BlobRoot, Manifest, check_chunk, parse_page, parse_root
from crdt.errors import CrdtError
from p2p.protocol import limits
from p2p.protocol.effects import (
    AddChunk,
    AddPage,
    BeginBlob,
    BlobFailed,
    BlobFetched,
    BlobProgress,
    FindManifest,
    MissingChunks,
    SessionEvent,
    Unstored,
)
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Get, Part
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.report import SessionReport
from p2p.protocol.serve import CHUNK, PAGE, ROOT

NOT_STORED = "not-stored"


@dataclass(slots=True)
class _Fetch:
    """One blob that is being fetched."""

    blob: BlobId
    size_bytes_max: int
    root: BlobRoot | None = None
    pages: dict[int, bytes] = field(default_factory=dict[int, bytes])
    manifest: Manifest | None = None
    ahead: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    in_flight: int = 0  # asked for, and not in the store yet
    chunks_missing: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    fetch: _Fetch
    piece: int
    index: int
    at_s: float


class Fetches:
    """The blobs this side fetches from one peer; the others wait their turn."""

    def __init__(self, outbox: Outbox, report: SessionReport) -> None:
        self._outbox = outbox
        self._report = report
        self._running: dict[BlobId, _Fetch] = {}
        self._waiting: dict[BlobId, _Fetch] = {}
        self._asked: dict[int, _Asked] = {}
        self._number = 0

    @property
    def oldest_s(self) -> float | None:
        """When the oldest open Get was sent."""
        return min((asked.at_s for asked in self._asked.values()), default=None)

    def fetch(self, blob: BlobId, size_bytes_max: int) -> None:
        """Plans to begin, or to go on with, the blob; ends in `BlobFetched` or `BlobFailed`.

        Of two that want it at once the one that takes more counts: the other's record may lie.
        """
        known = self._running.get(blob) or self._waiting.setdefault(blob, _Fetch(blob, 0))
        known.size_bytes_max = max(known.size_bytes_max, size_bytes_max)

    def take(self, frame: Part) -> None:
        """The answer to a Get. Raises `RemoteProtocolError` where the piece has another hash."""
        asked = self._asked.pop(frame.number, None)
        if asked is None:
            raise RemoteProtocolError("part", "a piece of a blob came that nobody asked for")
        fetch = asked.fetch
        if not self._is_running(fetch):
            return  # it failed meanwhile, and may have been begun anew
        if frame.data is None:
            fault = f"the peer does not hold {('the root', 'a page', 'a chunk')[asked.piece]} of it"
            self._end(fetch, BlobFailed(fetch.blob, "not-held", fault))
            return
        try:
            steps = self._keep(asked, frame.data)
        except CrdtError as error:
            raise RemoteProtocolError(error.code, f"a blob is wrong: {error.detail}") from error
        if steps is not None:
            self._outbox.run(steps)

    def fail_all(self, code: str, sentence: str) -> None:
        """The session ends."""
        for fetch in [*self._running.values(), *self._waiting.values()]:
            self._outbox.notify(BlobFailed(fetch.blob, code, sentence))
        self._running.clear()
        self._waiting.clear()
        self._asked.clear()

    def advance(self) -> None:
        """Begins what may run at once, asks what there is room for; called after every input."""
        while self._waiting and len(self._running) < limits.FETCHES_MAX:
            blob = next(iter(self._waiting))
            fetch = self._running[blob] = self._waiting.pop(blob)
            self._outbox.run(self._begin(fetch))
        for fetch in list(self._running.values()):
            self._pump(fetch)

    def _begin(self, fetch: _Fetch) -> Steps[None]:
        fetch.manifest = yield FindManifest(fetch.blob)
        if fetch.manifest is None:
            fetch.ahead.append((ROOT, 0))
            self._pump(fetch)
        elif self._fits(fetch, fetch.manifest.size):
            yield from self._plan_chunks(fetch, fetch.manifest)

    def _keep(self, asked: _Asked, data: bytes) -> Steps[None] | None:
        """Verifies a piece; what is to be done with it, if it fits what was asked."""
        fetch = asked.fetch
        match asked.piece:
            case _ if asked.piece == ROOT:
                root = parse_root(data, fetch.blob)
                is_wanted = self._fits(fetch, root.size)
                return self._keep_root(fetch, root, data) if is_wanted else None
            case _ if asked.piece == PAGE and fetch.root is not None:
                parse_page(data, fetch.root, asked.index)
                return self._keep_page(fetch, fetch.root, asked.index, data)
            case _:
                assert fetch.manifest is not None, "chunks are asked for by their manifest"
                check_chunk(data, fetch.manifest, asked.index)
                return self._keep_chunk(fetch, fetch.manifest, asked.index, data)

    def _fits(self, fetch: _Fetch, size: int) -> bool:
        if size > fetch.size_bytes_max:
            fault = f"it has {size} bytes, at most {fetch.size_bytes_max} are wanted"
            self._end(fetch, BlobFailed(fetch.blob, "too-large", fault))
        return size <= fetch.size_bytes_max

    def _is_stored(self, fetch: _Fetch, answer: object) -> bool:
        if isinstance(answer, Unstored):
            self._end(fetch, BlobFailed(fetch.blob, NOT_STORED, answer.sentence))
        return not isinstance(answer, Unstored)

    def _keep_root(self, fetch: _Fetch, root: BlobRoot, data: bytes) -> Steps[None]:
        fetch.root = root
        if not self._is_stored(fetch, (yield BeginBlob(fetch.blob, data))):
            return
        fetch.in_flight -= 1
        fetch.ahead.extend((PAGE, index) for index in range(len(root.page_hashes)))
        if not root.page_hashes:
            yield from self._have_manifest(fetch, root)
        self._pump(fetch)

    def _keep_page(self, fetch: _Fetch, root: BlobRoot, index: int, page: bytes) -> Steps[None]:
        if not self._is_stored(fetch, (yield AddPage(fetch.blob, index, page))):
            return
        fetch.in_flight -= 1
        fetch.pages[index] = page
        if len(fetch.pages) == len(root.page_hashes):
            yield from self._have_manifest(fetch, root)
        self._pump(fetch)

    def _have_manifest(self, fetch: _Fetch, root: BlobRoot) -> Steps[None]:
        pages = tuple(fetch.pages[index] for index in range(len(root.page_hashes)))
        fetch.manifest = Manifest(root, pages)
        fetch.pages.clear()
        yield from self._plan_chunks(fetch, fetch.manifest)

    def _plan_chunks(self, fetch: _Fetch, manifest: Manifest) -> Steps[None]:
        missing: Sequence[int] | Unstored = yield MissingChunks(fetch.blob)
        if isinstance(missing, Unstored):
            self._end(fetch, BlobFailed(fetch.blob, NOT_STORED, missing.sentence))
            return
        fetch.chunks_missing = len(missing)
        fetch.ahead.extend((CHUNK, index) for index in missing)
        if not missing:
            self._end(fetch, BlobFetched(fetch.blob, manifest.size))
        self._pump(fetch)

    def _keep_chunk(
        self, fetch: _Fetch, manifest: Manifest, index: int, chunk: bytes
    ) -> Steps[None]:
        if not self._is_stored(fetch, (yield AddChunk(fetch.blob, index, chunk))):
            return
        fetch.in_flight -= 1
        fetch.chunks_missing -= 1
        self._report.chunks_received += 1
        if not self._is_running(fetch):
            return
        total = manifest.chunk_count
        self._outbox.notify(BlobProgress(fetch.blob, total - fetch.chunks_missing, total))
        if fetch.in_flight == 0 and not fetch.ahead:
            yield from self._plan_chunks(fetch, manifest)
        self._pump(fetch)

    def _pump(self, fetch: _Fetch) -> None:
        """Asks for more, as far as this blob's window and the peer's limit for all of them go."""
        while fetch.ahead and fetch.in_flight < limits.BLOB_WINDOW and self._is_running(fetch):
            if len(self._asked) >= limits.BLOB_REQUESTS_MAX:
                return  # pieces of a blob that failed are still to come
            self._ask(fetch, *fetch.ahead.popleft())

    def _ask(self, fetch: _Fetch, piece: int, index: int) -> None:
        fetch.in_flight += 1
        self._number += 1
        self._asked[self._number] = _Asked(fetch, piece, index, self._outbox.now_s)
        self._outbox.send(Get(self._number, fetch.blob, piece, index))

    def _end(self, fetch: _Fetch, event: SessionEvent) -> None:
        if self._is_running(fetch):
            del self._running[fetch.blob]
            self._outbox.notify(event)

    def _is_running(self, fetch: _Fetch) -> bool:
        return self._running.get(fetch.blob) is fetch
