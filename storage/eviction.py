"""Evicting: records that go whole, with all that follows from them, and are remembered.

A record goes with all its epochs, so that no earlier one has to be shown instead. A log goes with
all that it judges, or what it ended would be shown again. Nothing goes that somebody who is
followed has written in, and nothing of a namespace with another budget.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from crdt.capability import CapabilityCache
from crdt.change import DocumentId, log_of
from crdt.entry import decode_entry
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import ITEM_ID_BYTES, order_key
from crdt.path import CLASSES
from crdt.statement import RECORDS, is_statement_class
from storage.append import Rated, add_up_ratings
from storage.authorities import SELF
from storage.claim import Claim, claim_of
from storage.database import Reading, Writing
from storage.documents import SAME_RECORD, same_record
from storage.items import namespace_number
from storage.namers import note_private, private_namers
from storage.statements import hashes
from storage.usage import AUTHOR_PREFIX_BYTES, followed, release
from storage.waiting import document_key

ENTRIES_AT_ONCE = 256  # read, while the newest documents of a source are looked for
JUDGED_MAX = 1_024  # documents that go with the log that judges them, at once

_ALL_CLASSES = f"({', '.join(repr(one) for one in CLASSES)})"
_JUDGED = (
    "FROM capability_key k JOIN entry e ON e.capability = k.capability"
    " JOIN document d ON d.number = e.document JOIN namespace n ON n.number = d.namespace"
    " WHERE d.class NOT IN ('_auth', '_ck') AND n.key = ?"
)


@dataclass(frozen=True, slots=True)
class Evicted:
    """What went, and how many records were looked at for it."""

    entries: int = 0
    bytes: int = 0
    looked_at: int = 0


async def evict_newest(
    write: Writing,
    budget: int,
    source: int,
    wanted_bytes: int,
    capabilities: CapabilityCache,
    *,
    looks_max: int,
) -> Evicted:
    """The newest records that `source` brought, until `wanted_bytes` are free or none is left.

    At most `looks_max` of its records are looked at.

    Its record is one of which it brought at least half of the bytes: whoever passes on the last
    entry of everybody's records has not thereby brought them.
    """
    ours = await followed(write)
    seen: set[int] = set()
    going: dict[int, None] = {}
    freed = looked_at = 0
    async for document in _brought(write, budget, source, seen):
        if looked_at == looks_max or freed >= wanted_bytes:
            break
        looked_at += 1
        # A log goes with what it judges, of which some may be among those already.
        record = [one for one in await _record_of(write, document) if one not in going]
        seen |= {document, *record}
        size = await _share(write, record, source)
        if size is not None and not await _stays(write, record, ours, capabilities):
            going |= dict.fromkeys(record)
            freed += size
    entries, size = await evict(write, list(going), is_for_room=True) if going else (0, 0)
    return Evicted(entries, size, looked_at)


async def _brought(view: Reading, budget: int, source: int, seen: set[int]) -> AsyncGenerator[int]:
    """The documents of this budget that it brought something of, newest first, but for `seen`.

    One of thousands of entries hides no other: what is seen is passed over. In an owned namespace
    the logs come last: one that judges what many wrote would take all of that with it.
    """
    for classes in ("('pub', 'rate')", "('_auth', '_ck')") if budget else (_ALL_CLASSES,):
        before = 1 << 62
        while rows := await view.rows(
            "SELECT o.entry, e.document FROM origin o JOIN entry e ON e.number = o.entry"
            " JOIN document d ON d.number = e.document"
            " WHERE o.source = ? AND o.entry < ?"
            " AND e.document NOT IN (SELECT value FROM json_each(?))"
            " AND d.namespace IN (SELECT number FROM namespace WHERE budget = ?)"
            f" AND d.class IN {classes} ORDER BY o.entry DESC LIMIT ?",
            (source, before, json.dumps(sorted(seen)), budget, ENTRIES_AT_ONCE),
        ):
            for entry, document in rows:
                before = entry
                if document not in seen:
                    yield document


async def evict(write: Writing, documents: Sequence[int], *, is_for_room: bool) -> tuple[int, int]:
    """Deletes documents and remembers their entries; gives how many entries and bytes went.

    `is_for_room`: they may come again from a source that has room.
    """
    numbers = (json.dumps(documents),)
    these = "IN (SELECT value FROM json_each(?1))"
    entries = await write.run(
        "INSERT OR IGNORE INTO kept_out (id, author, is_for_room)"
        f" SELECT substr(e.id, 1, {ITEM_ID_BYTES}), substr(d.author, 1, {AUTHOR_PREFIX_BYTES}),"
        f" {int(is_for_room)}"
        f" FROM entry e JOIN document d ON d.number = e.document WHERE e.document {these}",
        numbers,
    )
    await _let_logs_return(write, numbers)
    named = await private_namers(write, await _named_in_private(write, numbers))
    freed = await release(write, documents)
    rated: set[Rated] = {
        tuple(row)
        for row in await write.rows(
            f"SELECT namespace, target, kind FROM rating WHERE document {these}", numbers
        )
    }
    tokens = await write.rows(
        f"SELECT DISTINCT capability FROM entry WHERE document {these}", numbers
    )
    await _delete_items(write, numbers)
    await write.run(
        f"DELETE FROM statement WHERE entry IN (SELECT number FROM entry WHERE document {these})",
        numbers,
    )
    for table in ("left_out", "listing", "rating", "attestation", "stale", "entry"):
        await write.run(f"DELETE FROM {table} WHERE document {these}", numbers)
    await write.run(f"DELETE FROM document WHERE number {these}", numbers)
    await note_private(write, named)
    for table, column in (("capability_key", "capability"), ("capability", "number")):
        await write.run_many(
            f"DELETE FROM {table} WHERE {column} = ?1"
            " AND NOT EXISTS (SELECT 1 FROM entry WHERE capability = ?1)",
            tokens,
        )
    await add_up_ratings(write, rated)
    # The index forgets them: there is nothing to show under these numbers.
    await write.run(
        "INSERT OR REPLACE INTO outbox (document) SELECT value FROM json_each(?1)", numbers
    )
    return entries, freed


async def _named_in_private(write: Writing, numbers: Sequence[object]) -> list[bytes]:
    """Blobs: until `gc` their bytes stay, and nothing else will say that they are private."""
    commons = await namespace_number(write, COMMONS)
    rows = await write.rows(
        "SELECT DISTINCT u.blob FROM json_each(?1) j JOIN blob_use u ON u.document = j.value"
        " WHERE u.namespace <> ?2",
        (*numbers, commons),
    )
    return [blob for (blob,) in rows]


async def _let_logs_return(write: Writing, numbers: Sequence[object]) -> None:
    """Before these go: the logs among them may come again once they judge something here, and what
    cites one of their statements waits for it from now on.
    """
    rows = await write.rows(
        "SELECT d.id, e.id FROM json_each(?) j JOIN document d ON d.number = j.value"
        " JOIN entry e ON e.document = d.number WHERE d.class IN ('_auth', '_ck')",
        numbers,
    )
    await write.run_many(
        "UPDATE kept_out SET document = ? WHERE id = ?",
        ((document_key(DocumentId.decode(log)), id[:ITEM_ID_BYTES]) for log, id in rows),
    )
    said = {id for _, id in rows}
    if not said:
        return
    citing = await write.rows(
        "SELECT e.document, e.auth_heads FROM entry e JOIN document d ON d.number = e.document"
        " WHERE d.class NOT IN ('_auth', '_ck') AND e.auth_heads <> x''"
    )
    waiting = {document for document, heads in citing if not said.isdisjoint(hashes(heads))}
    await write.run_many("INSERT OR IGNORE INTO stale VALUES (?)", ((one,) for one in waiting))


async def _delete_items(write: Writing, numbers: Sequence[object]) -> None:
    rows = await write.rows(
        "SELECT d.namespace, e.entry, e.id FROM json_each(?1) j JOIN document d"
        " ON d.number = j.value JOIN entry e ON e.document = d.number",
        numbers,
    )
    await write.run_many(
        "DELETE FROM item WHERE namespace = ? AND key = ?",
        (
            (namespace, order_key(decode_entry(entry)) + id[:ITEM_ID_BYTES])
            for namespace, entry, id in rows
        ),
    )


async def _record_of(view: Reading, document: int) -> list[int]:
    """All epochs of its record; of a log, both logs of its subspace and all that they judge.

    Where that is more than goes at once, only the newest of what they judge; the logs go last.
    """
    row = await view.row("SELECT id FROM document WHERE number = ?", (document,))
    assert row is not None, "its entry is here"
    id = replace(DocumentId.decode(row[0]), epoch=0)
    if is_statement_class(id.cls):
        judged = await _judged_by(view, id)
        if len(judged) > JUDGED_MAX:
            return judged[:JUDGED_MAX]
        return [*await _logs_of(view, id), *judged]
    rows = await view.rows(
        "SELECT number FROM document WHERE id = ?"
        f" UNION SELECT d.number FROM document d WHERE {SAME_RECORD} AND d.epoch > 0",
        (id.encode(), *same_record(id)),
    )
    return [number for (number,) in rows]


async def _judged_by(view: Reading, log: DocumentId) -> list[int]:
    """Documents, no logs, to which a right came through this log's key; the newest first."""
    rows = await view.rows(
        f"SELECT DISTINCT e.document {_JUDGED} AND k.key = ? ORDER BY e.document DESC LIMIT ?",
        (log.namespace, log.subspace, JUDGED_MAX + 1),
    )
    return [number for (number,) in rows]


async def _logs_of(view: Reading, log: DocumentId) -> list[int]:
    ids = [log_of(log.namespace, log.subspace, class_).encode() for class_ in RECORDS]
    rows = await view.rows_in("SELECT number FROM document WHERE id IN (*)", ids)
    return [number for (number,) in rows]


async def _share(view: Reading, record: Sequence[int], source: int) -> int | None:
    """The bytes of the record; None where most of those of its entries came from elsewhere."""
    row = await view.row(
        "SELECT sum(o.size), sum(iif(o.source = ?2, o.size, 0)),"
        " (SELECT sum(x.size) FROM json_each(?1) i JOIN derived x ON x.document = i.value)"
        " FROM json_each(?1) j"
        " JOIN entry e ON e.document = j.value JOIN origin o ON o.entry = e.number",
        (json.dumps(record), source),
    )
    assert row is not None, "an aggregate always gives a row"
    size, brought, beside = (int(value or 0) for value in row)
    return size + beside if 2 * brought >= size else None


async def having_bearing(
    view: Reading, namespace: NamespaceKey, keys: Sequence[bytes]
) -> frozenset[bytes]:
    """Those of these keys through which the right to something held in the namespace came."""
    rows = await view.rows_in(f"SELECT DISTINCT k.key {_JUDGED} AND k.key IN (*)", keys, namespace)
    return frozenset(key for (key,) in rows)


async def _stays(
    view: Reading,
    record: Sequence[int],
    ours: frozenset[bytes],
    capabilities: CapabilityCache,
) -> bool:
    """Whether this node or somebody who is followed wrote in it, or may have let somebody."""
    rows = await view.rows(
        "SELECT DISTINCT d.id, c.encoded, o.source IS (SELECT number FROM source WHERE key = ?2)"
        " FROM json_each(?1) j JOIN entry e ON e.document = j.value"
        " JOIN document d ON d.number = e.document JOIN origin o ON o.entry = e.number"
        " JOIN capability c ON c.number = e.capability",
        (json.dumps(record), SELF),
    )
    return any(
        is_own
        or claim_of(DocumentId.decode(id), capabilities.get(right), ours) is not Claim.STRANGER
        for id, right, is_own in rows
    )
