"""Verified fitness: what attestations say of a genome, to somebody who trusts a few people.

```
one's own run                       decides: an evaluation has one answer, and this machine saw it
else the runs of followed authors   decide where they agree; where they differ it is disputed
runs of strangers, claims           are shown, and decide nothing: keys are free
whatever ran out of fuel            is shown, and decides nothing: engines count it differently
```
A *contradiction* is any second answer to one evaluation, whoever gave it, run or only claimed: all
are named. Those by runs that count are *disputes*. A pure function of the attestations held and of
whom one trusts: no order, no clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from registry.attestation import Attestation
from registry.evaluation import STANDARD_SEED, STANDARD_TICKS, Answer

State: TypeAlias = Literal["verified", "disputed", "unverified", "claimed"]
"""Of one evaluation: decided; runs that count differ; none that counts gave an answer; none ran."""
AUTHORS_MAX: Final = 10
_STATES: Final[tuple[State, ...]] = get_args(State)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose runs count: did:keys."""

    own: str
    followed: frozenset[str] = frozenset()

    def __contains__(self, author: str) -> bool:
        return author == self.own or author in self.followed


class Word(msgspec.Struct, frozen=True, order=True):
    """An answer, and who gave it: `engine` is empty for a claim, which nobody need have run."""

    author: str
    answer: Answer
    is_claim: bool
    engine: str = ""
    is_trusted: bool = False


class Name(msgspec.Struct, frozen=True, order=True):
    """What an evaluator is called: a full name, or a bare id of one that every node has."""

    module: str
    version: str

    def __str__(self) -> str:
        return f"{self.module} {self.version}"


class Judgement(msgspec.Struct, frozen=True):
    """What is said of one evaluation."""

    id: str
    evaluator: str
    name: Name | None
    """Of these very bytes; None where nobody who counts published them."""
    said_to_be: Name
    """What somebody says that the evaluator is called, whoever that is."""
    seed: int
    ticks: int
    state: State
    answer: Answer | None
    """What it gives, where that is decided."""
    attestors: tuple[str, ...]
    """The trusted authors whose runs gave the answer, sorted."""
    words: tuple[Word, ...]
    """All that anybody said of it, sorted."""

    @property
    def contradictions(self) -> tuple[Word, ...]:
        """Who says something else than the answer; all, where several stand undecided."""
        words = tuple(word for word in self.words if word.answer.decides)
        if self.answer is not None:
            return tuple(word for word in words if word.answer != self.answer)
        return words if len({word.answer for word in words}) > 1 else ()

    @property
    def disputes(self) -> tuple[Word, ...]:
        """Those of them that count: runs of one's own and of followed authors."""
        return tuple(one for one in self.contradictions if one.is_trusted and not one.is_claim)

    @property
    def is_standard(self) -> bool:
        """Whether it asks what every genome is asked, so that its result may be compared."""
        return (self.seed, self.ticks) == (STANDARD_SEED, STANDARD_TICKS)


class Fitness(msgspec.Struct, frozen=True):
    """What is said of one genome."""

    genome: str
    best: Judgement | None
    """What it ranks by, see `_rank`: verified, and by an evaluator that ranks."""
    judgements: tuple[Judgement, ...]
    """Verified ones first, then by evaluator, seed and ticks."""

    @property
    def attestors(self) -> tuple[str, ...]:
        """Of the evaluation it ranks by."""
        return self.best.attestors if self.best else ()

    @property
    def contradictions(self) -> int:
        """How many of its evaluations have more than one answer."""
        return sum(1 for one in self.judgements if one.contradictions)

    @property
    def disputed(self) -> int:
        """Of how many of them runs that count give more than one."""
        return sum(1 for one in self.judgements if one.disputes)

    @property
    def place(self) -> tuple[int, int, int] | None:
        """Where it stands, the first first; None where nothing ranks.

        Results of the standard question by their height; then others, whose numbers answer
        different questions, by how many found them.
        """
        if self.best is None or self.best.answer is None or self.best.answer.result is None:
            return None
        if self.best.is_standard:
            return (0, -self.best.answer.result, -len(self.attestors))
        return (1, -len(self.attestors), 0)


class Summary(msgspec.Struct, frozen=True):
    """What lists show of it: the verified result that it ranks by, and who attests that."""

    result: int | None
    evaluation: str | None
    module: str
    seed: int | None
    ticks: int | None
    standard: bool
    """Whether that is what all genomes are asked."""
    attestors: tuple[str, ...]
    contradictions: int
    """Of how many evaluations there is more than one answer, by whomever."""
    disputed: int
    """Of how many of them by runs of one's own or of followed authors."""
    claimed: int
    """How many evaluations nobody ran."""
    contradicted_by: tuple[str, ...] = ()
    """Whoever says something else of what it ranks by; who counts first, `AUTHORS_MAX` of them."""


def summary_of(fitness: Fitness) -> Summary | None:
    """None where nobody says anything."""
    if not fitness.judgements:
        return None
    best = fitness.best
    return Summary(
        result=best.answer.result if best and best.answer else None,
        evaluation=best.id if best else None,
        module=best.name.module if best and best.name else "",
        seed=best.seed if best else None,
        ticks=best.ticks if best else None,
        standard=best is not None and best.is_standard,
        attestors=fitness.attestors,
        contradictions=fitness.contradictions,
        disputed=fitness.disputed,
        claimed=sum(1 for one in fitness.judgements if one.state == "claimed"),
        contradicted_by=_authors(best.contradictions) if best else (),
    )


def _authors(words: Iterable[Word]) -> tuple[str, ...]:
    ordered = sorted(words, key=lambda word: (not word.is_trusted, word.is_claim, word.author))
    return tuple(dict.fromkeys(word.author for word in ordered))[:AUTHORS_MAX]


def verified_fitness(
    genome: bytes,
    attestations: Iterable[Attestation],
    trust: Trust,
    evaluators: Mapping[str, Name] | None = None,
) -> Fitness:
    """`evaluators`: those that it may rank by, their names by their hash in hex; None: any."""
    name = genome.hex()
    about: dict[str, list[Attestation]] = defaultdict(list)
    for one in attestations:
        if one.genome == name:
            about[one.id].append(one)
    names = evaluators or {}
    judged = sorted((judge(each, trust, names) for each in about.values()), key=_place)
    ranked = [
        one
        for one in judged
        if one.answer is not None
        and one.answer.result is not None
        and (evaluators is None or one.evaluator in evaluators)
    ]
    return Fitness(name, max(ranked, key=_rank, default=None), tuple(judged))


def judge(
    attestations: Sequence[Attestation], trust: Trust, names: Mapping[str, Name] | None = None
) -> Judgement:
    """What is said of one evaluation, by at least one author; `names` of evaluators by hash."""
    words = sorted({word for one in attestations for word in _words(one, trust)})
    runs = [word for word in words if not word.is_claim]
    trusted = [word for word in runs if word.is_trusted and word.answer.decides]
    own = [word for word in trusted if word.author == trust.own]
    answers = {word.answer for word in own or trusted}
    answer = answers.pop() if len(answers) == 1 else None
    state: State = "verified"
    if answer is None:
        state = "disputed" if trusted else "unverified" if runs else "claimed"
    # One of them, whoever came first: all are of the same bytes, the names are words beside them.
    named = min(attestations, key=lambda one: (one.author not in trust, one.module, one.version))
    return Judgement(
        id=named.id,
        evaluator=named.evaluator,
        name=(names or {}).get(named.evaluator),
        said_to_be=Name(named.module, named.version),
        seed=named.seed,
        ticks=named.ticks,
        state=state,
        answer=answer,
        attestors=tuple(sorted({word.author for word in trusted if word.answer == answer})),
        words=tuple(words),
    )


def _words(one: Attestation, trust: Trust) -> Iterable[Word]:
    is_trusted = one.author in trust
    if one.claim is not None:
        yield Word(one.author, one.claim.answer, True, "", is_trusted)
    for run in one.runs:
        yield Word(one.author, run.answer, False, run.engine, is_trusted)


def _place(one: Judgement) -> tuple[object, ...]:
    return (_STATES.index(one.state), one.evaluator, one.seed, one.ticks)


def _rank(one: Judgement) -> tuple[int, int, int, str]:
    assert one.answer is not None, "only what is decided ranks"
    assert one.answer.result is not None, "and gave a result"
    if one.is_standard:
        return (1, one.answer.result, len(one.attestors), one.id)
    return (0, len(one.attestors), one.answer.result, one.id)
