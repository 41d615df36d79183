"""States of worlds in a SQLite file that a stranger made: blobs of any size, read in pieces.

As `foreign`, on which it stands: nothing of the file's schema is run, and its table must be a plain
one, with numbers for its rows. Call it in a child process with limits.
"""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.errors import Unreadable
from storage.foreign import (
    HEADER_BYTES,
    allow_of,
    check_header,
    columns_of,
    harden,
    opened_in_place,
    our_errors,
)

TABLE: Final = "world_snapshots"
TICK: Final = "tick"
STATE: Final = "world_data"
ROWS_MAX: Final = 20_000
STATE_BYTES_MAX: Final = 1 << 30
"""More than SQLite keeps in one value, as it is usually built."""
PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ForeignWorld:
    """`row` is the number by which SQLite finds it again."""

    row: int
    tick: int | None
    """None where there is no number."""


class ForeignWorlds:
    """An open file. Its methods raise `Unreadable`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self) -> list[ForeignWorld]:
        """In the order of the table; none where it is not there."""
        with our_errors():
            there = columns_of(self._connection, TABLE)
            if there is None:
                return []
            if not {TICK, STATE} <= there:
                raise Unreadable(f"{TABLE} has no {TICK} or no {STATE}")
            asked = f'SELECT rowid, "{TICK}" FROM main."{TABLE}" LIMIT {ROWS_MAX + 1}'
            found = self._connection.execute(asked).fetchall()
        if len(found) > ROWS_MAX:
            raise Unreadable(f"holds more than {ROWS_MAX:,} worlds, which is all that is read")
        return [
            ForeignWorld(int(row), tick if isinstance(tick, int) else None) for row, tick in found
        ]

    def state(self, row: int) -> tuple[int, Iterator[bytes]]:
        """Its size, and its pieces; take them before anything else is asked."""
        with our_errors():
            blob = self._connection.blobopen(TABLE, STATE, row, readonly=True, name="main")
        return len(blob), _pieces(blob)


def _pieces(blob: sqlite3.Blob) -> Iterator[bytes]:
    with our_errors(), blob:
        while piece := blob.read(PIECE_BYTES):
            yield piece


@contextmanager
def open_foreign_worlds(path: Path) -> Generator[ForeignWorlds]:
    """Raises `Unreadable`."""
    try:
        with path.open("rb") as file:
            check_header(file.read(HEADER_BYTES))
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    with closing(opened_in_place(path)) as connection:
        with our_errors():
            harden(connection)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, STATE_BYTES_MAX)
            connection.set_authorizer(allow_of({TABLE: (TICK, STATE)}))
        yield ForeignWorlds(connection)
