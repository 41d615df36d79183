"""All of a vault that can be read, though some pages of it cannot, row by row into an empty one.

    names ─▸ what was lost ─▸ objects by ranges of ids ─▸ those that are named and were not met
          ─▸ those on pages to which none leads any more ─▸ of two rows of one id one keeps it
          ─▸ names of what has none that is right

Where a range cannot be read it is halved, down to single rows. An id is never given to others, so
what says which were given is held against the rows themselves. Nothing here trusts a type, and no
row that cannot be unpacked takes the place of one that can: it may be of another table.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from zstandard import FRAME_HEADER

from storage.errors import Corrupt
from storage.sqlite_errors import as_ours
from storage.vault.ids import next_id
from storage.vault.in_both import part
from storage.vault.leaves import ROW_BYTES_MAX, Leaves
from storage.vault.naming_anew import name_anew
from storage.vault.unpacking import HEIGHT_MAX, Damaged, PlainCache, Row, Unpacking, decode_bases

TOGETHER: Final = 256
"""Rows in one statement; where it fails, half of as many ids."""
IN_VAIN_MAX: Final = 1 << 16
"""Ids one after the other of which none can be read: then only what is named is asked for."""
IDS_END: Final = 1 << 53
"""No id is near it; what says so is rotten."""
HIDDEN_END: Final = IDS_END >> 1
"""What is found on its page alone has its bytes to speak for it, so its id may be any that leaves
room for all that are given behind it."""
MARGIN: Final = 1 << 20
"""Ids that may have been given after the last one that is known."""
_AFTER_KEYS: Final = b"\xff" * 33
_OBJECTS: Final = {"whole": "id, data", "delta": "id, bases, data"}
_LOST: Final = "number, key, id, height, below, is_back, is_in_doubt"
_NAME: Final = "key, id, size, height"
_Row = Sequence[Any]


@dataclass(slots=True)
class Salvage:
    """Copies from `old`, whose `text_factory` is bytes, to what is attached to `fresh` as `vault`,
    in a transaction of the caller's.

    Raises `sqlite3.Error` for all but what says that pages are damaged.
    """

    old: sqlite3.Connection
    fresh: sqlite3.Connection

    def copy(self, leaves: Leaves) -> None:
        """All of it; `leaves`: of the old file."""
        # Else a row that flows over to a page that leads to itself takes as much as the file.
        self.old.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX)
        given, readable = self._given()
        self._put("name", _NAME, self._by_keys("name", _NAME))
        todo = self._rows("todo", "number, older, newer", self._highest("todo", "number"))
        self._put("todo", "number, older, newer", todo)
        losses = max(given.get(b"lost", 0), self._highest("lost", "number"))
        self._put("lost", _LOST, map(_careful, self._rows("lost", _LOST, losses)))
        self._put("lost", _LOST, map(_careful, self._losses()))
        last = self._last_id(given.get(b"whole", 0))
        for table, columns in _OBJECTS.items():
            self._put(table, columns, filter(_is_object, self._rows(table, columns, last)))
        self._copy_named()
        self._copy_hidden(leaves)
        last = self._last_id(given.get(b"whole", 0))
        self._keep_given("whole", given.get(b"whole", 0), last, is_sure=readable)
        part(self.fresh)
        # What a lost page may name was given before; no more is kept for it.
        self.fresh.execute("UPDATE vault.lost SET below = min(below, ?)", (next_id(self.fresh),))
        name_anew(self.fresh)
        # What is here, though it is called lost, is looked for by its id, and then no more lost.
        self.fresh.execute(
            "UPDATE vault.lost SET id = coalesce((SELECT n.id FROM vault.name n"
            " WHERE n.key = lost.key), id) WHERE NOT is_back"
        )
        self._keep_given("lost", given.get(b"lost", 0), self._seen("lost", "number"), readable)

    def _given(self) -> tuple[dict[bytes, int], bool]:
        """What `sqlite_sequence` says, as far as it can be true, and whether all of it can."""
        rows = self._read("SELECT CAST(name AS BLOB), seq FROM sqlite_sequence")
        found: dict[bytes, int] = {}
        for name, seq in rows or []:
            if isinstance(name, bytes) and isinstance(seq, int) and 0 <= seq < IDS_END:
                found[name] = max(seq, found.get(name, 0))
        return found, rows is not None

    def _highest(self, table: str, column: str) -> int:
        """As far as its last page tells."""
        rows = self._read(f"SELECT {column} FROM {table} ORDER BY {column} DESC LIMIT 1")
        return max((one for (one,) in rows or [] if _is_id(one)), default=0)

    def _seen(self, table: str, column: str) -> int:
        """The highest that was copied."""
        ((found,),) = self.fresh.execute(
            f"SELECT coalesce(max({column}), 0) FROM vault.{table} WHERE {column} < ?", (IDS_END,)
        )
        return int(found)

    def _last_id(self, given: int) -> int:
        """That anything knows of: what was given last may be rotten, or not there. What only names
        or what is lost say may be rotten, too; ids begin no more than so far behind the others."""
        rows = max(given, *(self._seen(table, "id") for table in _OBJECTS))
        rows = max(rows, *(self._highest(table, "id") for table in _OBJECTS))
        below = self._seen("lost", "below") - 1
        said = max(below, *(self._seen(table, "id") for table in ("name", "lost")))
        return max(rows, min(said, rows + MARGIN))

    def _keep_given(self, table: str, given: int, seen: int, is_sure: bool) -> None:
        last = given if seen <= given and is_sure else max(seen, given) + MARGIN
        if not given and not seen and is_sure:
            return  # none was
        self.fresh.execute("DELETE FROM vault.sqlite_sequence WHERE name = ?", (table,))
        self.fresh.execute("INSERT INTO vault.sqlite_sequence VALUES (?, ?)", (table, last))

    def _rows(self, table: str, columns: str, last: int) -> Iterator[_Row]:
        """Of a table by its ids, of which `last` is the last that is known; also those behind."""
        id = columns.partition(",")[0]
        asked = f"SELECT {columns} FROM {table} WHERE {id} BETWEEN ? AND ? ORDER BY {id} LIMIT ?"
        first, in_vain = 1, 0
        while first < IDS_END and (first <= last or not in_vain) and in_vain < IN_VAIN_MAX:
            found = self._read(asked, (first, IDS_END, TOGETHER))
            if found is not None and _are_in_order(found, first, IDS_END):
                in_vain = 0
                yield from found
                if len(found) < TOGETHER:
                    return
                first = found[-1][0] + 1
                continue
            in_vain += TOGETHER
            for row in self._halved(table, columns, first, first + TOGETHER - 1):
                in_vain = 0
                yield row
            first += TOGETHER

    def _halved(self, table: str, columns: str, first: int, last: int) -> Iterator[_Row]:
        id = columns.partition(",")[0]
        # A range is only at its end when the next row was read; of one row nothing more is.
        one = f"SELECT {columns} FROM {table} WHERE {id} = ?"
        more = f"SELECT {columns} FROM {table} WHERE {id} BETWEEN ? AND ? ORDER BY {id}"
        waiting = [(first, last)]
        while waiting:
            low, high = waiting.pop()
            found = self._read(more, (low, high)) if low < high else self._read(one, (low,))
            if found is not None and _are_in_order(found, low, high):
                yield from found
            elif low < high:
                middle = (low + high) // 2
                waiting += [(middle + 1, high), (low, middle)]

    def _losses(self) -> Iterator[_Row]:
        """Those that only the index of keys has yet, and those that its numbers lead to."""
        here = "SELECT 1 FROM vault.lost WHERE number = ? AND key = ?"
        for key, number in self._by_keys("lost", "key, number"):
            if _is_id(number) and not self.fresh.execute(here, (number, key)).fetchone():
                found = self._read(f"SELECT {_LOST} FROM lost WHERE number = ?", (number,))
                is_there = found and found[0][1] == key
                yield found[0] if found and is_there else (number, key, *[None] * 5)

    def _by_keys(self, table: str, those: str) -> Iterator[_Row]:
        columns = f"SELECT {those} FROM {table} WHERE key >= ? AND key < ?"
        low = b""
        while low < _AFTER_KEYS:
            values = (low, _AFTER_KEYS, TOGETHER)
            found = self._read(f"{columns} ORDER BY key LIMIT ?", values)
            if found is not None and _are_keys(found, low, _AFTER_KEYS):
                yield from found
                if len(found) < TOGETHER:
                    return
                low = found[-1][0] + b"\0"
                continue
            start = int.from_bytes(low[:2].ljust(2, b"\0"), "big") + 1
            top = start.to_bytes(2, "big") if start < 1 << 16 else _AFTER_KEYS
            yield from self._from_both_ends(columns, low, top)
            low = top

    def _from_both_ends(self, columns: str, low: bytes, high: bytes) -> Iterator[_Row]:
        """One name after the other, until one on either side cannot be read."""
        while found := self._read(f"{columns} ORDER BY key LIMIT 1", (low, high)):
            if not _are_keys(found, low, high):
                break
            yield found[0]
            low = found[0][0] + b"\0"
        if found == []:
            return
        while found := self._read(f"{columns} ORDER BY key DESC LIMIT 1", (low, high)):
            if not _are_keys(found, low, high):
                break
            yield found[0]
            high = found[0][0]

    def _copy_named(self) -> None:
        """What is named, or leaned on, and was not met in its place, may be found where its id
        leads: so would whoever reads."""
        # Whose row is of no use is not put, and not asked for again: it may lean on itself.
        self.fresh.execute(
            "CREATE TEMP TABLE wanted (id INTEGER PRIMARY KEY, is_asked INTEGER NOT NULL DEFAULT 0)"
        )
        self.fresh.execute("CREATE INDEX temp.unasked ON wanted (id) WHERE NOT is_asked")
        self.fresh.execute(
            "INSERT INTO wanted (id) SELECT id FROM vault.name UNION SELECT id FROM vault.lost"
            " WHERE id IS NOT NULL EXCEPT SELECT id FROM vault.whole"
            " EXCEPT SELECT id FROM vault.delta"
        )
        for (bases,) in self.fresh.execute("SELECT bases FROM vault.delta"):
            self._want(_bases_of(bases))
        while some := self.fresh.execute(
            "SELECT id FROM wanted WHERE NOT is_asked LIMIT ?", (TOGETHER,)
        ).fetchall():
            for (id,) in some:
                self._copy_one(id)
        self.fresh.execute("DROP TABLE wanted")

    def _want(self, ids: Iterable[int]) -> None:
        """Those that are not here."""
        self.fresh.executemany(
            "INSERT OR IGNORE INTO wanted (id) SELECT ?1"
            " WHERE NOT EXISTS (SELECT 1 FROM vault.whole WHERE id = ?1)"
            " AND NOT EXISTS (SELECT 1 FROM vault.delta WHERE id = ?1)",
            [(id,) for id in ids],
        )

    def _copy_one(self, id: int) -> None:
        """And what it leans on is wanted."""
        self.fresh.execute("UPDATE wanted SET is_asked = 1 WHERE id = ?", (id,))
        for table, columns in _OBJECTS.items():
            asked = f"SELECT {columns} FROM {table} WHERE id = ?"
            found = [*filter(_is_object, self._read(asked, (id,)) or [])]
            self._put(table, columns, iter(found))
            if table == "delta":
                for _, bases, _ in found:
                    self._want(_bases_of(bases))

    def _copy_hidden(self, leaves: Leaves) -> None:
        """What SQLite does not find any more, as some page on the way to it is lost."""
        here = (
            "SELECT 1 FROM vault.whole WHERE id = ?1 UNION SELECT 1 FROM vault.delta WHERE id = ?1"
        )
        for cell in leaves.cells():
            if not 0 < cell.id < HIDDEN_END or self.fresh.execute(here, (cell.id,)).fetchone():
                continue
            match leaves.columns(cell):
                case [None, *rest] if _is_object([cell.id, *rest]):
                    table = "whole" if len(rest) == 1 else "delta"
                    self._put(table, _OBJECTS[table], iter([(cell.id, *rest)]))
                case _:
                    continue

    def _put(self, table: str, columns: str, rows: Iterator[_Row]) -> None:
        marks = ",".join("?" * (columns.count(",") + 1))
        for row in rows:
            # What rotted may be of another kind.
            with suppress(sqlite3.IntegrityError, sqlite3.DataError):
                self.fresh.execute(f"INSERT INTO vault.{table} ({columns}) VALUES ({marks})", row)

    def _read(self, asked: str, values: Sequence[object] = ()) -> list[_Row] | None:
        """None where a page of it cannot be read."""
        try:
            return self.old.execute(asked, values).fetchall()
        except (ValueError, ArithmeticError, MemoryError):  # no value that Python has
            return None
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if not isinstance(as_ours(error), Corrupt) and code != sqlite3.SQLITE_TOOBIG:
                raise
            return None


def _careful(lost: _Row) -> _Row:
    """A row of `lost`: instead of a value that cannot be it has the one that destroys least. All
    that is here was here then, and nothing is written over what lies under the id."""
    number, key, *rest = lost
    instead = (None, HEIGHT_MAX, IDS_END, 0, 1)
    known = [
        one if isinstance(one, int) else other for one, other in zip(rest, instead, strict=True)
    ]
    return number, key, *known


def _is_id(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < IDS_END


def _are_in_order(rows: Sequence[_Row], first: int, last: int) -> bool:
    """Where a page is rotten the rows behind one that says too much would be left out."""
    ids = [row[0] for row in rows]
    are_ids = all(isinstance(id, int) and first <= id <= last for id in ids)
    return are_ids and all(one < other for one, other in pairwise(ids))


def _are_keys(rows: Sequence[_Row], low: bytes, high: bytes) -> bool:
    keys = [row[0] for row in rows]
    are_keys = all(isinstance(key, bytes) and low <= key < high for key in keys)
    return are_keys and all(one < other for one, other in pairwise(keys))


def _is_object(row: _Row) -> bool:
    """Whether there can be bytes in it."""
    match row:
        case [_, bytes(data)]:
            try:
                Unpacking({0: Row((), data)}, PlainCache()).plain(0)
            except Damaged:
                return False
            return True
        case [_, bytes(bases), bytes(data)]:  # so many columns has a row of `todo`, too
            return bool(_bases_of(bases)) and data.startswith(FRAME_HEADER)
        case _:
            return False


def _bases_of(bases: object) -> tuple[int, ...]:
    try:
        return decode_bases(bases) if isinstance(bases, bytes) else ()
    except Damaged:
        return ()
