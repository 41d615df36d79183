"""Universes in lists, as rows that are ready: each is put together once for each of its changes.

    the index of the order ─▸ number of each one's last change ─┬─▸ known: as it was put together
                                                                └─▸ not: read, put together, kept

What changes a row, or what is counted beside it, gives its document a new number in the outbox by
the same transaction, and none has the number of another. So a row that is kept under its number is
right for every view of the data that has this number. Which rows a list has is asked each time, of
the namespaces that whoever asks may see: what is kept is for nobody who may not.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from crdt.keys import NamespaceKey
from storage.database import Database
from storage.list_pages import PageAsked, Sort, read_page
from storage.listings import AHEAD_US, PAGE_MAX, Page
from storage.part import Part, in_bounds
from storage.snapshots import COUNTS, UniverseCount

Make: TypeAlias = Callable[[bytes, str, NamespaceKey, UniverseCount], bytes]
"""A row of its fields, its full name, where it lies, and what it has: always the same of these."""

READY_BYTES_MAX: Final = 16 << 20  # 10,000 usual ones take half of it
ROW_BYTES: Final = 256  # of one beside its bytes, so that many short ones are no way around it

_LAST_CHANGES: Final = "l.document, (SELECT seq FROM outbox o WHERE o.document = l.document)"
_ROWS: Final = (
    f"SELECT l.document, l.fields, l.target, {COUNTS} FROM listing l"
    " LEFT JOIN universe_count u ON u.document = l.document WHERE l.document IN (*)"
)


class ReadyRows:
    """By the number of a change; within `READY_BYTES_MAX`, the first ones go before."""

    def __init__(self) -> None:
        self._rows = OrderedDict[int, bytes]()
        self._bytes = 0

    def known(self, changes: Iterable[int]) -> list[bytes | None]:
        """Of each; None of what is not known."""
        return [*map(self._rows.get, changes)]

    def keep(self, rows: Mapping[int, bytes]) -> None:
        for change, row in rows.items():
            if change not in self._rows:  # two that ask at once both put it together
                self._rows[change] = row
                self._bytes += ROW_BYTES + len(row)
        while self._bytes > READY_BYTES_MAX:
            _, row = self._rows.popitem(last=False)
            self._bytes -= ROW_BYTES + len(row)


class ReadyUniverses(Part):
    """For lists of thousands."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._ready = ReadyRows()

    async def ready_universes(
        self,
        make: Make,
        namespaces: Collection[NamespaceKey],
        *,
        author: str | None = None,
        tags: Sequence[str] = (),
        sort: Sort = "recent",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[bytes]:
        """As `listings` of universes, each as `make` puts it together. Raises `BadCursor`.

        All who ask one store have the same `make`.
        """
        size = in_bounds(limit, PAGE_MAX)
        asked = PageAsked("universe", author, tags, sort, size, cursor, namespaces)
        horizon_us = self._clock_us() + AHEAD_US
        async with self._database.reading() as view:
            rows, more = await read_page(view, asked, _LAST_CHANGES, horizon_us)
            ready = self._ready.known([change for _, change, *_ in rows])
            new = {row[0]: row for row, known in zip(rows, ready, strict=True) if known is None}
            found = await view.rows_in(_ROWS, [*new])
        made = {
            number: make(fields, target, NamespaceKey(new[number][-2]), UniverseCount(*counts))
            for number, fields, target, *counts in found
        }
        # What an old store has no change of is put together each time.
        self._ready.keep({new[number][1]: row for number, row in made.items() if new[number][1]})
        shown = (known or made[row[0]] for row, known in zip(rows, ready, strict=True))
        return Page(tuple(shown), more)
