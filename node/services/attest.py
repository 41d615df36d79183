"""Attesting: re-execute an evaluation of a genome, and sign what it gives; or claim it.

    genome ─▸ its bytes ─▸ evaluator ─▸ child process ─▸ answer ─▸ one signed change

What only this machine cannot do is refused, and not signed: it says nothing of the genome.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from blake3 import blake3

from crdt.document import Editor
from crdt.keys import COMMONS, NamespaceKey
from node.errors import Conflict, NotFound, Rejected
from node.identity import Identity
from node.ports import Network
from node.services.begun import DIGITS_MIN
from node.services.evaluators import (
    Evaluator,
    check_ticks,
    evaluator_said,
    find_evaluator,
    for_format,
    is_called,
    names_of,
)
from node.services.life import GENOME, SEED, Found, find_record
from node.services.same_bytes import kept_of, right_bytes
from node.services.seats import Seats
from node.services.signers import Signers
from node.workers.messages import Evaluated
from node.workers.workers import Workers
from registry.attestation import (
    Attestation,
    document_of,
    read_row,
    say_claim,
    say_run,
    take_all_back,
    take_claim_back,
)
from registry.content import is_identity
from registry.edits import Edit
from registry.errors import InvalidName, NotClaimed, UnknownRecord, quoted
from registry.evaluation import STANDARD_SEED, STANDARD_TICKS, Answer, Evaluation
from registry.findings import Run
from registry.fitness import Fitness, Judgement, Name, Trust, judge, verified_fitness
from registry.formats import Format, detect
from registry.wasm.evaluator import GENOME_BYTES_MAX
from storage.store import Store

HEX_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Attestor:
    """What attesting needs of the node."""

    store: Store
    workers: Workers
    network: Network
    identity: Identity
    clock_us: Callable[[], int]
    namespace: NamespaceKey = COMMONS
    waits: bool = False
    """In the background: nobody waits for it."""
    seats: Seats = field(default_factory=Seats)

    @property
    def signers(self) -> Signers:
        return Signers(self.identity, self.store, self.clock_us)


@dataclass(frozen=True, slots=True)
class Attested:
    """What came of it: `answer` as it was found or claimed, and all that is said now."""

    judgement: Judgement
    answer: Answer
    fuel_used: int
    cpu_ms: float
    entry: bytes | None
    """None: nothing new was said, or it was a dry run."""


class NoAnswer(Rejected):
    """It was run, and this machine has no answer."""


async def find_genome(store: Store, text: str, namespace: NamespaceKey = COMMONS) -> Found:
    """By its 64 hex digits or the first of them, or `WHOSE/` and those.

    Raises `NotFound`, `UnknownPetname`, or `Conflict` (`ambiguous-digits`).
    """
    try:
        return await find_record(store, GENOME, text, namespace)
    except InvalidName as error:
        detail = (
            f"{quoted(text)} names no genome: it has {HEX_CHARACTERS} digits, 0-9 and a-f, of which"
            f" the first {DIGITS_MIN} are enough"
        )
        raise NotFound(detail, code="unknown-genome") from error
    except UnknownRecord as error:
        detail = error.detail
        if await _is_seed(store, text, namespace):
            detail = f"{quoted(text)} is a seed, and only genomes are evaluated"
        raise NotFound(detail, code="unknown-genome") from error


async def _is_seed(store: Store, text: str, namespace: NamespaceKey) -> bool:
    try:
        await find_record(store, SEED, text, namespace)
    except UnknownRecord:
        return False
    except Conflict:  # several begin so
        pass
    return True


async def genome_said(store: Store, text: str, namespace: NamespaceKey = COMMONS) -> bytes:
    """The identity of one that need not be here any more, where all of its digits are given.

    Raises as `find_genome`.
    """
    whole = text.rpartition("/")[2]
    if is_identity(whole):
        return bytes.fromhex(whole)
    return identity_of(await find_genome(store, text, namespace))


async def genome_bytes(node: Attestor, genome: Found) -> bytes:
    """Of a genome as it was published. Raises `Rejected`, `Unverified`, `Unreachable`."""
    return await right_bytes(
        node.store, node.network, genome.same,
        seats=node.seats, size_bytes_max=GENOME_BYTES_MAX, is_persons=not node.waits,
    )  # fmt: skip


async def _format(node: Attestor, genome: Found, *, is_run: bool) -> str:
    """What its record says; of a stranger's genome that is run, what its bytes do."""
    kept = kept_of(genome.row)
    if not is_run or genome.row.listing.author in await node.store.followed_authors():
        return kept.format
    data = await genome_bytes(node, genome)
    found = await asyncio.to_thread(detect, kept.file, data)
    return kept.format if found is Format.UNKNOWN else str(found)


def identity_of(genome: Found) -> bytes:
    return bytes.fromhex(genome.row.listing.record)


async def attest(
    node: Attestor,
    name: str,
    *,
    evaluator: str | None = None,
    seed: int = STANDARD_SEED,
    ticks: int = STANDARD_TICKS,
    claim: int | None = None,
    dry_run: bool = False,
) -> Attested:
    """Run it and sign, or with `claim` only say what it gives.

    Raises `NotFound`, `Unreachable`, `Unverified`, or `Rejected` where this machine has no answer.
    """
    genome = await find_genome(node.store, name, node.namespace)
    if evaluator is None:
        evaluator = for_format(await _format(node, genome, is_run=claim is None))
    found = await find_evaluator(node.store, node.network, evaluator, node.namespace)
    check_ticks(found, ticks)
    evaluation = Evaluation(identity_of(genome), found.blake3, seed, ticks)
    if claim is not None:
        return await _claim(node, evaluation, found, claim, dry_run=dry_run)
    data = await genome_bytes(node, genome)
    return await run_and_sign(node, evaluation, found, data, dry_run=dry_run)


async def attest_again(node: Attestor, said: Attestation) -> Attested:
    """Run what somebody says, and sign what it gives here. Raises as `attest`."""
    await _may_say(node, said.evaluation)  # before anything is fetched
    genome = await find_genome(node.store, said.genome, node.namespace)
    digest = bytes.fromhex(said.evaluator)
    found = await evaluator_said(
        node.store, node.network, said.module, said.version, digest, node.namespace,
        is_persons=not node.waits,
    )  # fmt: skip
    return await run_and_sign(node, said.evaluation, found, await genome_bytes(node, genome))


async def run_and_sign(
    node: Attestor,
    evaluation: Evaluation,
    by: Evaluator,
    genome: bytes,
    *,
    dry_run: bool = False,
    entering: Edit | None = None,
) -> Attested:
    """`entering` is signed with it, where it gave a result.

    Raises `NoAnswer` where this machine has none, `Rejected` where what is entered has no result;
    then nothing is said.
    """
    assert blake3(by.wasm).digest() == evaluation.evaluator, "an evaluator of other bytes"
    if not dry_run:
        await _may_say(node, evaluation)  # else minutes of work would be for nothing
    found = await node.workers.evaluate(
        by.wasm,
        genome,
        seed=evaluation.seed,
        ticks=evaluation.ticks,
        is_background=node.waits,
    )
    answer = found.answer
    if answer is None:
        raise NoAnswer(f"{by.module} {by.version}: {found.detail}", code=found.code)
    run = Run(answer, node.workers.checker, node.workers.features, found.fuel_used, node.clock_us())
    edit = say_run(evaluation, by.module, by.version, run, node.identity.device.public)
    if entering is not None:
        if answer.result is None:
            detail = (
                f"seed {evaluation.seed} ends with {answer}: what has no result enters nothing; the"
                f" readme of {by.module} says which genomes it judges"
            )
            raise Rejected(detail, code="no-entry")
        edit = both(edit, entering)
    entry = None if dry_run else await _said(node, evaluation, edit)
    return await _attested(node, evaluation, by, answer, found, entry, run)


def both(first: Edit, second: Edit) -> Edit:
    """One change of two."""

    def edit(editor: Editor) -> None:
        first(editor)
        second(editor)

    return edit


async def take_back(
    node: Attestor,
    genome: bytes,
    *,
    evaluator: str | None = None,
    seed: int = STANDARD_SEED,
    ticks: int = STANDARD_TICKS,
    claim_only: bool = False,
) -> Evaluation:
    """What this author said of an evaluation is gone, or its claim; gives which one it was.

    `evaluator` is a name as the attestation has it, or its hash in hex; without one, whichever it
    is. Neither the genome nor the evaluator need be here. Raises `NotClaimed`, or `Conflict` where
    several are meant.
    """
    rows = [read_row(row) for row in await node.store.attestations(genome, node.namespace)]
    asked = [
        one
        for one in rows
        if (one.author, one.seed, one.ticks) == (node.identity.did, seed, ticks)
        and (evaluator is None or is_called(one, evaluator))
    ]
    if not asked:
        raise NotClaimed(f"you say nothing of it with the seed {seed} and {ticks:,} ticks")
    if len(asked) > 1:
        detail = f"you say something by {len(asked)} evaluators; name one: --with"
        names = tuple(f"{one.module}@{one.version} {one.evaluator}" for one in asked)
        raise Conflict(detail, code="ambiguous-evaluator", candidates=names)
    evaluation = asked[0].evaluation
    await _said(node, evaluation, take_claim_back if claim_only else take_all_back)
    return evaluation


async def fitness_of(
    store: Store, own: str, genome: bytes, namespace: NamespaceKey = COMMONS
) -> Fitness:
    """What is said of a genome, as this node's author trusts it."""
    rows = [read_row(row) for row in await store.attestations(genome, namespace)]
    trust = Trust(own, await store.followed_authors())
    names = await _names(store, rows, trust, namespace)
    return verified_fitness(genome, rows, trust, names)


def is_of(trust: Trust) -> Callable[[str], bool]:
    """Whether a module, by its full name, is of somebody whose runs count: lists rank by those.

    Anybody can write one that gives whoever they like the highest number there is.
    """
    return lambda module: module.partition("/")[0] in trust


async def _names(
    store: Store, rows: Sequence[Attestation], trust: Trust, namespace: NamespaceKey
) -> dict[str, Name]:
    """As `names_of`; what strangers say pushes out no name that a run which counts goes by."""
    counting = [one for one in rows if one.author in trust]
    others = [one for one in rows if one.author not in trust]
    names = await names_of(store, others, is_of(trust), namespace)
    return names | await names_of(store, counting, is_of(trust), namespace)


async def _claim(
    node: Attestor, evaluation: Evaluation, by: Evaluator, result: int, *, dry_run: bool
) -> Attested:
    edit = say_claim(evaluation, by.module, by.version, result, now_us=node.clock_us())
    entry = None if dry_run else await _said(node, evaluation, edit)
    answer = Answer("result", result)
    return await _attested(node, evaluation, by, answer, Evaluated(), entry, None)


async def _may_say(node: Attestor, evaluation: Evaluation) -> None:
    """Raises `NotAllowed` where this device may not sign there."""
    document = document_of(node.identity.author, evaluation, node.namespace)
    await node.signers.for_document(document)


async def _said(node: Attestor, evaluation: Evaluation, edit: Callable[..., None]) -> bytes | None:
    document = document_of(node.identity.author, evaluation, node.namespace)
    signer = await node.signers.for_document(document)
    committed = await node.store.commit(document, edit, signer)
    return committed.id if committed else None


async def _attested(
    node: Attestor,
    evaluation: Evaluation,
    by: Evaluator,
    answer: Answer,
    found: Evaluated,
    entry: bytes | None,
    run: Run | None,
) -> Attested:
    held = await node.store.attestations(
        evaluation.genome, node.namespace, evaluation=evaluation.id
    )
    rows = [read_row(row) for row in held]
    if entry is None:  # a dry run counts for whoever asked, whatever is signed already
        rows.append(_unsaid(node, evaluation, by, run))
    trust = Trust(node.identity.did, await node.store.followed_authors())
    names = await _names(node.store, rows, trust, node.namespace)
    judgement = judge(rows, trust, names)
    return Attested(judgement, answer, found.fuel_used, found.cpu_ms, entry)


def _unsaid(node: Attestor, evaluation: Evaluation, by: Evaluator, run: Run | None) -> Attestation:
    return Attestation(
        id=evaluation.id.hex(),
        genome=evaluation.genome.hex(),
        evaluator=evaluation.evaluator.hex(),
        seed=evaluation.seed,
        ticks=evaluation.ticks,
        module=by.module,
        version=by.version,
        author=node.identity.did,
        claim=None,
        runs=(run,) if run else (),
    )
