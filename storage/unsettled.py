"""States that are here and were never written anew against the one after them in their universe.

They came before that was done, or the process ended between the fetch and the queue. Each start
finds them, in the order of their ticks, some rows at a time; what was tried once is noted with both
blobs (`settled`) for as long as both are here, and costs no more than the look at that. Whoever
names them beside something else has that tried too, but keeps nothing from being tried as its own
universe has it, and not where one that is nearer says what is beside it (`storage.beside.Nearer`).
Universes of people who were chosen here come first; in those of others a state is tried a few
times, however many pairs somebody makes of the same ones.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from crdt.blob import BlobId
from storage.beside import CHOSEN, Nearer, Newest, newest_of
from storage.database import Database, Reading, Row
from storage.folding import IS_FOLDED

ROWS: Final = 1_000  # looked at together: some milliseconds
TRIES_MAX: Final = 8  # of one state, where strangers say what it is written anew against
_ROWS: Final = (
    "SELECT s.document, s.tick, s.at_us, s.id, s.blob, b.number"
    " FROM (SELECT document, tick, at_us, id, blob FROM snapshot WHERE tick IS NOT NULL"
    " AND (document, tick, at_us, id) > (?, ?, ?, ?) AND EXISTS"
    f" (SELECT 1 FROM document d WHERE d.number = snapshot.document AND {CHOSEN}) = ?"
    " ORDER BY document, tick, at_us, id LIMIT ?) s"
    f" LEFT JOIN blob b ON b.id = s.blob AND {IS_FOLDED}"
    " ORDER BY s.document, s.tick, s.at_us, s.id"
)
_TRIED: Final = "SELECT older, newer, is_written FROM settled WHERE older IN (*)"
# Of two blobs, and whether anything was written. Not where one of them is not here, or not whole:
# then nothing was tried.
NOTE: Final = (
    "INSERT INTO settled (older, newer, is_written) SELECT o.number, n.number, ? FROM"
    f" (SELECT number FROM blob WHERE id = ? AND {IS_FOLDED}) o,"
    f" (SELECT number FROM blob WHERE id = ? AND {IS_FOLDED}) n WHERE 1"
    " ON CONFLICT DO UPDATE SET is_written = max(is_written, excluded.is_written)"
)
_START: Final = (0, 0, 0, b"")


class _Here(NamedTuple):
    """A state that is here."""

    universe: int
    blob: BlobId
    number: int


class Unsettled:
    """One look at all that is here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after: tuple[int, int, int, bytes] = _START
        self._before: _Here | None = None
        self._nearer = Nearer()
        self._given = defaultdict[BlobId, set[BlobId]](set)
        """Of a state against what it was, in universes of strangers."""
        self._to_look_at = [True, False]  # in universes of chosen people, in all others

    async def some(self) -> list[tuple[BlobId, BlobId]]:
        """(older, newer) of some of them, all of an older one together; nothing once all were
        looked at."""
        while self._to_look_at:
            async with self._database.reading() as view:
                rows = await view.rows(_ROWS, (*self._after, self._to_look_at[0], ROWS))
                left = await self._not_tried(view, [*self._pairs(rows)])
            if len(rows) < ROWS:
                self._to_look_at.pop(0)
                self._after, self._before = _START, None
            else:
                document, tick, at_us, id = rows[-1][:4]
                self._after = document, tick, at_us, id
            if left:
                return left
        return []

    def _pairs(self, rows: Iterable[Row]) -> Iterable[tuple[_Here, _Here]]:
        for document, _, _, _, id, number in rows:
            if number is None:
                continue
            before, here = self._before, _Here(document, BlobId(id), number)
            self._before = here
            if before and before.universe == document and before.blob != here.blob:
                yield before, here

    async def _not_tried(
        self, view: Reading, pairs: Sequence[tuple[_Here, _Here]]
    ) -> list[tuple[BlobId, BlobId]]:
        """Each also against the newest of its universe: the newer one may lie as a difference, and
        is no base then. Where it does, and nothing was written of the older one, the newest is
        tried once it is another one."""
        rows = await view.rows_in(_TRIED, [*{one.number for pair in pairs for one in pair}])
        tried = {(older, newer) for older, newer, _ in rows}
        written = {older for older, _, is_written in rows if is_written}
        counts = Counter(older for older, _ in tried)
        newest: dict[int, Newest] = {}
        left: dict[tuple[BlobId, BlobId], None] = {}
        for older, newer in pairs:
            is_tried = (older.number, newer.number) in tried
            if is_tried and (older.number in written or newer.number not in written):
                continue
            if await self._nearer.has(view, older.blob, older.universe):
                continue
            is_of_stranger = not self._to_look_at[0]
            given = self._given[older.blob] if is_of_stranger else set[BlobId]()
            if is_of_stranger and max(counts[older.number], len(given)) >= TRIES_MAX:
                continue
            if older.universe not in newest:
                newest[older.universe] = await newest_of(view, older.universe)
            last = newest[older.universe]
            for number, one in ((newer.number, newer.blob), (last.number, last.blob)):
                if one != older.blob and (older.number, number) not in tried:
                    given.add(one)
                    left[older.blob, one] = None
        return [*left]
