"""Each object of a vault that was written anew has a name that is right.

    ids, some at a time ─▸ unpacked ─▸ the hash: a name that leads elsewhere, or none ─▸ named

Of a name that rotted nothing tells but the bytes that it should lead to: what has no other name
would be taken for what nobody wants.
"""

import sqlite3
from typing import Final

from crdt.digest import payload_digest
from storage.vault.reading import names_of, read, rows_of
from storage.vault.unpacking import HEIGHT_MAX, Damaged, PlainCache, Unpacking

TOGETHER: Final = 256
"""Objects that are unpacked at a time, beside those that they lean on."""


def name_anew(vault: sqlite3.Connection) -> None:
    """What has no name that is right is called by what it is; if that is garbage, the next
    collection takes it. In a transaction of the caller's.

    Not what was lost: others lean on it by its id, under which it is written when it comes. How
    many lean on these is not known, so none does from now on.
    """
    vault.execute("CREATE TEMP TABLE unsure (id INTEGER PRIMARY KEY)")
    vault.execute(
        "INSERT INTO unsure SELECT id FROM vault.whole UNION SELECT id FROM vault.delta"
        " EXCEPT SELECT id FROM vault.lost WHERE id IS NOT NULL AND NOT is_back"
    )
    cache, after = PlainCache(), -1 << 63
    while some := vault.execute(
        "SELECT id FROM unsure WHERE id > ? ORDER BY id LIMIT ?", (after, TOGETHER)
    ).fetchall():
        after = some[-1][0]
        waiting = [[id for (id,) in some]]
        while waiting:
            ids = waiting.pop()
            if not _name(vault, ids, cache):
                waiting += [ids[len(ids) // 2 :], ids[: len(ids) // 2]]
    vault.execute("DROP TABLE unsure")


def _name(vault: sqlite3.Connection, ids: list[int], cache: PlainCache) -> bool:
    """False where they lean on too much at a time."""
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
        vault.execute(  # a name that leads elsewhere is rotten
            "INSERT OR REPLACE INTO vault.name (key, id, size, height) VALUES (?, ?, ?, ?)",
            (key, id, size, HEIGHT_MAX),
        )
    return True
