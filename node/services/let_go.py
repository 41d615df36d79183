"""Snapshots that were let go, in no list any more, and whose bytes are here until `gc` takes them.

    in a list ─▸ let go ─▸ opened by its id ─▸ `gc`: nobody has it here any more

Their statements stand in the changes that put them, which stay as long as the record does.
"""

import asyncio
from collections.abc import Iterable

from crdt.blob import BlobId
from node.errors import NotFound
from node.services.universes import (
    LATEST,
    document_of,
    parse_snapshot_id,
    parse_tick,
    snapshot_meant,
)
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.store import Store
from universe.parts import read_snapshot
from universe.snapshot import encode_signed, signed_in


async def snapshot_ever(
    store: Store, row: ListedRow, at: str, id: str, *, is_nearest: bool = False
) -> tuple[SnapshotRow, bool]:
    """As `snapshot_meant`, also one of this `id` that was let go and is here; whether it was.

    Raises as that.
    """
    try:
        return await snapshot_meant(store, row, at, id, is_nearest=is_nearest), False
    except NotFound:
        gone = await _let_go(store, row, parse_snapshot_id(id)) if id else None
        if gone is None or (at != LATEST and parse_tick(at) != gone.tick):
            raise
    if not await store.has_blob(BlobId(gone.blob)):
        what = f"{row.listing.record} let go of snapshot {id[:16]}, of tick {gone.tick:,}"
        detail = f"{what}, and not all of its bytes are here any more"
        raise NotFound(detail, code="unknown-snapshot")
    return gone, True


async def _let_go(store: Store, row: ListedRow, id: bytes) -> SnapshotRow | None:
    """None where no change that counts ever put it."""
    document, number = document_of(row), None
    while raws := await store.raws_before(document, number):
        number = raws[-1][0]
        found = await asyncio.to_thread(_put, [raw for _, raw in raws], id)
        if found is not None:
            return found
    return None


def _put(raws: Iterable[bytes], id: bytes) -> SnapshotRow | None:
    """The one of this id, if its device signed it."""
    for raw in raws:
        for signed in signed_in(raw):
            if signed.id == id:
                return read_snapshot(id, encode_signed(signed))
    return None
