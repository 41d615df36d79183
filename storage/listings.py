"""Lists of records: sorted, filtered, a page at a time.

A page's cursor is the sort key, target and namespace of its last row, so pages neither overlap nor
skip while records come and go. Target (`did/record`) and namespace break ties: every node lists in
the same order. One author may keep one record in several namespaces, so whoever asks names them.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from crdt.keys import COMMONS, NamespaceKey
from storage.database import FEW, VARIABLES_MAX, Database, Row
from storage.list_pages import (
    COLUMNS,
    IN_NAMESPACE,
    WITH_CONTENT,
    PageAsked,
    Sort,
    filter_of,
    read_page,
)
from storage.listing import Listing, RatingRow
from storage.part import Part, in_bounds
from storage.passage_rows import Halves
from storage.remembered import Remembered

T = TypeVar("T")

PAGE_MAX = 1_000
AHEAD_US = 24 * 3_600 * 1_000_000  # clocks go wrong by a zone or a day, by accident
REMEMBERED_ROWS = 4_096  # that were found last, of 2 KB mostly
REMEMBERED_BYTES_MAX = 8_192  # of the fields of one; with its text, at most 100 MB if all were so
WORDS_SHOWN_CHARS = 4_096  # of the texts that a search marks its words in

_TAGS: Final = msgspec.json.Decoder(tuple[str, ...])
_LISTED = f"SELECT {COLUMNS} FROM listing l WHERE l.document IN (*)".replace(
    "l.words", f"substr(l.words, 1, {WORDS_SHOWN_CHARS})"
)  # by one statement: search waits for nothing else
# What is longer is told by its length, without its pages. All texts of a row are in its fields too.
_LISTED_SHORT = f"{_LISTED} AND length(l.fields) <= {REMEMBERED_BYTES_MAX}"
# Where an author said more than one thing (two epochs, say) the latest counts.
LATEST_RATINGS = """
    SELECT * FROM (
        SELECT r.*, row_number() OVER (
            PARTITION BY kind, target, author ORDER BY updated_us DESC, document_id DESC) AS place
        FROM rating r WHERE target = ? AND kind = ?
        AND namespace = (SELECT number FROM namespace WHERE key = ?))
    WHERE place = 1"""


class ListedRow(msgspec.Struct, frozen=True, gc=False):
    """A record with what others say of it."""

    number: int
    """Of its document, on this node only."""
    listing: Listing
    stars_sum: int
    stars_count: int
    installs: int
    namespace: NamespaceKey

    @property
    def rating_key(self) -> int:
        """As the column of that name sorts: the average in millionths, then the count."""
        average = self.stars_sum * 1_000_000 // self.stars_count if self.stars_count else 0
        return (average << 20) + min(self.stars_count, (1 << 20) - 1)

    @property
    def rating(self) -> float | None:
        """The average of the stars, 1…5."""
        return self.stars_sum / self.stars_count if self.stars_count else None


@dataclass(frozen=True, slots=True)
class Changed:
    """A document that changed, and how it is listed now."""

    seq: int
    number: int
    row: ListedRow | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page; `next` asks for the one after it, None where this is the last."""

    rows: tuple[T, ...]
    next: str | None


class Listings(Part):
    """What documents look like in lists. Kept in step with them by `Documents`."""

    def __init__(self, database: Database, clock_us: Callable[[], int]) -> None:
        super().__init__(database, clock_us)
        self._listed = Remembered[int, ListedRow](database, REMEMBERED_ROWS)
        self._namespaces_held = Remembered[None, frozenset[NamespaceKey]](database, 1)

    def written(self) -> int:
        """How many writes there were: what was read holds while this stays the same."""
        return self._database.written

    async def listings(
        self,
        kind: str | None = None,
        *,
        author: str | None = None,
        tag: str | Sequence[str] | None = None,
        sort: Sort = "recent",
        limit: int = 100,
        cursor: str | None = None,
        namespaces: Collection[NamespaceKey] = (COMMONS,),
        with_content: bool = False,
        score_below: float | None = None,
        halves: Halves | None = None,
    ) -> Page[ListedRow]:
        """Records of a kind (or all), of an author, that have every tag. Raises `BadCursor`.

        `with_content`: with their bytes, where these are text and short; else it is left empty.
        `score_below`: of the list by score, the part that comes after this one. `halves`: of
        passages, only these.
        """
        tags = [tag] if isinstance(tag, str) else [*(tag or ())]
        asked = PageAsked(
            kind, author, tags, sort, in_bounds(limit, PAGE_MAX), cursor, namespaces, score_below,
            halves,
        )  # fmt: skip
        columns = WITH_CONTENT if with_content else COLUMNS
        async with self._database.reading() as view:
            rows, more = await read_page(view, asked, columns, self.horizon_us())
        return Page(tuple(listed_row(row) for row in rows), more)

    async def namespaces_held(self) -> frozenset[NamespaceKey]:
        """Those of which there is anything here, joined or not: a few rows."""
        return await self._namespaces_held.read(None, self._read_namespaces)

    async def _read_namespaces(self) -> frozenset[NamespaceKey]:
        rows = await self._database.few_rows("SELECT key FROM namespace")
        return frozenset(NamespaceKey(key) for (key,) in rows)

    def horizon_us(self) -> int:
        """What claims to be newer than this is last in `recent`: a wrong clock, or a wish to stay
        on top. Lists alone ask the clock for that, never what counts.
        """
        return self._clock_us() + AHEAD_US

    async def count_listings(
        self,
        kind: str | None = None,
        *,
        author: str | None = None,
        tag: str | Sequence[str] | None = None,
        namespaces: Collection[NamespaceKey] = (COMMONS,),
    ) -> int:
        """How many rows the pages of `listings` have in all."""
        tags = [tag] if isinstance(tag, str) else [*(tag or ())]
        total = 0
        async with self._database.reading() as view:
            for namespace in dict.fromkeys(namespaces):
                one = await filter_of(view, namespace, kind, author, tags)
                sql = f"SELECT count(*) FROM listing l WHERE {one.where}"
                total += await view.number(sql, one.values)
        return total

    async def listing(
        self, kind: str, author: str, record: str, namespace: NamespaceKey = COMMONS
    ) -> ListedRow | None:
        """One record, of its newest epoch, with its content."""
        return (await self.listing_each(kind, [(author, record, namespace)]))[0]

    async def listing_each(
        self, kind: str, wanted: Sequence[tuple[str, str, NamespaceKey]]
    ) -> list[ListedRow | None]:
        """The same of each (author, record, namespace), in one hop."""
        asked = (
            f"SELECT {WITH_CONTENT} FROM listing l JOIN document d ON d.number = l.document"
            f" WHERE {IN_NAMESPACE} AND l.kind = ? AND l.record = ? AND l.author = ?"
            " ORDER BY d.epoch DESC, d.id LIMIT 1"
        )
        async with self._database.reading() as view:
            found = await view.each(
                [(asked, (namespace, kind, record, author)) for author, record, namespace in wanted]
            )
        return [listed_row(rows[0]) if rows else None for rows in found]

    async def listed_of(
        self,
        kind: str,
        records: Sequence[str],
        *,
        author: str | None = None,
        tags: Sequence[str] = (),
        namespace: NamespaceKey = COMMONS,
    ) -> frozenset[str]:
        """Those of `records` that somebody lists, or `author` does, with every tag."""
        where = " AND l.document IN (SELECT document FROM listing_tag WHERE tag = ?)" * len(tags)
        of_author, whose = (" AND l.author = ?", [author]) if author else ("", [])
        async with self._database.reading() as view:
            rows = await view.rows_in(
                f"SELECT DISTINCT l.record FROM listing l WHERE {IN_NAMESPACE} AND l.kind = ?"
                f"{of_author}{where} AND l.record IN (*)",
                records,
                namespace,
                kind,
                *whose,
                *tags,
            )
        return frozenset(record for (record,) in rows)

    async def numbers_of(
        self, kind: str, records: Sequence[str], namespace: NamespaceKey = COMMONS
    ) -> list[tuple[str, str, int]]:
        """(record, author, document) of all that are listed under these, by document."""
        async with self._database.reading() as view:
            rows = await view.rows_in(
                f"SELECT l.record, l.author, l.document FROM listing l WHERE {IN_NAMESPACE}"
                " AND l.kind = ? AND l.record IN (*)",
                [*records],
                namespace,
                kind,
            )
        return sorted(((row[0], row[1], row[2]) for row in rows), key=lambda one: one[2])

    async def ratings(
        self,
        target: str,
        kind: str = "module",
        limit: int = PAGE_MAX,
        namespace: NamespaceKey = COMMONS,
    ) -> list[RatingRow]:
        """What each author says of `target` (`did/record`), the latest first."""
        rows = await self._database.rows(
            "SELECT target, kind, author, stars, review, installs, updated_us"
            f" FROM ({LATEST_RATINGS}) ORDER BY updated_us DESC, author LIMIT ?",
            (target, kind, namespace, in_bounds(limit, PAGE_MAX)),
        )
        return [RatingRow(*row) for row in rows]

    async def called(
        self,
        kind: str,
        record: str,
        namespaces: Sequence[NamespaceKey],
        limit: int = PAGE_MAX,
        *,
        authors: Collection[str] | None = None,
    ) -> list[ListedRow]:
        """Those of this id, by author: of `authors` (did:keys), else whoever's: strangers may have
        any number of that id. Without a hop where they are few and short."""
        asked = (
            "SELECT l.author, l.namespace, l.document FROM listing l WHERE l.kind = ?"
            " AND l.record = ? AND l.namespace IN (SELECT number FROM namespace WHERE key IN"
            f" ({','.join('?' * len(namespaces))}))"
        )
        values: tuple[object, ...] = (kind, record, *namespaces)
        if authors is not None:
            asked += f" AND l.author IN ({','.join('?' * len(authors))})"
            values += (*authors,)
        most, is_few = in_bounds(limit, PAGE_MAX), len(namespaces) <= FEW
        rows = await self._database.few_rows(f"{asked} LIMIT {FEW}", values) if is_few else []
        if len(rows) == FEW or not is_few:
            in_order = f"{asked} ORDER BY l.author, l.namespace LIMIT ?"
            rows = await self._database.rows(in_order, (*values, most))
        numbers = [row[-1] for row in sorted(rows)[:most]]
        found = await self.listed(numbers)
        return [found[number] for number in numbers if number in found]

    async def listed(self, numbers: Sequence[int]) -> dict[int, ListedRow]:
        """The records of these documents, those that are still listed; of `text` the beginning."""
        known = self._listed.known(numbers)
        missing = [number for number in numbers if number not in known]
        if 0 < len(missing) <= FEW:
            known |= await self._read_listed(self._database.few_rows, _LISTED_SHORT, missing)
            is_all = len(known) == len(numbers)  # mostly: few are long, and few were dropped
            missing = [] if is_all else [number for number in missing if number not in known]
        for at in range(0, len(missing), VARIABLES_MAX):
            part = missing[at : at + VARIABLES_MAX]
            known |= await self._read_listed(self._database.rows, _LISTED, part)
        return known

    async def _read_listed(
        self,
        read: Callable[[str, Sequence[object]], Awaitable[list[Row]]],
        sql: str,
        numbers: Sequence[int],
    ) -> dict[int, ListedRow]:
        """Those of `numbers` that `sql` finds; the short ones are remembered."""
        written = self._database.written
        rows = await read(_of_so_many(sql, len(numbers)), numbers)
        found = {row[0]: listed_row(row) for row in rows}
        short = found
        if sql is not _LISTED_SHORT:
            short = {
                number: row
                for number, row in found.items()
                if len(row.listing.fields) <= REMEMBERED_BYTES_MAX
            }
        self._listed.keep(short, written=written)
        return found

    async def changed_since(self, seq: int, limit: int = PAGE_MAX) -> list[Changed]:
        """The outbox: each document once, in the order of their last change, from after `seq`."""
        rows = await self._database.rows(
            f"SELECT o.seq, o.document, {COLUMNS} FROM outbox o"
            " LEFT JOIN listing l ON l.document = o.document"
            " WHERE o.seq > ? ORDER BY o.seq LIMIT ?",
            (seq, in_bounds(limit, PAGE_MAX)),
        )
        return [
            Changed(seq, number, None if row[0] is None else listed_row(row))
            for seq, number, *row in rows
        ]

    async def newest_change(self) -> tuple[bytes, int]:
        """(whose outbox it is, the last number given out)"""
        row = await self._database.row(
            "SELECT id, coalesce((SELECT max(seq) FROM outbox), 0) FROM store"
        )
        assert row is not None, "the first migration puts it there"
        return row[0], row[1]


@lru_cache(maxsize=2 * FEW)
def _of_so_many(sql: str, count: int) -> str:
    return sql.replace("(*)", f"({','.join('?' * count)})")


def listed_row(row: Sequence[Any]) -> ListedRow:
    """From `COLUMNS`; further columns are ignored."""
    (number, kind, author, record, name, description, tags, words, created_us, updated_us, fields,
     stars_sum, stars_count, installs, namespace, score, tick, content) = row[:18]  # fmt: skip
    listing = Listing(
        kind, author, record, name, description, _TAGS.decode(tags), words, created_us, updated_us,
        fields, (), content, score, tick,
    )  # fmt: skip
    return ListedRow(number, listing, stars_sum, stars_count, installs, namespace)
