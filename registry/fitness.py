"""Verified fitness: what attestations say of a genome, to somebody who trusts a few people.

```
one's own run                       decides: an evaluation has one answer, and this machine saw it
else the runs of followed authors   decide where they agree; where they differ it is disputed
runs of strangers, claims           are shown, and decide nothing: keys are free
```
A *contradiction* is any second answer to one evaluation, whoever gave it, run or only claimed: all
are named. A pure function of the attestations held and of whom one trusts: no order, no clock.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from registry.attestation import Attestation
from registry.evaluation import Answer

State: TypeAlias = Literal["verified", "disputed", "unverified", "claimed"]
"""Of one evaluation: decided; followed authors differ; only strangers ran it; nobody did."""
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


class Judgement(msgspec.Struct, frozen=True):
    """What is said of one evaluation."""

    id: str
    evaluator: str
    module: str
    version: str
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
        if self.answer is not None:
            return tuple(word for word in self.words if word.answer != self.answer)
        return self.words if len({word.answer for word in self.words}) > 1 else ()


class Fitness(msgspec.Struct, frozen=True):
    """What is said of one genome."""

    genome: str
    best: Judgement | None
    """The verified evaluation with the highest result, of those by an evaluator that ranks."""
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


def verified_fitness(
    genome: bytes,
    attestations: Iterable[Attestation],
    trust: Trust,
    evaluators: Collection[str] | None = None,
) -> Fitness:
    """`evaluators`: hashes in hex of those that it may rank by; None: any."""
    name = genome.hex()
    about: dict[str, list[Attestation]] = defaultdict(list)
    for one in attestations:
        if one.genome == name:
            about[one.id].append(one)
    judged = sorted((judge(each, trust) for each in about.values()), key=_place)
    ranked = [
        one
        for one in judged
        if one.answer is not None
        and one.answer.result is not None
        and (evaluators is None or one.evaluator in evaluators)
    ]
    return Fitness(name, max(ranked, key=_rank, default=None), tuple(judged))


def judge(attestations: Sequence[Attestation], trust: Trust) -> Judgement:
    """What is said of one evaluation, by at least one author."""
    words = sorted({word for one in attestations for word in _words(one)})
    runs = [word for word in words if not word.is_claim]
    trusted = [word for word in runs if word.author in trust]
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
        module=named.module,
        version=named.version,
        seed=named.seed,
        ticks=named.ticks,
        state=state,
        answer=answer,
        attestors=tuple(sorted({word.author for word in trusted if word.answer == answer})),
        words=tuple(words),
    )


def _words(one: Attestation) -> Iterable[Word]:
    if one.claim is not None:
        yield Word(one.author, one.claim.answer, True)
    for run in one.runs:
        yield Word(one.author, run.answer, False, run.engine)


def _place(one: Judgement) -> tuple[object, ...]:
    return (_STATES.index(one.state), one.evaluator, one.seed, one.ticks)


def _rank(one: Judgement) -> tuple[int, int, str]:
    assert one.answer is not None, "only what is decided ranks"
    assert one.answer.result is not None, "and gave a result"
    return (one.answer.result, len(one.attestors), one.id)
