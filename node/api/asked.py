"""Records that a path or a query asks for: one by its id, or a page of a list."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from node.api.endpoint import Call
from node.api.models import InNamespace
from node.services.life import Found, Kind, find_record
from node.services.names import author_meant
from node.services.places import place_meant
from node.wiring import Node
from storage.list_pages import Sort
from storage.listings import ListedRow

B = TypeVar("B")
Q = TypeVar("Q", bound=InNamespace)


class ListQuery(Protocol):
    """What all lists of records can be asked for."""

    @property
    def author(self) -> str | None: ...
    @property
    def tag(self) -> Sequence[str]: ...
    @property
    def limit(self) -> int: ...
    @property
    def cursor(self) -> str | None: ...
    @property
    def namespace(self) -> str: ...


async def find_called(node: Node, kind: Kind, call: Call[Q, B]) -> Found:
    """The record that the path names, in the query's namespace. Raises as `find_record` does."""
    place = await place_meant(node.store, call.query.namespace)
    return await find_record(node.store, kind, call.path[kind.word], place)


async def page_of(
    node: Node,
    kind: str,
    query: ListQuery,
    sort: Sort,
    *,
    with_content: bool = False,
    score_below: float | None = None,
) -> tuple[Sequence[ListedRow], str | None]:
    """`kind`: its word. `score_below`: of a list by score, only what comes after this one.

    A cursor is good for the list that it came from alone. Raises `BadCursor`, or what
    `author_meant` and `place_meant` do.
    """
    author = None if query.author is None else await author_meant(node.store, query.author)
    namespace = await place_meant(node.store, query.namespace)
    is_part = score_below is not None
    where = f"{kind} {sort} {is_part} {author} {sorted(query.tag)} {namespace.hex()}"
    page = await node.store.listings(
        kind,
        author=author,
        tag=query.tag,
        sort=sort,
        limit=query.limit,
        cursor=node.cursors.open(where, query.cursor),
        namespaces=[namespace],
        with_content=with_content,
        score_below=score_below,
    )
    return page.rows, node.cursors.seal(where, page.next)
