"""A new store's file without its migrations: they run once a process, and every file is a copy."""

import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.migration import Migration, migrate


def new_file() -> bytes:
    """A file of the newest schema, with nothing in it and an id of its own."""
    file, made_id = _migrated()
    return file.replace(made_id, os.urandom(len(made_id)))


def migrate_or_copy(path: Path, known: list[Migration] | None = None) -> list[Migration]:
    """`migrate`, but a file that is not there yet is a copy: so many syncs to disk take long."""
    if known is None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as file:
            file.write(new_file())
    return migrate(path, known)


@cache
def _migrated() -> tuple[bytes, bytes]:
    """A migrated file, and the id in it: random bytes, at one place."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        migrate(path)
        with closing(sqlite3.connect(path)) as database:
            ((made_id,),) = database.execute("SELECT id FROM store")
        file = path.read_bytes()
    assert file.count(made_id) == 1
    return file, made_id
