"""States and events of universes: rows of their own, so that no list reads their documents.

A universe has thousands of each, and mostly one more with each change. So of a document that
changed only the difference is read, checked and written (`write_parts`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from crdt.keys import COMMONS, NamespaceKey
from storage.contested import is_contested
from storage.database import Reading, Row, Writing
from storage.listing import EventRow, Listing, Parts, SnapshotRow
from storage.materialise import Built
from storage.namers import UNCOUNTED, names_as_own, note_private, private_namers
from storage.part import Part, in_bounds
from storage.said import said_by, said_in
from storage.unshown import raws_within, uncounted_of
from storage.workers import Workers

PAGE_MAX: Final = 10_000
"""Of one universe: all that a document has room for."""
LOOKED_AT_BYTES_MAX: Final = 256 << 10
"""Of changes that do not count, with each act beside them: some 15 ms at most, and the changes of a
device that kept hundreds of states before it was revoked."""
ROW_BYTES: Final = 512
"""What a row takes beside what its document has of it: columns and two indexes."""

_FIELDS: Final = tuple(SnapshotRow.__struct_fields__)
_COLUMNS: Final = ", ".join(_FIELDS)
_PLACE: Final = "(tick, at_us, id)"
_OF: Final = f"SELECT {_COLUMNS} FROM snapshot WHERE document = ? AND tick IS NOT NULL"
_NEWEST: Final = "ORDER BY tick DESC, at_us DESC, id DESC LIMIT ?"
_OLDEST: Final = "ORDER BY tick, at_us, id LIMIT ?"
COUNTS: Final = (  # as `UniverseCount` has them
    "coalesce(u.snapshots, 0), coalesce(u.newest_us, 0), coalesce(u.bytes, 0),"
    " coalesce(u.events, 0), (SELECT max(tick) FROM snapshot s WHERE s.document = u.document)"
)
Place = tuple[int, int, bytes]
R = TypeVar("R", SnapshotRow, EventRow)


class UniverseCount(msgspec.Struct, frozen=True, gc=False):
    """Of one universe, without what it began with."""

    snapshots: int = 0
    newest_us: int = 0
    """When the last one was taken; 0: none was."""
    bytes: int = 0
    """As they are said to be, before anything is saved."""
    events: int = 0
    last_tick: int | None = None
    """The highest that can be opened, also of what it began with; None: there is none."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all universes that are listed here."""

    universes: int
    snapshots: int
    events: int


class Snapshots(Part):
    """Reading of them. `number`: of the document, as `ListedRow` has it."""

    async def snapshots(
        self,
        number: int,
        *,
        limit: int = 100,
        after: Place | None = None,
        is_newest_first: bool = True,
    ) -> list[SnapshotRow]:
        """By tick, then by time. `after`: the `order` of the last one of the page before."""
        order, beyond = (_NEWEST, "<") if is_newest_first else (_OLDEST, ">")
        where, values = ("", ()) if after is None else (f" AND {_PLACE} {beyond} (?, ?, ?)", after)
        rows = await self._database.rows(
            f"{_OF}{where} {order}", (number, *values, in_bounds(limit, PAGE_MAX))
        )
        return [_snapshot(row) for row in rows]

    async def snapshot(self, number: int, id: bytes) -> SnapshotRow | None:
        """The one of this id."""
        return await self._one(f"{_OF} AND id = ?", (number, id))

    async def signed_snapshot(self, number: int, id: bytes) -> bytes | None:
        """The same as it was signed: CBOR [statement, signature, device]."""
        rows = await self._database.few_rows(
            "SELECT signed FROM snapshot WHERE document = ? AND id = ? AND tick IS NOT NULL",
            (number, id),
        )
        return bytes(rows[0][0]) if rows else None

    async def snapshot_at(self, number: int, tick: int) -> SnapshotRow | None:
        """Of those at this very tick the newest."""
        return await self._one(f"{_OF} AND tick = ? {_NEWEST}", (number, tick, 1))

    async def snapshot_before(self, number: int, tick: int) -> SnapshotRow | None:
        """The nearest at or before this tick."""
        return await self._one(f"{_OF} AND tick <= ? {_NEWEST}", (number, tick, 1))

    async def newest_snapshot(self, number: int) -> SnapshotRow | None:
        """Of the highest tick."""
        return await self._one(f"{_OF} {_NEWEST}", (number, 1))

    async def _one(self, sql: str, values: Sequence[object]) -> SnapshotRow | None:
        """The first, found by an index: so without a thread."""
        rows = await self._database.few_rows(sql, values)
        return _snapshot(rows[0]) if rows else None

    async def is_any_decaying(self, number: int) -> bool:
        """Whether one of them says itself after how long it goes; not what came in JSON."""
        sql = (
            "SELECT 1 FROM snapshot WHERE document = ? AND decay LIKE '{\"decayAfterTicks\":%'"
            " AND NOT wrapped LIMIT 1"
        )
        return bool(await self._database.rows(sql, (number,)))

    async def last_tick(self, number: int) -> int:
        """The highest of any snapshot or event; 0 where there is none."""
        row = await self._database.row(
            "SELECT max(coalesce((SELECT max(tick) FROM snapshot WHERE document = ?1), 0),"
            " coalesce((SELECT max(tick) FROM happened WHERE document = ?1), 0))",
            (number,),
        )
        assert row is not None, "a maximum has one row"
        return int(row[0])

    async def same_snapshots(
        self, number: int, tick: int, checksum: bytes, decay: str = ""
    ) -> list[SnapshotRow]:
        """Those of these very bytes, at this tick, of this decay (JSON), newest first."""
        rows = await self._database.rows(
            f"{_OF} AND tick = ? AND checksum = ? AND decay = ? {_NEWEST}",
            (number, tick, checksum, decay, PAGE_MAX),
        )
        return [_snapshot(row) for row in rows]

    async def events_of(
        self, number: int, *, limit: int = 100, after: Place | None = None
    ) -> list[EventRow]:
        """By tick, then by time, the newest first."""
        where, values = ("", ()) if after is None else (f" AND {_PLACE} < (?, ?, ?)", after)
        rows = await self._database.rows(
            "SELECT id, tick, at_us, event FROM happened WHERE document = ? AND tick IS NOT NULL"
            f"{where} {_NEWEST}",
            (number, *values, in_bounds(limit, PAGE_MAX)),
        )
        return [EventRow(*row) for row in rows]

    async def events_each(self, number: int, ids: Sequence[bytes]) -> dict[bytes, EventRow]:
        """Those of these ids that are there."""
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT id, tick, at_us, event FROM happened WHERE document = ?"
                " AND tick IS NOT NULL AND id IN (*)",
                [*ids],
                number,
            )
        return {row[0]: EventRow(*row) for row in rows}

    async def universe_counts(self, numbers: Sequence[int]) -> dict[int, UniverseCount]:
        """Of each of these documents; those without any snapshot and event are left out."""
        sql = f"SELECT document, {COUNTS} FROM universe_count u WHERE document IN (*)"
        if len(numbers) == 1:  # whoever makes one is told of it
            rows = await self._database.few_rows(sql.replace("*", "?"), [*numbers])
        else:
            async with self._database.reading() as view:
                rows = await view.rows_in(sql, [*numbers])
        return {number: UniverseCount(*counts) for number, *counts in rows}

    async def universe_totals(self, namespaces: Sequence[NamespaceKey]) -> Totals:
        """Of all that are listed in these namespaces."""
        row = await self._database.row(
            "SELECT count(*), coalesce(sum(u.snapshots), 0), coalesce(sum(u.events), 0)"
            " FROM listing l LEFT JOIN universe_count u ON u.document = l.document"
            " JOIN namespace n ON n.number = l.namespace"
            " WHERE l.kind = 'universe' AND hex(n.key) IN (SELECT value FROM json_each(?))",
            (_keys(namespaces),),
        )
        assert row is not None, "a count has one row"
        return Totals(*row)


async def last_snapshot(view: Reading) -> int:
    """The last number given out: what is named after it is new."""
    return await view.number("SELECT max(number) FROM snapshot")


async def named_after(view: Reading, document: int, number: int) -> list[bytes]:
    """Blobs of this document's snapshots that came after that number."""
    rows = await view.rows(
        "SELECT blob FROM snapshot WHERE number > ? AND document = ? AND blob IS NOT NULL",
        (number, document),
    )
    return [blob for (blob,) in rows]


async def forget_parts(write: Writing, numbers: Sequence[int | None]) -> None:
    """Of documents that are listed no more; what they named stays named (`blob_use`)."""
    sql = "SELECT document FROM universe_count WHERE document IN (*)"
    found = await write.rows_in(sql, numbers)
    for table in ("snapshot", "happened", "universe_count") if found else ():
        await write.run_many(f"DELETE FROM {table} WHERE document = ?", found)


async def write_parts(
    write: Writing, listed: Sequence[tuple[Built, Listing]], workers: Workers
) -> None:
    """Lets the rows be what these documents say now, and `blob_use` name their blobs."""
    for one, listing in listed:
        if listing.parts is None:
            continue
        number = one.work.number
        assert number is not None, "documents are written before their rows"
        if await _write_snapshots(write, number, listing.parts, workers):
            await _name_blobs(write, number)
        await _unname_blobs(write, number, one, listing, workers)
        await _write_events(write, number, listing.parts, workers)
        await write.run(_COUNT, (number, ROW_BYTES))


async def _write_snapshots(write: Writing, number: int, parts: Parts, workers: Workers) -> bool:
    """Whether anything changed."""
    sql = "SELECT id, signed FROM snapshot WHERE document = ?"
    known: dict[bytes, bytes] = dict(await write.rows(sql, (number,)))
    fresh, gone = _difference(known, parts.snapshots)
    await write.run_many(
        "DELETE FROM snapshot WHERE document = ? AND id = ?", ((number, id) for id in gone)
    )
    if fresh:
        rows = await workers.run(_read_each, fresh, parts.read_snapshot)
        await write.run_many(
            "INSERT INTO snapshot (document, signed, "
            f"{_COLUMNS}) VALUES (?, ?{', ?' * len(_FIELDS)})",
            (
                (number, fresh[id], *_values(id, row, is_inherited=id in parts.inherited))
                for id, row in rows
            ),
        )
    return bool(fresh or gone)


async def _write_events(write: Writing, number: int, parts: Parts, workers: Workers) -> None:
    sql = "SELECT id, event FROM happened WHERE document = ?"
    known: dict[bytes, bytes] = dict(await write.rows(sql, (number,)))
    fresh, gone = _difference(known, parts.events)
    await write.run_many(
        "DELETE FROM happened WHERE document = ? AND id = ?", ((number, id) for id in gone)
    )
    if fresh:
        rows = await workers.run(_read_each, fresh, parts.read_event)
        await write.run_many(
            "INSERT INTO happened VALUES (?, ?, ?, ?, ?)",
            (
                (number, id, *((row.tick, row.at_us) if row else (None, None)), fresh[id])
                for id, row in rows
            ),
        )


async def _name_blobs(write: Writing, number: int) -> None:
    """Those of its snapshots."""
    await write.run(
        "INSERT INTO blob_use (document, blob, namespace, size, at_us)"
        " SELECT s.document, s.blob, d.namespace, max(s.size), min(s.at_us)"
        " FROM snapshot s JOIN document d ON d.number = s.document"
        " WHERE s.document = ? AND s.tick IS NOT NULL GROUP BY s.blob"
        " ON CONFLICT DO UPDATE SET size = excluded.size, at_us = excluded.at_us"
        " WHERE size IS NOT excluded.size OR at_us <> excluded.at_us",
        (number,),
    )


async def _unname_blobs(
    write: Writing, number: int, one: Built, listing: Listing, workers: Workers
) -> None:
    """What neither its rows name nor its listing beside them, nor anything that may yet count or be
    listed. Where too much does not count to look at with each act, where another branch may win
    yet, and in what others wrote, what went has no size."""
    also = [blob.id for blob in listing.blobs]
    if one.left_out or (listing.parts is not None and listing.parts.beyond):
        gone = f"{_GONE} AND size IS NOT NULL"
        if not await write.row(f"SELECT 1 FROM blob_use {gone} LIMIT 1", (number, _listed(also))):
            return
        said = [blob.hex() for blob in await workers.run(said_by, listing)]
        await write.run(f"UPDATE blob_use SET size = NULL {gone}", (number, _listed(also)))
        namespace, author = one.work.document.namespace, one.work.document.subspace
        if namespace == COMMONS:
            uncounted = f"UPDATE blob_use SET at_us = {UNCOUNTED} {_GONE}"
            await write.run(uncounted, (number, _listed(said)))
        if not await names_as_own(write, author) or is_contested(one.work, one.left_out):
            return
        raws = await raws_within(write, one.work, uncounted_of(one), LOOKED_AT_BYTES_MAX)
        if raws is None:
            return
        may_return = await workers.run(said_in, raws)
        also = [*said, *(blob.hex() for blob in may_return)]
    rows = await write.rows(f"SELECT blob FROM blob_use {_GONE}", (number, _listed(also)))
    if rows:
        before = await private_namers(write, (blob for (blob,) in rows))
        await write.run(f"DELETE FROM blob_use {_GONE}", (number, _listed(also)))
        await note_private(write, before)


_GONE: Final = (
    "WHERE document = ?1"
    " AND blob NOT IN (SELECT blob FROM snapshot WHERE document = ?1 AND blob IS NOT NULL)"
    " AND lower(hex(blob)) NOT IN (SELECT value FROM json_each(?2))"
)


def _listed(also: Sequence[str]) -> str:
    return msgspec.json.encode(also).decode()


_COUNT: Final = """
    INSERT OR REPLACE INTO universe_count
    SELECT ?1, s.own, s.newest, s.size, h.events, s.held + h.held FROM (
        SELECT count(*) FILTER (WHERE tick IS NOT NULL AND NOT is_inherited) AS own,
            coalesce(max(at_us) FILTER (WHERE NOT is_inherited), 0) AS newest,
            coalesce(sum(size) FILTER (WHERE NOT is_inherited), 0) AS size,
            coalesce(sum(length(signed) + ?2), 0) AS held
        FROM snapshot WHERE document = ?1) s, (
        SELECT count(tick) AS events, coalesce(sum(length(event) + ?2), 0) AS held
        FROM happened WHERE document = ?1) h"""


def _difference(
    known: Mapping[bytes, bytes], now: Mapping[bytes, bytes]
) -> tuple[dict[bytes, bytes], list[bytes]]:
    """(what is new or another, what is to go: also that of which another comes)"""
    fresh = {id: data for id, data in now.items() if known.get(id) != data}
    return fresh, [id for id in known if id not in now or id in fresh]


def _read_each(
    fresh: Mapping[bytes, bytes], read: Callable[[bytes, bytes], R | None]
) -> list[tuple[bytes, R | None]]:
    return [(id, read(id, data)) for id, data in fresh.items()]


def _values(id: bytes, row: SnapshotRow | None, *, is_inherited: bool) -> tuple[object, ...]:
    """In the order of the columns."""
    if row is None:
        nothing = dict.fromkeys(_FIELDS) | {"id": id, "wrapped": 0, "decay": ""}
        return (*(nothing | {"is_inherited": is_inherited}).values(),)
    return msgspec.structs.astuple(msgspec.structs.replace(row, is_inherited=is_inherited))


def _snapshot(row: Row) -> SnapshotRow:
    id, tick, kind, at_us, blob, size, checksum, media, day, parent, event, wrapped, *more = row
    decay, is_inherited = more
    return SnapshotRow(
        id=id, tick=tick, kind=kind, at_us=at_us, blob=blob, size=size, checksum=checksum,
        media=media, day=day, parent=parent, event=event, wrapped=bool(wrapped), decay=decay,
        is_inherited=bool(is_inherited),
    )  # fmt: skip


def _keys(namespaces: Sequence[NamespaceKey]) -> str:
    return json.dumps([one.hex().upper() for one in namespaces])
