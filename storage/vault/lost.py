"""What was found damaged has no name, and comes back under the id by which others lean on it.

    named ──found damaged──▸ lost ──put again──────────────────▸ named, whole, of the same id
                               └──what it leans on came back──▸ named, as it lies there

Of a page that is lost nobody knows what it names, so nothing is collected that may be that.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final, NamedTuple

from crdt.digest import payload_digest
from storage.vault.ids import last_given, next_id
from storage.vault.kinds import are_kinds, number
from storage.vault.reading import marks, names_of, parts, rows_of
from storage.vault.unpacking import Damaged, PlainCache, Unpacking

LOOKED_AT: Final = 16
"""In one step: some milliseconds, or some tens where they lean on much."""


LAST_LOSS: Final = f"SELECT {number('seq')} FROM vault.sqlite_sequence WHERE name = 'lost'"
"""While it gives the same nothing was lost."""
IS_ANY_BACK: Final = "SELECT 1 FROM vault.lost WHERE is_back LIMIT 1"
"""What `note_back` would say."""
_FIELDS: Final = "key, number, id, height, below, is_in_doubt"
_IS_SOUND: Final = "typeof(id) IN ('integer', 'null') AND " + are_kinds(
    key="blob", height="integer", below="integer", is_back="integer", is_in_doubt="integer"
)
"""Another has rotten, and does not count."""
_IS_LOST: Final = f"NOT is_back AND {_IS_SOUND}"


class Lost(NamedTuple):
    """A row of `lost` of what did not come back. `id`: None where it had no name."""

    number: int
    id: int | None
    height: int
    below: int
    is_in_doubt: bool
    """Another was lost under its id: one of their names was damaged itself."""


def lose(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> None:
    """These are not here any more, whether they have a name or not. In a transaction of the
    caller's."""
    below = next_id(vault)
    names = {hash: (id, height) for hash, (id, _, height) in names_of(vault, hashes).items()}
    known = lost_of(vault, hashes)
    vault.executemany(
        "INSERT OR REPLACE INTO vault.lost (key, id, height, below) VALUES (?, ?, ?, ?)",
        [
            (hash, *names.get(hash, (None, 0)), below)
            for hash in dict.fromkeys(hashes)
            if hash in names or hash not in known
        ],
    )
    vault.executemany("DELETE FROM vault.name WHERE key = ?", [(hash,) for hash in names])
    _doubt(vault, {id for id, _ in names.values()})


def lost_of(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, Lost]:
    """Those of them that are lost and did not come back."""
    return {
        key: _lost(row)
        for part in parts(hashes)
        for key, *row in vault.execute(
            f"SELECT {_FIELDS} FROM vault.lost WHERE {_IS_LOST} AND key IN ({marks(part)})",
            part,
        )
    }


def all_lost(vault: sqlite3.Connection) -> dict[bytes, Lost]:
    """Of all that did not come back."""
    rows = vault.execute(f"SELECT {_FIELDS} FROM vault.lost WHERE {_IS_LOST}")
    return {key: _lost(row) for key, *row in rows}


def forget_lost(vault: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Nobody wants them any more."""
    vault.executemany("DELETE FROM vault.lost WHERE number = ?", [(one,) for one in numbers])


def last_loss(vault: sqlite3.Connection) -> int:
    """What `LAST_LOSS` gives; 0 where nothing was ever lost."""
    return last_given(vault, "lost")


def put_back(vault: sqlite3.Connection, objects: Sequence[tuple[bytes, int, bytes]]) -> set[bytes]:
    """Writes those of them that were lost, as (hash, size, what lies in `whole`), under the ids
    that they had; gives their hashes.

    What lies under an id that is in doubt stays, whoever comes back first: others may lean on it,
    and it may be read again. It stays so until the last of those is back, however the others went.
    """
    lost = lost_of(vault, [hash for hash, _, _ in objects])
    if not lost:
        return set()
    # What says the id of one that is lost may have rotted, and then it is that of another.
    if _doubt(vault, {one.id for one in lost.values() if one.id is not None}):
        lost = lost_of(vault, [*lost])
    first = next_id(vault)
    back: set[bytes] = set()
    for hash, size, data in objects:
        one = lost.get(hash)
        if one is None:
            continue
        vault.execute("UPDATE vault.lost SET is_back = 1 WHERE number = ?", (one.number,))
        if one.is_in_doubt or one.id is None or not 0 < one.id < first:
            continue
        if _is_of_another(vault, one.id):
            continue
        for table in ("whole", "delta"):
            vault.execute(f"DELETE FROM vault.{table} WHERE id = ?", (one.id,))
        vault.execute("INSERT INTO vault.whole (id, data) VALUES (?, ?)", (one.id, data))
        vault.execute(
            "INSERT INTO vault.name (key, id, size, height) VALUES (?, ?, ?, ?)",
            (hash, one.id, size, one.height),
        )
        back.add(hash)
    return back


def name_again(vault: sqlite3.Connection, after: int = 0) -> tuple[int | None, int]:
    """Of the next ones behind a number those that can be read again have their names again.

    Gives where to go on, None at the end, and how many they were. In a transaction of the caller's.
    """
    rows = vault.execute(
        f"SELECT number, key, id, height FROM vault.lost WHERE {_IS_LOST} AND number > ?"
        " ORDER BY number LIMIT ?",
        (after, LOOKED_AT),
    ).fetchall()
    read = _read(vault, {key: id for _, key, id, _ in rows if id is not None})
    vault.executemany(
        "INSERT OR IGNORE INTO vault.name (key, id, size, height) VALUES (?, ?, ?, ?)",
        [(key, id, len(read[key]), height) for _, key, id, height in rows if key in read],
    )
    forget_lost(vault, [number for number, key, *_ in rows if key in read])
    return rows[-1][0] if len(rows) == LOOKED_AT else None, len(read)


def note_back(vault: sqlite3.Connection) -> bool:
    """Whether something came back since the last time: now who leans on it is looked for."""
    return vault.execute("DELETE FROM vault.lost WHERE is_back").rowcount > 0


def _doubt(vault: sqlite3.Connection, ids: AbstractSet[int]) -> bool:
    """Whether two were lost under one of these, of which that is noted now."""
    count = 0
    for some in parts([*ids]):
        count += vault.execute(
            "UPDATE vault.lost SET is_in_doubt = 1 WHERE id IN (SELECT id FROM vault.lost"
            f" WHERE id IN ({marks(some)}) GROUP BY id HAVING count(*) > 1)"
            f" AND NOT is_in_doubt AND {_IS_SOUND}",
            some,
        ).rowcount
    return count > 0


def _lost(row: Sequence[int]) -> Lost:
    number, id, height, below, is_in_doubt = row
    return Lost(number, id, height, below, bool(is_in_doubt))


def _read(vault: sqlite3.Connection, ids: Mapping[bytes, int]) -> dict[bytes, bytes]:
    """By their hashes those that lie under these ids."""
    unpacking = Unpacking(rows_of(vault, [*ids.values()]) or {}, PlainCache())
    found: dict[bytes, bytes] = {}
    for hash, id in ids.items():
        try:
            plain = unpacking.plain(id)
        except Damaged:
            continue
        if payload_digest(plain) == hash:
            found[hash] = plain
    return found


def _is_of_another(vault: sqlite3.Connection, id: int) -> bool:
    """A name that was damaged itself may have led to what another one means."""
    asked = "SELECT 1 FROM vault.name WHERE key = ? AND id = ?"
    for deltas_first in (False, True):  # both tables may have one
        rows = rows_of(vault, [id], deltas_first=deltas_first) or {}
        with suppress(Damaged):
            plain = Unpacking(rows, PlainCache()).plain(id)
            if vault.execute(asked, (payload_digest(plain), id)).fetchone():
                return True
    return False
