"""Saying who may do what no longer, and what that does. A part of the store.

What a statement *would* do is found by saying it in a transaction that is taken back: the same
rules, the same tables, and nothing of it stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from crdt.blob import BlobId
from crdt.capability import Capability, decode_capability
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    sign_statement,
    unsigned_statement,
)
from crdt.entry import decode_entry
from crdt.held import Reason, Revocation, Validity
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from crdt.statement import FRONTIER_BYTES_MAX, Heads, Statement
from storage.acts import next_timestamp, note_timestamp
from storage.append import append, settle, stale_works
from storage.appended import Appended, AppendedEvent, Arrivals, events
from storage.authority import cited_heads, cuts_of, place_of
from storage.concerned import hit_capabilities
from storage.database import Database, Reading, Writing
from storage.documents import Documents, Materialiser, signed_us
from storage.errors import NotHeld
from storage.materialise import Work
from storage.reading_blobs import whole_blob
from storage.statements import OF_STRANGER, area_of, has_room, hashes, note_blob

SELF = "self"
_VERDICTS = frozenset(Reason)
DOCUMENTS_AT_ONCE = 200
"""Whose entries are in memory while a frontier is made."""

FRONTIER_BYTES_MIN = 256 << 10
FRONTIER_BYTES_A_DOCUMENT = 2_048
"""Ten times what a usual one takes, since others hold more of an author than this node may."""
STRANGERS_BYTES_A_DOCUMENT = 512
"""Of an author whom nobody here follows: a fraction of what the document itself is counted as."""


@dataclass(frozen=True, slots=True)
class Committed:
    """An act of our own, durable now."""

    id: bytes
    """Of the entry, 32 bytes."""
    signed: SignedEntry
    heads: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Concerned:
    """An entry whose verdict a statement changes."""

    id: bytes
    document: DocumentId
    device: bytes
    chain: tuple[bytes, ...]
    """The keys that its right came through, the device last."""
    signed_us: int
    """Unix microseconds, by the claim of who signed it."""
    code: str
    """Why it does not count any more, or did not until then."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a statement would do to what is held here."""

    gone: tuple[Concerned, ...]
    back: tuple[Concerned, ...]


class _Undone(Exception):
    """Ends a transaction of which nothing should stay."""


class Authorities(Documents):
    """Statements: making them, what they would do, and what is in force."""

    def __init__(
        self, database: Database, clock_us: Callable[[], int], materialiser: Materialiser
    ) -> None:
        super().__init__(database, clock_us, materialiser)
        self.appended = Appended()

    async def declare(self, statement: Statement, log: DocumentId, signer: Signer) -> Committed:
        """Says it, durably. `signer.device` is the root key of the log's subspace under `/_auth`.

        What it concerns is judged again at once as far as that is quick; `settle` does the rest.
        Raises `CrdtError` where the signer may not.
        """
        async with self._database.transaction() as write:
            place = await _next_place(write, log, signer.device.public, self._clock_us())
            given = signer.capabilities.get(log.cls)
            chain = decode_capability(given).chain if given else ()
            signed = sign_statement(
                statement,
                log,
                seq=place.seq,
                signer=signer,
                prev=place.prev,
                auth_heads=await cited_heads(write, log.namespace, chain),
                timestamp=place.timestamp,
            )
            await note_timestamp(write, signer.device.public, place.timestamp)
            checked = await self._materialiser.workers.run(
                check_entry, signed, self._materialiser.capabilities
            )
            arrivals = Arrivals([checked], SELF, self._clock_us())
            write.after_commit(partial(self._tell, arrivals))
            became = await append(write, arrivals, self._materialiser)
            (built,) = [one for one in became if one.work.document == log]
        return Committed(checked.id, signed, built.heads)

    async def effect_of(self, statement: Statement, log: DocumentId, capability: bytes) -> Effect:
        """What saying it would do to what is held here, down to the entry. Nothing of it stays."""
        right = decode_capability(capability)
        effect = Effect((), ())
        try:
            async with self._database.transaction() as write:
                await self._settle_all(write)
                before = await _left_out(write, log.namespace)
                place = await _next_place(write, log, right.receiver, self._clock_us())
                checked = unsigned_statement(
                    statement,
                    log,
                    seq=place.seq,
                    capability=capability,
                    prev=place.prev,
                    timestamp=place.timestamp,
                )
                arrivals = Arrivals([checked], SELF, self._clock_us())
                await append(write, arrivals, self._materialiser)
                after = await self._would_be_left_out(write, log.namespace)
                after.pop(checked.id, None)  # by whom nothing counts any more: it is not held
                effect = Effect(
                    await _concerned(write, {id: after[id] for id in after.keys() - before.keys()}),
                    await _concerned(
                        write, {id: before[id] for id in before.keys() - after.keys()}
                    ),
                )
                raise _Undone
        except _Undone:
            return effect

    async def settle(self) -> int:
        """Judges what statements concern and was not judged yet; gives how many documents."""
        done = 0
        while True:
            async with self._database.transaction() as write:
                documents = await settle(write, self._materialiser)
                write.after_commit(partial(self._tell_changed, documents))
            if not documents:
                return done
            done += len(documents)

    async def is_settled(self) -> bool:
        """Whether lists and search show what all statements held say."""
        async with self._database.reading() as view:
            return await view.row("SELECT 1 FROM stale LIMIT 1") is None

    async def frontier_now(
        self, namespace: NamespaceKey, revocation: Revocation, *, before: int | None = None
    ) -> dict[bytes, Heads]:
        """All that is held of what this revocation hits, so that nothing of it would go.

        With `before` (as timestamps of entries) only what was signed earlier, and what others
        built on nothing later.
        """
        async with self._database.reading() as view:
            workers = self._materialiser.workers
            capabilities = await hit_capabilities(view, namespace, revocation, workers)
            rows = await view.rows_in(
                "SELECT DISTINCT d.id, d.heads FROM entry e JOIN document d"
                " ON d.number = e.document WHERE e.capability IN (*)",
                capabilities,
            )
            named = {id: hashes(heads) for id, heads in rows}
            hit = [
                one
                for one in map(DocumentId.decode, sorted(named))
                if revocation.area.includes(place_of(one))
            ]
            if before is None:
                return {one.encode(): named[one.encode()] for one in hit}
            found: dict[bytes, Heads] = {}
            for at in range(0, len(hit), DOCUMENTS_AT_ONCE):
                part = hit[at : at + DOCUMENTS_AT_ONCE]
                works = list((await self._materialiser.works(view, part)).values())
                late = await _signed_since(view, works, before)
                for work, validity in await self._materialiser.verdicts(view, works):
                    found[work.document.encode()] = _heads_without(work, validity, revocation, late)
        return found

    async def is_cut(self, capability: Capability) -> bool:
        """Whether some revocation in force ends this right altogether."""
        keys = set(capability.chain)
        marks = ",".join("?" * len(keys))
        asked = (
            "SELECT 1 FROM statement WHERE in_force AND namespace ="
            f" (SELECT number FROM namespace WHERE key = ?) AND key IN ({marks}) LIMIT 1"
        )
        if not await self._database.few_rows(asked, (capability.namespace, *keys)):
            return False  # mostly
        async with self._database.reading() as view:
            cuts = await cuts_of(view, capability.namespace, keys)
        return any(one.revocation.ends(capability) for one in cuts)

    async def cuts(self, namespace: NamespaceKey) -> list[tuple[Revocation, int]]:
        """All revocations in force there, without their frontiers, and when each was first said."""
        rows = await self._database.rows(
            "SELECT s.issuer, s.key, s.area, min(s.at) FROM statement s WHERE s.in_force"
            " AND s.namespace = (SELECT number FROM namespace WHERE key = ?)"
            " GROUP BY s.issuer, s.key, s.area",
            (namespace,),
        )
        return [
            (Revocation(issuer, key, area=area_of(area)), said_at)
            for issuer, key, area, said_at in sorted(rows)
        ]

    async def wanted_frontiers(self) -> list[tuple[BlobId, int]]:
        """Blobs of frontiers that are not known, each with the bytes that it may have.

        Until they are, what they name is cut off too. One is worth no more than what it is about:
        else whoever made up a key could have any node fetch 64 MiB.
        """
        wanted: dict[BlobId, int] = {}
        async with self._database.reading() as view:
            rows = await view.rows(
                f"SELECT s.entry, s.frontier, s.issuer, {OF_STRANGER}"
                " FROM statement s WHERE s.frontier IS NOT NULL AND NOT s.is_known"
            )
            judged: dict[bytes, int] = {}
            for number, blob, issuer, is_stranger in rows:
                if not await has_room(view, number):
                    continue
                if issuer not in judged:
                    judged[issuer] = await view.number(
                        "SELECT count(DISTINCT e.document) FROM capability_key k"
                        " JOIN entry e ON e.capability = k.capability WHERE k.key = ?",
                        (issuer,),
                    )
                documents = judged[issuer]
                size = FRONTIER_BYTES_MIN + FRONTIER_BYTES_A_DOCUMENT * documents
                if is_stranger:
                    size = STRANGERS_BYTES_A_DOCUMENT * documents
                size = min(size, FRONTIER_BYTES_MAX)
                wanted[BlobId(blob)] = max(size, wanted.get(BlobId(blob), 0))
        return list(wanted.items())

    async def know_frontier(self, blob: BlobId) -> None:
        """The blob of a frontier has come. Raises `NotHeld`, or `Malformed` where it is none."""
        async with self._database.transaction() as write:
            data = await whole_blob(write, blob, bytes_max=FRONTIER_BYTES_MAX)
            if data is None:
                raise NotHeld(f"Blob {blob.hex()} is not here, or is too long for a frontier.")
            await note_blob(write, blob, data, self._materialiser.workers)

    async def _settle_all(self, write: Writing) -> None:
        while await settle(write, self._materialiser):
            pass

    async def _would_be_left_out(self, write: Writing, namespace: NamespaceKey) -> dict[bytes, str]:
        """What is stale is only judged: to load it, and to write what it became, takes far longer.

        Nothing is settled by that, so the caller's transaction must be taken back.
        """
        found = await _left_out(write, namespace)
        while works := await stale_works(write, {}, self._materialiser):
            for work, validity in await self._materialiser.verdicts(write, list(works.values())):
                # What the library refuses it refuses again, if it is not left out before.
                counts = {id for id in work.held if found.get(id) in _VERDICTS}
                for id in counts - validity.excluded.keys():
                    del found[id]
                if work.document.namespace == namespace:
                    found |= {id: str(reason) for id, reason in validity.excluded.items()}
        return found

    def _tell(self, arrivals: Arrivals) -> None:
        for event in events(arrivals):
            self.appended.tell(event)

    def _tell_changed(self, documents: Sequence[DocumentId]) -> None:
        for namespace in {one.namespace for one in documents}:
            changed = frozenset(one for one in documents if one.namespace == namespace)
            self.appended.tell(AppendedEvent(namespace, (), (), changed, SELF))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the next statement of a key in its log goes."""

    seq: int
    prev: bytes | None
    timestamp: int


async def _next_place(view: Reading, log: DocumentId, key: bytes, now_us: int) -> _Place:
    """After the last that is held, whether it stands or not: no number is used twice."""
    row = await view.row(
        "SELECT e.seq, e.change FROM entry e JOIN document d ON d.number = e.document"
        " WHERE d.id = ? AND e.device = ? ORDER BY e.seq DESC, e.change LIMIT 1",
        (log.encode(), key),
    )
    seq, prev = (row[0], row[1]) if row else (0, None)
    return _Place(seq + 1, prev, await next_timestamp(view, key, now_us))


async def _left_out(view: Reading, namespace: NamespaceKey) -> dict[bytes, str]:
    rows = await view.rows(
        "SELECT e.id, l.code FROM left_out l JOIN document d ON d.number = l.document"
        " JOIN entry e ON e.number = l.entry"
        " WHERE d.namespace = (SELECT number FROM namespace WHERE key = ?)",
        (namespace,),
    )
    return dict(rows)


async def _concerned(view: Reading, codes: Mapping[bytes, str]) -> tuple[Concerned, ...]:
    rows = await view.rows_in(
        "SELECT e.number, e.id, d.id, e.device, c.encoded, e.entry FROM entry e"
        " JOIN document d ON d.number = e.document JOIN capability c ON c.number = e.capability"
        f" WHERE substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
        [id[:ITEM_ID_BYTES] for id in codes],
    )
    return tuple(
        Concerned(
            id,
            DocumentId.decode(document),
            device,
            decode_capability(encoded).chain,
            signed_us(entry),
            codes[id],
        )
        for _, id, document, device, encoded, entry in sorted(rows)
    )


async def _signed_since(view: Reading, works: Sequence[Work], before: int) -> set[bytes]:
    """Entries of these documents that say they were signed at that time or later."""
    rows = await view.rows_in(
        "SELECT id, entry FROM entry WHERE document IN (*)", [work.number for work in works]
    )
    return {id for id, entry in rows if decode_entry(entry).timestamp >= before}


def _heads_without(
    work: Work, validity: Validity, revocation: Revocation, late: set[bytes]
) -> Heads:
    """Heads of what counts but for late entries that are hit, and for what was built on them."""
    fallen: set[bytes] = set()
    heads: set[bytes] = set()
    for entry in validity.valid:  # parents first
        held = work.held[entry]
        is_hit = entry in late and revocation.hits(held.chain)
        if is_hit or not fallen.isdisjoint(held.dependencies):
            fallen.add(held.change)
        else:
            heads -= set(held.dependencies)
            heads.add(held.change)
    return tuple(sorted(heads))
