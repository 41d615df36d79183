"""Challenges and their entries: who entered which genome, and what is said of it.

Keys are free, so each of these reads is bounded, and whom this node follows comes first in it:
what strangers say beyond a bound is left out, what followed authors say decides as before.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from storage.attestations import IS_LEFT, Candidate, attestation_row
from storage.database import Reading, Writing
from storage.list_pages import COLUMNS
from storage.listing import AttestationRow
from storage.listings import ListedRow, listed_row
from storage.materialise import Built
from storage.part import Part, in_bounds

ENTRANTS_MAX: Final = 1_000
"""Genomes in a standing: those that followed authors entered, then those that they ran."""
STRANGERS_ENTRIES_MAX: Final = 20_000
"""Looked at for those: a quarter of a second, in the reader's thread."""
TRUSTED_WORDS_MAX: Final = 100_000
"""Attestations by followed authors in a standing: all of 64 seeds of every entrant, and more."""
STRANGERS_WORDS_MAX: Final = 20_000
"""By all others: they decide nothing, and are shown."""
OF_ENTRANT_MAX: Final = 256
"""Of those, of one genome."""
BEGINNING_MAX: Final = 100
"""Records whose ids begin alike, or by several authors."""
OPEN_MAX: Final = 100
"""Open challenges of followed authors, whose entries a node runs by itself."""

_A: Final = "a.evaluation, a.genome, a.author, a.is_run, a.at_us, a.said"
_IN: Final = "namespace = (SELECT number FROM namespace WHERE key = ?)"
_TRUSTED: Final = "WITH trusted (author) AS MATERIALIZED (SELECT value FROM json_each(?))"
_COUNTS: Final = (
    "(l.author IN (SELECT author FROM petname)"
    " OR EXISTS (SELECT 1 FROM followed f WHERE f.author = d.author AND f.is_own))"
)
_LISTED: Final = f"SELECT {COLUMNS} FROM listing l JOIN document d ON d.number = l.document"


_FIELD: Final = "json_extract(CAST(a.said AS TEXT), "


class Asked(Protocol):
    """What a challenge asks of every genome: `registry.challenge.Terms` fits."""

    @property
    def evaluator(self) -> bytes: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def ticks(self) -> int: ...


class Challenges(Part):
    async def records_beginning(
        self, kind: str, beginning: str, namespace: NamespaceKey = COMMONS
    ) -> list[ListedRow]:
        """Those whose id begins so; of followed authors first, then as they claim to be first."""
        rows = await self._database.rows(
            f"{_LISTED} WHERE l.{_IN} AND l.kind = ? AND l.record >= ? AND l.record < ?"
            f" ORDER BY {_COUNTS} DESC, l.created_us, l.author LIMIT ?",
            (namespace, kind, beginning, beginning + "\U0010ffff", BEGINNING_MAX),
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
                    f" AND {_COUNTS} ORDER BY l.score DESC, l.target LIMIT ?",
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
        named = _named(evaluator)
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
        self,
        own: str,
        challenge: str,
        asked: Asked,
        limit: int,
        namespace: NamespaceKey = COMMONS,
        *,
        engine: str = "",
        after: tuple[int, int] | None = None,
    ) -> list[Candidate]:
        """Entries, whoever says them, that `own` did not run and whose genomes are listed here.

        Only evaluations that are `asked` for. The one that was said first is first; go on `after`
        the place of the last one. `engine`: see `to_attest`.
        """
        at_us, document = after or (None, 0)
        rows = await self._database.rows(
            f"SELECT a.document, {_A} FROM (SELECT document FROM challenge_entry WHERE"
            " namespace = (SELECT number FROM namespace WHERE key = ?1) AND challenge = ?8"
            " ORDER BY author LIMIT ?9) e JOIN attestation a ON a.document = e.document"
            " JOIN document d ON d.number = a.document WHERE instr(a.said, ?10)"
            f" AND {_FIELD}'$.ticks') = ?11"
            f" AND {_FIELD}'$.seed') IN (SELECT value FROM json_each(?12))"
            " AND (?5 IS NULL OR (a.at_us, a.document) > (?5, ?6))"
            f" AND {IS_LEFT} AND EXISTS (SELECT 1 FROM listing l"
            " WHERE l.namespace = a.namespace AND l.kind = 'genome'"
            " AND l.record = lower(hex(a.genome))) ORDER BY a.at_us, a.document LIMIT ?7",
            (
                namespace,
                own,
                engine,
                self._clock_us(),
                at_us,
                document,
                in_bounds(limit, ENTRANTS_MAX),
                challenge,
                STRANGERS_ENTRIES_MAX,
                _named(asked.evaluator),
                asked.ticks,
                json.dumps(asked.seeds),
            ),
        )
        return [Candidate(namespace, attestation_row(*one[1:]), (one[5], one[0])) for one in rows]


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


def _named(evaluator: bytes) -> bytes:
    """How what is said of it has it: JSON of our own."""
    return f'"evaluator":"{evaluator.hex()}"'.encode()


async def _trusted(view: Reading) -> str:
    """The did:keys of whose runs count, as JSON: `Attestations.followed_authors`."""
    own = await view.rows("SELECT author FROM followed WHERE is_own")
    named = await view.rows("SELECT author FROM petname")
    return json.dumps(
        sorted({*(encode_did_key(one) for (one,) in own), *(did for (did,) in named)})
    )
