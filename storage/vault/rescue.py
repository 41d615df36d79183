"""A vault that has pages that SQLite cannot read is written anew with all that can be read.

    who reads meets with such a page ─▸ a note beside the file ─next start─▸ a file in its place

A sector that the disk forgot takes some rows; SQLite says then of the whole statement that the file
is malformed, and would say so of each that is to mend it. What is missing in the new file is found
and fetched as what is damaged. The old file goes only when the new one is on the disk.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from crdt.digest import payload_digest
from storage.errors import Corrupt, StorageError
from storage.sqlite_errors import as_ours
from storage.vault.reading import rows_of
from storage.vault.unpacking import HEIGHT_MAX, Damaged, PlainCache, Unpacking

BUSY_S: Final = 1.0
"""For another process that is just leaving it."""
TOGETHER: Final = 256
"""Rows in one statement; where it fails, half of them."""
RANGES: Final = 1 << 16
"""Of names, by their first two bytes: where one cannot be read its objects are hashed."""
ADVICE: Final = (
    "Start the node again: where the disk has room for it once more, it is written anew with all"
    " that can be read. Then panspermia scrub fetches the rest from peers."
)
_OBJECTS: Final = {"whole": "id, data", "delta": "id, bases, data"}
_Row = Sequence[Any]


def note_damage(path: Path) -> None:
    """The next start is to write the vault at `path` anew. A disk that takes no note is asked
    again by whoever reads the next time."""
    with suppress(OSError):
        os.close(os.open(_note(path), os.O_CREAT | os.O_WRONLY, 0o600))


def is_noted(path: Path) -> bool:
    """Whether the next start writes the vault at `path` anew, which takes as long as reading it."""
    return _note(path).exists()


def rescue(path: Path, make: Callable[[Path], object]) -> bool:
    """Writes it anew where that was noted, and gives whether it did; `make` makes an empty vault.

    Where another process has it, the disk has no room, or what says which ids were given cannot be
    read, it stays as it is until the next start.
    """
    if not is_noted(path):
        return False
    new = path.with_name(f"{path.name}.new")
    try:
        _remove(new)
        make(new)
        _copy(path, new)
        _refuse_log(path)
        os.replace(new, path)
    except (OSError, StorageError, sqlite3.DatabaseError) as error:
        if isinstance(error, sqlite3.Error) and as_ours(error) is None:
            raise  # a statement of ours is wrong
        with suppress(OSError):
            _remove(new)
        return False
    _note(path).unlink(missing_ok=True)
    return True


def _copy(path: Path, new: Path) -> None:
    """All that can be read, on the disk when this returns."""
    with (
        closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)) as old,
        closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh,
    ):
        old.text_factory = bytes
        old.execute("PRAGMA locking_mode = EXCLUSIVE")  # else another one would write to it yet
        old.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        fresh.execute("ATTACH DATABASE ? AS vault", (str(new),))
        # What is not finished is thrown away, so it needs no log.
        fresh.executescript("PRAGMA vault.journal_mode = OFF; PRAGMA vault.synchronous = OFF")
        fresh.execute("BEGIN")
        last = dict(old.execute("SELECT CAST(name AS BLOB), seq FROM sqlite_sequence"))
        for table, columns in _OBJECTS.items():
            _put(fresh, table, columns, _rows(old, table, columns, int(last.get(b"whole", 0))))
        _put(fresh, "todo", "number, older, newer", _all(old, "todo", "number, older, newer"))
        lost = "number, key, id, height, below, is_back, is_in_doubt"
        _put(fresh, "lost", lost, _all(old, "lost", lost))
        if not _copy_names(old, fresh):
            _name_anew(fresh)
        for table, seq in last.items():
            fresh.execute("DELETE FROM vault.sqlite_sequence WHERE name = ?", (table.decode(),))
            fresh.execute("INSERT INTO vault.sqlite_sequence VALUES (?, ?)", (table.decode(), seq))
        fresh.execute("COMMIT")
        fresh.execute("PRAGMA vault.journal_mode = WAL")
    with new.open("rb") as file:
        os.fsync(file.fileno())


def _refuse_log(path: Path) -> None:
    """Raises `StorageError` where the last one to close it left a log: it would be read as that of
    the new file."""
    with suppress(FileNotFoundError):
        if path.with_name(f"{path.name}-wal").stat().st_size:
            raise StorageError(f"{path.name} has a log that could not be written into it")


def _put(fresh: sqlite3.Connection, table: str, columns: str, rows: Iterator[_Row]) -> None:
    marks = ",".join("?" * (columns.count(",") + 1))
    for row in rows:
        with suppress(sqlite3.IntegrityError):  # what rotted may be of another kind
            fresh.execute(f"INSERT INTO vault.{table} ({columns}) VALUES ({marks})", row)


def _rows(old: sqlite3.Connection, table: str, columns: str, last: int) -> Iterator[_Row]:
    asked = f"SELECT {columns} FROM {table} WHERE id BETWEEN ? AND ?"
    for first in range(1, last + 1, TOGETHER):
        waiting = [(first, first + TOGETHER - 1)]
        while waiting:
            low, high = waiting.pop()
            found = _read(old, asked, (low, high))
            if found is not None:
                yield from found
            elif low < high:
                middle = (low + high) // 2
                waiting += [(middle + 1, high), (low, middle)]


def _all(old: sqlite3.Connection, table: str, columns: str) -> Iterator[_Row]:
    """Of a small one; none where it cannot be read: what it says is found out again."""
    yield from _read(old, f"SELECT {columns} FROM {table} ORDER BY number", ()) or []


def _copy_names(old: sqlite3.Connection, fresh: sqlite3.Connection) -> bool:
    """Whether these were all."""
    columns, is_all = "key, id, size, height", True
    asked = f"SELECT {columns} FROM name WHERE key >= ? AND key < ?"
    for first in range(RANGES):
        low = first.to_bytes(2, "big")
        high = (first + 1).to_bytes(2, "big") if first + 1 < RANGES else b"\xff" * 33
        found = _read(old, asked, (low, high))
        is_all = is_all and found is not None
        _put(fresh, "name", columns, iter(found or []))
    return is_all


def _name_anew(fresh: sqlite3.Connection) -> None:
    """What has no name is called by what it is; if that is garbage, the next collection takes it.

    Not what was lost: others lean on it by its id, under which it is written when it comes. How
    many lean on these is not known, so none does from now on.
    """
    named = "SELECT id FROM vault.name UNION SELECT id FROM vault.lost WHERE id IS NOT NULL"
    both = "SELECT id FROM vault.whole UNION SELECT id FROM vault.delta"
    cache = PlainCache()
    for (id,) in fresh.execute(f"{both} EXCEPT SELECT id FROM ({named})").fetchall():
        try:
            plain = Unpacking(rows_of(fresh, [id]) or {}, cache).plain(id)
        except Damaged:
            continue
        row = (payload_digest(plain), id, len(plain), HEIGHT_MAX)
        _put(fresh, "name", "key, id, size, height", iter([row]))


def _read(old: sqlite3.Connection, asked: str, values: Sequence[object]) -> list[_Row] | None:
    """None where a page of it cannot be read."""
    try:
        return old.execute(asked, values).fetchall()
    except sqlite3.DatabaseError as error:
        if isinstance(as_ours(error), Corrupt):
            return None
        raise


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _remove(new: Path) -> None:
    for rest in ("", "-wal", "-shm", "-journal"):
        new.with_name(new.name + rest).unlink(missing_ok=True)
