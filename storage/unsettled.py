"""States that are here and were never written anew against the one after them in their universe.

They came before that was done, or the process ended between the fetch and the queue. Each start
finds them, in the order of their ticks, some rows at a time; what was tried once is noted with its
blob (`settled`), and costs no more than the look at that.
"""

from collections.abc import Iterable
from typing import Final

from crdt.blob import BlobId
from storage.database import Database, Row
from storage.folding import IS_FOLDED

ROWS: Final = 1_000  # looked at together: some milliseconds
_ROWS: Final = (
    "SELECT s.document, s.tick, s.at_us, s.id, s.blob, b.number IS NOT NULL,"
    " EXISTS (SELECT 1 FROM settled d WHERE d.blob = b.number)"
    " FROM (SELECT document, tick, at_us, id, blob FROM snapshot WHERE tick IS NOT NULL"
    " AND (document, tick, at_us, id) > (?, ?, ?, ?)"
    " ORDER BY document, tick, at_us, id LIMIT ?) s"
    f" LEFT JOIN blob b ON b.id = s.blob AND {IS_FOLDED}"
    " ORDER BY s.document, s.tick, s.at_us, s.id"
)
# Not where one of the two is not here, or not whole: then nothing was tried.
NOTE: Final = (
    f"INSERT OR IGNORE INTO settled SELECT number FROM blob WHERE id = ? AND {IS_FOLDED}"
    f" AND EXISTS (SELECT 1 FROM blob WHERE id = ? AND {IS_FOLDED})"
)


class Unsettled:
    """One look at all that is here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after: tuple[int, int, int, bytes] = (0, 0, 0, b"")
        self._before: tuple[int, BlobId, bool] | None = None
        """The last one that is here: its universe, and whether it was tried."""
        self._is_over = False

    async def some(self) -> list[tuple[BlobId, BlobId]]:
        """(older, newer) of some of them; nothing once all were looked at."""
        while not self._is_over:
            rows = await self._database.rows(_ROWS, (*self._after, ROWS))
            self._is_over = len(rows) < ROWS
            if rows:
                document, tick, at_us, id = rows[-1][:4]
                self._after = document, tick, at_us, id
            if pairs := [*self._pairs(rows)]:
                return pairs
        return []

    def _pairs(self, rows: Iterable[Row]) -> Iterable[tuple[BlobId, BlobId]]:
        for document, _, _, _, id, is_here, is_settled in rows:
            if not is_here:
                continue
            before, blob = self._before, BlobId(id)
            self._before = document, blob, bool(is_settled)
            if before and before[0] == document and before[1] != blob and not before[2]:
                yield before[1], blob
