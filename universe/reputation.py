"""What others sign of an author: facts that are held, each naming what it is of.

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
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction
from typing import Final, Literal, TypeAlias

import msgspec

from registry.advisory import Advisory
from registry.attestation import Attestation
from registry.evaluation import Answer
from storage.listing import RatingRow

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
    on: str
    """The word for what it is of: "module", "genome", …"""
    of: str
    """Its full name, under which anybody looks it up; of runs the genome's hash."""
    part: str = ""
    """Of that: the evaluation, the advisory, the journey."""
    said: str = ""
    """In the signer's words."""
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
    latest: dict[tuple[str, ...], Fact] = {}
    for fact in facts:
        if fact.by == author:
            continue
        key = (_FAMILY.get(fact.kind, fact.kind), fact.by, fact.on, fact.of, fact.part)
        latest[key] = max(fact, latest.get(key, fact))
    near = [fact for fact in latest.values() if fact.by in followed]
    far = [fact for fact in latest.values() if fact.by not in followed]
    return Reputation(author, _lines(near), _lines(far), tuple(sorted(set(proofs))), is_whole)


def rating_fact(row: RatingRow) -> Fact:
    """Of a rating that gives stars."""
    assert row.stars is not None, "what was taken back is no fact"
    return Fact(
        row.updated_us, "rating", row.author, row.kind, row.target, "", row.review, row.stars
    )


def answer_facts(answered: Iterable[Attestation], runs: Iterable[Attestation]) -> Iterator[Fact]:
    """What `runs` of others say to what the author answered, run or only claimed.

    Where devices of one signer found two answers, it is another one: one evaluation has one.
    """
    given = {one.id: _answers(one) for one in answered}
    for run in runs:
        own = given.get(run.id, frozenset[Answer]())
        found = frozenset(each.answer for each in run.runs if each.answer.decides)
        if own and found:
            kind: About = "same" if found == own else "other"
            at_us = max(each.at_us for each in run.runs)
            said = ", ".join(sorted(str(each) for each in found))
            yield Fact(at_us, kind, run.author, "genome", run.genome, run.id, said)


def _answers(one: Attestation) -> frozenset[Answer]:
    """What an author says that it gives: by their runs, else by their claim."""
    ran = frozenset(answer for answer in one.answers if answer.decides)
    return ran or (frozenset([one.claim.answer]) if one.claim else frozenset())


def advisory_fact(said: Advisory, at_us: int) -> Fact:
    """Of one that was not withdrawn; `at_us`: when it was said last."""
    words = f"{said.kind}: {said.title}"
    return Fact(at_us, "advisory", said.author, "module", said.module, said.id, words)


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
