"""What nothing names goes: the marks of what stays, and the steps in which the rest goes.

Each is a short step of whoever has the turn to write; the marks last as long as its connection.
"""

import sqlite3
from collections.abc import Callable, Iterable

from storage.vault.rows import key_of

SWEPT = 4_096  # names looked at in one step
FREED_PAGES = 512  # given back to the disk in one step: 4 MiB are moved at most
_END = b"\xff" * 17  # after every key


def begin(database: sqlite3.Connection) -> None:
    """No marks."""
    database.execute("CREATE TEMP TABLE IF NOT EXISTS stays (key BLOB PRIMARY KEY) WITHOUT ROWID")
    database.execute("DELETE FROM temp.stays")


def mark(database: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """These stay."""
    database.executemany(
        "INSERT OR IGNORE INTO temp.stays VALUES (?)", ((key_of(hash),) for hash in hashes)
    )


def sweep(
    database: sqlite3.Connection, *, after: bytes, is_stopped: Callable[[], bool]
) -> bytes | None:
    """Drops what is not marked, of the next so many by their keys; gives where to go on.

    `is_stopped`, asked in the turn of who writes: something was named since the marks were made.
    """
    if is_stopped():
        return None
    row = database.execute(
        "SELECT key FROM vault.name WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?",
        (after, SWEPT - 1),
    ).fetchone()
    until: bytes = row[0] if row else _END
    dead = database.execute(
        "SELECT key, id FROM vault.name n WHERE key > ? AND key <= ?"
        " AND NOT EXISTS (SELECT 1 FROM temp.stays s WHERE s.key = n.key)",
        (after, until),
    ).fetchall()
    for table in ("whole", "delta"):
        database.executemany(f"DELETE FROM vault.{table} WHERE id = ?", ((id,) for _, id in dead))
    database.executemany("DELETE FROM vault.name WHERE key = ?", ((key,) for key, _ in dead))
    return until if row else None


def end(database: sqlite3.Connection) -> None:
    """The marks take no room any more."""
    database.execute("DROP TABLE IF EXISTS temp.stays")


def free(database: sqlite3.Connection) -> bool:
    """Gives some empty pages back to the disk; gives whether there are more."""
    ((empty,),) = database.execute("PRAGMA vault.freelist_count")
    for _ in range(min(empty, FREED_PAGES)):  # one each: Python steps once through what has no rows
        database.execute("PRAGMA vault.incremental_vacuum(1)")
    return bool(empty > FREED_PAGES)
