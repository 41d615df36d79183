"""Entering a genome in a challenge: every seed is run, and signed as an entry.

    genome ─▸ each seed: run here before? ─▸ only the word   ┐
                         else ─▸ child process ─▸ a result?  ┴▸ one signed change a seed

Each seed is signed as soon as it is run: who is interrupted goes on where it ended. What this
machine runs by itself for open challenges comes from here as well (`entries_left`).
"""

import dataclasses
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from crdt.keys import NamespaceKey
from node.errors import Conflict, Fault, Rejected
from node.services.attest import (
    Attestor,
    find_genome,
    genome_bytes,
    identity_of,
    run_and_sign,
)
from node.services.challenges import called_of
from node.services.evaluators import Evaluator, evaluator_said
from registry.attestation import (
    Attestation,
    attestation_of,
    document_of,
    read_row,
    take_entry_back,
)
from registry.challenge import Terms, enter, id_of
from registry.deletion import is_deleted
from registry.edits import Edit
from registry.errors import NotClaimed
from registry.evaluation import Answer, Evaluation
from registry.listed import rfc3339
from storage.attestations import Candidate
from storage.listing import AttestationRow

SEEDS_TOLD_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class SeedEntered:
    """What one seed gave."""

    seed: int
    answer: Answer
    ran: bool
    """Just now; else it was run here before."""
    entry: bytes | None
    """None: nothing new was said, or it was a dry run."""
    contradicted_by: tuple[str, ...]
    """Who says something else of it, as far as it was looked at just now."""
    is_disputed: bool
    """Whether one of them counts, and ran it."""
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Entry:
    genome: bytes
    seeds: tuple[SeedEntered, ...]


async def enter_challenge(
    node: Attestor,
    terms: Terms,
    name: str,
    *,
    seeds: Sequence[int] | None = None,
    dry_run: bool = False,
) -> Entry:
    """Run these seeds of it, or all, and sign what they give as an entry.

    Raises `NotFound`, `Unreachable`, `Unverified`; `Conflict` where the challenge is not open;
    `Rejected` for a seed that is not asked for, or that gives no result.
    """
    wanted = _seeds(terms, seeds)
    if not dry_run:
        _check_open(terms, node.clock_us())
    genome = await find_genome(node.store, name, node.namespace)
    identity = identity_of(genome)
    by: Evaluator | None = None
    data = b""
    found: list[SeedEntered] = []
    for seed in wanted:
        about = Evaluation(identity, terms.evaluator, seed, terms.ticks)
        entering = enter(terms, now_us=node.clock_us())
        if known := await _own_answer(node, about):
            signed = None if dry_run else await _sign(node, about, entering)
            found.append(SeedEntered(seed, known, False, signed, (), False, 0.0))
            continue
        if by is None:
            by = await evaluator_said(
                node.store, node.network, terms.module, terms.version, terms.evaluator,
                node.namespace,
            )  # fmt: skip
            data = await genome_bytes(node, genome)
        done = await run_and_sign(node, about, by, data, dry_run=dry_run, entering=entering)
        others = tuple(sorted({word.author for word in done.judgement.contradictions}))
        found.append(
            SeedEntered(
                seed,
                done.answer,
                True,
                done.entry,
                others,
                bool(done.judgement.disputes),
                done.cpu_ms,
            )
        )
    return Entry(identity, tuple(found))


async def leave_challenge(node: Attestor, terms: Terms, genome: bytes) -> int:
    """This author's entry is taken back, what was run stays: of how many seeds.

    Raises `NotClaimed` where there is none.
    """
    id, count = id_of(terms), 0
    for about in terms.evaluations(genome):
        own = await _own(node, about)
        if own is not None and any(each.challenge == id for each in own.entered):
            await _sign(node, about, take_entry_back(id))
            count += 1
    if not count:
        raise NotClaimed(f"this author did not enter {genome.hex()[:16]}… in {id}")
    return count


async def entries_left(
    node: Attestor, namespaces: Collection[NamespaceKey], engine: str, size: int
) -> AsyncGenerator[list[Candidate]]:
    """Entries of open challenges of authors who count that this one did not run: pages of them.

    Under the name that the challenge has for its evaluator: the entrant's may lead nowhere.
    """
    for row in await node.store.open_challenges(node.clock_us(), namespaces):
        challenge = called_of(row).challenge
        after: tuple[int, int] | None = None
        while page := await node.store.entries_to_attest(
            node.identity.did, challenge.id, challenge.terms, size, row.namespace,
            engine=engine, after=after,
        ):  # fmt: skip
            yield [dataclasses.replace(one, row=_named(one.row, challenge.terms)) for one in page]
            after = page[-1].place


def _named(row: AttestationRow, terms: Terms) -> AttestationRow:
    said = replace(read_row(row), module=terms.module, version=terms.version)
    return dataclasses.replace(row, said=msgspec.json.encode(said))


def _seeds(terms: Terms, seeds: Sequence[int] | None) -> tuple[int, ...]:
    if seeds is None:
        return terms.seeds
    if strange := sorted(set(seeds) - set(terms.seeds)):
        told = ", ".join(map(str, strange[:SEEDS_TOLD_MAX]))
        detail = f"not among the {len(terms.seeds)} seeds of the challenge: {told}"
        raise Rejected(detail, code="invalid-body", faults=(Fault("/seeds", detail),))
    return tuple(sorted(set(seeds)))


def _check_open(terms: Terms, now_us: int) -> None:
    if now_us < terms.opens_us:
        detail = f"it opens at {rfc3339(terms.opens_us)}; a dry run can be made before"
        raise Conflict(detail, code="challenge-not-open")
    if now_us > terms.deadline_us:
        detail = f"its deadline was {rfc3339(terms.deadline_us)}; attesting still verifies entries"
        raise Conflict(detail, code="challenge-over")


async def _own_answer(node: Attestor, about: Evaluation) -> Answer | None:
    """The result that this author's devices agree on, where they ran it before."""
    own = await _own(node, about)
    answers = own.answers if own is not None else ()
    return answers[0] if len(answers) == 1 and answers[0].result is not None else None


async def _own(node: Attestor, about: Evaluation) -> Attestation | None:
    document = document_of(node.identity.author, about, node.namespace)
    state = await node.store.read(document)
    if state is None or is_deleted(state.value) or not state.value.get("evaluation"):
        return None
    return attestation_of(document, state.value)


async def _sign(node: Attestor, about: Evaluation, edit: Edit) -> bytes | None:
    document = document_of(node.identity.author, about, node.namespace)
    signer = await node.signers.for_document(document)
    committed = await node.store.commit(document, edit, signer)
    return committed.id if committed else None
