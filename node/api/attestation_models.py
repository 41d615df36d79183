"""Attestations as the API takes and shows them. Hashes are hex; results are integers of 64 bits."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.models import Request
from registry.fitness import Fitness, Judgement, Word

I64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class NewAttestation(Request, frozen=True, rename={"evaluator": "with"}):
    """Run it and sign what it gives; with `claim` only say that."""

    evaluator: Annotated[str, Meta(max_length=256)] | None = None
    """NAME[@VERSION]; null: the bundled one of the genome's format."""
    seed: I64 = 0
    ticks: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 1_000
    claim: I64 | None = None
    dry_run: bool = False


class WordShown(Struct, frozen=True):
    """Who said what: `result` is null where it ended otherwise, or with none."""

    author: str
    ending: str
    result: int | None
    claimed: bool
    """Only said, not run."""
    engine: str


class JudgementShown(Struct, frozen=True):
    """One evaluation, and what is said of it."""

    evaluation: str
    evaluator: str
    module: str
    version: str
    seed: int
    ticks: int
    state: str
    """`verified`, `disputed`, `unverified`, `claimed`."""
    ending: str | None
    result: int | None
    attestors: tuple[str, ...]
    contradictions: tuple[WordShown, ...]
    words: tuple[WordShown, ...]


class FitnessShown(Struct, frozen=True):
    """What attestations say of a genome."""

    genome: str
    result: int | None
    """What it ranks by: the highest that is verified."""
    best: str | None
    """The evaluation that gave it."""
    attestors: tuple[str, ...]
    contradictions: int
    evaluations: tuple[JudgementShown, ...]


class AttestedShown(Struct, frozen=True):
    """What was found or claimed just now, and what is said of that evaluation by now."""

    ending: str
    result: int | None
    claimed: bool
    dry_run: bool
    entry: str | None
    fuel_used: int
    cpu_ms: float
    judgement: JudgementShown


def show_word(word: Word) -> WordShown:
    return WordShown(
        word.author, word.answer.ending, word.answer.result, word.is_claim, word.engine
    )


def show_judgement(one: Judgement) -> JudgementShown:
    return JudgementShown(
        evaluation=one.id,
        evaluator=one.evaluator,
        module=one.module,
        version=one.version,
        seed=one.seed,
        ticks=one.ticks,
        state=one.state,
        ending=one.answer.ending if one.answer else None,
        result=one.answer.result if one.answer else None,
        attestors=one.attestors,
        contradictions=tuple(map(show_word, one.contradictions)),
        words=tuple(map(show_word, one.words)),
    )


def show_fitness(one: Fitness) -> FitnessShown:
    best = one.best
    return FitnessShown(
        genome=one.genome,
        result=best.answer.result if best and best.answer else None,
        best=best.id if best else None,
        attestors=one.attestors,
        contradictions=one.contradictions,
        evaluations=tuple(map(show_judgement, one.judgements)),
    )
