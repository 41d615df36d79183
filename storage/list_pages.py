"""The rows of one page of a list: which index gives them in order, and where another one is better.

Every order has an index, which is walked until the page is full. Of an author or a tag with few
records that would be a walk through all the others, so few are found first, and sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from crdt.keys import NamespaceKey
from storage.database import Reading, Row
from storage.list_cursors import TIME_MAX

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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of `listing l` are meant: a condition, and the values in it."""

    namespace: NamespaceKey
    where: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted, and whether its rows come with their contents."""

    sort: Sort
    with_content: bool


async def filter_of(
    view: Reading,
    namespace: NamespaceKey,
    kind: str | None,
    author: str | None,
    tags: Sequence[str],
) -> Filter:
    """Records of a kind (or all), of an author, that have every tag."""
    narrow: list[tuple[str, tuple[object, ...]]] = [(_TAGGED, (tag,)) for tag in tags]
    if author is not None:
        # A target is `did/record`, and the character after the slash is the nought.
        narrow.append((_OF_AUTHOR, (f"{author}/", f"{author}0")))
    few = [one for one in narrow if await _is_few(view, *one)][:1]
    plus = "+" if few else ""  # without it SQLite would rather walk an index in order
    where, values = [plus + IN_NAMESPACE], list[object]([namespace])
    if kind is not None:
        where.append(f"{plus}l.kind = ?")
        values.append(kind)
    if author is not None:
        where.append("l.target > ? AND l.target < ?")  # as `l.author = ?`, told by the index alone
        values += [f"{author}/", f"{author}0"]
    for sql, bound in [*few, *(one for one in narrow if one[0] == _TAGGED and one not in few)]:
        where.append(f"l.document IN ({sql})")
        values += bound
    return Filter(namespace, " AND ".join(where), values)


async def _is_few(view: Reading, sql: str, values: tuple[object, ...]) -> bool:
    counted = f"SELECT count(*) FROM ({sql} LIMIT {FEW_MAX + 1})"
    return await view.number(counted, values) <= FEW_MAX


async def page_rows(
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
    columns = WITH_CONTENT if order.with_content else COLUMNS
    return await view.rows(
        f"SELECT {columns}, l.target, ?, l.{column} FROM listing l WHERE {where}"
        f" ORDER BY l.{column} {way}, l.target {way} LIMIT ?",
        (among.namespace, *bound, size),
    )
