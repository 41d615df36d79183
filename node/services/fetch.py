"""Blobs that may not be here yet."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Final

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from node.errors import Unreachable, Unverified
from node.ports import Network, Progress
from node.services.beside import near_to, settle_beside
from p2p.protocol.errors import NotStored, SyncError
from p2p.protocol.limits import NOTHING_CAME_S
from p2p.protocol.pieces import Urgency
from storage.errors import NotHeld
from storage.store import Store

# A module of 10 MiB over a slow line; what takes longer goes on where it stopped when asked again.
FETCH_S: Final = 300.0
# Whoever waits for an answer is told so soon that nobody is there any more: a giver that starts
# anew is back within that, and one that lost its network and found another.
PATIENCE_S: Final = 15.0
PATIENCE_S_MAX: Final = int(NOTHING_CAME_S)
# Handed over in one piece: modules, not snapshots. A record's own word for the size may be a lie.
IN_MEMORY_BYTES_MAX: Final = 64 << 20


def ignore(done: int, total: int) -> None:
    """No one watches."""


def waits_for(network: Network, blob: BlobId) -> str:
    """Why nobody is asked for a blob that is being fetched: "" where somebody is."""
    here = (one for one in network.transfers() if one.blob == blob.hex())
    return next((one.reason for one in here if one.state == "fetching"), "")


async def fetch_blob(
    store: Store,
    network: Network,
    blob: BlobId,
    progress: Progress = ignore,
    *,
    size_bytes_max: int = IN_MEMORY_BYTES_MAX,
    timeout_s: float = FETCH_S,
    kept_for: AuthorKey | None = None,
) -> bytes:
    """The bytes of a blob, from here or from a peer. `kept_for`: as in `hold_blob`.

    Raises `Unreachable` where no peer gives it, `Unverified` where it is larger than it may be,
    `NotStored` where there is no room for it.
    """
    size_bytes_max = min(size_bytes_max, IN_MEMORY_BYTES_MAX)
    hold = partial(
        hold_blob,
        store,
        network,
        blob,
        size_bytes_max,
        progress,
        timeout_s=timeout_s,
        kept_for=kept_for,
    )
    with _wish(store, blob, kept_for):  # also while it is read
        await hold()
        with suppress(NotHeld):  # the disk damaged some of it, which is dropped: that comes again
            return await read_held(store, blob, size_bytes_max=size_bytes_max)
        await hold()
        return await read_held(store, blob, size_bytes_max=size_bytes_max)


async def read_held(store: Store, blob: BlobId, *, size_bytes_max: int) -> bytes:
    """The bytes of a blob that is here. Raises `Unverified` where it is larger than it may be."""
    state = await store.blob_state(blob)
    if state is not None and state.size > size_bytes_max:
        detail = f"blob {blob.hex()} has {state.size} bytes; at most {size_bytes_max} were expected"
        raise Unverified(detail, code="blob-too-large")
    return await store.read_blob(blob)


async def hold_blob(
    store: Store,
    network: Network,
    blob: BlobId,
    size_bytes_max: int,
    progress: Progress = ignore,
    *,
    timeout_s: float | None = FETCH_S,
    patience_s: float | None = None,
    urgency: Urgency = Urgency.ASKED,
    kept_for: AuthorKey | None = None,
    relative_to: Sequence[BlobId] = (),
    universe: int = 0,
) -> None:
    """Sees to it that a blob is here. Raises `Unreachable` or `NotStored`, as `fetch_blob`.

    `timeout_s` None: as long as a peer gives some of it, and somebody watches. `patience_s`: so
    long nobody may be there who could be asked; None: as the swarm waits for who gave some of it
    and left (`p2p.protocol.limits.NOTHING_CAME_S`). It is a person's
    from now on, who asked for it, and so is what came of it where this ends before it is whole:
    nothing that is kept for others makes it go (`storage.kept`). `kept_for`: no person asked, but
    this node does by itself, because this author names it: it is kept as any such blob.
    `relative_to`: blobs that it may be much like, the likest first; of a snapshot, where nothing
    is said, those beside it in its universe. Of the first that is here whole, only what differs is
    fetched, from peers that may know of both. `universe`: of which it is a state, where that is
    known, as in `Store.beside`.
    """
    urgency = urgency if kept_for is None else Urgency.KEPT
    end = _End(network, blob, progress, timeout_s, patience_s)
    with end.as_unreachable(), _wish(store, blob, kept_for):
        if kept_for is None:
            await store.adopt_blob(blob)
        if await store.has_blob(blob):
            return
        near = relative_to or await near_to(store, blob, universe)
        try:
            async with end.limit:
                end.look()
                await network.fetch_blob(
                    blob,
                    end.told,
                    size_bytes_max=size_bytes_max,
                    urgency=urgency,
                    relative_to=near,
                )
            await settle_beside(store, [blob], universe)
        finally:  # what was being begun for nobody in the moment in which this asked
            if kept_for is None:
                await store.adopt_blob(blob)


class _End:
    """When a fetch is given up: once it took too long, or nobody was there for too long."""

    def __init__(
        self,
        network: Network,
        blob: BlobId,
        progress: Progress,
        timeout_s: float | None,
        patience_s: float | None,
    ) -> None:
        self._network, self._blob, self._progress = network, blob, progress
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._clock = asyncio.get_running_loop().time
        self._until_s = None if timeout_s is None else self._clock() + timeout_s
        self.limit = asyncio.timeout_at(self._until_s)
        self._waits = ""
        self._done = 0
        self._since_s: float | None = None
        """From when on nothing came, and somebody was waited for."""

    @property
    def why(self) -> str:
        """Of one that `limit` ended."""
        if not self._waits:
            return f"blob {self._blob.hex()} did not arrive within {self._timeout_s or 0:.0f} s"
        here, then = "only partly", "What came is kept: ask again, and it goes on where it stopped."
        if not self._done:
            here, then = "not", "Once somebody is connected who has it, ask again."
        return (
            f"blob {self._blob.hex()} is {here} here: {self._waits}, and nobody who has it"
            f" came within {self._patience_s or 0:.0f} s. {then}"
        )

    @contextmanager
    def as_unreachable(self) -> Generator[None]:
        """What ends it without the blob is `Unreachable`, with why; but for `NotStored`."""
        try:
            yield
        except NotStored:
            raise
        except SyncError as error:
            detail = f"blob {self._blob.hex()} is not here: {error.sentence}"
            raise Unreachable(detail, code="blob-unreachable") from error
        except TimeoutError as error:
            raise Unreachable(self.why, code="blob-unreachable") from error

    def told(self, done: int, total: int) -> None:
        """It came further, or begins to wait for somebody, or does not any more."""
        if done > self._done:  # who greets and gives nothing is no end of waiting
            self._done, self._since_s = done, None
        self.look()
        self._progress(done, total)

    def look(self) -> None:
        """Whether somebody is there who can be asked."""
        was, self._waits = self._waits, waits_for(self._network, self._blob)
        if self._patience_s is None or bool(was) is bool(self._waits) or self.limit.expired():
            return
        ends = [] if self._until_s is None else [self._until_s]
        if self._waits:
            if self._since_s is None:
                self._since_s = self._clock()
            ends.append(self._since_s + self._patience_s)
        self.limit.reschedule(min(ends, default=None))


def _wish(store: Store, blob: BlobId, kept_for: AuthorKey | None) -> AbstractContextManager[None]:
    return store.asking(blob) if kept_for is None else store.keeping(blob, kept_for)
