"""A seed's record: a configuration that a world grows from, and how it did.

```
class pub, kind seed, record = BLAKE3 of the config's original bytes  head and tags: see `head.py`
body  format, file, size, blob, text?                                 see `content.py`
      by, avg_tick_time, max_pop, performance_summary                 as the Galactic Federation
      anonymous                                                       a node signed for a stranger
```
Documents come from strangers: `seed_of` raises `MalformedRecord` and nothing else.
"""

import math
from dataclasses import dataclass
from typing import Final

from crdt.change import DocumentId
from crdt.document import Scalar
from registry.content import Content, content_of, content_problems, identity_of
from registry.edits import Edit
from registry.errors import Problem
from registry.fields import Plain, real_at, text_at, whole_at
from registry.head import Head, Words, refuse
from registry.life import (
    COUNT_MAX,
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

CLASS, KIND, WORD = "pub", "seed", "seed"

SUMMARY_BYTES_MAX: Final = 4 * 1024
UNNAMED: Final = "Unnamed Seed"


@dataclass(frozen=True, slots=True)
class Facts:
    """What an author claims of a seed; None leaves what is there.

    `avg_tick_time` is in the unit of the program it is for.
    """

    by: str | None = ""
    avg_tick_time: float | None = 0.0
    max_pop: int | None = 0
    performance_summary: str | None = ""


class Seed(Published, frozen=True, kw_only=True, omit_defaults=True):
    """A seed as people see it: the Galactic Federation's fields, and ours beside them."""

    avg_tick_time: float
    max_pop: int
    performance_summary: str
    format: str
    file: str
    size: int
    """Of its bytes."""
    blob: str
    config: str = ""
    """Its bytes, where they are short and text; else see `/download`."""
    config_json: str = ""
    """The same under the name that the Galactic Federation's table gives it."""


def publish_seed(
    content: Content, words: Words, facts: Facts, *, now_us: int, anonymous: bool = False
) -> Edit:
    """Say this of the seed, or say it anew; nothing changes where it is said already.

    `now_us`: µs since 1970. Raises `InvalidRecord` that names every field which is wrong.
    """
    refuse([*content_problems(content), *facts_problems(facts)])
    values: dict[str, Scalar] = {
        "by": facts.by,
        "avg_tick_time": None if facts.avg_tick_time is None else float(facts.avg_tick_time),
        "max_pop": facts.max_pop,
        "performance_summary": facts.performance_summary,
        "anonymous": anonymous,
    }
    return publish(words, values, content, now_us=now_us)


def facts_problems(facts: Facts) -> list[Problem]:
    problems = author_problems(facts.by)
    if not math.isfinite(facts.avg_tick_time or 0.0):
        problems.append(Problem("/avg_tick_time", f"is {facts.avg_tick_time}, no number in JSON"))
    problems += count_problems("max_pop", facts.max_pop, COUNT_MAX)
    size = len((facts.performance_summary or "").encode(errors="replace"))
    if size > SUMMARY_BYTES_MAX:
        detail = f"{size} bytes, at most {SUMMARY_BYTES_MAX}"
        problems.append(Problem("/performance_summary", detail))
    return problems


def seed_of(document: DocumentId, value: Plain) -> Seed:
    """The seed as people see it. Downloads, rating and config are the caller's to add.

    Raises `MalformedRecord`.
    """
    return _read(document, value)[0]


def seed_listing(document: DocumentId, value: Plain) -> Listing:
    """Its row in lists and search. Raises `MalformedRecord`."""
    seed, head, content = _read(document, value)
    more = (seed.author, seed.format, seed.file, seed.performance_summary)
    return listing_of(WORD, seed, head, more, score=float(seed.max_pop), content=content)


def _read(document: DocumentId, value: Plain) -> tuple[Seed, Head, Content]:
    check_kind(document, CLASS, KIND, WORD)
    said, head, body = said_of(document, value, UNNAMED)
    content = content_of(identity_of(document), body)
    seed = Seed(
        id=content.id,
        **said,
        **kept_of(content),
        avg_tick_time=real_at(body, "avg_tick_time"),
        max_pop=whole_at(body, "max_pop", COUNT_MAX),
        performance_summary=text_at(body, "performance_summary", SUMMARY_BYTES_MAX),
    )
    return seed, head, content
