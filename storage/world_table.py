"""A database in which Primordium finds states of its worlds: a row a tick, its bytes in pieces."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from storage.foreign_worlds import STATE, TABLE, TICK


class WorldTable:
    """A new file; what is in it is there when the block around it ends in order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def state(self, tick: int, size: int) -> sqlite3.Blob:
        """Room for a state of `size` bytes, to write them to; a tick has one."""
        row = (tick, size)
        filled = f"INSERT INTO {TABLE} ({TICK}, {STATE}) VALUES (?, zeroblob(?))"
        self._connection.execute(filled, row)
        return self._connection.blobopen(TABLE, STATE, tick)


@contextmanager
def new_world_table(path: Path) -> Generator[WorldTable]:
    """`path` is not there yet, or empty. Raises `OSError`."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        if path.stat().st_size:
            raise
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(
                f"CREATE TABLE {TABLE} ({TICK} INTEGER PRIMARY KEY,"
                " pop_count INTEGER NOT NULL DEFAULT 0, carbon_level REAL NOT NULL DEFAULT 0,"
                f" energy_total REAL NOT NULL DEFAULT 0, {STATE} BLOB NOT NULL)"
            )
            with connection:
                yield WorldTable(connection)
    except sqlite3.Error as error:
        raise OSError(0, f"cannot be written as SQLite: {error}") from error
