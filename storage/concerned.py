"""What statements concern: the documents that are to be judged again when some stand or fall."""

import json
from collections.abc import Sequence

from crdt.capability import decode_capability
from crdt.held import Revocation
from crdt.keys import NamespaceKey
from storage.database import Reading, Row, Writing
from storage.workers import Workers


async def mark_concerned(write: Writing, numbers: Sequence[int], workers: Workers) -> None:
    """Documents whose verdict these statements may change; their own logs are among them."""
    rows = await write.rows_in(
        "SELECT s.entry, e.document, s.type, n.key, s.issuer, s.key, s.at FROM statement s"
        " JOIN entry e ON e.number = s.entry JOIN namespace n ON n.number = s.namespace"
        " WHERE s.entry IN (*)",
        numbers,
    )
    await write.run_many("INSERT OR IGNORE INTO stale VALUES (?)", {(row[1],) for row in rows})
    revoked: dict[tuple[NamespaceKey, bytes, bytes], list[int]] = {}
    marked: dict[tuple[NamespaceKey, bytes], int] = {}  # the latest checkpoint of each
    for number, _, type_, namespace, issuer, key, at in rows:
        if type_ == "revoke":
            revoked.setdefault((namespace, issuer, key), []).append(number)
        elif type_ == "checkpoint":
            marked[namespace, issuer] = max(at, marked.get((namespace, issuer), 0))
    for (namespace, issuer, key), statements in revoked.items():
        await _mark_hit(write, statements, namespace, Revocation(issuer, key), workers)
    await write.run_many(
        "INSERT OR IGNORE INTO stale SELECT d.number FROM document d"
        " JOIN namespace n ON n.number = d.namespace WHERE n.key = ? AND d.author = ?"
        " AND (EXISTS (SELECT 1 FROM left_out l WHERE l.document = d.number"
        "              AND l.code IN ('lost-branch', 'backdated'))"
        "      OR EXISTS (SELECT 1 FROM entry e JOIN capability c ON c.number = e.capability"
        "                 WHERE e.document = d.number AND c.until <= ?))",
        ((*of, at) for of, at in marked.items()),
    )


async def _mark_hit(
    write: Writing,
    statements: Sequence[int],
    namespace: NamespaceKey,
    revocation: Revocation,
    workers: Workers,
) -> None:
    """What was written under rights that these revocations, of one key by one issuer, end.

    Where the frontier is all that a document has, and nothing of it was left out, nothing changes:
    so it is with almost all documents when a device goes. Where several came at once, that is not
    asked for each of them: all that they hit is judged again.
    """
    hit = json.dumps(await hit_capabilities(write, namespace, revocation, workers))
    one = statements[0] if len(statements) == 1 else None
    await write.run(
        "INSERT OR IGNORE INTO stale SELECT d.number FROM document d"
        " LEFT JOIN frontier f ON f.statement = ?1 AND f.document = d.id"
        " WHERE d.number IN (SELECT e.document FROM json_each(?2) j"
        "                    JOIN entry e ON e.capability = j.value)"
        " AND (?1 IS NULL OR f.heads IS NOT d.heads OR d.left_out > 0)",
        (one, hit),
    )


async def hit_capabilities(
    view: Reading, namespace: NamespaceKey, revocation: Revocation, workers: Workers
) -> list[int]:
    """Numbers of the capabilities that came from its issuer through its key."""
    rows = await view.rows(
        "SELECT c.number, c.encoded FROM capability_key i JOIN capability_key k"
        " ON k.capability = i.capability AND k.key = ? JOIN capability c"
        " ON c.number = i.capability WHERE i.key = ?",
        (revocation.key, revocation.issuer),
    )
    return await workers.run(_hit, rows, namespace, revocation)


def _hit(rows: Sequence[Row], namespace: NamespaceKey, revocation: Revocation) -> list[int]:
    given = ((number, decode_capability(encoded)) for number, encoded in rows)
    return [
        number for number, one in given if one.namespace == namespace and revocation.hits(one.chain)
    ]
