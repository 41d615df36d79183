"""Each object of a vault that was written anew has a name that is right.

    ids, some at a time ─▸ unpacked ─▸ the hash: a name that leads elsewhere, or none ─▸ named
                                       an id that others are named by ─▸ a copy of its own ─▸ named

Of a name that rotted nothing tells but the bytes that it should lead to: what has no other name
would be taken for what nobody wants. Where another leads to it, either that name rotted or the
bytes did. Nobody knows which, so the id stays with that name, for what is written there when it
comes; what comes out right goes on leaning on the bytes that are there, under the id of the copy.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from crdt.digest import payload_digest
from storage.vault.ids import next_id
from storage.vault.reading import gather, names_of, read, rows_of
from storage.vault.unpacking import (
    HEIGHT_MAX,
    Damaged,
    PlainCache,
    Row,
    Unpacking,
    encode_bases,
)

TOGETHER: Final = 256
"""Objects that are unpacked at a time, beside those that they lean on."""


def name_anew(vault: sqlite3.Connection) -> None:
    """What has no name that is right is called by what it is; if that is garbage, the next
    collection takes it. In a transaction of the caller's, who has written which ids were given.

    Not what was lost: others lean on it by its id, under which it is written when it comes. How
    many lean on these is not known, so none does from now on.
    """
    vault.execute("CREATE TEMP TABLE unsure (id INTEGER PRIMARY KEY)")
    vault.execute(
        "INSERT INTO unsure SELECT id FROM vault.whole UNION SELECT id FROM vault.delta"
        " EXCEPT SELECT id FROM vault.lost WHERE id IS NOT NULL AND NOT is_back"
    )
    vault.execute("CREATE TEMP TABLE called (id INTEGER PRIMARY KEY)")
    vault.execute("INSERT INTO called SELECT DISTINCT id FROM vault.name")
    copies: dict[int, int] = {}
    cache, after = PlainCache(), -1 << 63
    while some := vault.execute(
        "SELECT id FROM unsure WHERE id > ? ORDER BY id LIMIT ?", (after, TOGETHER)
    ).fetchall():
        after = some[-1][0]
        waiting = [[id for (id,) in some]]
        while waiting:
            ids = waiting.pop()
            if not _name(vault, ids, cache, copies):
                waiting += [ids[len(ids) // 2 :], ids[: len(ids) // 2]]
    vault.execute("DROP TABLE unsure")
    vault.execute("DROP TABLE called")
    if copies:
        _lean_on_copies(vault, copies)
        # A page that is lost may name what was copied: it was here before the page was lost.
        vault.execute("UPDATE vault.lost SET below = ?", (next_id(vault),))


def _name(
    vault: sqlite3.Connection, ids: list[int], cache: PlainCache, copies: dict[int, int]
) -> bool:
    """False where they lean on too much at a time. What is copied is put to `copies`."""
    rows = rows_of(vault, ids, is_bounded=len(ids) > 1)
    if rows is None:
        return False
    unpacking = Unpacking(rows, cache)
    found: list[tuple[bytes, int, int]] = []
    for id in ids:
        try:
            plain = unpacking.plain(id)
        except Damaged:
            continue
        found.append((payload_digest(plain), id, len(plain)))
    names = names_of(vault, [key for key, _, _ in found])
    for key, id, size in found:
        name = names.get(key)
        if name is not None and (name.id, name.size) == (id, size):
            continue
        if key in read(vault, [key], PlainCache()).objects:
            continue  # another row has these bytes, too
        is_called = vault.execute("SELECT 1 FROM called WHERE id = ?", (id,)).fetchone()
        if is_called and not (name and name.id == id):  # that one has only another size
            copies[id] = id = _copied(vault, id)
        vault.execute(  # a name that leads elsewhere is rotten
            "INSERT OR REPLACE INTO vault.name (key, id, size, height) VALUES (?, ?, ?, ?)",
            (key, id, size, HEIGHT_MAX),
        )
    return True


def _copied(vault: sqlite3.Connection, id: int) -> int:
    """The id of the copy."""
    new = next_id(vault)
    vault.execute(
        "INSERT INTO vault.whole (id, data) SELECT ?, data FROM vault.whole WHERE id = ?", (new, id)
    )
    vault.execute(
        "INSERT INTO vault.delta (id, bases, data) SELECT ?, bases, data FROM vault.delta"
        " WHERE id = ?",
        (new, id),
    )
    vault.execute("UPDATE vault.sqlite_sequence SET seq = ? WHERE name = 'whole'", (new,))
    return new


def _lean_on_copies(vault: sqlite3.Connection, copies: dict[int, int]) -> None:
    """All that comes out right, with what it leans on. Of that what has no name that is right, as
    it is lost or has rotted, stays as it is, for when its bases come: it gets a copy, too."""
    vault.execute("CREATE TEMP TABLE come_right (id INTEGER PRIMARY KEY)")
    for _, right in _right(vault):
        vault.executemany("INSERT OR IGNORE INTO come_right VALUES (?)", [(id,) for id in right])
    moved: dict[int, tuple[int, ...]] = {}
    for rows, right in _right(vault):
        used = _used(rows, right, copies)
        for id in _to_copy(vault, rows, used, copies):
            moved[copies[id]] = rows[id].bases
        moved |= {
            id: rows[id].bases for id in used - copies.keys() if copies.keys() & rows[id].bases
        }
    vault.executemany(
        "UPDATE vault.delta SET bases = ? WHERE id = ?",
        [
            (encode_bases([copies.get(base, base) for base in bases]), id)
            for id, bases in moved.items()
        ],
    )
    vault.execute("DROP TABLE come_right")


def _right(vault: sqlite3.Connection) -> Iterator[tuple[Mapping[int, Row], list[int]]]:
    """Some rows at a time, and the ids of what comes out as its name says."""
    cache, after = PlainCache(), b""
    while some := vault.execute(
        "SELECT key FROM vault.name WHERE key > ? ORDER BY key LIMIT ?", (after, TOGETHER)
    ).fetchall():
        after = some[-1][0]
        for gathered in gather(vault, [key for (key,) in some]):
            found = gathered.plain(cache).objects
            yield gathered.rows, [gathered.names[key].id for key in found]


def _to_copy(
    vault: sqlite3.Connection, rows: Mapping[int, Row], used: set[int], copies: dict[int, int]
) -> list[int]:
    """Those that have got a copy, and so have others that lean on them."""
    asked = "SELECT 1 FROM come_right WHERE id = ?"
    is_right = {id for id in used if vault.execute(asked, (id,)).fetchone()}
    found: list[int] = []
    while some := [id for id in used - is_right - copies.keys() if copies.keys() & rows[id].bases]:
        copies |= {id: _copied(vault, id) for id in some}
        found += some
    return found


def _used(rows: Mapping[int, Row], ids: Iterable[int], copies: Mapping[int, int]) -> set[int]:
    """These and all that they lean on, but for what has a copy: that is named itself."""
    used: set[int] = set()
    waiting = [*ids]
    while waiting:
        id = waiting.pop()
        if id not in used and id in rows:
            used.add(id)
            waiting += [base for base in rows[id].bases if base not in copies]
    return used
