"""What was let go gives its room back."""

from collections.abc import Sequence
from contextlib import suppress

from node.keeping.plan import Kept
from storage.blob_room import DEAD_PARTS
from storage.errors import OverQuota
from storage.store import Store


async def give_back(store: Store, gone: Sequence[Kept], *, is_short: bool) -> None:
    """The room of what went; where the disk is short (`is_short`) all of it at once."""
    with suppress(OverQuota):  # too full for a copy: what is fetched is told that
        if is_short:
            # What they shared gives nothing back: for that no pack is copied of which all is
            # wanted, or nearly.
            size = sum(one.size for one in gone)
            await store.reclaim(size, dead_parts=DEAD_PARTS)
        else:
            await store.compact()
