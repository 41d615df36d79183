"""Blobs that may not be here yet."""

import asyncio
from typing import Final

from crdt.blob import BlobId
from node.errors import Unreachable
from node.ports import Network, Progress
from p2p.protocol.errors import SyncError
from storage.store import Store

# A module of 10 MiB over a slow line; what takes longer goes on where it stopped when asked again.
FETCH_S: Final = 300.0


def ignore(done: int, total: int) -> None:
    """No one watches."""


async def ensure_blob(
    store: Store, network: Network, blob: BlobId, progress: Progress = ignore
) -> None:
    """Until the blob is here and verified. Raises `Unreachable` where no peer gives it."""
    if await store.has_blob(blob):
        return
    try:
        async with asyncio.timeout(FETCH_S):
            await network.fetch_blob(blob, progress)
    except SyncError as error:
        detail = f"blob {blob.hex()} is not here: {error.sentence}"
        raise Unreachable(detail, code="blob-unreachable") from error
    except TimeoutError as error:
        detail = f"blob {blob.hex()} did not arrive within {FETCH_S:.0f} s"
        raise Unreachable(detail, code="blob-unreachable") from error


async def fetch_blob(
    store: Store, network: Network, blob: BlobId, progress: Progress = ignore
) -> bytes:
    """The bytes of a blob, from here or from a peer."""
    await ensure_blob(store, network, blob, progress)
    return await store.read_blob(blob)
