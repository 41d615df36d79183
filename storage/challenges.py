"""Challenges and their entries: who entered which genome, and what is said of it.

Keys are free, so each of these reads is bounded, and whom this node follows comes first in it:
what strangers say beyond a bound is left out, what followed authors say decides as before.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
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
"""Genomes in a standing: those that followed authors entered, those that they ran, the rest."""
STRANGERS_ENTRIES_MAX: Final = 20_000
"""Looked at for the rest: of each author one, then of each another."""
TRUSTED_WORDS_MAX: Final = 100_000
"""Attestations by followed authors in a standing: all of 64 seeds of every entrant, and more."""
STRANGERS_WORDS_MAX: Final = 20_000
"""By all others: they decide nothing, and are shown."""
OF_ENTRANT_MAX: Final = 256
"""Of those, of one genome."""
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
# 1: trusted authors, 2: namespace, 3: challenge, 4: evaluator, 5: ticks and seeds, 6, 7: when.
_IN2: Final = "namespace = (SELECT number FROM namespace WHERE key = ?2)"
_IS_ASKED: Final = (
    "a.evaluator = ?4 AND a.ticks = ?5 ->> '$.ticks'"
    " AND a.seed IN (SELECT value FROM json_each(?5, '$.seeds'))"
)
_IS_IN_TIME: Final = (
    "EXISTS (SELECT 1 FROM challenge_entry e WHERE e.document = a.document"
    " AND e.challenge = ?3 AND e.at_us BETWEEN ?6 AND ?7)"
)
_IS_ENTERED: Final = (
    f"EXISTS (SELECT 1 FROM attestation a WHERE a.{_IN2} AND a.genome = r.genome"
    f" AND {_IS_ASKED} AND {_IS_IN_TIME})"
)
_IN_TURN: Final = (
    "SELECT document, author, row_number() OVER (PARTITION BY author) AS nth FROM challenge_entry"
)
"""One entry of each author is first, then another of each: none fills the rest of a list."""

WORDS_OF_OTHERS: Final = (
    f"{_TRUSTED} SELECT {_A} FROM (SELECT document, genome, place"
    " FROM (SELECT document, genome, row_number() OVER"
    " (PARTITION BY genome ORDER BY is_entry DESC, nth, author, evaluation) AS place"
    " FROM (SELECT *, row_number() OVER"
    " (PARTITION BY genome, author ORDER BY is_entry DESC, evaluation) AS nth"
    " FROM (SELECT a.document, a.genome, a.author, a.evaluation,"
    f" a.document IN (SELECT document FROM challenge_entry WHERE {_IN2} AND challenge = ?3"
    f" AND at_us BETWEEN ?6 AND ?7) AS is_entry FROM attestation a WHERE a.{_IN2}"
    f" AND a.author NOT IN trusted AND {_IS_ASKED} AND a.genome IN (*))))"
    f" WHERE place <= {OF_ENTRANT_MAX}"
    f" ORDER BY place, genome LIMIT {STRANGERS_WORDS_MAX + 1}) o"
    " CROSS JOIN attestation a ON a.document = o.document ORDER BY place, a.genome"
)
"""What is said is read of those alone that are left: the index has all else."""


class Asked(Protocol):
    """What a challenge asks of every genome: `registry.challenge.Terms` fits."""

    @property
    def evaluator(self) -> bytes: ...
    @property
    def seeds(self) -> tuple[int, ...]: ...
    @property
    def ticks(self) -> int: ...
    @property
    def opens_us(self) -> int: ...
    @property
    def deadline_us(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Entered:
    """Genomes of a standing."""

    genomes: list[bytes]
    is_whole: bool
    """Whether no bound left any out."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of them."""

    rows: list[AttestationRow]
    is_whole: bool
    """Whether no bound left any out, but for `OF_ENTRANT_MAX`."""


class Challenges(Part):
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
        self,
        challenge: str,
        asked: Asked,
        namespace: NamespaceKey = COMMONS,
        limit: int = ENTRANTS_MAX,
    ) -> Entered:
        """Genomes that were entered in time.

        First what followed authors entered, then what they ran from most of the seeds, whoever
        entered it, then the rest: of each author one entry, then of each another.
        """
        limit = in_bounds(limit, ENTRANTS_MAX)
        of = (namespace, challenge, *_of(asked))
        async with self._database.reading() as view:
            trusted = await _trusted(view)
            own = await view.rows(
                f"{_TRUSTED} SELECT DISTINCT a.genome FROM challenge_entry e"
                f" JOIN attestation a ON a.document = e.document WHERE e.{_IN2}"
                f" AND e.challenge = ?3 AND e.author IN trusted AND {_IS_ASKED} AND {_IS_IN_TIME}"
                " ORDER BY a.genome LIMIT ?8",
                (trusted, *of, limit + 1),
            )
            ran = await view.rows(
                f"{_TRUSTED} SELECT genome FROM (SELECT a.genome, count(DISTINCT a.evaluation)"
                f" AS seeds FROM attestation a WHERE a.author IN trusted AND a.{_IN2} AND a.is_run"
                f" AND {_IS_ASKED} GROUP BY a.genome) r WHERE {_IS_ENTERED}"
                " ORDER BY seeds DESC, genome LIMIT ?8",
                (trusted, *of, limit + 1),
            )
            rest = await view.rows(
                f"{_TRUSTED} SELECT DISTINCT a.genome FROM (SELECT document FROM ({_IN_TURN}"
                f" WHERE {_IN2} AND challenge = ?3 AND author NOT IN trusted)"
                " ORDER BY nth, author LIMIT ?9) e JOIN attestation a ON a.document = e.document"
                f" WHERE {_IS_ASKED} AND {_IS_IN_TIME} ORDER BY a.genome LIMIT ?8",
                (trusted, *of, limit + 1, STRANGERS_ENTRIES_MAX),
            )
            strangers = await view.number(
                f"{_TRUSTED} SELECT count(*) FROM (SELECT 1 FROM challenge_entry WHERE {_IN2}"
                " AND challenge = ?3 AND author NOT IN trusted LIMIT ?4)",
                (trusted, namespace, challenge, STRANGERS_ENTRIES_MAX + 1),
            )
        found = [*dict.fromkeys(genome for (genome,) in (*own, *ran, *rest))]
        is_whole = len(found) <= limit and strangers <= STRANGERS_ENTRIES_MAX
        return Entered(found[:limit], is_whole)

    async def words_of_entrants(
        self,
        challenge: str,
        asked: Asked,
        genomes: Sequence[bytes],
        namespace: NamespaceKey = COMMONS,
    ) -> Said:
        """What is said of these that is `asked`: by followed authors all, by others some.

        At most `ENTRANTS_MAX` genomes. Of others one entry in time of each author is first: none
        who was entered is left without.
        """
        assert len(genomes) <= ENTRANTS_MAX, "one statement, so that its bounds are of them all"
        of = _of(asked)
        async with self._database.reading() as view:
            trusted = await _trusted(view)
            theirs = await view.rows_in(
                f"{_TRUSTED} SELECT {_A} FROM attestation a WHERE a.{_IN2} AND a.author IN trusted"
                f" AND {_IS_ASKED} AND a.genome IN (*)"
                f" ORDER BY a.genome, a.author, a.evaluation LIMIT {TRUSTED_WORDS_MAX + 1}",
                genomes,
                *(trusted, namespace, challenge, *of[:2]),
            )
            others = await view.rows_in(
                WORDS_OF_OTHERS,
                genomes,
                *(trusted, namespace, challenge, *of),
            )
        is_whole = len(theirs) <= TRUSTED_WORDS_MAX and len(others) <= STRANGERS_WORDS_MAX
        rows = [*theirs[:TRUSTED_WORDS_MAX], *others[:STRANGERS_WORDS_MAX]]
        return Said([attestation_row(*row) for row in rows], is_whole)

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
            f"SELECT a.document, {_A} FROM (SELECT document FROM ({_IN_TURN} WHERE"
            " namespace = (SELECT number FROM namespace WHERE key = ?1) AND challenge = ?8)"
            " ORDER BY nth, author LIMIT ?9) e JOIN attestation a ON a.document = e.document"
            " JOIN document d ON d.number = a.document WHERE a.evaluator = ?10"
            " AND a.ticks = ?11 AND a.seed IN (SELECT value FROM json_each(?12))"
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
                asked.evaluator.hex(),
                asked.ticks,
                json.dumps(asked.seeds),
            ),
        )
        return [Candidate(namespace, attestation_row(*one[1:]), (one[5], one[0])) for one in rows]


async def write_entries(write: Writing, built: Iterable[Built]) -> None:
    """Of documents whose attestations were written just now."""
    await write.run_many(
        "INSERT OR IGNORE INTO challenge_entry"
        " SELECT a.document, ?2, a.namespace, a.author, j.value ->> '$.at_us'"
        " FROM attestation a, json_each(CAST(a.said AS TEXT), '$.entered') j"
        " WHERE a.document = ?1 AND j.value ->> '$.challenge' = ?2",
        (
            (one.work.number, challenge)
            for one in built
            if isinstance(row := one.projection, AttestationRow)
            for challenge in row.entered
        ),
    )


def _of(asked: Asked) -> tuple[str, str, int, int]:
    """What `_IS_ASKED` and `_IS_IN_TIME` have from the fourth on."""
    question = json.dumps({"ticks": asked.ticks, "seeds": asked.seeds})
    return asked.evaluator.hex(), question, asked.opens_us, asked.deadline_us


async def _trusted(view: Reading) -> str:
    """The did:keys of whose runs count, as JSON: `Attestations.followed_authors`."""
    own = await view.rows("SELECT author FROM followed WHERE is_own")
    named = await view.rows("SELECT author FROM petname")
    return json.dumps(
        sorted({*(encode_did_key(one) for (one,) in own), *(did for (did,) in named)})
    )
