"""Attestations of a genome: what is said of it, and saying something oneself."""

from dataclasses import replace

from starlette.responses import Response

from node.api.attestation_models import (
    AttestedShown,
    FitnessShown,
    NewAttestation,
    TakingBack,
    show_fitness,
    show_judgement,
)
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import InNamespace
from node.services.attest import (
    Attestor,
    attest,
    find_genome,
    fitness_of,
    genome_said,
    identity_of,
    take_back,
)
from node.services.places import place_meant
from node.wiring import Node

PATH = "/api/registry/genomes/{genome:record}/attestations"


async def list_attestations(node: Node, call: Call[InNamespace, None]) -> FitnessShown:
    """What attestations say of a genome, whose count, and who says something else."""
    namespace = await place_meant(node.store, call.query.namespace)
    genome = await find_genome(node.store, call.path["genome"], namespace)
    found = await fitness_of(node.store, node.identity.did, identity_of(genome), namespace)
    return show_fitness(found)


async def attest_genome(node: Node, call: Call[InNamespace, NewAttestation]) -> AttestedShown:
    """Run an evaluation in the sandbox and sign what it gives, or claim a result."""
    body, by = call.body, await _attestor(node, call.query)
    done = await attest(
        by,
        call.path["genome"],
        evaluator=body.evaluator,
        seed=body.seed,
        ticks=body.ticks,
        claim=body.claim,
        dry_run=body.dry_run,
    )
    return AttestedShown(
        ending=done.answer.ending,
        result=done.answer.result,
        claimed=body.claim is not None,
        dry_run=body.dry_run,
        entry=done.entry.hex() if done.entry else None,
        fuel_used=done.fuel_used,
        cpu_ms=done.cpu_ms,
        judgement=show_judgement(done.judgement),
    )


async def take_attestation_back(node: Node, call: Call[TakingBack, None]) -> Response:
    """Take back what this author says of an evaluation: its claim, and what its devices found.

    It is gone for everybody whom the change reaches. A node that attests by itself leaves it alone.
    """
    query, by = call.query, await _attestor(node, call.query)
    genome = await genome_said(node.store, call.path["genome"], by.namespace)
    await take_back(
        by,
        genome,
        evaluator=query.evaluator,
        seed=query.seed,
        ticks=query.ticks,
        claim_only=query.claim_only,
    )
    return Response(status_code=204)


async def _attestor(node: Node, query: InNamespace) -> Attestor:
    place = await place_meant(node.store, query.namespace)
    return replace(node.attesting.by, namespace=place)


ENDPOINTS = (
    reads(PATH, list_attestations, FitnessShown, query=InNamespace, problems=(404, 409, 422)),
    writes(
        PATH, attest_genome, AttestedShown, body=NewAttestation, query=InNamespace, status=201,
        problems=(404, 409, 422),
    ),
    deletes(PATH, take_attestation_back, query=TakingBack, problems=(409, 422)),
)  # fmt: skip
