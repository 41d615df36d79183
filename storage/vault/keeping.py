"""Objects are kept where the disk has room for them: also for what the log is copied to."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from storage.packs import Packs
from storage.vault.rows import Encoded, put

FREED_PAGES = 512  # in one step: 4 MiB are moved at most


def keep_objects(
    database: sqlite3.Connection,
    packs: Packs,
    objects: Sequence[Encoded],
    *,
    promote: bool = False,
) -> list[bytes]:
    """As `put`. Raises `OverQuota` where the disk is full; nothing is stored then."""
    packs.room.check(sum(len(one.data) for one in objects) + _log_bytes(database))
    return put(database, objects, promote=promote)


def free(database: sqlite3.Connection) -> bool:
    """Gives some empty pages back to the disk; gives whether there are more."""
    ((empty,),) = database.execute("PRAGMA vault.freelist_count")
    for _ in range(min(empty, FREED_PAGES)):  # one each: Python steps once through what has no rows
        database.execute("PRAGMA vault.incremental_vacuum(1)")
    return bool(empty > FREED_PAGES)


def _log_bytes(database: sqlite3.Connection) -> int:
    """Of the vault: on a disk that has no room for them nothing could be deleted any more."""
    for _, name, file in database.execute("PRAGMA database_list"):
        if name == "vault":
            with suppress(OSError):
                return os.stat(f"{file}-wal").st_size
    return 0
