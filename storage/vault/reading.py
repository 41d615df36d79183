"""Objects by their hashes, as the bytes they are, each held against its hash.

    asked ─name─> ids ─whole, delta─> rows, with those of their bases, and theirs ─> plain bytes
                                     where both have one, and it does not come out right, the other

`gather` reads the rows, where the connection lives; `Gathered.plain` unpacks them, in any thread.
What does not come out as its hash says is damaged, and nothing that is damaged is ever given out.
"""

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from crdt.digest import payload_digest
from storage.vault.ids import IN_BOTH
from storage.vault.kinds import content, number
from storage.vault.unpacking import (
    HEIGHT_MAX,
    Damaged,
    PlainCache,
    Row,
    Unpacking,
    decode_bases,
)

T = TypeVar("T")

GATHERED_BYTES_MAX: Final = 16 << 20
"""Of rows at a time."""
VARIABLES: Final = 256  # `?` in one statement, so that few different ones are compiled
_NAME: Final = (  # of whose height nobody knows, nothing may be made to lean on others
    f"n.key, {number('n.id')}, {number('n.size')},"
    f" iif(typeof(n.height) = 'integer', n.height, {HEIGHT_MAX})"
)
_WHOLE: Final = f"SELECT id, {content('data')} FROM vault.whole"
_DELTA: Final = f"SELECT id, {content('bases')}, {content('data')} FROM vault.delta"


class Found(NamedTuple):
    """What was asked for and is here. What is in neither is not here."""

    objects: dict[bytes, bytes]
    damaged: frozenset[bytes]


class Name(NamedTuple):
    """A row of `name`."""

    id: int
    size: int
    height: int


class Gathered(NamedTuple):
    """All that it takes to unpack some objects."""

    names: dict[bytes, Name]
    """Of those that are here, by hash."""
    rows: dict[int, Row]

    def plain(self, cache: PlainCache) -> Found:
        """The objects. What is in `cache` makes them cheaper, and afterwards the next ones.

        What an object leans on is held before anybody knows that these are the right bytes. So what
        comes out damaged is unpacked once more without it.
        """
        found = self._plain(self.names, cache)
        if not found.damaged:
            return found
        cache.forget(self.rows)
        again = self._plain([*found.damaged], PlainCache(cache.bytes_max))
        return Found(found.objects | again.objects, again.damaged)

    def _plain(self, hashes: Iterable[bytes], cache: PlainCache) -> Found:
        unpacking = Unpacking(self.rows, cache)
        objects: dict[bytes, bytes] = {}
        damaged: set[bytes] = set()
        for hash in hashes:
            name = self.names[hash]
            try:
                data = unpacking.plain(name.id)
            except Damaged:
                damaged.add(hash)
                continue
            if len(data) == name.size and payload_digest(data) == hash:
                objects[hash] = data
            else:
                damaged.add(hash)
        return Found(objects, frozenset(damaged))


@contextmanager
def one_moment(vault: sqlite3.Connection) -> Generator[None]:
    """All that is read in the block is as it was at its beginning, whoever writes meanwhile.

    Else what moves from `delta` to `whole` after the one was read and before the other is in
    neither: it would be taken for damaged. In a transaction of the caller's that is so anyway.
    """
    if vault.in_transaction:
        yield
        return
    vault.execute("BEGIN")
    try:
        yield
    finally:
        if vault.in_transaction:  # some errors end it
            vault.execute("ROLLBACK")


def read(vault: sqlite3.Connection, hashes: Sequence[bytes], cache: PlainCache) -> Found:
    """The objects that are here, all at once: ask for a few hundred."""
    objects: dict[bytes, bytes] = {}
    damaged: set[bytes] = set()
    has_others = False
    for gathered in gather(vault, hashes):
        found = gathered.plain(cache)
        objects |= found.objects
        damaged |= found.damaged
        has_others |= bool(found.damaged) and _is_any_in_both(vault, [*gathered.rows])
    for deltas_first in (False, True) if has_others else ():
        for gathered in gather(vault, [*damaged], deltas_first=deltas_first):
            right = gathered.plain(PlainCache(cache.bytes_max)).objects
            objects |= right
            damaged -= right.keys()
    return Found(objects, frozenset(damaged))


def same_of(vault: sqlite3.Connection, objects: Mapping[bytes, bytes]) -> set[bytes]:
    """Those of these objects, by their hashes, that lie here whole and are these very bytes yet."""
    names, whole = _named(vault, [*objects])
    unpacking = Unpacking(whole, PlainCache())
    same: set[bytes] = set()
    for hash, (id, size, _) in names.items():
        data = objects[hash]
        if id in whole and size == len(data):
            with suppress(Damaged):
                if unpacking.plain(id) == data:
                    same.add(hash)
    return same


def gather(
    vault: sqlite3.Connection, hashes: Sequence[bytes], *, deltas_first: bool | None = None
) -> Iterator[Gathered]:
    """The rows of all that are here, mostly in one part.

    In more where they lean on very much: no part is much larger than `GATHERED_BYTES_MAX`.
    `deltas_first`: as `rows_of`; None: of what lies here whole nobody looks for another row.
    """
    names, whole = _named(vault, hashes)
    if deltas_first is not None:
        whole = {}
    waiting = [list(names)]
    while waiting:
        some = waiting.pop()
        ids = [names[hash].id for hash in some]
        is_bounded = len(some) > 1
        rows = rows_of(
            vault, ids, known=whole, is_bounded=is_bounded, deltas_first=bool(deltas_first)
        )
        if rows is None:
            waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
        elif some:
            yield Gathered({hash: names[hash] for hash in some}, rows)


def names_of(vault: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, Name]:
    """What `name` says of those that are here, in the order asked."""
    asked = [*dict.fromkeys(hashes)]
    found = {
        hash: Name(id, size, height)
        for part in parts(asked)
        for hash, id, size, height in vault.execute(
            f"SELECT {_NAME} FROM vault.name n WHERE n.key IN ({marks(part)})", part
        )
    }
    return {hash: found[hash] for hash in asked if hash in found}


def rows_of(
    vault: sqlite3.Connection,
    ids: Sequence[int],
    *,
    known: Mapping[int, Row] = MappingProxyType({}),
    is_bounded: bool = False,
    deltas_first: bool = False,
) -> dict[int, Row] | None:
    """With those that they lean on, and so on.

    Where `is_bounded` nothing, if that is too much at a time. `known`: read before. Where rot has
    put an id in both tables the row of `whole` counts if it can be unpacked, unless `deltas_first`.
    """
    rows = {id: known[id] for id in ids if id in known}
    wanted = [id for id in dict.fromkeys(ids) if id not in rows]
    size = sum(len(row.data) for row in rows.values())
    for _ in range(HEIGHT_MAX + 1):
        if is_bounded and size > GATHERED_BYTES_MAX:
            return None
        further: dict[int, None] = {}
        for part in parts(wanted):
            for id, row in _rows(vault, part, deltas_first=deltas_first).items():
                rows[id] = row
                size += len(row.data)
                further |= dict.fromkeys(row.bases)
        wanted = [id for id in further if id not in rows]
        if not wanted:
            break
    return None if is_bounded and size > GATHERED_BYTES_MAX else rows


def parts(of: Sequence[T]) -> list[Sequence[T]]:
    """In parts for one statement each."""
    return [of[at : at + VARIABLES] for at in range(0, len(of), VARIABLES)]


def marks(part: Sequence[object]) -> str:
    """What stands for its values in a statement."""
    return ",".join("?" * len(part))


def _named(
    vault: sqlite3.Connection, hashes: Sequence[bytes]
) -> tuple[dict[bytes, Name], dict[int, Row]]:
    """As `names_of`, and the rows of those that lie here whole: of what is newest all do."""
    asked = [*dict.fromkeys(hashes)]
    names: dict[bytes, Name] = {}
    whole: dict[int, Row] = {}
    for part in parts(asked):
        for hash, id, size, height, data in vault.execute(
            f"SELECT {_NAME}, CAST(w.data AS BLOB) FROM vault.name n"
            f" LEFT JOIN vault.whole w ON w.id = n.id WHERE n.key IN ({marks(part)})",
            part,
        ):
            names[hash] = Name(id, size, height)
            if data is not None:
                whole[id] = Row((), data)
    return {hash: names[hash] for hash in asked if hash in names}, whole


def _rows(vault: sqlite3.Connection, ids: Sequence[int], *, deltas_first: bool) -> dict[int, Row]:
    rows = {
        id: Row((), data) for id, data in vault.execute(f"{_WHOLE} WHERE id IN ({marks(ids)})", ids)
    }
    for id, bases, data in vault.execute(f"{_DELTA} WHERE id IN ({marks(ids)})", ids):
        if id in rows and not deltas_first and _can_be_unpacked(rows[id]):
            continue
        with suppress(Damaged):  # as if it were not here
            rows[id] = Row(decode_bases(bases), data)
    return rows


def _can_be_unpacked(whole: Row) -> bool:
    with suppress(Damaged):
        Unpacking({0: whole}, PlainCache()).plain(0)
        return True
    return False


def _is_any_in_both(vault: sqlite3.Connection, ids: Sequence[int]) -> bool:
    """Whether rot has put one of these in both tables."""
    asked = f"{IN_BOTH.format('vault')} WHERE id IN"
    return any(
        vault.execute(f"{asked} ({marks(part)}) LIMIT 1", part).fetchone() for part in parts(ids)
    )
