"""A genome's record: what its author says of the bytes that it is named by.

```
class pub, kind gen, record = BLAKE3 of the file's original bytes     head and tags: see `head.py`
body  format, file, size, blob, text?                                 see `content.py`
      by, fitness_score, offspring_count, tick, lineage,              as the Galactic Federation
      parents                                                         hashes, 32 bytes each
      anonymous                                                       a node signed for a stranger
```
Fitness is what its author claims. Documents come from strangers: `genome_of` raises
`MalformedRecord` and nothing else.
"""

import math
from dataclasses import dataclass
from typing import Final

from crdt.change import DocumentId
from crdt.digest import DIGEST_BYTES
from crdt.document import Scalar
from registry.content import Content, content_of, content_problems, identity_of
from registry.edits import Edit
from registry.errors import MalformedRecord, Problem
from registry.fields import Plain, line_at, real_at, typed, whole_at
from registry.fitness import Summary
from registry.head import Head, Words, line_problem, refuse
from registry.life import (
    COUNT_MAX,
    TICK_MAX,
    author_problems,
    check_kind,
    count_problems,
    kept_of,
    listing_of,
    publish,
    said_of,
)
from registry.published import Published
from storage.listing import Listing

CLASS, KIND, WORD = "pub", "gen", "genome"

LINEAGE_CHARACTERS_MAX: Final = 128
"""The Galactic Federation's are UUIDs."""
PARENTS_MAX: Final = 16
UNNAMED: Final = "Unnamed Genome"


@dataclass(frozen=True, slots=True)
class Facts:
    """What an author claims of a genome; None leaves what is there. `parents`: identities."""

    by: str | None = ""
    fitness_score: float | None = 0.0
    offspring_count: int | None = 0
    tick: int | None = 0
    lineage: str | None = ""
    parents: tuple[bytes, ...] | None = ()


class Genome(Published, frozen=True, kw_only=True, omit_defaults=True):
    """A genome as people see it: the Galactic Federation's fields, and ours beside them."""

    lineage_id: str | None
    fitness_score: float
    """As its author claims."""
    offspring_count: int
    tick: int
    parents: tuple[str, ...]
    format: str
    file: str
    size: int
    """Of its bytes."""
    blob: str
    attested: Summary | None = None
    """What is verified of it, for the person of the node that is asked."""
    genotype: str = ""
    """Its bytes, where they are short and text; else see `/download`."""


def publish_genome(
    content: Content, words: Words, facts: Facts, *, now_us: int, anonymous: bool = False
) -> Edit:
    """Say this of the genome, or say it anew; nothing changes where it is said already.

    `now_us`: µs since 1970. Raises `InvalidRecord` that names every field which is wrong.
    """
    refuse([*content_problems(content), *facts_problems(facts)])
    values: dict[str, Scalar] = {
        "by": facts.by,
        "fitness_score": None if facts.fitness_score is None else float(facts.fitness_score),
        "offspring_count": facts.offspring_count,
        "tick": facts.tick,
        "lineage": facts.lineage,
        "parents": None if facts.parents is None else b"".join(facts.parents),
        "anonymous": anonymous,
    }
    return publish(words, values, content, now_us=now_us)


def facts_problems(facts: Facts) -> list[Problem]:
    problems = author_problems(facts.by)
    if problem := line_problem(facts.lineage or "", LINEAGE_CHARACTERS_MAX):
        problems.append(Problem("/lineage_id", problem))
    if not math.isfinite(facts.fitness_score or 0.0):
        problems.append(Problem("/fitness_score", f"is {facts.fitness_score}, no number in JSON"))
    problems += count_problems("offspring_count", facts.offspring_count, COUNT_MAX)
    problems += count_problems("tick", facts.tick, TICK_MAX)
    parents = facts.parents or ()
    if len(parents) > PARENTS_MAX:
        problems.append(Problem("/parents", f"{len(parents)}, at most {PARENTS_MAX}"))
    if any(len(parent) != DIGEST_BYTES for parent in parents):
        problems.append(Problem("/parents", "an id that is no 64 hex digits"))
    return problems


def genome_of(document: DocumentId, value: Plain) -> Genome:
    """The genome as people see it. Downloads, rating and genotype are the caller's to add.

    Raises `MalformedRecord`.
    """
    return _read(document, value)[0]


def genome_listing(document: DocumentId, value: Plain) -> Listing:
    """Its row in lists and search. Raises `MalformedRecord`."""
    genome, head, content = _read(document, value)
    more = (genome.author, genome.lineage_id or "", genome.format, genome.file)
    return listing_of(
        WORD, genome, head, more, score=genome.fitness_score, tick=genome.tick, content=content
    )


def _read(document: DocumentId, value: Plain) -> tuple[Genome, Head, Content]:
    check_kind(document, CLASS, KIND, WORD)
    said, head, body = said_of(document, value, UNNAMED)
    content = content_of(identity_of(document), body)
    genome = Genome(
        id=content.id,
        **said,
        **kept_of(content),
        lineage_id=line_at(body, "lineage", LINEAGE_CHARACTERS_MAX) or None,
        fitness_score=real_at(body, "fitness_score"),
        offspring_count=whole_at(body, "offspring_count", COUNT_MAX),
        tick=whole_at(body, "tick", TICK_MAX),
        parents=_parents(body),
    )
    return genome, head, content


def _parents(body: Plain) -> tuple[str, ...]:
    joined = typed(body.get("parents", b""), bytes, "parents")
    if len(joined) % DIGEST_BYTES or len(joined) > PARENTS_MAX * DIGEST_BYTES:
        raise MalformedRecord(f"parents of {len(joined)} bytes")
    starts = range(0, len(joined), DIGEST_BYTES)
    return tuple(joined[at : at + DIGEST_BYTES].hex() for at in starts)
