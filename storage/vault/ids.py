"""Ids of objects: by them one leans on another, and none is given twice."""

import sqlite3

from storage.vault.kinds import malformed, number

IN_BOTH = "SELECT id FROM {0}.whole JOIN {0}.delta USING (id)"
"""No id of a sound vault is there. `{0}`: the name by which it is attached."""
_COUNTS = (
    "SELECT 1 WHERE max((SELECT coalesce(max(id), 0) FROM {0}.whole),"
    " (SELECT coalesce(max(id), 0) FROM {0}.delta)) <= (SELECT coalesce(max(seq), 0)"
    " FROM {0}.sqlite_sequence WHERE name = 'whole' AND typeof(seq) = 'integer')"
    " AND NOT EXISTS (SELECT 1 FROM {0}.sqlite_sequence WHERE typeof(seq) <> 'integer')"
)
GIVEN_AGAIN = "ids that were given are given again"
_LAST = f"SELECT {number('seq')}, typeof(seq) = 'integer' FROM vault.sqlite_sequence WHERE name = ?"


def next_id(vault: sqlite3.Connection) -> int:
    """Above all that were ever given."""
    return last_given(vault, "whole") + 1


def last_given(vault: sqlite3.Connection, table: str) -> int:
    """The highest that a row of this table ever had; 0 where none had one."""
    row = vault.execute(_LAST, (table,)).fetchone()
    if row and not row[1]:
        raise malformed("the last id that was given is no number")
    return int(row[0]) if row else 0


def are_counted(vault: sqlite3.Connection, name: str = "vault") -> bool:
    """Whether none that is here would be given again; takes microseconds. `name`: by which it is
    attached."""
    return vault.execute(_COUNTS.format(name)).fetchone() is not None
