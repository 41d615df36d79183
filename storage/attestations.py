"""What authors say of evaluations of genomes: rows of documents, made by `registry.attestation`.

What counts of it is the registry's to say; here lies who said it, and whom this node follows.
"""

from collections.abc import Collection, Iterable
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from storage.database import Writing
from storage.listing import AttestationRow
from storage.materialise import Built
from storage.part import Part, in_bounds
from storage.usage import followed

OF_GENOME_MAX: Final = 1_000
"""Read of one genome. Keys are free: followed authors come first, so nobody crowds them out."""
TRUSTED_MAX: Final = 200_000
"""Runs of followed authors that a list is ranked by: some 100 MB as Python objects."""
CANDIDATES_MAX: Final = 1_000
NOT_ATTESTED_MAX: Final = 10_000

_COLUMNS: Final = "a.evaluation, a.genome, a.author, a.is_run, a.at_us, a.said"
_OF: Final = "FROM attestation a JOIN document d ON d.number = a.document"
_IS_FOLLOWED: Final = "EXISTS (SELECT 1 FROM followed f WHERE f.author = d.author)"
_IN: Final = "a.namespace = (SELECT number FROM namespace WHERE key = ?)"


class Attestations(Part):
    async def followed_authors(self) -> frozenset[str]:
        """did:keys of this node's author, of whom it names, and of whose modules are installed."""
        async with self._database.reading() as view:
            return frozenset(map(encode_did_key, await followed(view)))

    async def attestations(
        self, genome: bytes, namespace: NamespaceKey = COMMONS, limit: int = OF_GENOME_MAX
    ) -> list[AttestationRow]:
        """What is said of a genome, by followed authors first, then by author."""
        rows = await self._database.rows(
            f"SELECT {_COLUMNS} {_OF} WHERE {_IN} AND a.genome = ?"
            f" ORDER BY {_IS_FOLLOWED} DESC, a.author, a.evaluation, a.document LIMIT ?",
            (namespace, genome, in_bounds(limit, OF_GENOME_MAX)),
        )
        return [attestation_row(*row) for row in rows]

    async def trusted_runs(
        self, namespace: NamespaceKey = COMMONS, limit: int = TRUSTED_MAX
    ) -> list[AttestationRow]:
        """What followed authors ran, all of it, the latest said first where it is too much."""
        rows = await self._database.rows(
            f"SELECT {_COLUMNS} {_OF} WHERE {_IN} AND a.is_run AND {_IS_FOLLOWED}"
            " ORDER BY a.at_us DESC, a.document DESC LIMIT ?",
            (namespace, in_bounds(limit, TRUSTED_MAX)),
        )
        return [attestation_row(*row) for row in rows]

    async def to_attest(
        self, own: str, namespaces: Collection[NamespaceKey], limit: int = CANDIDATES_MAX
    ) -> list[tuple[NamespaceKey, AttestationRow]]:
        """What followed authors say and `own` did not run yet, the latest said first."""
        found: list[tuple[int, NamespaceKey, AttestationRow]] = []
        for namespace in dict.fromkeys(namespaces):
            rows = await self._database.rows(
                f"SELECT {_COLUMNS} {_OF} WHERE {_IN} AND {_IS_FOLLOWED} AND NOT EXISTS ("
                "SELECT 1 FROM attestation o WHERE o.evaluation = a.evaluation"
                " AND o.author = ? AND o.is_run AND o.namespace = a.namespace)"
                " AND NOT EXISTS (SELECT 1 FROM not_attested n WHERE n.evaluation = a.evaluation)"
                " ORDER BY a.at_us DESC, a.evaluation LIMIT ?",
                (namespace, own, in_bounds(limit, CANDIDATES_MAX)),
            )
            found += [(row[4], namespace, attestation_row(*row)) for row in rows]
        found.sort(key=lambda one: (-one[0], one[2].evaluation, one[1]))
        return [(namespace, row) for _, namespace, row in found[:limit]]

    async def note_not_attested(self, evaluation: bytes, code: str) -> None:
        """It gave no answer on this machine: `to_attest` names it no more, the last of them."""
        async with self._database.transaction() as write:
            await write.run(
                "INSERT OR REPLACE INTO not_attested VALUES (?, ?, ?)",
                (evaluation, code, self._clock_us()),
            )
            await write.run(
                "DELETE FROM not_attested WHERE evaluation IN (SELECT evaluation FROM not_attested"
                " ORDER BY at_us DESC, evaluation LIMIT -1 OFFSET ?)",
                (NOT_ATTESTED_MAX,),
            )


async def write_attestations(write: Writing, built: Iterable[Built]) -> None:
    """The rows of documents that have none now."""
    await write.run_many(
        "INSERT INTO attestation SELECT ?1, namespace, ?2, ?3, ?4, ?5, ?6, ?7"
        " FROM document WHERE number = ?1",
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
