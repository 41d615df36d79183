"""Everything in the vault is read once and held against its hash, so that rot is found early.

    all names, by id ──some at a time──> unpacked, with what they lean on ──> those that are damaged

Oldest ids first: what those lean on is nearly all there is, and is checked on the way.
"""

import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from crdt.digest import payload_digest
from storage.vault.reading import marks, one_moment, parts, read, rows_of
from storage.vault.rows import held
from storage.vault.unpacking import Damaged, PlainCache, Unpacking

CHECKED: Final = 256
"""Objects in one step, beside those that they lean on."""


class Scrub:
    """One reading of everything; close it. Others may write meanwhile.

    So what it finds damaged may have gone or been mended: `drop_damaged` looks again.
    """

    def __init__(self, vault: sqlite3.Connection) -> None:
        self._vault = vault
        self._cache = PlainCache()
        self._todo = sqlite3.connect("", isolation_level=None)  # a file that nobody else sees
        self._todo.execute("CREATE TABLE todo (id, key, size, PRIMARY KEY (id, key)) WITHOUT ROWID")
        self._todo.execute("BEGIN")
        self._todo.executemany(
            "INSERT INTO todo VALUES (?, ?, ?)",
            vault.execute("SELECT id, key, size FROM vault.name"),
        )
        self._todo.execute("COMMIT")
        ((self.objects,),) = self._todo.execute("SELECT count(*) FROM todo")

    def __enter__(self) -> "Scrub":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """It takes no room any more."""
        self._todo.close()

    def left(self) -> int:
        """How many of its `objects` are still to be checked."""
        ((count,),) = self._todo.execute("SELECT count(*) FROM todo")
        return int(count)

    def step(self) -> list[bytes] | None:
        """Checks the next ones; gives the hashes of the damaged ones, or None: all are done."""
        ids = [
            id
            for (id,) in self._todo.execute(
                "SELECT DISTINCT id FROM todo ORDER BY id LIMIT ?", (CHECKED,)
            )
        ]
        if not ids:
            return None
        with one_moment(self._vault):  # of each step: the log is copied between them
            rows = rows_of(self._vault, ids, is_bounded=len(ids) > 1)
            while rows is None:
                ids = ids[: len(ids) // 2]
                rows = rows_of(self._vault, ids, is_bounded=len(ids) > 1)
        seen: dict[int, tuple[bytes, int]] = {}

        def saw(id: int, data: bytes) -> None:
            seen[id] = payload_digest(data), len(data)

        unpacking = Unpacking(rows, self._cache, saw)
        for id in ids:
            try:
                unpacking.plain(id)
            except Damaged:
                seen.setdefault(id, (b"", 0))
        return self._done(seen)

    def _done(self, seen: dict[int, tuple[bytes, int]]) -> list[bytes]:
        damaged: list[bytes] = []
        self._todo.execute("BEGIN")
        for part in parts([*seen]):
            rows = self._todo.execute(
                f"DELETE FROM todo WHERE id IN ({marks(part)}) RETURNING id, key, size", part
            ).fetchall()
            damaged += [key for id, key, size in rows if seen[id] != (key, size)]
        self._todo.execute("COMMIT")
        return damaged


def drop_damaged(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes]:
    """Forgets those that are damaged indeed and gives them: they are not here now.

    In a transaction of the caller's. Their rows go with the next collection.
    """
    damaged = [hash for part in parts(hashes) for hash in read(vault, part, PlainCache()).damaged]
    vault.executemany("DELETE FROM vault.name WHERE key = ?", [(hash,) for hash in damaged])
    return damaged


def drop_lost(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes]:
    """As `drop_damaged`; gives all of these that are not here now, also what nothing names."""
    drop_damaged(vault, hashes)
    here = held(vault, hashes)
    return [hash for hash in dict.fromkeys(hashes) if hash not in here]
