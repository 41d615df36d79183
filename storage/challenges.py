"""Challenges and their entries: who entered which genome, and what is said of it.

Keys are free, so each of these reads is bounded, and whom this node follows comes first in it:
what strangers say beyond a bound is left out, what followed authors say decides as before.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from storage.attestations import attestation_row
from storage.database import Reading, Writing
from storage.list_pages import COLUMNS
from storage.listing import AttestationRow
from storage.listings import ListedRow, listed_row
from storage.materialise import Built
from storage.part import Part, in_bounds
from storage.usage import followed

ENTRANTS_MAX: Final = 1_000
"""Genomes in a standing: those that followed authors entered, then those that they ran."""
STRANGERS_ENTRIES_MAX: Final = 20_000
"""Looked at for those: some 50 ms."""
TRUSTED_WORDS_MAX: Final = 100_000
"""Attestations by followed authors in a standing: all of 64 seeds of every entrant, and more."""
STRANGERS_WORDS_MAX: Final = 20_000
"""By all others: they decide nothing, and are shown."""
OF_ENTRANT_MAX: Final = 256
"""Of those, of one genome."""
CALLED_MAX: Final = 100
"""Challenges whose ids begin alike, or by several authors."""
OPEN_MAX: Final = 100
"""Open challenges of followed authors, whose entries a node runs by itself."""

_A: Final = "a.evaluation, a.genome, a.author, a.is_run, a.at_us, a.said"
_IN: Final = "namespace = (SELECT number FROM namespace WHERE key = ?)"
_TRUSTED: Final = "WITH trusted (author) AS MATERIALIZED (SELECT value FROM json_each(?))"
_IS_FOLLOWED: Final = "EXISTS (SELECT 1 FROM followed f WHERE f.author = d.author)"
_LISTED: Final = f"SELECT {COLUMNS} FROM listing l JOIN document d ON d.number = l.document"


class Challenges(Part):
    async def challenges_called(
        self, beginning: str, namespace: NamespaceKey = COMMONS
    ) -> list[ListedRow]:
        """Those whose id begins so; of followed authors first, then as they claim to be first."""
        rows = await self._database.rows(
            f"{_LISTED} WHERE l.{_IN} AND l.kind = 'challenge' AND l.record >= ? AND l.record < ?"
            f" ORDER BY {_IS_FOLLOWED} DESC, l.created_us, l.author LIMIT ?",
            (namespace, beginning, beginning + "\U0010ffff", CALLED_MAX),
        )
        return [listed_row(row) for row in rows]

    async def open_challenges(
        self, now_us: int, namespaces: Collection[NamespaceKey]
    ) -> list[ListedRow]:
        """Of followed authors, those that are not over; of each namespace what ends first."""
        found: list[ListedRow] = []
        async with self._database.reading() as view:
            for namespace in dict.fromkeys(namespaces):
                rows = await view.rows(
                    f"{_LISTED} WHERE l.{_IN} AND l.kind = 'challenge' AND l.score < ?"
                    f" AND {_IS_FOLLOWED} ORDER BY l.score DESC, l.target LIMIT ?",
                    (namespace, -float(now_us), OPEN_MAX),
                )
                found += map(listed_row, rows)
        return found

    async def entrants(
        self, challenge: str, namespace: NamespaceKey = COMMONS, limit: int = ENTRANTS_MAX
    ) -> list[bytes]:
        """Genomes that were entered, at whatever time.

        First what followed authors entered, then what they ran at all, then the rest.
        """
        limit = in_bounds(limit, ENTRANTS_MAX)
        async with self._database.reading() as view:
            trusted = await _trusted(view)
            rows = await view.rows(
                f"{_TRUSTED} SELECT DISTINCT a.genome FROM challenge_entry e"
                " JOIN attestation a ON a.document = e.document"
                f" WHERE e.{_IN} AND e.challenge = ? AND e.author IN trusted"
                " ORDER BY a.genome LIMIT ?",
                (trusted, namespace, challenge, limit),
            )
            first = [genome for (genome,) in rows]
            rows = await view.rows(
                f"{_TRUSTED} SELECT a.genome, max(EXISTS (SELECT 1 FROM attestation r"
                " WHERE r.namespace = a.namespace AND r.genome = a.genome AND r.is_run"
                " AND r.author IN trusted)) AS is_known FROM (SELECT document"
                f" FROM challenge_entry WHERE {_IN} AND challenge = ? AND author NOT IN trusted"
                " ORDER BY author LIMIT ?) e JOIN attestation a ON a.document = e.document"
                " GROUP BY a.genome ORDER BY is_known DESC, a.genome LIMIT ?",
                (trusted, namespace, challenge, STRANGERS_ENTRIES_MAX, limit),
            )
        return [*dict.fromkeys([*first, *(genome for genome, _ in rows)])][:limit]

    async def words_of_entrants(
        self,
        challenge: str,
        evaluator: bytes,
        genomes: Sequence[bytes],
        namespace: NamespaceKey = COMMONS,
    ) -> list[AttestationRow]:
        """What is said of these by this evaluator, from whatever seed: by followed authors all."""
        named = f'"evaluator":"{evaluator.hex()}"'.encode()  # in JSON of our own
        async with self._database.reading() as view:
            trusted = await _trusted(view)
            rows = await view.rows_in(
                f"{_TRUSTED} SELECT {_A} FROM attestation a WHERE a.{_IN} AND a.author IN trusted"
                " AND instr(a.said, ?) AND a.genome IN (*)"
                f" ORDER BY a.genome, a.author, a.evaluation LIMIT {TRUSTED_WORDS_MAX}",
                genomes,
                trusted,
                namespace,
                named,
            )
            rows += await view.rows_in(
                f"{_TRUSTED} SELECT {_A} FROM (SELECT *, row_number() OVER (PARTITION BY genome"
                " ORDER BY EXISTS (SELECT 1 FROM challenge_entry e WHERE e.document ="
                " o.document AND e.challenge = ?) DESC, author, evaluation) AS place"
                f" FROM attestation o WHERE o.{_IN} AND o.author NOT IN trusted"
                f" AND instr(o.said, ?) AND o.genome IN (*)) a WHERE place <= {OF_ENTRANT_MAX}"
                f" ORDER BY place, a.genome LIMIT {STRANGERS_WORDS_MAX}",
                genomes,
                trusted,
                challenge,
                namespace,
                named,
            )
        return [attestation_row(*row) for row in rows]

    async def entries_to_attest(
        self, own: str, challenge: str, limit: int, namespace: NamespaceKey = COMMONS
    ) -> list[AttestationRow]:
        """Entries, whoever says them, that `own` did not run and whose genomes are listed here.

        The one that was said first is first.
        """
        rows = await self._database.rows(
            f"SELECT {_A} FROM (SELECT document FROM challenge_entry WHERE {_IN}"
            " AND challenge = ? ORDER BY author LIMIT ?) e"
            " JOIN attestation a ON a.document = e.document WHERE NOT EXISTS ("
            "SELECT 1 FROM attestation o WHERE o.evaluation = a.evaluation AND o.author = ?"
            " AND o.is_run AND o.namespace = a.namespace) AND NOT EXISTS ("
            "SELECT 1 FROM not_attested n WHERE n.evaluation = a.evaluation) AND EXISTS ("
            "SELECT 1 FROM listing l WHERE l.namespace = a.namespace AND l.kind = 'genome'"
            " AND l.record = lower(hex(a.genome)))"
            " ORDER BY a.at_us, a.evaluation, a.author LIMIT ?",
            (namespace, challenge, STRANGERS_ENTRIES_MAX, own, in_bounds(limit, ENTRANTS_MAX)),
        )
        return [attestation_row(*row) for row in rows]


async def write_entries(write: Writing, built: Iterable[Built]) -> None:
    """Of documents whose attestations were written just now."""
    await write.run_many(
        "INSERT OR IGNORE INTO challenge_entry SELECT document, ?2, namespace, author"
        " FROM attestation WHERE document = ?1",
        (
            (one.work.number, challenge)
            for one in built
            if isinstance(row := one.projection, AttestationRow)
            for challenge in row.entered
        ),
    )


async def _trusted(view: Reading) -> str:
    """Followed authors, this node's among them, as JSON of their did:keys."""
    return json.dumps(sorted(map(encode_did_key, await followed(view))))
