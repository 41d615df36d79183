"""How modules, genomes, seeds and lineages do over time."""

from node.api.asked import find_called
from node.api.endpoint import Call, reads
from node.api.life_models import TrendsQuery
from node.services.life import GENOME, LINEAGE, SEED, Kind
from node.services.modules import find_row
from node.services.places import place_meant
from node.services.trends import life_trends, module_trends
from node.wiring import Node
from registry.trends import Trends


async def get_module_trends(node: Node, call: Call[TrendsQuery, None]) -> Trends:
    """Installations, ratings and dependants of a module over time, each signer once."""
    query = call.query
    place = await place_meant(node.store, query.namespace)
    row = await find_row(node.store, call.path["id"], place)
    return await module_trends(
        node.store, row, query.step, query.points, now_us=node.clock_us()
    )  # fmt: skip


async def get_genome_trends(node: Node, call: Call[TrendsQuery, None]) -> Trends:
    """Downloads, ratings and descendants of a genome over time, each signer once."""
    return await _life(node, GENOME, call)


async def get_seed_trends(node: Node, call: Call[TrendsQuery, None]) -> Trends:
    """Downloads and ratings of a seed over time, each signer once."""
    return await _life(node, SEED, call)


async def get_lineage_trends(node: Node, call: Call[TrendsQuery, None]) -> Trends:
    """Ratings of a lineage over time, and who has genomes of it, each signer once."""
    return await _life(node, LINEAGE, call)


async def _life(node: Node, kind: Kind, call: Call[TrendsQuery, None]) -> Trends:
    query = call.query
    found = await find_called(node, kind, call)
    return await life_trends(node.store, found, query.step, query.points, now_us=node.clock_us())


START = "/api/registry"
ENDPOINTS = (
    reads(
        "/api/modules/{id:module}/trends", get_module_trends, Trends, query=TrendsQuery,
        problems=(404, 409, 422),
    ),
    reads(
        f"{START}/genomes/{{genome:record}}/trends", get_genome_trends, Trends,
        query=TrendsQuery, problems=(404, 409, 422),
    ),
    reads(
        f"{START}/seeds/{{seed:record}}/trends", get_seed_trends, Trends, query=TrendsQuery,
        problems=(404, 422),
    ),
    reads(
        f"{START}/lineages/{{lineage:lineage}}/trends", get_lineage_trends, Trends,
        query=TrendsQuery, problems=(404, 422),
    ),
)  # fmt: skip
