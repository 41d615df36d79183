"""The file of the vault: made, brought to the newest schema, attached.

    panspermia.db  ──attached to every connection as `vault`──  snapshots.db   0600, WAL

It is a file of its own because it shrinks again (`auto_vacuum`), and because the database is copied
before a migration. A commit over both files is atomic for each of them, not for both: what the
database says is here has to be on the disk here first.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from storage.errors import Corrupt, NewerSchema
from storage.migration import check_header
from storage.sqlite_errors import as_ours
from storage.vault.old_files import set_log_aside, sync_folder

HOMES = "panspermia.db"  # the database of a home, whose vault needs no name of its own
APPLICATION_ID = 0x50414E56  # "PANV"
PAGE_BYTES = 2_048  # decision 0110: larger ones are left half empty
SCHEMA = Path(__file__).with_name("schema.sql")
_LOST = """
-- What was found damaged, or is not here though a blob names it: it has no name any more. Others
-- may lean on the row yet, by its id, so under that the bytes are written when they come again.
CREATE TABLE IF NOT EXISTS lost (             -- some files of version 1 have it
    number  INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows with each
    key     BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    id      INTEGER,                            -- none: it had no name
    height  INTEGER NOT NULL,
    below   INTEGER NOT NULL,                   -- of all ids that were given before
    is_back INTEGER NOT NULL DEFAULT 0          -- its bytes are here: what leaned on it is read
) STRICT;
"""
DOUBT = (
    "UPDATE {0} SET is_in_doubt = 1"
    " WHERE id IN (SELECT id FROM {0} GROUP BY id HAVING count(*) > 1)"
)
_IN_DOUBT = f"""
-- Two were lost under its id: of one the name was damaged itself, and nobody knows of which. So
-- neither is written there, also once the other is back, or forgotten.
ALTER TABLE lost ADD COLUMN is_in_doubt INTEGER NOT NULL DEFAULT 0;
{DOUBT.format("lost")};
"""
STEPS: tuple[str, ...] = (_LOST, _IN_DOUBT)
"""What brings the file from version 1, which is `SCHEMA`, on to the next ones, in their order. Each
makes a table or a column, by which the version of a file is known whose header has rotted."""
ADVICE = (
    "Move it away, with what is called the same and ends in -wal or -shm: what it held is fetched"
    " again from whoever has it."
)


def vault_beside(database: Path) -> Path:
    """The vault of one database, and of no other: `snapshots.db` in a home."""
    name = "snapshots.db" if database.name == HOMES else f"{database.stem}.snapshots.db"
    return database.with_name(name)


def make_vault(path: Path, steps: tuple[str, ...] = STEPS) -> bool:
    """Brings the file at `path` to the newest schema; gives whether there was none.

    Raises `NewerSchema` (nothing was changed) and `Corrupt`.
    """
    is_new = not path.exists() or path.stat().st_size == 0
    if is_new:
        set_log_aside(path)  # of a file that somebody took away: it is part of no other
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    else:
        check_header(path, ADVICE)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as vault:
            _migrate(vault, path, steps, is_new=is_new)
    except sqlite3.DatabaseError as error:
        ours = as_ours(error)
        # A file that says that it is of another version than it is has what a step is to make.
        if is_of_file(error):
            raise Corrupt(f"{path} is damaged: {error}. {ADVICE}") from error
        raise ours or error from error
    if is_new:
        sync_folder(path.parent)
    return is_new


def _migrate(
    vault: sqlite3.Connection, path: Path, steps: tuple[str, ...], *, is_new: bool
) -> None:
    ((version,),) = vault.execute("PRAGMA user_version")
    ((application,),) = vault.execute("PRAGMA application_id")
    vault.execute("SELECT count(*) FROM sqlite_schema")  # what is damaged there is met with now
    if not is_new and version and application != APPLICATION_ID:
        raise Corrupt(f"{path} is a database of another program. {ADVICE}")
    newest = 1 + len(steps)
    if version > newest:
        raise NewerSchema(
            f"{path} has schema {version}, this version knows {newest}: update panspermia. "
            "Nothing was changed."
        )
    if not version:  # also what was stopped before anything was in it
        vault.executescript(
            f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;"
            "PRAGMA journal_mode = WAL;"
        )
    todo = (SCHEMA.read_text(encoding="utf-8"), *steps)[version:]
    for number, sql in enumerate(todo, version + 1):
        vault.executescript(
            f"BEGIN IMMEDIATE; {sql}\n; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {number}; COMMIT;"
        )


def is_vault(path: Path) -> bool:
    """Whether its first page is there and says so, of a version that is known, however much of the
    rest is lost.

    Raises `sqlite3.Error` where nobody can tell, as the disk is full or another process has it.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as vault:
            vault.execute("PRAGMA writable_schema = ON")  # else one that was cut cannot be opened
            ((version,),) = vault.execute("PRAGMA user_version")
            ((application,),) = vault.execute("PRAGMA application_id")
            vault.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            for table in ("name", "whole", "delta", "todo"):
                vault.execute(f"SELECT 1 FROM {table} LIMIT 0")
    except sqlite3.Error as error:
        if is_of_file(error):
            return False
        raise
    return bool(application == APPLICATION_ID and 0 < version <= 1 + len(STEPS))


def is_of_file(error: sqlite3.Error) -> bool:
    """Whether it says what is in the file, and not what becomes of whoever asks: that the disk is
    full, say, as SQLite lays a file beside one that is only read."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(as_ours(error), Corrupt) or code == sqlite3.SQLITE_ERROR


def show_as_newest(vault: sqlite3.Connection) -> None:
    """Whoever reads by this connection finds in a file of an older schema what that has of the
    newest one, but for what is in doubt. Nothing is written."""
    said = "SELECT count(*), count(*) FILTER (WHERE name = 'is_in_doubt')"
    ((columns, is_newest),) = vault.execute(f"{said} FROM pragma_table_info('lost')")
    if not columns:
        vault.execute(
            "CREATE TEMP TABLE lost"
            " (number INTEGER PRIMARY KEY, key, id, height, below, is_back, is_in_doubt)"
        )
    elif not is_newest:
        vault.execute("CREATE TEMP VIEW lost AS SELECT *, 0 AS is_in_doubt FROM main.lost")
