"""Ids of objects: by them one leans on another, and none is given twice."""

import sqlite3


def next_id(vault: sqlite3.Connection) -> int:
    """Above all that were ever given."""
    row = vault.execute("SELECT seq FROM vault.sqlite_sequence WHERE name = 'whole'").fetchone()
    return int(row[0]) + 1 if row else 1
