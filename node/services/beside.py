"""A state of a universe comes as what differs from those beside it here, and then lies so.

beside it in its universe ─▸ fetched relative to the nearest ─▸ the one before it and itself
                                                                are queued to be made small
"""

import logging
from collections.abc import Sequence

from crdt.blob import BlobId
from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)


async def near_to(store: Store, blob: BlobId, universe: int = 0) -> Sequence[BlobId]:
    """What it is to be fetched relative to: states beside it that are here, the nearest first.

    A base that a peer has not, or that rotted here, costs the bytes which it would have saved.
    `universe`: as in `Store.beside`.
    """
    return [one.blob for one in await store.beside(blob, universe)]


async def settle_beside(store: Store, blobs: Sequence[BlobId], universe: int = 0) -> None:
    """Each is to lie as what differs from the state after it, and the one before it as from this
    one, as after an upload; in the background, and what is no state is left as it is. Where the
    store cannot be read it fails nobody: the next start finds them (`storage.unsettled`).

    `blobs`: those that came, in any order: what lies as a difference already is no base, so of
    several the oldest is written anew first. `universe`: as in `Store.beside`.
    """
    try:
        await store.settle_snapshots(await store.pairs_beside(blobs, universe))
    except StorageError as error:  # all is here; they take more room until the next start
        log.warning("states of universes are not made small: %s", error)
