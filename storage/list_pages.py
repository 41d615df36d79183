"""The rows of one page of a list: which index gives them in order, and where another one is better.

Every order has an index, which is walked until the page is full. Of an author or a tag with few
records that would be a walk through all the others, so few are found first, and sorted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Literal, TypeAlias

from crdt.keys import NamespaceKey
from storage.database import Reading, Row
from storage.list_cursors import TIME_MAX, decode_cursor, encode_cursor
from storage.passage_rows import PROPOSES, Halves

Sort: TypeAlias = Literal["recent", "rating", "downloads", "name", "score", "tick"]

# To find and sort so many takes 10 ms. Of an author or a tag that has more, the walk soon has its
# page; past 100,000 rows, of which the index alone tells whose they are, it takes 10 to 20 ms.
FEW_MAX: Final = 1_000

SORTS: Final[dict[Sort, tuple[str, bool]]] = {  # column, newest or highest first
    "recent": ("updated_us", True),
    "rating": ("rating_key", True),
    "downloads": ("installs", True),
    "name": ("name_key", False),
    "score": ("score", True),
    "tick": ("tick", True),
}
_FIELDS = (
    "l.document, l.kind, l.author, l.record, l.name, l.description, l.tags, l.words, l.created_us,"
    " l.updated_us, l.fields, l.stars_sum, l.stars_count, l.installs,"
    " (SELECT key FROM namespace WHERE number = l.namespace), l.score, l.tick"
)
COLUMNS = _FIELDS + ", ''"
WITH_CONTENT = _FIELDS + ", l.content"
IN_NAMESPACE: Final = "l.namespace = (SELECT number FROM namespace WHERE key = ?)"
_OF_AUTHOR: Final = (
    "SELECT x.document FROM listing x INDEXED BY listing_by_target"
    " WHERE x.target > ? AND x.target < ?"
)
_TAGGED: Final = "SELECT document FROM listing_tag WHERE tag = ?"
_KINDS: Final = """
    WITH RECURSIVE each (kind) AS (
        SELECT min(kind) FROM listing
        UNION ALL
        SELECT (SELECT min(kind) FROM listing WHERE kind > each.kind) FROM each
        WHERE each.kind IS NOT NULL)
    SELECT kind FROM each WHERE kind IS NOT NULL"""  # one index step for each kind, not each row


@dataclass(frozen=True, slots=True)
class PageAsked:
    """Records of a kind (or all), of an author, that have every tag, in these namespaces.

    `score_below`: of the list by score, the part that comes after this one. `halves`: of passages,
    only these.
    """

    kind: str | None
    author: str | None
    tags: Sequence[str]
    sort: Sort
    limit: int
    cursor: str | None
    namespaces: Collection[NamespaceKey]
    score_below: float | None = None
    halves: Halves | None = None

    def after(self, horizon_us: int) -> tuple[Sequence[Any] | None, int | None]:
        """Sort key, target and namespace of what comes before it, and from what time on rows of the
        list by recency come last: `horizon_us`, or as its first page had it. Raises `BadCursor`.
        """
        if self.cursor is not None:
            *after, horizon = decode_cursor(self.cursor, self.sort)
            return after, horizon
        if self.score_below is not None:
            assert self.sort == "score", "another list has no such part"
            return (self.score_below, "", b""), None
        return None, horizon_us if self.sort == "recent" else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of `listing l` are meant: a condition, and the values in it."""

    namespace: NamespaceKey
    where: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted, and what is read of `listing l` for each of its rows."""

    sort: Sort
    columns: str


async def read_page(
    view: Reading, asked: PageAsked, columns: str, horizon_us: int
) -> tuple[list[Row], str | None]:
    """Rows of `columns` with target, namespace and sort key at their ends; the next page's cursor.

    `horizon_us`: what is dated later is last in the list by recency. Raises `BadCursor`.
    """
    after, horizon = asked.after(horizon_us)
    kinds = [asked.kind] if asked.kind is not None else await _kinds(view)
    filters = [
        await filter_of(view, namespace, each, asked.author, asked.tags, asked.halves)
        for namespace in dict.fromkeys(asked.namespaces)
        for each in kinds
    ]
    size, order = asked.limit, Order(asked.sort, columns)
    pages = [await _page_rows(view, one, order, after, size + 1, horizon) for one in filters]

    def place(row: Row) -> tuple[bool, Any, str, bytes]:
        return horizon is None or row[-1] <= horizon, row[-1], row[-3], row[-2]

    rows, *others = [page for page in pages if page] or [list[Row]()]
    if others:  # each is in order already
        rows = sorted(chain(rows, *others), key=place, reverse=SORTS[asked.sort][1])
    shown = rows[:size]
    return shown, encode_cursor(shown[-1], asked.sort, horizon) if len(rows) > size else None


async def filter_of(
    view: Reading,
    namespace: NamespaceKey,
    kind: str | None,
    author: str | None,
    tags: Sequence[str],
    halves: Halves | None = None,
) -> Filter:
    """Records of a kind (or all), of an author, that have every tag; of passages, only `halves`."""
    narrow: list[tuple[str, tuple[object, ...]]] = [(_TAGGED, (tag,)) for tag in tags]
    if author is not None:
        # A target is `did/record`, and the character after the slash is the nought.
        narrow.append((_OF_AUTHOR, (f"{author}/", f"{author}0")))
    if halves is not None and (at_end := halves.documents()) is not None:
        narrow.append(at_end)
    few = [one for one in narrow if await _is_few(view, *one)][:1]
    plus = "+" if few else ""  # without it SQLite would rather walk an index in order
    where, values = [plus + IN_NAMESPACE], list[object]([namespace])
    if kind is not None:
        where.append(f"{plus}l.kind = ?")
        values.append(kind)
    if author is not None:
        where.append("l.target > ? AND l.target < ?")  # as `l.author = ?`, told by the index alone
        values += [f"{author}/", f"{author}0"]
    for sql, bound in [*few, *(one for one in narrow if one[0] != _OF_AUTHOR and one not in few)]:
        where.append(f"l.document IN ({sql})")
        values += bound
    if halves is not None and halves.are_proposals:
        where.append(PROPOSES)
    return Filter(namespace, " AND ".join(where), values)


async def _kinds(view: Reading) -> list[str]:
    return [row[0] for row in await view.rows(_KINDS)]


async def _is_few(view: Reading, sql: str, values: tuple[object, ...]) -> bool:
    counted = f"SELECT count(*) FROM ({sql} LIMIT {FEW_MAX + 1})"
    return await view.number(counted, values) <= FEW_MAX


async def _page_rows(
    view: Reading,
    among: Filter,
    order: Order,
    after: Sequence[Any] | None,
    size: int,
    horizon_us: int | None,
) -> list[Row]:
    """In order; of `recent` what is beyond the horizon comes after all else, a range of its own."""
    if horizon_us is None:
        return await _rows(view, among, order, after, size)
    rows: list[Row] = []
    begin_us = TIME_MAX if after is None else after[0]  # SQLite steps to the end of the range first
    is_beyond = after is not None and begin_us > horizon_us
    if not is_beyond:
        until = (0, min(horizon_us, begin_us))
        rows = await _rows(view, among, order, after, size, until)
    if len(rows) < size:
        begun = after if is_beyond else None
        beyond = (horizon_us + 1, begin_us if is_beyond else TIME_MAX)
        rows += await _rows(view, among, order, begun, size - len(rows), beyond)
    return rows


async def _rows(
    view: Reading,
    among: Filter,
    order: Order,
    after: Sequence[Any] | None,
    size: int,
    updated_us: tuple[int, int] | None = None,
) -> list[Row]:
    column, is_down = SORTS[order.sort]
    where, bound = among.where, [*among.values]
    if updated_us is not None:
        where += " AND l.updated_us BETWEEN ? AND ?"
        bound += updated_us
    if after is not None:
        key, target, last = after
        # What comes after a row with the same key and target: those of later namespaces.
        is_later = among.namespace < last if is_down else among.namespace > last
        beyond = ("<" if is_down else ">") + ("=" if is_later else "")
        where += f" AND (l.{column}, l.target) {beyond} (?, ?)"
        bound += [key, target]
    way = "DESC" if is_down else "ASC"
    return await view.rows(
        f"SELECT {order.columns}, l.target, ?, l.{column} FROM listing l WHERE {where}"
        f" ORDER BY l.{column} {way}, l.target {way} LIMIT ?",
        (among.namespace, *bound, size),
    )
