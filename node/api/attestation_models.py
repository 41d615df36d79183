"""Attestations as the API takes and shows them. Hashes are hex; results are integers of 64 bits."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.models import InNamespace, Request
from registry.evaluation import STANDARD_SEED, STANDARD_TICKS
from registry.fitness import Fitness, Judgement, Word

I64 = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Ticks = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class NewAttestation(Request, frozen=True, rename={"evaluator": "with"}):
    """Run it and sign what it gives; with `claim` only say that."""

    evaluator: Annotated[str, Meta(max_length=256)] | None = None
    """NAME[@VERSION]; null: the bundled one of the genome's format."""
    seed: I64 = STANDARD_SEED
    ticks: Ticks = STANDARD_TICKS
    claim: I64 | None = None
    dry_run: bool = False


class TakingBack(InNamespace, frozen=True, rename={"evaluator": "with"}):
    """Which of one's own evaluations."""

    evaluator: Annotated[str, Meta(max_length=256)] | None = None
    """NAME[@VERSION], or the hash of its module; may be left out where there is but one."""
    seed: I64 = STANDARD_SEED
    ticks: Ticks = STANDARD_TICKS
    claim_only: bool = False
    """Only what was claimed; what was run stays."""


class WordShown(Struct, frozen=True):
    """Who said what: `result` is null where it ended otherwise, or with none."""

    author: str
    ending: str
    result: int | None
    claimed: bool
    """Only said, not run."""
    engine: str
    trusted: bool
    """By oneself, or by somebody who has a name here."""


class JudgementShown(Struct, frozen=True):
    """One evaluation, and what is said of it."""

    evaluation: str
    evaluator: str
    module: str | None
    """What these bytes are called, where they come with the node or somebody who counts published
    them; so `version`."""
    version: str | None
    said_to_be: str
    """What somebody says that it is called."""
    seed: int
    ticks: int
    standard: bool
    """Whether it asks what all genomes are asked, so that its result ranks before others."""
    state: str
    """`verified`, `disputed`, `unverified`, `claimed`."""
    ending: str | None
    result: int | None
    attestors: tuple[str, ...]
    contradictions: tuple[WordShown, ...]
    """Whoever says something else."""
    disputed: bool
    """Whether one who does is oneself or followed, and ran it."""
    words: tuple[WordShown, ...]


class FitnessShown(Struct, frozen=True):
    """What attestations say of a genome."""

    genome: str
    result: int | None
    """What it ranks by: what is verified of the standard question, else of another one."""
    best: str | None
    """The evaluation that gave it."""
    attestors: tuple[str, ...]
    contradictions: int
    """Of how many evaluations there is more than one answer, by whomever."""
    disputed: int
    """Of how many of them by runs of one's own or of followed authors."""
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
        word.author,
        word.answer.ending,
        word.answer.result,
        word.is_claim,
        word.engine,
        word.is_trusted,
    )


def show_judgement(one: Judgement) -> JudgementShown:
    return JudgementShown(
        evaluation=one.id,
        evaluator=one.evaluator,
        module=one.name.module if one.name else None,
        version=one.name.version if one.name else None,
        said_to_be=str(one.said_to_be),
        seed=one.seed,
        ticks=one.ticks,
        standard=one.is_standard,
        state=one.state,
        ending=one.answer.ending if one.answer else None,
        result=one.answer.result if one.answer else None,
        attestors=one.attestors,
        contradictions=tuple(map(show_word, one.contradictions)),
        disputed=bool(one.disputes),
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
        disputed=one.disputed,
        evaluations=tuple(map(show_judgement, one.judgements)),
    )
