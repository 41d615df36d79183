"""Documents: read from the entries held, whenever somebody asks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crdt.capability import CapabilityCache
from crdt.change import DocumentId
from crdt.document import Plain
from crdt.entry import decode_entry, unix_us_from_tai
from crdt.errors import CrdtError
from crdt.held import WAITING, Held, Validity
from crdt.keys import NamespaceKey
from crdt.marks import DELETED
from crdt.statement import is_statement_class
from storage.authority import add_authority
from storage.database import Database, Reading, Row
from storage.listing import Projection, Projector
from storage.materialise import (
    SAVED_CHANGES_MIN,
    Built,
    Live,
    Loaded,
    Work,
    build,
    build_log,
    fallen,
    groups,
    is_incremental,
    judge,
    load,
    rotted,
)
from storage.part import Part, in_bounds
from storage.saving import KEPT_BYTES_MAX, content_bytes
from storage.statements import HASH_BYTES, hashes
from storage.workers import Workers

ENVELOPE_BYTES = 5 + 2 * HASH_BYTES  # of a payload, beside its authority heads: see crdt.change
PAGE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class DocumentState:
    """A document as it stands here."""

    id: DocumentId
    """Which epoch of the record it is."""
    value: Mapping[str, Plain]
    heads: tuple[bytes, ...]
    waiting: int
    """Changes held that wait for one they build on."""
    left_out: Mapping[bytes, str]
    """Changes held that do not count, with the reason; the waiting ones among them."""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in a list. `number` is the cursor, and means nothing on another node."""

    number: int
    id: DocumentId
    heads: tuple[bytes, ...]
    changes: int
    left_out: int


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """An entry that is held and does not count. `number` is the cursor, as in `DocumentRow`."""

    number: int
    document: DocumentId
    device: bytes
    signed_us: int
    """Unix microseconds, by the claim of who signed it."""
    code: str


class Documents(Part):
    """Reading documents."""

    def __init__(
        self, database: Database, clock_us: Callable[[], int], materialiser: "Materialiser"
    ) -> None:
        super().__init__(database, clock_us)
        self._materialiser = materialiser

    async def read(self, document: DocumentId) -> DocumentState | None:
        """The record as the entries held make it, of its newest epoch; None where none is held.

        Earlier epochs than `document` are not looked at.
        """
        return (await self.read_each([document]))[0]

    async def read_each(self, documents: Sequence[DocumentId]) -> list[DocumentState | None]:
        """The same of each, in one view and few hops: all of them are in memory together."""
        async with self._database.reading() as view:
            newest = await newest_epochs(view, documents)
            works = await self._materialiser.works(view, list(dict.fromkeys(newest)))
            judged = await self._materialiser.judge(view, list(works.values()))
            built = await self._materialiser.build(view, judged, no_projection)
        waiting = {work.document: validity.waiting for work, validity in judged}
        states = {
            one.work.document: DocumentState(
                one.work.document,
                one.value,
                one.heads,
                waiting[one.work.document],
                one.left_out,
            )
            for one in built
        }
        return [states.get(document) for document in newest]

    async def documents(
        self,
        namespace: NamespaceKey | None = None,
        *,
        cls: str | None = None,
        kind: str | None = None,
        limit: int = 100,
        cursor: int = 0,
    ) -> list[DocumentRow]:
        """In the order they came; go on by giving the last `number` as `cursor`."""
        where, values = ["d.number > ?"], list[object]([cursor])
        for column, wanted in (("n.key", namespace), ("d.class", cls), ("d.kind", kind)):
            if wanted is not None:
                where.append(f"{column} = ?")
                values.append(wanted)
        rows = await self._database.rows(
            "SELECT d.number, d.id, d.heads, d.changes, d.left_out FROM document d"
            f" JOIN namespace n ON n.number = d.namespace WHERE {' AND '.join(where)}"
            " ORDER BY d.number LIMIT ?",
            (*values, in_bounds(limit, PAGE_MAX)),
        )
        return [
            DocumentRow(number, DocumentId.decode(id), hashes(heads), changes, left_out)
            for number, id, heads, changes, left_out in rows
        ]

    async def left_out(self, limit: int = 100, cursor: int | None = None) -> list[LeftOutRow]:
        """What is held and does not count, the last that came first; as `refused` otherwise."""
        rows = await self._database.rows(
            "SELECT e.number, d.id, e.device, e.entry, l.code FROM left_out l"
            " JOIN entry e ON e.number = l.entry JOIN document d ON d.number = l.document"
            " WHERE l.entry < ? ORDER BY l.entry DESC LIMIT ?",
            (cursor or (1 << 62), in_bounds(limit, PAGE_MAX)),
        )
        return [
            LeftOutRow(number, DocumentId.decode(id), device, signed_us(entry), code)
            for number, id, device, entry, code in rows
        ]

    async def waiting(self) -> list[tuple[str, str, int]]:
        """(source, code, count) of the entries that wait, by who brought them; as `origin` says."""
        codes = ", ".join(f"'{code}'" for code in sorted(WAITING))
        rows = await self._database.rows(
            "SELECT s.key, l.code, count(*) FROM left_out l JOIN origin o ON o.entry = l.entry"
            f" JOIN source s ON s.number = o.source WHERE l.code IN ({codes})"
            " GROUP BY s.key, l.code"
        )
        return [(source, code, count) for source, code, count in rows]


@dataclass(slots=True)
class Last:
    """The document that this node wrote last, as it was committed: mostly it writes there next."""

    document: DocumentId | None = None
    live: Live | None = None

    def of(self, document: DocumentId) -> Live | None:
        return self.live if document == self.document else None

    def keep(self, work: Work) -> None:
        """Unless it is as quickly loaded, or large."""
        if len(work.held) >= SAVED_CHANGES_MIN and work.said_bytes <= KEPT_BYTES_MAX:
            self.document, self.live = work.document, work.live


class Materialiser:
    """Entries held → works → judged → built; what computes does so on the workers."""

    def __init__(
        self,
        project: Projector,
        workers: Workers,
        capabilities: CapabilityCache | None = None,
        last: "Last | None" = None,
    ) -> None:
        self.workers = workers
        self.capabilities = CapabilityCache() if capabilities is None else capabilities
        self.last = Last() if last is None else last
        self._project = project

    @property
    def here(self) -> "Materialiser":
        """The same for who is in a thread of the store's: see `Database.transact`."""
        workers = Workers(None)
        return Materialiser(self._project, workers, self.capabilities, self.last)

    async def works(self, view: Reading, documents: Sequence[DocumentId]) -> dict[DocumentId, Work]:
        """Those of `documents` that are here, with all known of their entries, payloads aside."""
        names = {document.encode(): document for document in documents}
        rows = await view.rows_in(
            "SELECT number, id, saved, carried FROM document WHERE id IN (*)", list(names)
        )
        if not rows:
            return {}
        works = {
            number: Work(names[id], number, saved=saved, carried=carried)
            for number, id, saved, carried in rows
        }
        headers = await view.rows_in(_HEADERS, list(works))
        await self.workers.run(_add_held, works, headers, self.capabilities)
        return {work.document: work for work in works.values()}

    async def judge(self, view: Reading, works: Sequence[Work]) -> list[tuple[Work, Validity]]:
        """Decides what counts, and fetches the raw changes that loading it will need."""
        judged = await self.verdicts(view, works)
        await load_raws(
            view, [work for work, verdict in judged if not is_incremental(work, verdict)]
        )
        return judged

    async def verdicts(self, view: Reading, works: Sequence[Work]) -> list[tuple[Work, Validity]]:
        """Decides what counts, for whoever will not load it."""
        if not works:  # each hop to a thread takes longer than most of what is done there
            return []
        await add_authority(view, works)
        verdicts = await self.workers.run(lambda: [judge(work) for work in works])
        return list(zip(works, verdicts, strict=True))

    def undeleted(self, document: DocumentId, value: Mapping[str, Any]) -> Projection:
        """As a projector: the row of what was deleted too, as it was without that mark."""
        return self._project(document, {key: value[key] for key in value if key != DELETED})

    async def build(
        self,
        view: Reading,
        judged: Sequence[tuple[Work, Validity]],
        project: Projector | None = None,
    ) -> list[Built]:
        """Every document loaded and projected."""
        if not judged:
            return []
        projector = project or self._project
        built, again = await self.workers.run(_build_each, judged, projector)
        if again:
            await load_raws(view, [work for work, _ in again])
            built += await self.build_loaded(again, projector)
        return built

    async def build_loaded(
        self, judged: Sequence[tuple[Work, Validity]], project: Projector | None = None
    ) -> list[Built]:
        """The same where every raw change is in memory: nothing is read for it. Raises `Corrupt`:
        each was checked as it came."""
        built, stuck = await self.workers.run(_build_each, judged, project or self._project)
        if stuck:
            raise rotted(stuck[0][0])
        return built

    async def open(self, view: Reading, work: Work, validity: Validity, actor: bytes) -> Loaded:
        """The document itself, to be edited by `actor`, and what the library refuses of it."""
        try:
            return await self.workers.run(load, work, validity, actor, is_read=False)
        except CrdtError:  # the shortcut did not do; from all raw changes it goes
            await load_raws(view, [work])
        try:
            return await self.workers.run(load, work, validity, actor, is_read=False)
        except CrdtError as error:
            raise rotted(work) from error


# Of a table `d`; with `epoch > 0` beside it, an index has just these.
SAME_RECORD = (
    "d.record = ? AND d.author = ? AND d.kind = ? AND d.class = ?"
    " AND d.namespace = (SELECT number FROM namespace WHERE key = ?)"
)
OPEN_EPOCH = f"{SAME_RECORD} AND d.epoch > 0 AND d.carried IS NOT NULL"


def same_record(document: DocumentId) -> tuple[object, ...]:
    """The values of `SAME_RECORD`."""
    id = document
    return (id.record, id.subspace, id.kind, id.cls, id.namespace)


async def newest_epoch(view: Reading, document: DocumentId) -> DocumentId:
    """The newest open epoch of this record, this one or a later one."""
    return (await newest_epochs(view, [document]))[0]


async def newest_epochs(view: Reading, documents: Sequence[DocumentId]) -> list[DocumentId]:
    """The same of each, in one hop."""
    asked = f"SELECT max(d.epoch) FROM document d WHERE {OPEN_EPOCH}"
    found = await view.each([(asked, same_record(document)) for document in documents])
    return [
        replace(document, epoch=max(newest or 0, document.epoch))
        for document, ((newest,),) in zip(documents, found, strict=True)
    ]


async def unused_epoch(view: Reading, document: DocumentId) -> int:
    """The epoch after those held without a gap from after `document` on; maybe over `EPOCH_MAX`."""
    last = await view.number(
        "SELECT epoch FROM (SELECT d.epoch, lead(d.epoch) OVER (ORDER BY d.epoch) AS next"
        f" FROM document d WHERE {SAME_RECORD} AND d.epoch > ? AND d.epoch > 0)"
        " WHERE next IS NULL OR next > epoch + 1 ORDER BY epoch LIMIT 1",
        (*same_record(document), document.epoch),
    )
    return max(last, document.epoch) + 1


_HEADERS = """
    SELECT e.document, e.id, l.code, length(e.payload), e.change, e.device, e.seq, e.start_op,
           e.max_op, e.depends_on, substr(e.entry, -32), c.encoded, e.prev, e.auth_heads
    FROM entry e JOIN capability c ON c.number = e.capability
    LEFT JOIN left_out l ON l.entry = e.number
    WHERE e.document IN (*)"""  # an encoded entry ends with its payload digest


def _held(header: Sequence[Any], capabilities: CapabilityCache) -> Held:
    change, device, seq, start_op, max_op, depends_on, digest, capability, prev, auth_heads = header
    right = capabilities.get(capability)
    return Held(
        change,
        device,
        seq,
        start_op,
        max_op,
        hashes(depends_on),
        digest,
        right.chain,
        prev,
        hashes(auth_heads),
        right.granted_area.end,
    )


async def load_raws(view: Reading, works: Sequence[Work]) -> None:
    """Puts every raw change held into `raws`."""
    numbered = {work.number: work for work in works if work.number is not None}
    for number, id, payload in await view.rows_in(
        "SELECT document, id, payload FROM entry WHERE document IN (*)", list(numbered)
    ):
        numbered[number].raws.setdefault(id, raw_of(payload))


def _add_held(
    works: Mapping[int, Work], headers: Sequence[Row], capabilities: CapabilityCache
) -> None:
    left_out: dict[int, dict[bytes, str]] = {number: {} for number in works}
    for number, id, code, size, *header in headers:
        works[number].held[id] = _held(header, capabilities)
        works[number].said_bytes += content_bytes([size])
        if code is not None:
            left_out[number][id] = code
    for number, work in works.items():
        work.counted = frozenset(work.held.keys() - left_out[number].keys())
        work.fell = fallen(left_out[number])


def _build_each(
    judged: Sequence[tuple[Work, Validity]], project: Projector
) -> tuple[list[Built], list[tuple[Work, Validity]]]:
    """(what was built, what needs every raw change to be)"""
    logs = [one for one in judged if is_statement_class(one[0].document.cls)]
    built = [build_log(*one) for one in logs]
    again: list[tuple[Work, Validity]] = []
    for group in groups([one for one in judged if one not in logs] if logs else judged):
        loaded: list[tuple[Work, Validity, Loaded]] = []
        for work, validity in group:
            try:
                loaded.append((work, validity, load(work, validity)))
            except CrdtError:
                again.append((work, validity))
        built += [build(*one, project) for one in loaded]
    return built, again


def raw_of(payload: bytes) -> bytes:
    """The raw change within a payload that was checked when it came."""
    return payload[ENVELOPE_BYTES + HASH_BYTES * payload[4] :]


def signed_us(entry: bytes) -> int:
    """Unix microseconds of an encoded entry that was checked when it came."""
    return unix_us_from_tai(decode_entry(entry).timestamp)


def no_projection(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """Where only the value is wanted."""
    return None
