"""What nothing names any more goes; what stays and leaned on it is written anew first.

    mark ──> splice ──> forget names ──> drop rows        one short transaction for each step

    splice   a ← b ← c, b is dead      c becomes a delta against a, or is whole where a is dead too

Names go before rows: what is put meanwhile and was dead finds no name, and is written as if it had
never been here, or finds it, and then no step follows (`storage.vault_collecting`). Stopped
anywhere everything that is named can be read, and the next collection takes the rest.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Final

from crdt.covering import SPAN_BYTES
from crdt.delta import decode, encode
from crdt.digest import payload_digest
from storage.vault import rows as whole_rows
from storage.vault.kinds import content, number
from storage.vault.lost import all_lost, forget_lost, last_loss
from storage.vault.reading import marks, parts, rows_of
from storage.vault.unpacking import (
    BASES_MAX,
    Damaged,
    PlainCache,
    Row,
    Unpacking,
    decode_bases,
    encode_bases,
)

LOOKED_AT: Final = 1024
"""Rows in one step."""
SPLICED: Final = 32
"""Deltas written anew in one step: some tens of milliseconds."""
PROBES: Final = 32
PROBE_BYTES: Final = 32
"""What is looked for in what may be a base, where there are more than it takes: 0.2 ms for each."""
FREED_PAGES: Final = 2048
"""Given back to the disk in one step."""
_ID: Final = number("id")
_STAYS: Final = f"INSERT OR IGNORE INTO temp.stays SELECT {_ID}, key FROM vault.name WHERE key = ?"


class Phase(IntEnum):
    """What a collection does next."""

    SPLICE = 1
    NAMES = 2
    WHOLE = 3
    DELTA = 4
    DONE = 5


class Collection:
    """One collection. Marks first, then steps, until there are no more; `end` in any case.

    All of it on the one connection that writes. What has an id of at least `below` stays: it came
    lately, and what will name it may not be here yet. After an error, of a commit too, it must not
    go on: what was not written would be taken for written.
    """

    def __init__(self, vault: sqlite3.Connection, *, below: int) -> None:
        self._vault = vault
        self._below = below
        self._above = 0
        self._phase = Phase.SPLICE
        self._after: bytes | int = 0
        self._cache = PlainCache()
        self.forgotten = 0  # objects
        self.last_loss = last_loss(vault)
        """That it knows of."""
        self._lost = all_lost(vault)
        self._unnamed = {*self._lost}
        vault.execute("CREATE TEMP TABLE IF NOT EXISTS stays (id INTEGER PRIMARY KEY, key BLOB)")
        vault.execute("DELETE FROM temp.stays")

    @property
    def has_lost(self) -> bool:
        """Whether anything was found damaged and did not come again."""
        return bool(self._lost)

    def mark(self, hashes: Sequence[bytes]) -> None:
        """These stay, as far as they are here: what live blobs name, pages and chunks.

        Of what is lost its row stays, and what that leans on: it may be read again.
        """
        self._vault.executemany(
            _STAYS,
            ((hash,) for hash in hashes),
        )
        if self._lost:
            self._keep_lost(self._lost.keys() & hashes)

    def lack(self, pages: Sequence[bytes]) -> None:
        """These pages of live blobs are not here, and so it is not known what they name.

        Of one that was lost here nothing goes that was here then: `mark_before` marks it.
        """
        below = [self._lost[page].below for page in pages if page in self._lost]
        self._above = max([self._above, *below])

    def mark_before(self, after: bytes = b"") -> bytes | None:
        """Some of what may be a part of lost pages stays; gives where to go on, None at the end."""
        if not self._above:
            return None
        rows = self._vault.execute(
            f"SELECT {_ID}, key FROM vault.name WHERE key > ? ORDER BY key LIMIT ?",
            (after, LOOKED_AT),
        ).fetchall()
        self._vault.executemany(
            "INSERT OR IGNORE INTO temp.stays VALUES (?, ?)",
            [row for row in rows if row[0] < self._above],
        )
        if len(rows) == LOOKED_AT:
            return bytes(rows[-1][1])
        self._keep_lost([key for key, one in self._lost.items() if one.below <= self._above])
        return None

    def step(self) -> bool:
        """Does the next part, in a transaction of the caller's; gives whether there is more."""
        match self._phase:
            case Phase.SPLICE:
                self._splice_some()
            case Phase.NAMES:
                self._forget_some()
            case Phase.WHOLE:
                self._drop_some("whole", Phase.DELTA)
            case Phase.DELTA:
                self._drop_some("delta", Phase.DONE)
            case Phase.DONE:
                pass
        return self._phase is not Phase.DONE

    def end(self) -> None:
        """The marks take no room any more."""
        self._phase = Phase.DONE
        self._vault.execute("DROP TABLE IF EXISTS temp.stays")

    def _keep_lost(self, keys: Iterable[bytes]) -> None:
        ids = [(self._lost[key].id, key) for key in keys]
        self._unnamed.difference_update(keys)
        self._vault.executemany(
            "INSERT OR IGNORE INTO temp.stays VALUES (?, ?)", [row for row in ids if row[0]]
        )

    def _keep_all(self, ids: Sequence[int]) -> None:
        """With all that they lean on."""
        self._vault.executemany(
            "INSERT OR IGNORE INTO temp.stays (id) VALUES (?)",
            [(id,) for id in {*ids, *(rows_of(self._vault, ids) or ())}],
        )

    def _keys(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The hashes of those that stay and have a name."""
        found: dict[int, bytes] = {}
        for asked in (
            "SELECT id, key FROM temp.stays WHERE key IS NOT NULL AND id IN (*)",
            # Of all names: rarely anything is left.
            f"SELECT {_ID}, key FROM vault.name WHERE id IN (*)",
        ):
            for part in parts([id for id in ids if id not in found]):
                found |= self._vault.execute(asked.replace("*", marks(part)), part).fetchall()
        return found

    def _go_on(self, phase: Phase) -> None:
        self._phase = phase
        self._after = b"" if phase is Phase.NAMES else 0

    def _staying(self, ids: Sequence[int]) -> set[int]:
        marked = {
            id
            for part in parts(ids)
            for (id,) in self._vault.execute(
                f"SELECT id FROM temp.stays WHERE id IN ({marks(part)})", part
            )
        }
        return marked | {id for id in ids if id >= self._below}

    def _splice_some(self) -> None:
        rows = self._vault.execute(
            f"SELECT id, {content('bases')} FROM vault.delta WHERE id > ? ORDER BY id LIMIT ?",
            (self._after, LOOKED_AT),
        ).fetchall()
        bases = {id: ids for id, data in rows if (ids := _bases(data))}
        staying = self._staying([*{*bases, *(base for ids in bases.values() for base in ids)}])
        todo = [id for id in bases if id in staying and not staying.issuperset(bases[id])]
        some = todo[:SPLICED]
        if some:
            self._splice(some)
        if len(todo) > len(some):
            self._after = some[-1]
        elif len(rows) == LOOKED_AT:
            self._after = rows[-1][0]
        else:
            self._go_on(Phase.NAMES)

    def _splice(self, ids: Sequence[int]) -> None:
        rows = rows_of(self._vault, ids) or {}
        staying = self._staying([*rows])
        behind = {id: _middle(_behind(id, rows, staying)) for id in ids}
        keys = self._keys([*{*ids, *(base for some in behind.values() for base in some)}])
        unpacking = Unpacking(rows, self._cache)

        def plain_of(id: int) -> bytes | None:
            """None where it is damaged: what is written against other bytes is damaged for good."""
            with suppress(Damaged):
                plain = unpacking.plain(id)
                if payload_digest(plain) == keys.get(id):
                    return plain
            return None

        for id in ids:
            plain = plain_of(id)
            if plain is None:  # once what of it is damaged came again it can be read
                self._keep_all([id])
                continue
            base_of = {base: data for base in behind[id] if (data := plain_of(base)) is not None}
            self._write(id, plain, _chosen(base_of, plain))

    def _write(self, id: int, plain: bytes, base_of: Mapping[int, bytes]) -> None:
        (whole,) = whole_rows.encode([(b"", plain)])
        if base_of:
            base = b"".join(base_of.values())
            bases, data = encode_bases([*base_of]), encode(plain, base)
            is_smaller = len(bases) + len(data) < len(whole.data)
            if is_smaller and decode(data, base, len(plain)) == plain:
                self._vault.execute(
                    "UPDATE vault.delta SET bases = ?, data = ? WHERE id = ?", (bases, data, id)
                )
                return
        self._vault.execute("DELETE FROM vault.delta WHERE id = ?", (id,))
        self._vault.execute(
            "INSERT OR REPLACE INTO vault.whole (id, data) VALUES (?, ?)", (id, whole.data)
        )

    def _forget_some(self) -> None:
        rows = self._vault.execute(
            f"SELECT key, {_ID} FROM vault.name WHERE key > ? ORDER BY key LIMIT ?",
            (self._after, LOOKED_AT),
        ).fetchall()
        staying = self._staying([id for _, id in rows])
        dead = [(key,) for key, id in rows if id not in staying]
        self._vault.executemany("DELETE FROM vault.name WHERE key = ?", dead)
        self.forgotten += len(dead)
        if len(rows) == LOOKED_AT:
            self._after = rows[-1][0]
        else:
            forget_lost(self._vault, [self._lost[key].number for key in self._unnamed])
            self._go_on(Phase.WHOLE)

    def _drop_some(self, table: str, following: Phase) -> None:
        ids = [
            id
            for (id,) in self._vault.execute(
                f"SELECT id FROM vault.{table} WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
                (self._after, self._below, LOOKED_AT),
            )
        ]
        staying = self._staying(ids)
        self._vault.executemany(
            f"DELETE FROM vault.{table} WHERE id = ?", [(id,) for id in ids if id not in staying]
        )
        if len(ids) == LOOKED_AT:
            self._after = ids[-1]
        else:
            self._go_on(following)


def give_back(vault: sqlite3.Connection) -> bool:
    """Gives some empty pages back to the disk, outside of any transaction; whether more are."""
    # Rows without columns come of it, which only a script steps through.
    vault.executescript(f"PRAGMA vault.incremental_vacuum({FREED_PAGES})")
    ((left,),) = vault.execute("PRAGMA vault.freelist_count")
    return bool(left)


def _bases(data: bytes) -> tuple[int, ...]:
    try:
        return decode_bases(data)
    except Damaged:
        return ()


def _behind(id: int, rows: Mapping[int, Row], staying: set[int]) -> list[int]:
    """What stays of the bases, and in the place of each that does not what stands behind it."""
    found: dict[int, None] = {}
    seen: set[int] = {id}
    waiting = [*reversed(rows[id].bases)]
    while waiting:
        base = waiting.pop()
        if base in staying and base != id:
            found[base] = None
        elif base not in seen and base in rows:
            waiting += reversed(rows[base].bases)
        seen.add(base)
    return [*found]


def _middle(bases: list[int]) -> list[int]:
    """They lie in order of place, about what leans on them."""
    return bases[max(0, len(bases) - BASES_MAX) // 2 :][:BASES_MAX]


def _chosen(base_of: Mapping[int, bytes], plain: bytes) -> dict[int, bytes]:
    """Those in which most of `plain` is found, in their order, as many as may cover a chunk."""
    most = 3 * len(plain) + SPAN_BYTES
    if sum(map(len, base_of.values())) <= most:
        return dict(base_of)
    apart = max(1, (len(plain) - PROBE_BYTES) // PROBES)
    probes = {plain[at : at + PROBE_BYTES] for at in range(0, len(plain), apart)}
    found = {id: sum(probe in base for probe in probes) for id, base in base_of.items()}
    chosen: set[int] = set()
    for id in sorted(base_of, key=found.__getitem__, reverse=True):
        most -= len(base_of[id])
        if chosen and (most < 0 or not found[id]):
            break
        chosen.add(id)
    return {id: base for id, base in base_of.items() if id in chosen}
