"""Numbered migrations: `migrations/NNNN_name.sql`, each in one transaction with its number.

A number may be left out; one that is lower than the newest is never added to what was released.

An existing file is copied beside itself before it is touched; a file from a newer version is
refused and left exactly as it was.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crdt.digest import payload_digest
from storage.errors import Corrupt, NewerSchema
from storage.sqlite_errors import as_ours

APPLICATION_ID = 0x50414E53  # "PANS": tells our file from any other SQLite file
FOLDER = Path(__file__).parent / "migrations"
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All of them, in order of their numbers."""
    found = [
        Migration(int(file.name[:4]), file.stem, file.read_text(encoding="utf-8"))
        for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    ]
    numbers = [one.number for one in found]
    assert numbers == sorted(set(numbers)), "two migrations of one number"
    return found


def migrate(path: Path, known: list[Migration] | None = None) -> list[Migration]:
    """Brings the file at `path` to the newest schema and gives what was applied.

    Raises `NewerSchema` (nothing was changed) and `Corrupt`.
    """
    steps = migrations() if known is None else known
    is_new = not path.exists() or path.stat().st_size == 0
    if is_new:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    else:
        check_header(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            return _apply(database, path, steps, is_new=is_new)
    except sqlite3.DatabaseError as error:
        if ours := as_ours(error):
            raise ours from error
        raise


def _apply(
    database: sqlite3.Connection, path: Path, steps: list[Migration], *, is_new: bool
) -> list[Migration]:
    version = _pragma(database, "user_version")
    if not is_new and _pragma(database, "application_id") not in (0, APPLICATION_ID):
        raise Corrupt(f"{path} is a database of another program")
    newest = steps[-1].number
    if version > newest:
        raise NewerSchema(
            f"{path} has schema {version}, this version knows {newest}: update panspermia. "
            "Nothing was changed."
        )
    todo = [step for step in steps if step.number > version]
    if todo and version:
        _back_up(database, path.with_name(f"{path.name}.before-{todo[0].number:04}"))
    if todo:
        database.execute("PRAGMA journal_mode = WAL")
        database.create_function("blake3", 1, payload_digest, deterministic=True)  # 0016 uses it
    for step in todo:
        _run(database, step)
    return todo


def _run(database: sqlite3.Connection, step: Migration) -> None:
    try:
        database.executescript(
            f"BEGIN IMMEDIATE; {step.sql}\n; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {step.number}; COMMIT;"
        )
    except sqlite3.Error:
        if database.in_transaction:
            database.rollback()
        raise


def _back_up(database: sqlite3.Connection, target: Path) -> None:
    """A whole copy, durable under its name or not there at all."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(part)) as copy:
        database.backup(copy)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def check_header(path: Path, advice: str = "Restore it from a backup.") -> None:
    """Finds a foreign or a cut file without reading it all, and says so with the `advice`.

    While a write-ahead log is there the file may rightly be shorter than it says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise Corrupt(f"{path} is no database, or its beginning is lost. {advice}")
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    told = int.from_bytes(header[28:32], "big") * page_bytes
    if size < told:
        raise Corrupt(f"{path} was cut: {size:,} of {told:,} bytes are left. {advice}")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    value: int = database.execute(f"PRAGMA {name}").fetchone()[0]
    return value
