"""Of each id that has a row in both tables of a vault that is written anew, one row keeps it.

    the row of whole ──the same bytes, or only it comes out right──▸ the delta goes
                     ──its name leads to it, and none to the delta─▸ the delta gets an id of its own
                     ──else────────────────────────────────────────▸ it gets an id of its own

A page of one table that lies where one of the other was, or an older page that came back, makes
such. What gets another id is called by what it is (`storage.vault.naming_anew`).
"""

import sqlite3
from contextlib import suppress

from crdt.digest import payload_digest
from storage.vault.ids import IN_BOTH, next_id
from storage.vault.reading import rows_of
from storage.vault.unpacking import Damaged, PlainCache, Unpacking


def part(vault: sqlite3.Connection) -> None:
    """Afterwards no id is in both. In a transaction of the caller's, who has written which ids were
    given."""
    ids = [id for (id,) in vault.execute(IN_BOTH.format("vault")).fetchall()]
    if sum(_part(vault, id) for id in ids):
        # A page that is lost may name what has another id now: it was here before.
        vault.execute("UPDATE vault.lost SET below = ?", (next_id(vault),))


def _part(vault: sqlite3.Connection, id: int) -> bool:
    """Whether a row has another id now."""
    wholes, deltas = _hashes(vault, id, is_delta=False), _hashes(vault, id, is_delta=True)
    is_whole_right = _leads_to(vault, wholes, id)
    if wholes & deltas or (is_whole_right and not deltas):
        vault.execute("DELETE FROM vault.delta WHERE id = ?", (id,))
        return False
    table = "delta" if is_whole_right and not _leads_to(vault, deltas, id) else "whole"
    new = next_id(vault)
    vault.execute(f"UPDATE vault.{table} SET id = ? WHERE id = ?", (new, id))
    vault.execute("UPDATE vault.sqlite_sequence SET seq = ? WHERE name = 'whole'", (new,))
    return True


def _hashes(vault: sqlite3.Connection, id: int, *, is_delta: bool) -> set[bytes]:
    """Of what the row of that table may be, as what it leans on may be in both, too."""
    row = (rows_of(vault, [id], deltas_first=is_delta) or {})[id]
    found: set[bytes] = set()
    for deltas_first in (False, True):
        bases = rows_of(vault, row.bases, deltas_first=deltas_first) or {}
        with suppress(Damaged):
            plain = Unpacking({**bases, id: row}, PlainCache()).plain(id)
            found.add(payload_digest(plain))
    return found


def _leads_to(vault: sqlite3.Connection, hashes: set[bytes], id: int) -> bool:
    """Also where it is lost, as it comes back there."""
    asked = (
        "SELECT 1 FROM vault.name WHERE key = ?1 AND id = ?2 UNION ALL"
        " SELECT 1 FROM vault.lost WHERE key = ?1 AND id = ?2 AND NOT is_back"
    )
    return any(vault.execute(asked, (hash, id)).fetchone() for hash in hashes)
