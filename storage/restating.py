"""Statements and capabilities, read again from nothing but the entries that are held."""

from crdt.capability import decode_capability
from crdt.entry import decode_entry
from crdt.envelope import STATEMENT, open_envelope
from crdt.errors import Malformed
from crdt.statement import decode_statement
from storage.database import Row, Writing
from storage.statements import Said, note_keys, note_statements
from storage.workers import Workers


async def restate(write: Writing, workers: Workers) -> None:
    """Makes all that is derived of capabilities and statements again, from nothing but entries.

    The documents are the caller's to make again.
    """
    for table in ("frontier", "statement", "capability_key"):
        await write.run(f"DELETE FROM {table}")
    capabilities = await write.rows("SELECT number, encoded FROM capability")
    await note_keys(write, ((number, decode_capability(one)) for number, one in capabilities))
    rows = await write.rows(
        "SELECT e.number, e.id, e.entry, e.payload, d.class FROM entry e JOIN document d"
        " ON d.number = e.document WHERE d.class IN ('_auth', '_ck') ORDER BY e.number"
    )
    said = await workers.run(lambda: [one for row in rows if (one := _said_by(row)) is not None])
    await note_statements(write, said, workers)
    await write.run("DELETE FROM stale")


def _said_by(row: Row) -> Said | None:
    """What an entry that is held says; None for one from before there were statements."""
    number, id, encoded, payload, class_ = row
    entry = decode_entry(encoded)
    try:
        statement = decode_statement(open_envelope(payload, STATEMENT).body, class_)
    except Malformed:
        return None
    return Said(number, id, entry.namespace, entry.subspace, entry.timestamp, statement)
