"""Evicting: records that go whole, with all that follows from them, and are remembered.

A record goes with all its epochs, so that no earlier one has to be shown instead. Nothing goes that
somebody who is followed has written in.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crdt.capability import CapabilityCache
from crdt.change import DocumentId
from crdt.entry import decode_entry
from crdt.order import ITEM_ID_BYTES, order_key
from storage.append import Rated, add_up_ratings
from storage.database import Reading, Writing
from storage.documents import SAME_RECORD, same_record
from storage.usage import AUTHOR_PREFIX_BYTES, followed, release


@dataclass(frozen=True, slots=True)
class Evicted:
    """What went, and how many records were looked at for it."""

    entries: int = 0
    bytes: int = 0
    looked_at: int = 0


async def evict_newest(
    write: Writing,
    source: int,
    wanted_bytes: int,
    capabilities: CapabilityCache,
    *,
    looks_max: int,
) -> Evicted:
    """The newest records that `source` brought, until `wanted_bytes` are free or none is left.

    At most `looks_max` of its entries are looked at.

    Its record is one of which it brought at least half of the bytes: whoever passes on the last
    entry of everybody's records has not thereby brought them.
    """
    ours = await followed(write)
    seen: set[int] = set()
    chosen: list[list[int]] = []
    freed = looked_at = 0
    for (document,) in await write.rows(
        "SELECT e.document FROM origin o JOIN entry e ON e.number = o.entry"
        " WHERE o.source = ? ORDER BY o.entry DESC LIMIT ?",
        (source, looks_max),
    ):
        if document in seen:
            continue
        looked_at += 1
        record = await _record_of(write, document)
        seen.update(record)
        size = await _share(write, record, source)
        if size is None or await _stays(write, record, ours, capabilities):
            continue
        chosen.append(record)
        freed += size
        if freed >= wanted_bytes:
            break
    documents = [document for record in chosen for document in record]
    entries, size = await evict(write, documents) if documents else (0, 0)
    return Evicted(entries, size, looked_at)


async def evict(write: Writing, documents: Sequence[int]) -> tuple[int, int]:
    """Deletes documents and remembers their entries; gives how many entries and bytes went."""
    numbers = (json.dumps(documents),)
    these = "IN (SELECT value FROM json_each(?1))"
    entries = await write.run(
        "INSERT OR IGNORE INTO kept_out (id, author)"
        f" SELECT substr(e.id, 1, {ITEM_ID_BYTES}), substr(d.author, 1, {AUTHOR_PREFIX_BYTES})"
        f" FROM entry e JOIN document d ON d.number = e.document WHERE e.document {these}",
        numbers,
    )
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
    for table in ("left_out", "listing", "rating", "stale", "entry"):
        await write.run(f"DELETE FROM {table} WHERE document {these}", numbers)
    await write.run(f"DELETE FROM document WHERE number {these}", numbers)
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
    """All epochs of its record."""
    row = await view.row("SELECT id FROM document WHERE number = ?", (document,))
    assert row is not None, "its entry is here"
    id = replace(DocumentId.decode(row[0]), epoch=0)
    rows = await view.rows(
        "SELECT number FROM document WHERE id = ?"
        f" UNION SELECT d.number FROM document d WHERE {SAME_RECORD} AND d.epoch > 0",
        (id.encode(), *same_record(id)),
    )
    return [number for (number,) in rows]


async def _share(view: Reading, record: Sequence[int], source: int) -> int | None:
    """The bytes of the record; None where most of them came from elsewhere."""
    row = await view.row(
        "SELECT sum(o.size), sum(iif(o.source = ?2, o.size, 0)) FROM json_each(?1) j"
        " JOIN entry e ON e.document = j.value JOIN origin o ON o.entry = e.number",
        (json.dumps(record), source),
    )
    assert row is not None, "an aggregate always gives a row"
    size, brought = (int(value or 0) for value in row)
    return size if 2 * brought >= size else None


async def _stays(
    view: Reading, record: Sequence[int], ours: frozenset[bytes], capabilities: CapabilityCache
) -> bool:
    is_judge = await _has_bearing(view, record)
    return is_judge or await _is_followed(view, record, ours, capabilities)


async def _has_bearing(view: Reading, record: Sequence[int]) -> bool:
    """Whether it is a log that judges something held: without it what it ended would come back."""
    row = await view.row(
        "SELECT n.key, d.author FROM document d JOIN namespace n ON n.number = d.namespace"
        " WHERE d.number = ? AND d.class IN ('_auth', '_ck')",
        (record[0],),
    )
    return row is not None and bool(await having_bearing(view, row[0], [row[1]]))


async def having_bearing(
    view: Reading, namespace: bytes, authors: Sequence[bytes]
) -> frozenset[bytes]:
    """Those of these keys through which the right to something held here came."""
    rows = await view.rows_in(
        "SELECT DISTINCT k.key FROM capability_key k JOIN entry e ON e.capability = k.capability"
        " JOIN document d ON d.number = e.document JOIN namespace n ON n.number = d.namespace"
        " WHERE d.class NOT IN ('_auth', '_ck') AND n.key = ? AND k.key IN (*)",
        authors,
        namespace,
    )
    return frozenset(key for (key,) in rows)


async def _is_followed(
    view: Reading,
    record: Sequence[int],
    ours: frozenset[bytes],
    capabilities: CapabilityCache,
) -> bool:
    """Whether somebody who is followed owns it or has written in it."""
    rows = await view.rows(
        "SELECT DISTINCT c.encoded FROM json_each(?1) j JOIN entry e ON e.document = j.value"
        " JOIN capability c ON c.number = e.capability",
        (json.dumps(record),),
    )
    return any(not ours.isdisjoint(capabilities.get(one).chain) for (one,) in rows)
