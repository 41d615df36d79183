"""What authors say of evaluations of genomes: rows of documents, made by `registry.attestation`.

What counts of it is the registry's to say; here lies who said it, and whom this person named.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from storage.database import Writing
from storage.listing import AttestationRow
from storage.materialise import Built
from storage.part import Part, in_bounds

OF_GENOME_MAX: Final = 1_000
"""Read of one genome. Keys are free: one's own and named authors' come first, the rest after."""
TRUSTED_MAX: Final = 200_000
"""Runs of named authors that a list is ranked by: some 100 MB as Python objects."""
CANDIDATES_MAX: Final = 1_000
NOT_ATTESTED_MAX: Final = 10_000

_COLUMNS: Final = "a.evaluation, a.genome, a.author, a.is_run, a.at_us, a.said"
_OF: Final = "FROM attestation a JOIN document d ON d.number = a.document"
_IS_OWN: Final = "EXISTS (SELECT 1 FROM followed f WHERE f.author = d.author AND f.is_own)"
_IS_NAMED: Final = "a.author IN (SELECT author FROM petname)"
_COUNTS: Final = f"({_IS_OWN} OR {_IS_NAMED})"
_IN: Final = "a.namespace = (SELECT number FROM namespace WHERE key = ?)"
# `own` neither ran it nor took it back, nor is it noted to have no answer here. 2: own, 3: engine,
# 4: now.
IS_LEFT: Final = """NOT EXISTS (
    SELECT 1 FROM attestation o WHERE o.evaluation = a.evaluation AND o.author = ?2
    AND o.is_run AND o.namespace = a.namespace)
  AND (EXISTS (
    SELECT 1 FROM attestation o WHERE o.evaluation = a.evaluation AND o.author = ?2
    AND o.namespace = a.namespace)
  OR NOT EXISTS (
    SELECT 1 FROM document o JOIN followed f ON f.author = o.author AND f.is_own
    WHERE o.kind = d.kind AND o.record = d.record AND o.class = d.class
    AND o.namespace = d.namespace))
  AND NOT EXISTS (
    SELECT 1 FROM not_attested n WHERE n.evaluation = a.evaluation AND n.namespace = a.namespace
    AND n.engine = ?3 AND coalesce(n.until_us > ?4, TRUE))"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What somebody who counts says and this node has not run."""

    namespace: NamespaceKey
    row: AttestationRow
    place: tuple[int, int]
    """In the order of `to_attest`."""


class Attestations(Part):
    async def followed_authors(self) -> frozenset[str]:
        """did:keys of whose runs count here: this node's author, and whoever has a petname.

        Not the authors of what is installed, as for room: with a module come those of its
        dependencies, whom this person never chose.
        """
        own = await self._database.rows("SELECT author FROM followed WHERE is_own")
        named = await self._database.rows("SELECT author FROM petname")
        return frozenset([*(encode_did_key(one) for (one,) in own), *(did for (did,) in named)])

    async def attestations(
        self,
        genome: bytes,
        namespace: NamespaceKey = COMMONS,
        limit: int = OF_GENOME_MAX,
        *,
        evaluation: bytes | None = None,
    ) -> list[AttestationRow]:
        """What is said of a genome, or of one `evaluation` of it: one's own first, then what named
        authors say, of both who ran it before who only claims; then the rest.
        """
        of, which = ("genome", genome) if evaluation is None else ("evaluation", evaluation)
        most = in_bounds(limit, OF_GENOME_MAX)
        counted = json.dumps(sorted(await self.followed_authors()))
        one = f"SELECT {_COLUMNS} {_OF} WHERE {_IN} AND a.{of} = ? AND a.author"
        rows = await self._database.rows(
            f"{one} IN (SELECT value FROM json_each(?)) ORDER BY {_IS_OWN} DESC, a.is_run DESC,"
            " a.author, a.evaluation, a.document LIMIT ?",
            (namespace, which, counted, most),
        )
        if len(rows) < most:  # by the index: however many there are, so many are read
            rows += await self._database.rows(
                f"{one} NOT IN (SELECT value FROM json_each(?)) ORDER BY a.author LIMIT ?",
                (namespace, which, counted, most - len(rows)),
            )
        return [attestation_row(*row) for row in rows]

    async def trusted_runs(
        self, namespace: NamespaceKey = COMMONS, limit: int = TRUSTED_MAX
    ) -> list[AttestationRow]:
        """What those who count ran, all of it; one's own first, then the latest said, where it is
        too much.
        """
        rows = await self._database.rows(
            f"SELECT {_COLUMNS} {_OF} WHERE {_IN} AND a.is_run AND {_COUNTS}"
            f" ORDER BY {_IS_OWN} DESC, a.at_us DESC, a.document DESC LIMIT ?",
            (namespace, in_bounds(limit, TRUSTED_MAX)),
        )
        return [attestation_row(*row) for row in rows]

    async def may_runs_differ(self, seq: int, modules: Collection[str]) -> bool:
        """Whether anything after that change may be an attestation, or one of these `modules` (by
        their full names). What is gone may have been either; other records and ratings are neither.
        """
        rows = await self._database.rows(
            "SELECT EXISTS (SELECT 1 FROM outbox o WHERE o.seq > ?"
            " AND NOT EXISTS (SELECT 1 FROM rating r WHERE r.document = o.document)"
            " AND NOT EXISTS (SELECT 1 FROM listing l WHERE l.document = o.document"
            " AND l.target NOT IN (SELECT value FROM json_each(?))))",
            (seq, json.dumps(sorted(modules))),
        )
        return bool(rows[0][0])

    async def to_attest(
        self,
        own: str,
        namespaces: Collection[NamespaceKey],
        limit: int = CANDIDATES_MAX,
        *,
        engine: str = "",
        after: tuple[int, int] | None = None,
    ) -> list[Candidate]:
        """What those who count say and `own` did not run yet, the latest said first.

        Go on `after` the place of the last one, until there are none: all are reached. What was
        noted of `engine` is left out, and what `own` took back.
        """
        at_us, document = after or (None, 0)
        rows = await self._database.rows(
            f"SELECT n.key, a.document, {_COLUMNS} {_OF} JOIN namespace n ON n.number = a.namespace"
            " WHERE hex(n.key) IN (SELECT value FROM json_each(?1))"
            " AND (?5 IS NULL OR (a.at_us, a.document) < (?5, ?6))"
            f" AND {_COUNTS} AND {IS_LEFT} ORDER BY a.at_us DESC, a.document DESC LIMIT ?7",
            (
                json.dumps([one.hex().upper() for one in namespaces]),
                own,
                engine,
                self._clock_us(),
                at_us,
                document,
                in_bounds(limit, CANDIDATES_MAX),
            ),
        )
        return [Candidate(one[0], attestation_row(*one[2:]), (one[6], one[1])) for one in rows]

    async def note_not_attested(
        self,
        namespace: NamespaceKey,
        evaluation: bytes,
        code: str,
        *,
        engine: str = "",
        until_us: int | None = None,
    ) -> None:
        """`engine` has no answer here: `to_attest` names it no more, or not before `until_us`.

        The last of them are kept.
        """
        async with self._database.transaction() as write:
            await write.run(
                "INSERT OR REPLACE INTO not_attested"
                " SELECT number, ?, ?, ?, ?, ? FROM namespace WHERE key = ?",
                (evaluation, engine, code, self._clock_us(), until_us, namespace),
            )
            await write.run(
                "DELETE FROM not_attested WHERE (namespace, evaluation) IN ("
                " SELECT namespace, evaluation FROM not_attested"
                " ORDER BY at_us DESC, evaluation LIMIT -1 OFFSET ?)",
                (NOT_ATTESTED_MAX,),
            )

    async def attesting_owed_s(self) -> float:
        """Seconds of a processor that attesting by itself used and did not rest for yet."""
        ((owed_s,),) = await self._database.rows("SELECT attesting_owed_s FROM store")
        return float(owed_s)

    async def note_attesting_owed(self, owed_s: float) -> None:
        """From now on it is so much."""
        async with self._database.transaction() as write:
            await write.run("UPDATE store SET attesting_owed_s = ?", (owed_s,))


async def write_attestations(write: Writing, built: Iterable[Built]) -> None:
    """The rows of documents that have none now."""
    await write.run_many(
        "INSERT INTO attestation SELECT ?1, namespace, ?2, ?3, ?4, ?5, ?6, ?7,"
        " j ->> '$.evaluator', j ->> '$.seed', j ->> '$.ticks'"
        " FROM (SELECT namespace, CAST(?7 AS TEXT) AS j FROM document WHERE number = ?1)",
        (
            (
                one.work.number,
                row.evaluation,
                row.genome,
                row.author,
                int(row.is_run),
                row.at_us,
                row.said,
            )
            for one in built
            if isinstance(row := one.projection, AttestationRow)
        ),
    )


def attestation_row(
    evaluation: bytes, genome: bytes, author: str, is_run: int, at_us: int, said: bytes
) -> AttestationRow:
    """From these columns of `attestation`."""
    return AttestationRow(evaluation, genome, author, bool(is_run), at_us, said)
