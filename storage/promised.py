"""Room of the disk for blobs that are being fetched: what the first was promised, no second takes.

Each of two blobs may fit, and not both: where both began, both would end on a full disk. So a fetch
whose pages are here is promised what is missing of it, until it ends, and the next one is held
against what is left then. Small blobs and what is no blob live off what blobs leave free.
"""

from crdt.blob import BlobId, parse_root
from storage.blob_rows import PACKED_BYTES_MIN
from storage.collecting import HELD_BYTES
from storage.database import Reading
from storage.held import MISSING_BYTES

_PLAIN_BYTES = f"SELECT ({HELD_BYTES}) + (SELECT coalesce(sum(size), 0) FROM vault.name)"


class Promised:
    """Bytes still to come, of each blob that is being fetched."""

    def __init__(self) -> None:
        self._bytes: dict[BlobId, int] = {}

    def others_than(self, blob: BlobId | None, size: int | None = None) -> dict[BlobId, int]:
        """What a blob of `size` bytes has to leave to others; None: all of it."""
        if size is not None and size < PACKED_BYTES_MIN:
            return {}
        return {other: left for other, left in self._bytes.items() if other != blob}

    def promise(self, blob: BlobId, size: int) -> None:
        self._bytes[blob] = size

    def correct(self, blob: BlobId, size: int) -> None:
        """It was counted again; unless it was released meanwhile."""
        if blob in self._bytes:
            self._bytes[blob] = size

    def came(self, blob: BlobId, size: int) -> None:
        """So much of it takes its room now."""
        if (left := self._bytes.get(blob)) is not None:
            self._bytes[blob] = max(0, left - size)

    def release(self, blob: BlobId) -> None:
        self._bytes.pop(blob, None)


async def missing_bytes(view: Reading, blob: BlobId) -> int:
    """What a blob takes at the least, of which not all is here.

    Exact once all of its pages are. Before that, what the pages that are not here stand for, each
    once, but for as much as is held of all blobs: it may be the same chunks.
    """
    row = await view.row("SELECT root, number FROM blob WHERE id = ?", (blob,))
    if row is None:
        return 0
    root = parse_root(row[0], blob)
    named = await view.number(f"SELECT coalesce(({MISSING_BYTES}), 0)", (blob,))
    rows = await view.rows("SELECT place FROM blob_page WHERE blob = ?", (row[1],))
    held = {place for (place,) in rows}
    if len(held) == root.page_count:
        return named
    unnamed = {
        hash: root.page_size(place)
        for place, hash in enumerate(root.page_hashes)
        if place not in held
    }
    return named + max(0, sum(unnamed.values()) - await view.number(_PLAIN_BYTES))
