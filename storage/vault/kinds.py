"""What a statement asks for, whatever kind of value rot left there: one bit makes text of bytes.

Such text is mostly none, so the library of Python raises for all of the statement; with these it
gives the bytes that they were, or some that no hash is of.
"""

import sqlite3


def content(column: str) -> str:
    """Bytes of a `BLOB`: none at all where there is nothing."""
    return f"coalesce(CAST({column} AS BLOB), x'')"


def number(column: str) -> str:
    """Of an `INTEGER`: 0, which no object has as its id, where there is none."""
    return f"coalesce(CAST({column} AS INTEGER), 0)"


def are_kinds(**columns: str) -> str:
    """A condition: each of them has a value of the kind that is said."""
    return " AND ".join(f"typeof({name}) = '{kind}'" for name, kind in columns.items())


def malformed(fault: str) -> sqlite3.DatabaseError:
    """To raise, as SQLite would had it looked: the next start then writes the file anew."""
    error = sqlite3.DatabaseError(fault)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
