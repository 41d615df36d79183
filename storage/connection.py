"""A connection with a thread of its own: aiosqlite's, and several statements in one hop to it.

A hop takes longer than a short statement: what asks many of them asks them together.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import aiosqlite

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Asked: TypeAlias = tuple[str, Sequence[object]]
"""A statement and its values."""

ITERATION_ROWS = 64  # aiosqlite's own; nothing here iterates


class Connection(aiosqlite.Connection):
    """See `connect`."""

    async def each(self, asked: Sequence[Asked], *, begins: bool = False) -> list[list[Row]]:
        """The rows of every statement, in their order; before the first a transaction `begins`."""
        # aiosqlite says less of the types of what it keeps to itself.
        execute: Callable[..., Awaitable[list[list[Row]]]] = self._execute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return await execute(_each, self._conn, asked, begins)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work`, in its thread."""
        execute: Callable[..., Awaitable[T]] = self._execute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  (as above)
        return await execute(work, self._conn)

    def end(self) -> None:
        """Ends a transaction that only read, once what was asked before this is done.

        Nobody waits for it: what is asked after this comes after it.
        """
        if self._connection is not None:
            self._tx.put_nowait((None, self._connection.rollback))  # pyright: ignore[reportUnknownMemberType]  (as above)


def _each(connection: sqlite3.Connection, asked: Sequence[Asked], begins: bool) -> list[list[Row]]:
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
