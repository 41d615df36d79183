"""Keys that were used in two places, as the entries that are held show it. A part of the store."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from crdt.change import DocumentId
from crdt.path import CHECKPOINT
from storage.database import Reading, Row
from storage.documents import SAME_RECORD, same_record
from storage.part import Part

FORKS_MAX = 100
"""Told at once: one is an alarm."""
TWINS_MAX = 16
"""Of one number: two are proof."""


@dataclass(frozen=True, slots=True, order=True)
class Twin:
    """One of the entries that contradict each other. `code`: why it does not count, or None."""

    id: bytes
    change: bytes
    code: str | None


@dataclass(frozen=True, slots=True, order=True)
class Fork:
    """A key that signed two changes, or as a root key two statements, with one number."""

    document: DocumentId
    key: bytes
    seq: int
    twins: tuple[Twin, ...]
    """One of each change, those that count first."""


class Forks(Part):
    """Who contradicts themselves; nothing is changed."""

    async def forks(self, issuers: Collection[bytes]) -> list[Fork]:
        """Of these root keys, those that used one number for two statements.

        Of all there are it would tell nothing: whoever likes makes up keys, and forks them.
        """
        async with self._database.reading() as view:
            rows = await view.rows_in(
                "SELECT d.number, d.id, e.device, e.seq FROM namespace n"
                " CROSS JOIN statement s ON s.namespace = n.number"
                " JOIN entry e ON e.number = s.entry JOIN document d ON d.number = e.document"
                " WHERE s.type <> 'checkpoint' AND s.issuer IN (*)"
                " GROUP BY e.document, e.device, e.seq HAVING count(DISTINCT e.change) > 1",
                sorted(issuers),
            )
            return await _forks_of(view, rows)

    async def forks_in(self, document: DocumentId) -> list[Fork]:
        """Of a record, in all of its epochs: the devices that used one number for two changes."""
        async with self._database.reading() as view:
            rows = await view.rows(
                "SELECT d.number, d.id, e.device, e.seq FROM document d"
                f" JOIN entry e ON e.document = d.number WHERE {SAME_RECORD}"
                " GROUP BY e.document, e.device, e.seq HAVING count(DISTINCT e.change) > 1"
                f" ORDER BY d.epoch, e.device, e.seq LIMIT {FORKS_MAX}",
                same_record(document),
            )
            return await _forks_of(view, rows)

    async def twins_of(self, document: DocumentId, key: bytes, seq: int) -> tuple[Twin, ...]:
        """What this key signed there with this number: more than one is a fork."""
        async with self._database.reading() as view:
            number = await view.number(
                "SELECT number FROM document WHERE id = ?", (document.encode(),)
            )
            return await _twins(view, number, key, seq)


async def forks_by(view: Reading, author: bytes, namespace: bytes) -> list[Fork]:
    """Where this author's records and statements lie in a namespace: keys that forked there."""
    rows = await view.rows(
        # Most documents hold no number twice, which the index alone can tell.
        "WITH twice AS MATERIALIZED (SELECT d.number, d.id, e.device, e.seq FROM document d"
        " JOIN entry e ON e.document = d.number WHERE d.author = ?"
        " AND d.namespace = (SELECT number FROM namespace WHERE key = ?) AND d.class <> ?"
        " GROUP BY e.document, e.device, e.seq HAVING count(*) > 1)"
        " SELECT t.* FROM twice t WHERE (SELECT count(DISTINCT e.change) FROM entry e"
        " WHERE e.document = t.number AND e.device = t.device AND e.seq = t.seq) > 1"
        " LIMIT ?",
        (author, namespace, CHECKPOINT, FORKS_MAX),
    )
    return await _forks_of(view, rows)


async def _forks_of(view: Reading, rows: Iterable[Row]) -> list[Fork]:
    return [
        Fork(DocumentId.decode(id), key, seq, await _twins(view, number, key, seq))
        for number, id, key, seq in sorted(rows)[:FORKS_MAX]
    ]


async def _twins(view: Reading, document: int, key: bytes, seq: int) -> tuple[Twin, ...]:
    # With one min() SQLite takes the other columns from the row that has it.
    rows = await view.rows(
        "SELECT e.id, e.change, l.code, min(l.code IS NOT NULL) AS fell FROM entry e"
        " LEFT JOIN left_out l ON l.entry = e.number"
        " WHERE e.document = ? AND e.device = ? AND e.seq = ?"
        f" GROUP BY e.change ORDER BY fell, e.change LIMIT {TWINS_MAX}",
        (document, key, seq),
    )
    return tuple([Twin(id, change, code) for id, change, code, _ in rows])
