"""One blob from whichever peer gives it: a peer that does not is not waited for."""

import asyncio
from collections.abc import Callable, Sequence

from crdt.blob import BlobId
from p2p.protocol import effects as ask
from p2p.protocol.errors import NotStored, PeerLeft, SyncError
from p2p.protocol.fetch import NOT_STORED
from p2p.transport.connection import Connection

# A chunk at 50 KB/s. Who gives none for so long is still listened to, and the next one asked too: a
# peer that answers everything but this could else keep a blob from us for as long as it likes.
PATIENCE_S = 5.0

Progress = Callable[[int, int], None]


class NoPeerHasIt(SyncError):
    """No connected peer could give the blob."""


async def fetch_from_any(
    connections: Sequence[Connection], blob: BlobId, progress: Progress, *, size_bytes_max: int
) -> None:
    """Asks one peer after the other, until one of them gave all of the blob.

    Raises `NoPeerHasIt` when every one has failed, `NotStored` when this node has.
    """
    search = _Search(blob, progress, size_bytes_max)
    async with asyncio.TaskGroup() as tasks:
        attempts: list[asyncio.Task[None]] = []
        for connection in connections:
            if search.is_over:
                break
            name = f"fetch from {connection.address}"
            attempts.append(tasks.create_task(search.ask(connection), name=name))
            await search.go_on()
        while not search.is_over and len(search.failed) < len(attempts):
            await search.go_on()
        for attempt in attempts:
            attempt.cancel()
    search.end()


class _Search:
    """What became of the peers asked so far."""

    def __init__(self, blob: BlobId, progress: Progress, size_bytes_max: int) -> None:
        self.failed: list[str] = []
        self._blob = blob
        self._progress = progress
        self._size_bytes_max = size_bytes_max
        self._chunks_held = 0
        self._is_held = False
        self._own_fault: NotStored | None = None
        self._news = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._is_held or self._own_fault is not None

    async def ask(self, connection: Connection) -> None:
        """Until this peer gave all of it, or failed."""
        try:
            await self._fetch(connection)
            self._is_held = True
        except NotStored as error:
            self._own_fault = error
        except SyncError as error:
            self.failed.append(f"{connection.address}: {error.sentence}")
        self._news.set()

    async def go_on(self) -> None:
        """Until it is over, a peer fails, or nothing comes for a while."""
        failed_before = len(self.failed)
        while not self.is_over and len(self.failed) == failed_before:
            self._news.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._news.wait()
            except TimeoutError:
                return

    def end(self) -> None:
        """Raises where it is not held now."""
        if self._own_fault is not None:
            raise self._own_fault
        if not self._is_held:
            tried = "; ".join(self.failed) or "no peer is connected"
            raise NoPeerHasIt("no-peer-has-it", f"No peer could give it ({tried}).")

    async def _fetch(self, connection: Connection) -> None:
        blob = self._blob
        with connection.watch() as watch:
            connection.fetch(blob, size_bytes_max=self._size_bytes_max)
            while True:
                match await watch.next():
                    case ask.BlobProgress(of, chunks, total) if of == blob:
                        self._tell(chunks, total)
                    case ask.BlobFetched(of) if of == blob:
                        return
                    case ask.BlobFailed(of, code, sentence) if of == blob:
                        raise (NotStored if code == NOT_STORED else PeerLeft)(code, sentence)
                    case _:
                        continue

    def _tell(self, chunks: int, total: int) -> None:
        self._news.set()
        if chunks > self._chunks_held:  # each session counts for itself
            self._chunks_held = chunks
            self._progress(chunks, total)
