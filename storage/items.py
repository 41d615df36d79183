"""Items: what reconciliation compares. One for each authorised entry held.

An item's key is the order key of its entry ‖ the first 16 bytes of its id, so keys sort by
(subspace, path, timestamp) and two tokens for one entry are two items. Beside the key lie the
eight lanes of the id, added up by SQLite over any range: no tree in memory, nothing to keep in
step, 100,000 items in about 30 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.entry import decode_entry
from crdt.keys import AuthorKey, DeviceKey, NamespaceKey
from crdt.order import (
    ITEM_ID_BYTES,
    Bounds,
    RangeSummary,
    area_bounds,
    fingerprint,
    path_prefix_key,
)
from storage.database import Reading, Row
from storage.part import Part, in_bounds

TIMESTAMP_BYTES = 8
SUBSPACE_BYTES = 32
IDS_MAX = 100_000  # in one answer: 1.6 MB
PARTS_MAX = 1_024
DEVICES_MAX = 1_000  # of one author, in one answer; people have a few

_SUMS = "count(*), " + ", ".join(f"sum(f{lane})" for lane in range(8))
# The first item of each part but the first; integer division spreads what does not divide evenly.
_CUTS = """
    SELECT key FROM (
        SELECT key, row_number() OVER (ORDER BY key) - 1 AS place FROM item WHERE {where})
    WHERE place > 0 AND place * {pieces} / {count} > (place - 1) * {pieces} / {count}
    ORDER BY key"""
_ENTRIES = """
    SELECT e.id, e.entry, c.encoded, e.signature, e.payload
    FROM entry e JOIN capability c ON c.number = e.capability"""


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """A device, and how many entries of one author it has signed."""

    device: DeviceKey
    entries: int


class Items(Part):
    """Range questions of reconciliation, and the entries behind the answers."""

    async def summarise(
        self, namespace: NamespaceKey, area: Area, bounds: Sequence[Bounds]
    ) -> list[RangeSummary]:
        """Count and fingerprint of the items of `area` within each of `bounds`, in one view."""
        async with self._database.reading() as view:
            number = await namespace_number(view, namespace)
            return [await summary(view, number, area, one) for one in bounds]

    async def split(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, parts: int
    ) -> list[Bounds]:
        """`bounds` cut into at most `parts` ranges that hold equally many items of `area`."""
        async with self._database.reading() as view:
            number = await namespace_number(view, namespace)
            where, values = _within(number, area, bounds)
            count = await view.number(f"SELECT count(*) FROM item WHERE {where}", values)
            pieces = in_bounds(min(parts, count), PARTS_MAX)
            cuts_sql = _CUTS.format(where=where, pieces=pieces, count=max(count, 1))
            rows = await view.rows(cuts_sql, values)
        cuts = [bytes(row[0]) for row in rows]
        lowers = [bounds.lower, *cuts]
        uppers = [*cuts, bounds.upper]
        return [Bounds(lower, upper) for lower, upper in zip(lowers, uppers, strict=True)]

    async def ids(
        self, namespace: NamespaceKey, area: Area, bounds: Bounds, limit: int = IDS_MAX
    ) -> list[bytes]:
        """16-byte ids of the items of `area` within `bounds`, in key order, the first `limit`."""
        async with self._database.reading() as view:
            number = await namespace_number(view, namespace)
            where, values = _within(number, area, bounds)
            rows = await view.rows(
                f"SELECT substr(key, -{ITEM_ID_BYTES}) FROM item WHERE {where}"
                " ORDER BY key LIMIT ?",
                (*values, in_bounds(limit, IDS_MAX)),
            )
        return [bytes(row[0]) for row in rows]

    async def holds(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> set[bytes]:
        """Those of `ids` (their first 16 bytes) that are held."""
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT substr(e.id, 1, 16) FROM entry e"
                " JOIN document d ON d.number = e.document"
                " JOIN namespace n ON n.number = d.namespace"
                f" WHERE n.key = ? AND substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
                [id[:ITEM_ID_BYTES] for id in ids],
                namespace,
            )
        return {bytes(row[0]) for row in rows}

    async def devices_of(self, author: AuthorKey, limit: int = DEVICES_MAX) -> list[DeviceSeen]:
        """The devices that have signed entries in this author's subspace, the busiest first."""
        rows = await self._database.rows(
            "SELECT e.device, count(*) AS entries FROM document d JOIN entry e"
            " ON e.document = d.number WHERE d.author = ?"
            " GROUP BY e.device ORDER BY entries DESC, e.device LIMIT ?",
            (author, in_bounds(limit, DEVICES_MAX)),
        )
        return [DeviceSeen(DeviceKey(device), entries) for device, entries in rows]

    async def entries(self, namespace: NamespaceKey, ids: Sequence[bytes]) -> list[SignedEntry]:
        """The entries with these ids (16 bytes are enough), in the order asked, as far as held."""
        short = list(dict.fromkeys(id[:ITEM_ID_BYTES] for id in ids))
        async with self._database.reading() as view:
            rows = await view.rows_in(
                f"{_ENTRIES} JOIN document d ON d.number = e.document"
                " JOIN namespace n ON n.number = d.namespace"
                f" WHERE n.key = ? AND substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
                short,
                namespace,
            )
        found = {bytes(row[0])[:ITEM_ID_BYTES]: signed_entry(row[1:]) for row in rows}
        return [found[id] for id in short if id in found]


def signed_entry(row: Row) -> SignedEntry:
    """From (entry, capability, signature, payload)."""
    entry, capability, signature, payload = row
    return SignedEntry(decode_entry(entry), capability, signature, payload)


async def namespace_number(view: Reading, namespace: NamespaceKey) -> int:
    """0, which no row has, for a namespace of which nothing is held."""
    return await view.number("SELECT number FROM namespace WHERE key = ?", (namespace,))


async def summary(view: Reading, number: int, area: Area, bounds: Bounds) -> RangeSummary:
    where, values = _within(number, area, bounds)
    row = await view.row(f"SELECT {_SUMS} FROM item WHERE {where}", values)
    assert row is not None, "an aggregate always gives a row"
    count, *sums = (int(value or 0) for value in row)
    return RangeSummary(count, fingerprint(sums, count))


def _within(number: int, area: Area, bounds: Bounds) -> tuple[str, list[object]]:
    """The condition that an item lies in both: a key range, and a filter where that is too wide."""
    hull = area_bounds(area)
    lower = max(hull.lower, bounds.lower)
    uppers = [upper for upper in (hull.upper, bounds.upper) if upper is not None]
    where = "namespace = ? AND key >= ?"
    values: list[object] = [number, lower]
    if uppers:
        where += " AND key < ?"
        values.append(min(uppers))
    if area.subspace is None and area.path:
        prefix = path_prefix_key(area.path)
        where += f" AND substr(key, {SUBSPACE_BYTES + 1}, {len(prefix)}) = ?"
        values.append(prefix)
    if area.start or area.end is not None:
        moment = f"substr(key, -{ITEM_ID_BYTES + TIMESTAMP_BYTES}, {TIMESTAMP_BYTES})"
        where += f" AND {moment} >= ?"
        values.append(area.start.to_bytes(TIMESTAMP_BYTES, "big"))
        if area.end is not None:
            where += f" AND {moment} < ?"
            values.append(area.end.to_bytes(TIMESTAMP_BYTES, "big"))
    return where, values
