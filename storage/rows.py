"""Rows of documents: what they became, and what of them does not count."""

from collections.abc import Iterable, Mapping, Sequence

from crdt.change import DocumentId
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from storage.database import Writing
from storage.materialise import Built


async def number_namespaces(
    write: Writing, documents: Iterable[DocumentId]
) -> dict[NamespaceKey, int]:
    """The number of every namespace that these are in, new ones given one."""
    keys = list({document.namespace for document in documents})
    await write.run_many("INSERT OR IGNORE INTO namespace (key) VALUES (?)", ((k,) for k in keys))
    rows = await write.rows_in("SELECT key, number FROM namespace WHERE key IN (*)", keys)
    return {NamespaceKey(key): number for key, number in rows}


async def write_documents(
    write: Writing, built: Sequence[Built], namespaces: Mapping[NamespaceKey, int]
) -> None:
    """Gives every new document its number."""
    last = await write.number("SELECT max(number) FROM document")
    for one in built:
        if one.work.number is None:
            one.work.number = last = last + 1
    await write.run_many(
        "INSERT INTO document (number, id, namespace, author, class, kind, record, epoch, heads,"
        " changes, left_out, saved, carried) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (number) DO UPDATE SET heads = excluded.heads, changes = excluded.changes,"
        " left_out = excluded.left_out, saved = excluded.saved, carried = excluded.carried",
        (_document_row(one, namespaces[one.work.document.namespace]) for one in built),
    )


def _document_row(built: Built, namespace: int) -> tuple[object, ...]:
    id = built.work.document
    return (
        built.work.number,
        id.encode(),
        namespace,
        id.subspace,
        id.cls,
        id.kind,
        id.record,
        id.epoch,
        b"".join(built.heads),
        built.changes,
        len(built.left_out),
        built.saved,
        None if built.carried is None else b"".join(built.carried),
    )


async def write_left_out(
    write: Writing,
    built: Sequence[Built],
    is_new: set[DocumentId],
    numbers: Mapping[bytes, int],
) -> None:
    """What does not count, and why. `numbers`: of entries that were just written."""
    await write.run_many(
        "DELETE FROM left_out WHERE document = ?",
        ((one.work.number,) for one in built if one.work.document not in is_new),
    )
    rows = [
        (one.work.number, entry, str(code)) for one in built for entry, code in one.left_out.items()
    ]
    await write.run_many(
        "INSERT INTO left_out (entry, document, code) VALUES (?, ?, ?)",
        ((numbers[entry], document, code) for document, entry, code in rows if entry in numbers),
    )
    await write.run_many(
        "INSERT INTO left_out (entry, document, code) SELECT number, ?, ? FROM entry"
        " WHERE substr(id, 1, 16) = ?",
        (
            (document, code, entry[:ITEM_ID_BYTES])
            for document, entry, code in rows
            if entry not in numbers
        ),
    )
