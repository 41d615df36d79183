"""The store without its threads: what it hands to one is done where it is asked for.

A world is one task, so nothing else runs meanwhile, and its nodes do the same with threads and
without them (`test_threads_change_nothing`); handing over and back takes more of the processor than
all else a node does. Nothing waits for the disk of this machine, whose power does not fail: a
node's disk is what `tests.simulation.disk` says it is.
"""

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from storage import database, store
from storage.connection import Here

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def without_threads() -> Generator[None]:
    """A store that is opened in this block never has any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "connect", _connect)
        patch.setattr(store, "open_workers", _workers)
        yield


@contextmanager
def _workers() -> Generator["_Workers"]:
    yield _Workers()


class _Workers:
    """As `storage.workers.Workers`."""

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)


async def _connect(path: Path, *, timeout_s: float, cached_statements: int) -> "_Connection":
    connection = sqlite3.connect(
        path, isolation_level=None, timeout=timeout_s, cached_statements=cached_statements
    )
    return _Connection(connection)


class _Connection(Here):
    """As much of `storage.connection.Connection` as `storage.database` uses."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> "_Execution":
        return _Execution(lambda: self._connection.execute(sql, values))

    def end(self) -> None:
        self._connection.rollback()

    async def executescript(self, sql: str) -> None:
        self._connection.executescript(f"{sql} PRAGMA synchronous = OFF;")

    async def commit(self) -> None:
        self._connection.commit()

    async def rollback(self) -> None:
        self._connection.rollback()

    async def close(self) -> None:
        self._connection.close()


class _Cursor:
    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.rowcount = cursor.rowcount

    async def close(self) -> None:
        self._cursor.close()


class _Execution:
    """A statement to be awaited, or entered."""

    def __init__(self, run: Callable[[], sqlite3.Cursor]) -> None:
        self._run = run

    def __await__(self) -> Generator[None, None, _Cursor]:
        yield from ()
        return _Cursor(self._run())

    async def __aenter__(self) -> _Cursor:
        self._entered = await self
        return self._entered

    async def __aexit__(self, *_: object) -> None:
        await self._entered.close()
