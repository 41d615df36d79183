"""What people say of genomes, seeds and lineages."""

from typing import Final, TypeVar

from starlette.responses import Response

from node.api.asked import find_called
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import InNamespace, NewRating, RatingItem, Ratings
from node.services.curate import rate_record, take_back_rating
from node.services.life import GENOME, LINEAGE, SEED, Found, Kind
from node.services.names import all_petnames
from node.wiring import Node
from registry.listed import rfc3339
from registry.ratings import summarise

B = TypeVar("B")


async def list_genome_ratings(node: Node, call: Call[InNamespace, None]) -> Ratings:
    """What authors say of a genome, the latest first; those one follows are averaged apart."""
    return await _ratings(node, await find_called(node, GENOME, call))


async def list_seed_ratings(node: Node, call: Call[InNamespace, None]) -> Ratings:
    """What authors say of a seed, the latest first; those one follows are averaged apart."""
    return await _ratings(node, await find_called(node, SEED, call))


async def list_lineage_ratings(node: Node, call: Call[InNamespace, None]) -> Ratings:
    """What authors say of a lineage, the latest first; those one follows are averaged apart."""
    return await _ratings(node, await find_called(node, LINEAGE, call))


async def rate_genome(node: Node, call: Call[InNamespace, NewRating]) -> Ratings:
    """Rate a genome as this node's author; a second rating replaces the first."""
    return await _rate(node, GENOME, call)


async def rate_seed(node: Node, call: Call[InNamespace, NewRating]) -> Ratings:
    """Rate a seed as this node's author; a second rating replaces the first."""
    return await _rate(node, SEED, call)


async def rate_lineage(node: Node, call: Call[InNamespace, NewRating]) -> Ratings:
    """Rate a lineage as this node's author; a second rating replaces the first."""
    return await _rate(node, LINEAGE, call)


async def unrate_genome(node: Node, call: Call[InNamespace, None]) -> Response:
    """Take this author's rating of a genome back."""
    return await _unrate(node, GENOME, call)


async def unrate_seed(node: Node, call: Call[InNamespace, None]) -> Response:
    """Take this author's rating of a seed back."""
    return await _unrate(node, SEED, call)


async def unrate_lineage(node: Node, call: Call[InNamespace, None]) -> Response:
    """Take this author's rating of a lineage back."""
    return await _unrate(node, LINEAGE, call)


async def _rate(node: Node, kind: Kind, call: Call[InNamespace, NewRating]) -> Ratings:
    body, now_us = call.body, node.clock_us()
    row = (await find_called(node, kind, call)).row
    await rate_record(node.signers, kind.name, row, body.stars, body.review, now_us=now_us)
    return await _ratings(node, await find_called(node, kind, call))


async def _unrate(node: Node, kind: Kind, call: Call[InNamespace, None]) -> Response:
    found = await find_called(node, kind, call)
    await take_back_rating(node.signers, kind.name, found.row, now_us=node.clock_us())
    return Response(status_code=204)


async def _ratings(node: Node, found: Found) -> Ratings:
    row = found.row
    said = await node.store.ratings(row.listing.target, found.kind.word, namespace=row.namespace)
    followed = frozenset((await all_petnames(node.store)).values())
    items = tuple(
        RatingItem(one.author, one.stars, one.review, rfc3339(one.updated_us))
        for one in said
        if one.stars is not None
    )
    mean = summarise(said, followed).followed_average
    return Ratings(row.rating, row.stars_count, items, mean)


OF_GENOMES: Final = "/api/registry/genomes/{genome:record}/ratings"
OF_SEEDS: Final = "/api/registry/seeds/{seed:record}/ratings"
OF_LINEAGES: Final = "/api/registry/lineages/{lineage:lineage}/ratings"
ENDPOINTS = (
    reads(OF_GENOMES, list_genome_ratings, Ratings, query=InNamespace, problems=(409, 422)),
    writes(OF_GENOMES, rate_genome, Ratings, body=NewRating, query=InNamespace, status=201),
    deletes(OF_GENOMES, unrate_genome, query=InNamespace, problems=(409,)),
    reads(OF_SEEDS, list_seed_ratings, Ratings, query=InNamespace, problems=(409, 422)),
    writes(OF_SEEDS, rate_seed, Ratings, body=NewRating, query=InNamespace, status=201),
    deletes(OF_SEEDS, unrate_seed, query=InNamespace, problems=(409,)),
    reads(OF_LINEAGES, list_lineage_ratings, Ratings, query=InNamespace, problems=(422,)),
    writes(OF_LINEAGES, rate_lineage, Ratings, body=NewRating, query=InNamespace, status=201),
    deletes(OF_LINEAGES, unrate_lineage, query=InNamespace),
)
