"""Everything in the vault is read once and held against its hash, so that rot is found early.

    all names, by id ──some at a time──> unpacked, with what they lean on ──> those that are damaged

Oldest ids first: what those lean on is nearly all there is, and is checked on the way.
"""

import sqlite3
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from crdt.digest import payload_digest
from storage.vault.ids import GIVEN_AGAIN, IN_BOTH, are_counted, last_given
from storage.vault.kinds import are_kinds, content, number
from storage.vault.lost import lose
from storage.vault.reading import marks, parts, read, rows_of
from storage.vault.rows import held
from storage.vault.unpacking import Damaged, PlainCache, Unpacking

CHECKED: Final = 256
"""Objects in one step, beside those that they lean on."""
_SMALL: Final = ("todo", "lost", "sqlite_sequence")
_NUMBERED: Final = ("whole", "lost")
_NAMES: Final = f"SELECT {number('id')}, {content('key')}, {number('size')} FROM vault.name"
_IS_NAME: Final = "length(key) = 32 AND " + are_kinds(
    key="blob", id="integer", size="integer", height="integer"
)


class Scrub:
    """One reading of everything; close it. Others may write meanwhile.

    So what it finds damaged may have gone or been mended: `drop_damaged` looks again.
    """

    def __init__(self, vault: sqlite3.Connection) -> None:
        self._cache = PlainCache()
        self._turn = threading.Lock()
        self._is_closed = False
        # A file that nobody else sees; its steps come one after another, on any thread.
        self._todo = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._todo.execute("CREATE TABLE todo (id, key, size, PRIMARY KEY (id, key)) WITHOUT ROWID")
        self._todo.execute("BEGIN")
        self._todo.executemany(
            "INSERT INTO todo VALUES (?, ?, ?)",
            vault.execute(_NAMES),
        )
        self._todo.execute("COMMIT")
        ((self.bytes,),) = self._todo.execute("SELECT coalesce(sum(size), 0) FROM todo")
        self.done_bytes = 0
        """Of its `bytes`, unpacked."""

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
        """It takes no room any more. Waits for a step that a thread is at; there are no more."""
        with self._turn:
            self._is_closed = True
            self._todo.close()

    def step(self, vault: sqlite3.Connection) -> list[bytes] | None:
        """Checks the next ones; gives the hashes of the damaged ones, or None: all are done.

        `vault`: any connection to it.
        """
        with self._turn:
            return None if self._is_closed else self._step(vault)

    def _step(self, vault: sqlite3.Connection) -> list[bytes] | None:
        ids = [
            id
            for (id,) in self._todo.execute(
                "SELECT DISTINCT id FROM todo ORDER BY id LIMIT ?", (CHECKED,)
            )
        ]
        if not ids:
            return None
        rows = rows_of(vault, ids, is_bounded=len(ids) > 1)
        while rows is None:
            ids = ids[: len(ids) // 2]
            rows = rows_of(vault, ids, is_bounded=len(ids) > 1)
        seen: dict[int, tuple[bytes, int]] = {}

        def saw(id: int, data: bytes) -> None:
            seen[id] = payload_digest(data), len(data)

        unpacking = Unpacking(rows, self._cache, saw)
        for id in ids:
            if id in seen:  # another leans on it
                continue
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
            self.done_bytes += sum(size for _, _, size in rows)
            damaged += [key for id, key, size in rows if seen[id] != (key, size)]
        self._todo.execute("COMMIT")
        return damaged


def drop_damaged(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes]:
    """Forgets those that are damaged indeed and gives them: they are not here now.

    In a transaction of the caller's. See `storage.vault.lost`.
    """
    damaged = damaged_of(vault, hashes)
    lose(vault, damaged)
    return damaged


def drop_lost(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes]:
    """As `drop_damaged`; gives all of these that are not here now, also what nothing names."""
    drop_damaged(vault, hashes)
    here = held(vault, hashes)
    lost = [hash for hash in dict.fromkeys(hashes) if hash not in here]
    lose(vault, lost)
    return lost


def fault_of_small(vault: sqlite3.Connection) -> str:
    """What is wrong with what no `Scrub` reads, or with names that lead nowhere, though what they
    lead to is here, or with ids that lead to two rows; "": nothing."""
    if vault.execute(f"SELECT 1 FROM vault.name WHERE NOT ({_IS_NAME}) LIMIT 1").fetchone():
        return "a name has a value of another kind"
    for table in _NUMBERED:
        last_given(vault, table)
    if not are_counted(vault):
        return GIVEN_AGAIN
    if vault.execute(f"{IN_BOTH.format('vault')} LIMIT 1").fetchone():
        return "an object lies whole and as a delta"
    for table in _SMALL:
        for (said,) in vault.execute(f"PRAGMA vault.integrity_check('{table}')"):
            if said != "ok":
                return str(said).replace("\n", " ")
    return ""


def damaged_of(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> list[bytes]:
    """Those of these, that are damaged now."""
    return [hash for part in parts(hashes) for hash in read(vault, part, PlainCache()).damaged]
