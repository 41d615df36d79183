"""Statements as they come in: taken note of, judged, and what they concern marked to be judged.

entries of /_auth, /_ck ─▸ statement, frontier ─▸ crdt.in_force ─▸ changed ─▸ stale documents

All in the transaction that the entries came in. Judging the stale documents themselves may take
longer than a transaction should, so a part of it goes on afterwards: `Store.settle`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.blob import BlobId
from crdt.capability import Capability, decode_capability
from crdt.change import CheckedEntry
from crdt.encoding import Reader
from crdt.errors import Malformed
from crdt.in_force import InForce, Stated, in_force
from crdt.keys import NamespaceKey, is_communal
from crdt.statement import (
    EVERYTHING,
    FRONTIER_BYTES_MAX,
    Checkpoint,
    Drop,
    Frontier,
    Heads,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    decode_frontier,
)
from storage.concerned import mark_concerned
from storage.database import Reading, Row, Writing
from storage.reading_blobs import whole_blob
from storage.waiting import cut_key
from storage.workers import Workers

STRANGERS_FRONTIERS_MAX = 8
"""Blobs of frontiers of one author whom nobody here follows: somebody who lost as many devices."""
# Of a statement `s`: by nobody who is followed, and not by the key of the namespace.
OF_STRANGER = (
    "(NOT EXISTS (SELECT 1 FROM followed f WHERE f.author = s.issuer)"
    " AND s.issuer IS NOT (SELECT n.key FROM namespace n WHERE n.number = s.namespace))"
)
TIME_MAX = (1 << 63) - 1  # what SQLite can hold; a claim of more is as far away
HASH_BYTES = 32


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """Statements that can have to do with each other: in a communal namespace those of one author,
    in an owned one all.
    """

    namespace: NamespaceKey
    issuer: bytes
    """Empty for all of them."""

    @classmethod
    def of(cls, namespace: NamespaceKey, issuer: bytes) -> "Scope":
        return cls(namespace, issuer if is_communal(namespace) else b"")

    @property
    def where(self) -> str:
        return "n.key = ?1 AND (?2 = x'' OR s.issuer = ?2)"

    @property
    def values(self) -> tuple[object, ...]:
        return (self.namespace, self.issuer)


async def note_keys(write: Writing, capabilities: Iterable[tuple[int, Capability]]) -> None:
    """Which keys these capabilities came through, and when they end."""
    known = list(capabilities)
    await write.run_many(
        "INSERT OR IGNORE INTO capability_key (key, capability) VALUES (?, ?)",
        ((key, number) for number, capability in known for key in set(capability.chain)),
    )
    await write.run_many(
        "UPDATE capability SET until = ? WHERE number = ?",
        (
            (min(end, TIME_MAX), number)
            for number, capability in known
            if (end := capability.granted_area.end) is not None
        ),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """A statement whose entry is written. `number`: of that entry."""

    number: int
    id: bytes
    namespace: NamespaceKey
    issuer: bytes
    timestamp: int
    statement: Statement

    @classmethod
    def of(cls, number: int, checked: CheckedEntry) -> "Said":
        """Of an entry under `/_auth` or `/_ck` that passed the door."""
        assert checked.statement is not None, "all that lies there are statements"
        entry = checked.signed.entry
        return cls(
            number,
            checked.id,
            entry.namespace,
            entry.subspace,
            entry.timestamp,
            checked.statement,
        )


async def note_statements(write: Writing, said: Sequence[Said], workers: Workers) -> None:
    """Takes note of these, and judges all statements that they may have to do with.

    Afterwards `stale` has every document on whose verdict one of them may have a bearing.
    """
    await write.run_many(
        "INSERT INTO statement VALUES"
        " (?, (SELECT number FROM namespace WHERE key = ?), ?, ?, ?, ?, ?, ?, ?, 0, 0)",
        map(_statement_row, said),
    )
    for one in said:
        frontier = _frontier_of(one.statement)
        if frontier is None:
            continue
        if frontier.blob is None:
            await _write_frontier(write, one.number, frontier.heads.items())
        elif not await has_room(write, one.number):
            continue  # it goes on as if the blob were not here
        elif data := await whole_blob(write, frontier.blob, bytes_max=FRONTIER_BYTES_MAX):
            with suppress(Malformed):  # then it goes on as if the blob were not here
                await _know(write, one.number, await workers.run(decode_frontier, data))
    for scope in sorted({Scope.of(one.namespace, one.issuer) for one in said}):
        await judge_scope(write, scope, workers)
    await _mark_waiting(write, {one.id for one in said})


async def has_room(view: Reading, number: int) -> bool:
    """Whether one more frontier's blob of this statement's issuer is looked into.

    What it names takes room that no entry of theirs counts for, and keys are free.
    """
    row = await view.row(
        f"SELECT 1 FROM statement s WHERE s.entry = ? AND {OF_STRANGER} AND (SELECT count(*)"
        " FROM statement o WHERE o.issuer = s.issuer AND o.namespace = s.namespace"
        " AND o.frontier IS NOT NULL AND o.is_known) >= ?",
        (number, STRANGERS_FRONTIERS_MAX),
    )
    return row is None


async def _know(write: Writing, number: int, documents: Mapping[bytes, Heads]) -> None:
    await _write_frontier(write, number, documents.items())
    await write.run("UPDATE statement SET is_known = 1 WHERE entry = ?", (number,))


async def note_blob(write: Writing, blob: BlobId, data: bytes, workers: Workers) -> None:
    """A frontier's blob has come: what it names is known from now on.

    Raises `Malformed` where it is no frontier; then its statements go on as if it were not here.
    """
    documents = await workers.run(decode_frontier, data)
    rows = await write.rows(
        "SELECT s.entry, n.key, s.issuer FROM statement s"
        " JOIN namespace n ON n.number = s.namespace WHERE s.frontier = ? AND NOT s.is_known",
        (blob,),
    )
    for number, _, _ in rows:
        if await has_room(write, number):
            await _know(write, number, documents)
    await mark_concerned(write, [number for number, _, _ in rows], workers)
    for scope in sorted({Scope.of(NamespaceKey(key), issuer) for _, key, issuer in rows}):
        await judge_scope(write, scope, workers)


async def judge_scope(write: Writing, scope: Scope, workers: Workers) -> None:
    """Which statements stand now; marks what concerns those of which it has changed."""
    rows = await write.rows(
        "SELECT s.entry, s.stands, s.in_force, s.type, s.key, s.area, s.issuer, e.id, c.encoded,"
        " d.id, e.change, e.depends_on FROM statement s JOIN entry e ON e.number = s.entry"
        " JOIN namespace n ON n.number = s.namespace JOIN document d ON d.number = e.document"
        f" JOIN capability c ON c.number = e.capability WHERE {scope.where} ORDER BY s.entry",
        scope.values,
    )
    kept = await write.rows(
        "SELECT f.statement, f.document, f.heads FROM statement s"
        " JOIN namespace n ON n.number = s.namespace"
        " CROSS JOIN document d ON d.namespace = s.namespace AND d.class IN ('_auth', '_ck')"
        " CROSS JOIN frontier f ON f.statement = s.entry AND f.document = d.id"
        f" WHERE s.type = 'revoke' AND {scope.where}",
        scope.values,
    )
    verdict = await workers.run(_verdict, rows, kept)
    changed: dict[int, tuple[bool, bool]] = {}
    for number, stood, was_in_force, _, _, _, _, id, *_ in rows:
        now = (id in verdict.standing, id in verdict.revocations)
        if now != (bool(stood), bool(was_in_force)):
            changed[number] = now
    await write.run_many(
        "UPDATE statement SET stands = ?, in_force = ? WHERE entry = ?",
        ((*now, number) for number, now in changed.items()),
    )
    await _let_return(write, list(changed))
    await mark_concerned(write, list(changed), workers)


async def _let_return(write: Writing, numbers: Sequence[int]) -> None:
    """What was kept out by those of these revocations that are not in force may come again."""
    rows = await write.rows_in(
        "SELECT n.key, s.issuer, s.key FROM statement s JOIN namespace n ON n.number = s.namespace"
        " WHERE s.type = 'revoke' AND NOT s.in_force AND s.entry IN (*)",
        numbers,
    )
    await write.run_many(
        "DELETE FROM kept_out WHERE document = ?", {(cut_key(*row),) for row in rows}
    )


def _verdict(rows: Sequence[Row], kept: Sequence[Row]) -> InForce:
    frontiers: dict[int, dict[bytes, frozenset[bytes]]] = {}
    for number, document, heads in kept:
        frontiers.setdefault(number, {})[document] = frozenset(hashes(heads))
    rights = {row[8] for row in rows}
    chains = {encoded: decode_capability(encoded).chain for encoded in rights}
    return in_force(
        Stated(
            key=id,
            issuer=issuer,
            chain=chains[encoded],
            log=log,
            digest=digest,
            before=prev or None,
            statement=_statement_of(type_, key, area),
            kept=frontiers.get(number, {}),
        )
        for number, _, _, type_, key, area, issuer, id, encoded, log, digest, prev in rows
    )


def _statement_of(type_: str, key: bytes, area: bytes) -> Statement:
    """What the table has of it: a frontier is in a table of its own."""
    match type_:
        case "revoke":
            return Revoke(key, area=area_of(area))
        case "unrevoke":
            return Unrevoke(key)
        case "checkpoint":
            return Checkpoint(Frontier())
        case _:
            return Heartbeat()


@lru_cache(256)
def area_of(encoded: bytes) -> Area:
    """The area of a revocation, as the table has it."""
    return read_area_in_area(Reader(encoded), EVERYTHING)


def hashes(joined: bytes) -> tuple[bytes, ...]:
    """32 bytes each."""
    return tuple([joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)])


def _frontier_of(statement: Statement) -> Frontier | None:
    """Which documents it names, up to which heads."""
    match statement:
        case Revoke(frontier=frontier) | Checkpoint(frontier=frontier):
            return frontier
        case Drop(document, heads):
            return Frontier({document: heads})
        case _:
            return None


def _statement_row(said: Said) -> tuple[object, ...]:
    statement, frontier = said.statement, _frontier_of(said.statement)
    key = area = None
    if isinstance(statement, Revoke):
        key, area = statement.key, encode_area_in_area(statement.area, EVERYTHING)
    elif isinstance(statement, Unrevoke):
        key = statement.revocation
    blob = None if frontier is None else frontier.blob
    return (
        said.number,
        said.namespace,
        said.issuer,
        type(statement).__name__.lower(),
        key,
        area,
        min(said.timestamp, TIME_MAX),
        blob,
        blob is None,
    )


async def _write_frontier(
    write: Writing, number: int, documents: Iterable[tuple[bytes, Sequence[bytes]]]
) -> None:
    await write.run_many(
        "INSERT OR REPLACE INTO frontier VALUES (?, ?, ?)",
        ((number, document, b"".join(heads)) for document, heads in documents),
    )


async def _mark_waiting(write: Writing, said: set[bytes]) -> None:
    """Documents with changes that cite what has just come."""
    rows = await write.rows(
        "SELECT l.document, e.auth_heads FROM left_out l JOIN entry e ON e.number = l.entry"
        " WHERE l.code = 'unknown-authority'"
    )
    waiting = {document for document, heads in rows if not said.isdisjoint(hashes(heads))}
    await write.run_many("INSERT OR IGNORE INTO stale VALUES (?)", ((one,) for one in waiting))


async def take_stale(write: Writing, limit: int) -> list[int]:
    """Some documents that are to be judged again; the caller does so in this transaction."""
    rows = await write.rows(
        "DELETE FROM stale WHERE document IN (SELECT document FROM stale"
        " ORDER BY document LIMIT ?) RETURNING document",
        (limit,),
    )
    return sorted(chain.from_iterable(rows))


async def standing(view: Reading, numbers: Sequence[int]) -> dict[int, set[bytes]]:
    """Of these logs, the entries whose statements stand."""
    found: dict[int, set[bytes]] = {number: set() for number in numbers}
    for document, id in await view.rows_in(
        "SELECT e.document, e.id FROM statement s JOIN entry e ON e.number = s.entry"
        " WHERE s.stands AND e.document IN (*)",
        numbers,
    ):
        found[document].add(id)
    return found
