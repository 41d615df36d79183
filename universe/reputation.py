"""What others sign of an author: facts that are held, each with where it can be looked at.

```
rating        stars that a signer gives one of the author's records
same, other   a signer ran an evaluation that the author answered, and found the same or another
advisory      a signer warns of one of the author's modules
arrived       the gate of a signer's universe took a traveller of the author's in
turned-back   that gate refused one
proof         two entries of one key of the author's that contradict each other
```
There is no score. Facts of authors whom one follows stand in one part, those of strangers in
another: keys are free, and a thousand of them may be one person. What the author signs of
themselves counts nowhere, and a proof needs nobody's word. A pure function of the facts, whatever
the order in which they came.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from fractions import Fraction
from typing import Final, Literal, TypeAlias

import msgspec

About: TypeAlias = Literal["rating", "same", "other", "advisory", "arrived", "turned-back"]

FACTS_SHOWN_MAX: Final = 20
"""Of one line; how many there are is said."""
_ORDER: Final[tuple[About, ...]] = (
    "rating", "same", "other", "arrived", "turned-back", "advisory",
)  # fmt: skip
_FAMILY: Final = {"other": "same", "turned-back": "arrived"}
"""Of these two answers a signer gives one: the later one counts."""


class Fact(msgspec.Struct, frozen=True, order=True):
    """One thing that one signer says. `at_us`: when, as the signer has it; µs since 1970."""

    at_us: int
    kind: About
    by: str
    """did:key of the signer."""
    of: str
    """What it is of: a record's full name, an evaluation, a journey."""
    where: str
    """The path of the API under which it is shown."""
    said: str = ""
    """In the signer's words, or ours of a kind."""
    stars: int = 0
    """Of ratings, 1 to 5."""


class Proof(msgspec.Struct, frozen=True, order=True):
    """A key of the author's signed two things with one number; anybody can check it."""

    key: str
    """did:key of it."""
    of: str
    """The record."""
    number: int
    entries: tuple[str, ...]
    """Ids in hex."""


class Line(msgspec.Struct, frozen=True):
    """All facts of one kind by one circle of signers."""

    kind: About
    signers: int
    """How many different ones."""
    count: int
    """Of the facts."""
    facts: tuple[Fact, ...]
    """The latest, at most `FACTS_SHOWN_MAX`."""
    average: float | None = None
    """Of stars: the mean of what each signer gives on average, to two places."""


class Reputation(msgspec.Struct, frozen=True):
    """What is held of one author. Lines that would be empty are left out."""

    author: str
    followed: tuple[Line, ...]
    """By oneself, and by authors whom one follows."""
    strangers: tuple[Line, ...]
    """By all others: they stand beside, and prove nothing."""
    proofs: tuple[Proof, ...]
    whole: bool = True
    """Whether all that is held was looked at."""


def reputation_of(
    author: str,
    facts: Iterable[Fact],
    followed: Collection[str],
    proofs: Iterable[Proof] = (),
    *,
    is_whole: bool = True,
) -> Reputation:
    """`followed`: did:keys of oneself and of whom one follows."""
    latest: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        if fact.by == author:
            continue
        key = (_FAMILY.get(fact.kind, fact.kind), fact.by, fact.of)
        latest[key] = max(fact, latest.get(key, fact))
    near = [fact for fact in latest.values() if fact.by in followed]
    far = [fact for fact in latest.values() if fact.by not in followed]
    return Reputation(author, _lines(near), _lines(far), tuple(sorted(set(proofs))), is_whole)


def _lines(facts: Iterable[Fact]) -> tuple[Line, ...]:
    by_kind: dict[About, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_kind[fact.kind].append(fact)
    return tuple(_line(kind, by_kind[kind]) for kind in _ORDER if kind in by_kind)


def _line(kind: About, facts: list[Fact]) -> Line:
    shown = sorted(facts, key=lambda one: (-one.at_us, one))[:FACTS_SHOWN_MAX]
    signers = len({fact.by for fact in facts})
    return Line(kind, signers, len(facts), tuple(shown), _average(facts))


def _average(facts: Iterable[Fact]) -> float | None:
    """Whoever rates a hundred records weighs as much as who rates one."""
    given: dict[str, list[int]] = defaultdict(list)
    for fact in facts:
        if fact.stars:
            given[fact.by].append(fact.stars)
    if not given:
        return None
    # Fractions add up to the same in any order.
    means = [Fraction(sum(stars), len(stars)) for stars in given.values()]
    return round(float(sum(means, Fraction()) / len(means)), 2)
