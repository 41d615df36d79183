"""What SQLite says of the world, in our words. What it says of our own statements stays a bug."""

import sqlite3

from storage.errors import CLOSED, Corrupt, OverQuota, StorageError

DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
NO_TEXT = "Could not decode to UTF-8"
"""Said without a code: in a text of ours bytes are others than were written."""
NO_ROOM = (sqlite3.SQLITE_IOERR_SHMSIZE,)  # for the file that the log is found by
TROUBLE = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


def as_ours(error: sqlite3.Error) -> StorageError | None:
    """None where a statement of ours is to blame, not the file, the disk or another process."""
    which = getattr(error, "sqlite_errorcode", 0)
    code = which & 0xFF  # the rest says which kind of it
    if code in DAMAGE or str(error).startswith(NO_TEXT):
        return Corrupt(f"The database is damaged: {error}. Restore it from a backup.")
    if code == sqlite3.SQLITE_FULL or which in NO_ROOM:
        return OverQuota("The disk is full. Nothing was changed: make room and try again.")
    if code in TROUBLE:
        return StorageError(f"The database cannot be used: {error}.")
    if isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error):
        return StorageError(CLOSED)  # while somebody read yet
    return None
