"""Tables of a SQLite file that a stranger made: the ones that are wanted, as plain rows.

A SQLite file is a program as much as a document: views, triggers, generated columns and virtual
tables run when somebody only reads. So nothing of the file's schema is run: bytes are opened in
memory, a file in its place as one that never changes (no lock, no journal beside it counts, nothing
is written), an authorizer allows to read the wanted columns and nothing else, each table must be a
plain one, and length, number and steps are bounded. Texts are UTF-8 to the byte, or their row is
not read. Still call it in a child process with limits: the library itself may have faults.
"""

import os
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from storage.errors import Unreadable

Value = str | int | float | None

MAGIC = b"SQLite format 3\0"
HEADER_BYTES = 100
WAL_FLAGS = slice(18, 20)  # of the header: 2 means that a journal beside the file belongs to it
PLAIN_FLAGS = b"\1\1"

ENCODING = slice(56, 60)  # of the header, big-endian: 1 is UTF-8, 2 and 3 are UTF-16
UTF_16 = (2, 3)

VALUE_BYTES_MAX = 16 << 20
STEPS_MAX = 50_000_000  # instructions of SQLite's machine; 20,000 rows take under a million
STEPS_AT_ONCE = 10_000

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: VALUE_BYTES_MAX,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_HARDENED = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA query_only = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
)


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that is no text where it should be one; counted from 1, as it stands in its table."""

    table: str
    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class ForeignTables:
    """Rows by their table and number, from 1; those in `unread` are not among them."""

    rows: dict[str, dict[int, dict[str, Value]]] = field(
        default_factory=dict[str, dict[int, dict[str, Value]]]
    )
    unread: list[Unread] = field(default_factory=list[Unread])


def read_foreign_tables(
    data: bytes, wanted: Mapping[str, Sequence[str]], *, rows_max: int, bytes_max: int
) -> ForeignTables:
    """The rows of those of the `wanted` tables that are there, with those columns that they have.

    `wanted`: names of our own, never of the file. Raises `Unreadable`.
    """
    check_header(data)
    plain = bytearray(data)
    plain[WAL_FLAGS] = PLAIN_FLAGS
    with our_errors(), closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(bytes(plain))
        return _read(connection, wanted, rows_max, bytes_max)


def read_foreign_file(
    path: Path, wanted: Mapping[str, Sequence[str]], *, rows_max: int, bytes_max: int
) -> ForeignTables:
    """As `read_foreign_tables`, of a file of any size: of its pages only those that hold the rows.

    What else is in it, as snapshots of worlds, is not read. Raises `Unreadable`.
    """
    try:
        with path.open("rb") as file:
            check_header(file.read(HEADER_BYTES))
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    with our_errors(), closing(opened_in_place(path)) as opened:
        return _read(opened, wanted, rows_max, bytes_max)


def opened_in_place(path: Path) -> sqlite3.Connection:
    """As a file that never changes; `check_header` first, then `harden` and an authorizer."""
    place = f"file://{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
    with our_errors():
        return sqlite3.connect(place, uri=True, isolation_level=None)


def check_header(head: bytes) -> None:
    """Raises `Unreadable`."""
    if not head.startswith(MAGIC):
        raise Unreadable("is no SQLite file")
    if int.from_bytes(head[ENCODING]) in UTF_16:  # what is broken in it, SQLite would mend silently
        raise Unreadable("keeps its texts as UTF-16; make one of it that keeps them as UTF-8")


@contextmanager
def our_errors() -> Generator[None]:
    """Its messages quote the file's bytes."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise Unreadable(f"cannot be read as SQLite: {error}") from error


def harden(connection: sqlite3.Connection) -> None:
    """Bounds of length, number and steps; nothing of the file's schema is trusted."""
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    for pragma in _HARDENED:
        connection.execute(pragma)
    left = STEPS_MAX // STEPS_AT_ONCE

    def has_had_enough() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    connection.set_progress_handler(has_had_enough, STEPS_AT_ONCE)
    connection.text_factory = bytes


def allow_of(wanted: Mapping[str, Sequence[str]]) -> Callable[..., int]:
    """For `set_authorizer`: these tables are read, and nothing else is done or called."""
    schema = {"sqlite_master", "sqlite_schema"}

    def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if first in wanted or first in schema:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_PRAGMA if first == "table_xinfo" and second in wanted:
                return sqlite3.SQLITE_OK
            case _:
                return sqlite3.SQLITE_DENY

    return allow


def _read(
    connection: sqlite3.Connection,
    wanted: Mapping[str, Sequence[str]],
    rows_max: int,
    bytes_max: int,
) -> ForeignTables:
    harden(connection)
    connection.set_authorizer(allow_of(wanted))
    most = f"more than {rows_max:,} rows or {bytes_max:,} bytes in them"
    found = ForeignTables()
    for table, columns in wanted.items():
        there = columns_of(connection, table)
        if there is None:
            continue
        shared = [column for column in columns if column in there]
        if not shared:
            continue
        names = ", ".join(f'"{column}"' for column in shared)
        rows: dict[int, dict[str, Value]] = {}
        for number, row in enumerate(connection.execute(f'SELECT {names} FROM main."{table}"'), 1):
            bytes_max -= sum(len(value) for value in row if isinstance(value, bytes))
            rows_max -= 1
            if rows_max < 0 or bytes_max < 0:
                raise Unreadable(
                    f"holds {most}, which is all that is read: it ended in {table}, row {number};"
                    f" make a copy with fewer, as by: sqlite3 COPY 'DELETE FROM {table} WHERE …'"
                )
            values, reason = _values(shared, row)
            if reason:
                found.unread.append(Unread(table, number, reason))
            else:
                rows[number] = values
        found.rows[table] = rows
    return found


def _values(
    columns: Sequence[str], row: Sequence[bytes | int | float | None]
) -> tuple[dict[str, Value], str]:
    """The values of a row, and why they are none, or ""."""
    values: dict[str, Value] = {}
    for column, value in zip(columns, row, strict=True):
        try:
            values[column] = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            return values, f"{column} is not UTF-8 from byte {error.start} on"
    return values, ""


def columns_of(connection: sqlite3.Connection, table: str) -> set[str] | None:
    """None without such a table. Raises `Unreadable` for what is no plain one."""
    told = connection.execute(
        "SELECT type, sql FROM main.sqlite_master WHERE name = ?", (table,)
    ).fetchall()
    if not told:
        return None
    is_table = len(told) == 1 and told[0][0] == b"table"
    if not is_table or not bytes(told[0][1] or b"").upper().startswith(b"CREATE TABLE"):
        raise Unreadable(f"{table} is no plain table")
    rows = connection.execute(f'PRAGMA main.table_xinfo("{table}")').fetchall()
    if any(hidden for *_, hidden in rows):
        raise Unreadable(f"{table} has columns that are computed")
    return {bytes(name).decode("utf-8", "replace") for _, name, *_ in rows}
