"""Objects by their hashes, as they are stored: whole. Who holds the turn to write calls this.

`storage.vault.settling` writes older ones anew as deltas against newer ones.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import zstandard

from storage.vault.ids import GIVEN_AGAIN, next_id
from storage.vault.kinds import malformed, number
from storage.vault.lost import lose, put_back
from storage.vault.reading import read
from storage.vault.unpacking import PACKED, PLAIN, PlainCache

LEVEL = 3  # of zstd: higher ones cost several times as much for a few percent
VARIABLES = 256  # `?` in one statement, so that few different ones are compiled


class Encoded(NamedTuple):
    """An object as it lies in `whole`; made by `encode`, in any thread."""

    hash: bytes
    size: int
    data: bytes


def encode(objects: Iterable[tuple[bytes, bytes]]) -> list[Encoded]:
    """Objects by their hashes, which were checked, packed where that saves anything."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False)
    return [_encoded(compressor, hash, data) for hash, data in objects]


def held(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of which an object is here, of whatever size."""
    return {
        hash
        for part in _parts([*dict.fromkeys(hashes)])
        for (hash,) in vault.execute(
            f"SELECT key FROM vault.name WHERE key IN ({_marks(part)})", part
        )
    }


def put(
    vault: sqlite3.Connection, objects: Iterable[Encoded], *, promote: bool = False
) -> list[bytes]:
    """Keeps those that are new; gives their hashes. What was lost lies under its old id again.

    With `promote` those that lie here as deltas are written whole again: they belong to what is
    newest now, which is to be read fast. What lies here as other bytes is lost, and so put again.
    Raises `sqlite3.DatabaseError`, as of a damaged file, where an id would be given a second time.
    """
    todo = {one.hash: one for one in objects}
    known = held(vault, [*todo])
    if promote and known:
        deltas, rotten = _looked_at(vault, [todo[hash] for hash in known])
        _promote(vault, deltas)
        lose(vault, rotten)
        known.difference_update(rotten)
    new = [one for hash, one in todo.items() if hash not in known]
    if new:
        back = put_back(vault, new)
        _put_new(vault, [one for one in new if one.hash not in back])
    return [one.hash for one in new]


def _put_new(vault: sqlite3.Connection, new: Sequence[Encoded]) -> None:
    first = next_id(vault)
    if vault.execute("SELECT 1 FROM vault.delta WHERE id >= ? LIMIT 1", (first,)).fetchone():
        raise malformed(GIVEN_AGAIN)
    rows = [*enumerate(new, first)]
    try:
        vault.executemany(
            "INSERT INTO vault.whole (id, data) VALUES (?, ?)", ((id, one.data) for id, one in rows)
        )
    except sqlite3.IntegrityError as error:
        raise malformed(GIVEN_AGAIN) from error
    vault.executemany(
        "INSERT INTO vault.name (key, id, size) VALUES (?, ?, ?)",
        ((one.hash, id, one.size) for id, one in rows),
    )


def _looked_at(
    vault: sqlite3.Connection, known: Sequence[Encoded]
) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Those that lie here as deltas, by their ids; and the hashes of those that do not lie here as
    they would be written now, so that whoever reads them may find other bytes, or none.

    A delta is read: a name that is damaged may lead to that of another object, which is to stay.
    """
    deltas: dict[bytes, tuple[int, bytes]] = {}
    rotten: list[bytes] = []
    here = {
        hash: rest
        for part in _parts([one.hash for one in known])
        for hash, *rest in vault.execute(
            f"SELECT n.key, {number('n.id')}, {number('n.size')}, d.id, CAST(w.data AS BLOB)"
            " FROM vault.name n"
            " LEFT JOIN vault.delta d ON d.id = n.id LEFT JOIN vault.whole w ON w.id = n.id"
            f" WHERE n.key IN ({_marks(part)})",
            part,
        )
    }
    for one in known:
        id, size, delta, data = here[one.hash]
        if size == one.size and delta is not None and data is None:
            deltas[one.hash] = (id, one.data)
        elif size != one.size or data != one.data:
            rotten.append(one.hash)
    for part in _parts([*deltas]):
        rotten += read(vault, part, PlainCache()).damaged
    return [row for hash, row in deltas.items() if hash not in {*rotten}], rotten


def _promote(vault: sqlite3.Connection, deltas: Sequence[tuple[int, bytes]]) -> None:
    """They keep their ids, by which others may lean on them."""
    vault.executemany("INSERT OR REPLACE INTO vault.whole (id, data) VALUES (?, ?)", deltas)
    vault.executemany("DELETE FROM vault.delta WHERE id = ?", ((id,) for id, _ in deltas))


def _encoded(compressor: zstandard.ZstdCompressor, hash: bytes, data: bytes) -> Encoded:
    packed = compressor.compress(data)
    is_smaller = len(packed) < len(data)
    return Encoded(hash, len(data), PACKED + packed if is_smaller else PLAIN + data)


def _parts(hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [hashes[at : at + VARIABLES] for at in range(0, len(hashes), VARIABLES)]


def _marks(part: Sequence[bytes]) -> str:
    return ",".join("?" * len(part))
