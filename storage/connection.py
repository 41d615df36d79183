"""A connection with a thread of its own: aiosqlite's, and several statements in one hop to it.

A hop takes longer than a short statement: what asks many of them asks them together, or does all of
its work in that thread (`Here`).
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import aiosqlite

from storage.errors import CLOSED, StorageError

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Asked: TypeAlias = tuple[str, Sequence[object]]
"""A statement and its values."""

ITERATION_ROWS = 64  # aiosqlite's own; nothing here iterates


class Asking(Protocol):
    """To whom statements are given: a connection, or whoever is in its thread."""

    async def each(self, asked: Sequence[Asked], *, begins: bool = False) -> list[list[Row]]:
        """The rows of every statement, in their order; before the first a transaction `begins`.

        To its end, as `whole`.
        """
        ...

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work`, in its thread."""
        ...

    async def run_whole(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same to its end, as `whole`."""
        ...


class Connection(aiosqlite.Connection):
    """See `connect` and `Asking`."""

    async def each(self, asked: Sequence[Asked], *, begins: bool = False) -> list[list[Row]]:
        return await self.run_whole(partial(_each, asked, begins))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._done(work)

    async def run_whole(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await whole(self._done(work))

    def _done(self, work: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """aiosqlite's own gives a coroutine, which takes a task to be waited for to its end."""
        if self._connection is None:
            raise StorageError(CLOSED)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(work, self._connection)))  # pyright: ignore[reportUnknownMemberType]  (aiosqlite says less of the types of what it keeps to itself)
        return future

    def end(self) -> None:
        """Ends a transaction that only read, once what was asked before this is done.

        Nobody waits for it: what is asked after this comes after it.
        """
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.rollback))  # pyright: ignore[reportUnknownMemberType]  (as above)


class Here:
    """`Asking` for whoever is in the thread of the connection: nothing is a hop, nothing waits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def each(self, asked: Sequence[Asked], *, begins: bool = False) -> list[list[Row]]:
        return _each(asked, begins, self._connection)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return work(self._connection)

    async def run_whole(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return work(self._connection)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, which waits for nothing: there is no event loop in this thread."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("what is done in the thread of a connection waits for nothing else")


def _each(asked: Sequence[Asked], begins: bool, connection: sqlite3.Connection) -> list[list[Row]]:
    if begins:
        connection.execute("BEGIN")
    return [connection.execute(sql, values).fetchall() for sql, values in asked]


def touched(sql: str, values: Sequence[object], connection: sqlite3.Connection) -> int:
    """Carries out a statement; how many rows it touched."""
    with closing(connection.execute(sql, values)) as cursor:
        return cursor.rowcount


def carry_out(asked: Sequence[Asked], connection: sqlite3.Connection) -> None:
    for sql, values in asked:
        connection.execute(sql, values).close()


def carry_out_many(
    sql: str, rows: Iterable[Sequence[object]], connection: sqlite3.Connection
) -> None:
    """Once for every row, which are made meanwhile."""
    connection.executemany(sql, map(tuple, rows)).close()


async def connect(path: Path, *, timeout_s: float, cached_statements: int) -> Connection:
    """To be closed by the caller, who also begins and ends every transaction."""
    open_file = partial(
        sqlite3.connect,
        path,
        isolation_level=None,
        timeout=timeout_s,
        cached_statements=cached_statements,
    )
    connection = Connection(open_file, ITERATION_ROWS)
    await connection
    return connection


async def whole(work: Awaitable[T]) -> T:
    """Awaits `work` to its end even where the caller is cancelled, then lets the cancelling go on.

    A BEGIN or COMMIT whose outcome nobody saw would leave the connection in an unknown state.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        task.exception()
        raise
