"""Who may write where, by all that is known here, and why what is held counts or does not.

Questions that people ask of capabilities and statements. A part of the store; nothing is changed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crdt.capability import WRITE, Capability, decode_capability
from crdt.change import DocumentId
from crdt.envelope import STATEMENT, open_envelope
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.statement import Heads, Revoke, Statement, decode_statement
from storage.authority import cuts_of, place_of
from storage.database import Reading, Row
from storage.documents import SAME_RECORD, Documents, load_raws, same_record, signed_us
from storage.part import in_bounds
from storage.statements import hashes

RIGHTS_MAX = 10_000
"""Capabilities of one owner or namespace looked at for one answer; an author has a handful."""
PAGE_MAX = 1_000
ID_BYTES_MIN = 4
"""Of an entry's id or a statement's digest, to find it by its beginning."""
_INDEXED_BYTES = 16  # of an entry's id


@dataclass(frozen=True, slots=True)
class Told:
    """An entry that is held, with the verdict on it."""

    number: int
    """The cursor, as in `DocumentRow`."""
    id: bytes
    document: DocumentId
    device: bytes
    seq: int
    change: bytes
    capability: bytes
    signed_us: int
    """Unix microseconds, by the claim of who signed it."""
    code: str | None
    """Why it does not count; None where it does."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement that is held."""

    number: int
    """The cursor."""
    id: bytes
    """Of its entry."""
    digest: bytes
    """Of its payload: what an unrevocation names."""
    namespace: NamespaceKey
    issuer: AuthorKey
    chain: tuple[bytes, ...]
    statement: Statement
    signed_us: int
    stands: bool
    in_force: bool


@dataclass(frozen=True, slots=True)
class Fallen:
    """Changes of one device in one document that fell with what somebody revoked."""

    document: DocumentId
    raws: dict[bytes, bytes]
    """Every raw change held of it, by hash."""
    changes: tuple[bytes, ...]
    """Hashes of those that fell, by number."""


class Explaining(Documents):
    """What is known of rights and verdicts."""

    async def rights_known(self, document: DocumentId) -> list[Capability]:
        """Every capability to write that somebody used and that reaches this record, some time.

        Not what was only given: the wallet has that.
        """
        root = document.subspace if is_communal(document.namespace) else document.namespace
        known = await self.rights_through(root)
        return await self._materialiser.workers.run(_reaching, known, document)

    async def rights_through(self, key: bytes) -> list[Capability]:
        """Capabilities to write that somebody used and that came through this key."""
        rows = await self._database.rows(
            "SELECT c.encoded FROM capability_key k JOIN capability c ON c.number = k.capability"
            " WHERE k.key = ? ORDER BY c.number LIMIT ?",
            (key, RIGHTS_MAX),
        )
        return await self._materialiser.workers.run(
            lambda: [decode_capability(encoded) for (encoded,) in rows]
        )

    async def told(
        self,
        document: DocumentId,
        *,
        left_out_only: bool = False,
        limit: int = 100,
        cursor: int | None = None,
    ) -> list[Told]:
        """Entries of a record, in all of its epochs, the last that came first."""
        rows = await self._database.rows(
            f"{_TOLD} WHERE {SAME_RECORD} AND e.number < ?"
            f"{' AND l.code IS NOT NULL' if left_out_only else ''}"
            " ORDER BY e.number DESC LIMIT ?",
            (*same_record(document), cursor or (1 << 62), in_bounds(limit, PAGE_MAX)),
        )
        return list(map(_told, rows))

    async def tallies(self, document: DocumentId) -> dict[tuple[bytes, str | None], int]:
        """How many entries of a record each device has, by what they count: (device, code)."""
        rows = await self._database.rows(
            "SELECT e.device, l.code, count(*) FROM document d"
            " JOIN entry e ON e.document = d.number"
            f" LEFT JOIN left_out l ON l.entry = e.number WHERE {SAME_RECORD}"
            " GROUP BY e.device, l.code",
            same_record(document),
        )
        return {(device, code): count for device, code, count in rows}

    async def heads_missing(self, document: DocumentId) -> int:
        """How many changes that revocations leave in a record are not here: until they come, what
        they build on is cut off too.
        """
        async with self._database.reading() as view:
            rows = await view.rows(
                f"SELECT d.id FROM document d WHERE {SAME_RECORD}", same_record(document)
            )
            works = await self._materialiser.works(view, [DocumentId.decode(id) for (id,) in rows])
            verdicts = await self._materialiser.verdicts(view, list(works.values()))
        return sum(len(validity.incomplete) for _, validity in verdicts)

    async def entries_beginning(self, id: bytes, limit: int = 2) -> list[Told]:
        """Those whose id begins so; from `ID_BYTES_MIN` bytes on. More than one: say more of it."""
        if len(id) < ID_BYTES_MIN:
            return []
        start = id[:_INDEXED_BYTES]
        rows = await self._database.rows(
            f"{_TOLD} WHERE substr(e.id, 1, 16) BETWEEN ? AND ? AND substr(e.id, 1, ?) = ? LIMIT ?",
            (
                start.ljust(_INDEXED_BYTES, b"\0"),
                start.ljust(_INDEXED_BYTES, b"\xff"),
                len(id),
                id,
                limit,
            ),
        )
        return list(map(_told, rows))

    async def cuts_on(self, chain: Sequence[bytes], document: DocumentId) -> list[Said]:
        """The revocations in force that hit this chain in this record, whatever they leave."""
        return [
            one
            for one in await self.cuts_through(document.namespace, chain)
            if isinstance(one.statement, Revoke) and one.statement.area.includes(place_of(document))
        ]

    async def cuts_through(self, namespace: NamespaceKey, chain: Sequence[bytes]) -> list[Said]:
        """The revocations in force that hit this chain, whichever area they have."""
        async with self._database.reading() as view:
            cuts = await cuts_of(view, namespace, set(chain))
            numbers = [one.number for one in cuts if one.revocation.hits(tuple(chain))]
            return await _said_of(view, numbers)

    async def said(
        self,
        namespace: NamespaceKey | None = None,
        *,
        type: str | None = None,
        issuers: Collection[bytes] | None = None,
        limit: int = 100,
        cursor: int | None = None,
    ) -> list[Said]:
        """Statements, the last that came first; of `issuers` (root keys), or of everybody."""
        where, values = ["s.entry < ?"], list[object]([cursor or (1 << 62)])
        for column, wanted in (("n.key", namespace), ("s.type", type)):
            if wanted is not None:
                where.append(f"{column} = ?")
                values.append(wanted)
        sql = "SELECT s.entry FROM statement s JOIN namespace n ON n.number = s.namespace"
        sql += f" WHERE {' AND '.join(where)}"
        limit = in_bounds(limit, PAGE_MAX)
        last = f" ORDER BY s.entry DESC LIMIT {limit}"
        async with self._database.reading() as view:
            if issuers is None:
                rows = await view.rows(sql + last, values)
            else:
                some = f"{sql} AND s.issuer IN (*){last}"
                rows = await view.rows_in(some, sorted(issuers), *values)
            return await _said_of(view, sorted((one for (one,) in rows), reverse=True)[:limit])

    async def statements_named(self, name: bytes) -> list[Said]:
        """Statements whose entry's id, or whose payload's digest, begins so."""
        if len(name) < ID_BYTES_MIN:
            return []
        async with self._database.reading() as view:
            rows = await view.rows(
                "SELECT s.entry FROM statement s JOIN entry e ON e.number = s.entry"
                " WHERE substr(e.id, 1, ?1) = ?2 OR substr(e.change, 1, ?1) = ?2 LIMIT 2",
                (len(name), name),
            )
            return await _said_of(view, [number for (number,) in rows])

    async def last_said_us(self, namespace: NamespaceKey, issuer: bytes) -> int | None:
        """When this root key last said something, by its own claim; None where it never did."""
        async with self._database.reading() as view:
            row = await view.row(
                "SELECT e.entry FROM statement s JOIN entry e ON e.number = s.entry"
                " WHERE s.namespace = (SELECT number FROM namespace WHERE key = ?)"
                " AND s.issuer = ? AND s.type <> 'checkpoint' ORDER BY s.at DESC LIMIT 1",
                (namespace, issuer),
            )
        return signed_us(row[0]) if row else None

    async def fallen(self, document: DocumentId, device: bytes) -> list[Fallen]:
        """Of each epoch of a record, what this device wrote and somebody's revocation took out."""
        async with self._database.reading() as view:
            rows = await view.rows(
                "SELECT d.id, e.change FROM document d JOIN entry e ON e.document = d.number"
                " JOIN left_out l ON l.entry = e.number"
                f" WHERE {SAME_RECORD} AND e.device = ?"
                " AND l.code IN ('revoked', 'excluded-dependency')"
                " AND NOT EXISTS (SELECT 1 FROM entry o"
                "   LEFT JOIN left_out ol ON ol.entry = o.number"
                "   WHERE o.document = e.document AND o.change = e.change AND ol.code IS NULL)"
                " ORDER BY d.epoch, e.seq, e.number",
                (*same_record(document), device),
            )
            fell: dict[DocumentId, dict[bytes, None]] = {}
            for id, change in rows:
                fell.setdefault(DocumentId.decode(id), {})[change] = None
            works = await self._materialiser.works(view, list(fell))
            await load_raws(view, list(works.values()))
        return [
            Fallen(
                one,
                {held.change: works[one].raws[id] for id, held in works[one].held.items()},
                tuple(changes),
            )
            for one, changes in fell.items()
        ]

    async def heads_of(self, namespace: NamespaceKey, subspace: AuthorKey) -> dict[bytes, Heads]:
        """Every document of this owner with its heads, statements aside: what is held of them."""
        rows = await self._database.rows(
            "SELECT d.id, d.heads FROM document d WHERE d.author = ?"
            " AND d.namespace = (SELECT number FROM namespace WHERE key = ?)"
            " AND d.class NOT IN ('_auth', '_ck') AND length(d.heads) > 0 ORDER BY d.id",
            (subspace, namespace),
        )
        return {id: hashes(heads) for id, heads in rows}

    async def heads_keeping(self, entry: Told) -> Heads:
        """Heads of its document as they would be with this entry's branch instead of its twins'."""
        async with self._database.reading() as view:
            works = await self._materialiser.works(view, [entry.document])
            work = works[entry.document]
            ((_, validity),) = await self._materialiser.judge(view, [work])
        held = work.held
        twins = {
            one.change
            for one in held.values()
            if (one.device, one.seq) == (entry.device, entry.seq) and one.change != entry.change
        }
        counting = {held[id].change for id in validity.valid}
        children: dict[bytes, set[bytes]] = {}
        for one in held.values():
            for parent in one.dependencies:
                children.setdefault(parent, set()).add(one.change)
        kept = (counting - _above(twins, children)) | _above({entry.change}, children)
        followed = {
            parent for one in held.values() if one.change in kept for parent in one.dependencies
        }
        return tuple(sorted(kept - followed))

    async def devices_counting(self, document: DocumentId) -> frozenset[bytes]:
        """The devices of which something in this record counts now, in whichever epoch."""
        return (await self.devices_counting_in([document]))[0]

    async def devices_counting_in(self, documents: Sequence[DocumentId]) -> list[frozenset[bytes]]:
        """The same of each record, in one hop."""
        asked = (
            "SELECT DISTINCT e.device FROM document d JOIN entry e ON e.document = d.number"
            f" LEFT JOIN left_out l ON l.entry = e.number WHERE {SAME_RECORD} AND l.code IS NULL"
        )
        async with self._database.reading() as view:
            found = await view.each([(asked, same_record(document)) for document in documents])
        return [frozenset(device for (device,) in rows) for rows in found]


_TOLD = (
    "SELECT e.number, e.id, d.id, e.device, e.seq, e.change, c.encoded, e.entry, l.code"
    " FROM document d JOIN entry e ON e.document = d.number"
    " JOIN capability c ON c.number = e.capability LEFT JOIN left_out l ON l.entry = e.number"
)


def _told(row: Row) -> Told:
    number, id, document, device, seq, change, capability, entry, code = row
    return Told(
        number,
        id,
        DocumentId.decode(document),
        device,
        seq,
        change,
        capability,
        signed_us(entry),
        code,
    )


async def _said_of(view: Reading, numbers: Sequence[int]) -> list[Said]:
    rows = await view.rows_in(
        "SELECT s.entry, e.id, e.change, n.key, s.issuer, c.encoded, e.payload, e.entry, d.class,"
        " s.stands, s.in_force FROM statement s JOIN entry e ON e.number = s.entry"
        " JOIN namespace n ON n.number = s.namespace JOIN document d ON d.number = e.document"
        " JOIN capability c ON c.number = e.capability WHERE s.entry IN (*)",
        list(numbers),
    )
    return [
        Said(
            number,
            id,
            digest,
            NamespaceKey(namespace),
            AuthorKey(issuer),
            decode_capability(encoded).chain,
            decode_statement(open_envelope(payload, STATEMENT).body, class_),
            signed_us(entry),
            bool(stands),
            bool(is_in_force),
        )
        for number, id, digest, namespace, issuer, encoded, payload, entry, class_, stands,
        is_in_force in sorted(rows, reverse=True)
    ]  # fmt: skip


def _reaching(known: Sequence[Capability], document: DocumentId) -> list[Capability]:
    """Those to write in the document's namespace whose area has it at some time, shortest first."""
    place = place_of(document)
    reaching = [
        one
        for one in known
        if one.mode == WRITE
        and one.namespace == document.namespace
        and one.granted_area.subspace in (None, place.subspace)
        and place.path[: len(one.granted_area.path)] == one.granted_area.path
    ]
    return sorted(reaching, key=lambda one: (len(one.chain), one.chain))


def _above(changes: set[bytes], children: dict[bytes, set[bytes]]) -> set[bytes]:
    """These and all that was built on them."""
    found: set[bytes] = set()
    todo = list(changes)
    while todo:
        change = todo.pop()
        if change not in found:
            found.add(change)
            todo += children.get(change, ())
    return found
