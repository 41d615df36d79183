"""The bytes of a blob in order while they are fetched: of any size, in the memory of a few chunks.

```
hold_blob ─▸ chunks on the disk, each verified, in whatever order they come
                 └─ those that are here from the first one on ─▸ whoever reads
```
Who reads slowly slows nothing: what is fetched lies on the disk. Where no peer gives more it ends
with the reason; what came stays, and who asks again goes on from there. A chunk that the disk
damaged since is dropped where it is read, and comes again with the others.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

from crdt.blob import BlobId
from node.errors import Unverified
from node.ports import Network
from node.services.fetch import FETCH_S, PATIENCE_S, hold_blob
from node.services.mended import MENDS_MAX, stream_mended
from node.tasks import background_tasks
from storage.errors import NotHeld
from storage.store import Store

RUN_CHUNKS: Final = 64
RUN_BYTES: Final = 1 << 20
"""Read at once, unless one chunk alone is larger."""
LOOK_AGAIN_S: Final = 0.5
"""Progress is told in steps: a chunk that is here may not have been told yet."""

Take = Callable[[bytes], Awaitable[None]]
log = logging.getLogger(__name__)


async def begin_blob(
    store: Store,
    network: Network,
    blob: BlobId,
    size_bytes: int,
    *,
    patience_s: float = PATIENCE_S,
    universe: int = 0,
) -> None:
    """Until the first chunk of it is here. `size_bytes`: what it is said to have; `universe`: as in
    `hold_blob`.

    Raises as `hold_blob`, and `Unverified` where it has another size.
    """
    async with _fetching(
        store, network, blob, size_bytes, FETCH_S, patience_s, universe
    ) as fetched:
        await fetched.run(0)
    state = await store.blob_state(blob)
    if state is not None and state.size != size_bytes:
        detail = f"blob {blob.hex()} has {state.size:,} bytes; {size_bytes:,} were said"
        raise Unverified(detail)


async def follow_blob(
    store: Store,
    network: Network,
    blob: BlobId,
    size_bytes: int,
    take: Take,
    *,
    called: str,
    patience_s: float = PATIENCE_S,
    universe: int = 0,
) -> None:
    """Hands all of it to `take`, in order, while it is fetched. `called`: what people know it by.

    Raises as `stream_mended`.
    """
    at = index = 0
    async with _fetching(store, network, blob, size_bytes, None, patience_s, universe) as fetched:
        while run := await fetched.run(index):
            index += len(run)
            piece = b"".join(run)
            at += len(piece)
            await take(piece)
    rest = stream_mended(
        store,
        network,
        blob,
        at,
        size_bytes,
        called=called,
        size_bytes=size_bytes,
        patience_s=patience_s,
    )
    async with aclosing(rest) as pieces:
        async for piece in pieces:
            await take(piece)


@asynccontextmanager
async def _fetching(
    store: Store,
    network: Network,
    blob: BlobId,
    size_bytes: int,
    timeout_s: float | None,
    patience_s: float,
    universe: int,
) -> AsyncGenerator["_Fetched"]:
    """It ends with the block. What the block raises comes out as it is, in no group of errors."""
    failed: Exception | None = None
    async with background_tasks() as tasks:
        try:
            yield _Fetched(store, network, blob, size_bytes, tasks, timeout_s, patience_s, universe)
        except Exception as error:
            failed = error
    if failed is not None:
        raise failed


class _Fetched:
    """A fetch that goes on in a task of its own, and what came of it."""

    def __init__(
        self,
        store: Store,
        network: Network,
        blob: BlobId,
        size_bytes: int,
        tasks: asyncio.TaskGroup,
        timeout_s: float | None,
        patience_s: float,
        universe: int,
    ) -> None:
        self._store, self._blob = store, blob
        self._news = asyncio.Event()
        self._error: Exception | None = None
        self._damaged = 0

        async def hold() -> None:
            await hold_blob(
                store,
                network,
                blob,
                size_bytes,
                self._told,
                timeout_s=timeout_s,
                patience_s=patience_s,
                universe=universe,
            )

        self._task = tasks.create_task(self._quietly(hold), name="fetch that is followed")

    async def run(self, index: int) -> Sequence[bytes | memoryview]:
        """Chunks from `index` on, as soon as one is here; none once the fetch is over.

        Raises what ended the fetch.
        """
        while not self._task.done():
            self._news.clear()
            if found := await self._here(index):
                self._damaged = 0
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._news.wait()
        if self._error is not None:
            raise self._error
        return ()

    async def _here(self, index: int) -> Sequence[bytes | memoryview]:
        try:
            return await self._store.read_run(
                self._blob, index, RUN_CHUNKS, size_bytes_max=RUN_BYTES
            )
        except NotHeld as error:  # it is missing from now on, as those that did not come yet
            self._damaged += 1
            if self._damaged > MENDS_MAX:
                raise
            log.warning("blob %s, which is being fetched: %s", self._blob.hex(), error)
            return ()

    async def _quietly(self, hold: Callable[[], Awaitable[None]]) -> None:
        """A task that fails would end its group with a group of errors."""
        try:
            await hold()
        except Exception as error:
            self._error = error
        finally:
            self._news.set()

    def _told(self, done: int, total: int) -> None:
        self._news.set()
