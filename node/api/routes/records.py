"""Search over everything this node knows."""

from node.api.endpoint import Call, reads
from node.api.models import Hit, Hits, SearchQuery
from node.api.problems import ProblemError
from node.services.modules import LISTED, read_module
from node.services.names import author_meant
from node.services.places import place_text, places_meant
from node.wiring import Node
from storage.listings import ListedRow
from storage.search_index import Hit as Found


async def search(node: Node, call: Call[SearchQuery, None]) -> Hits:
    """Records that match all words, else any, else with one letter wrong; best first.

    Without `q`: the newest. `snippet` is plain text with the matches in <b>; all else is escaped.
    """
    query = call.query
    if query.sort == "fitness":
        raise ProblemError(400, "bad-query", "sort=fitness is for genomes, which come later")
    author = None if query.author is None else await author_meant(node.store, query.author)
    page = await node.index.search(
        query.q,
        kind=query.kind,
        tags=query.tag,
        author=author,
        sort=query.sort,
        limit=query.limit,
        cursor=node.cursors.open("search", query.cursor),
        namespaces=await places_meant(node.store, query.namespace),
    )
    return Hits(tuple(map(_shown, page.hits)), page.total, node.cursors.seal("search", page.next))


def _shown(hit: Found) -> Hit:
    listing = hit.row.listing
    return Hit(
        id=listing.target,
        kind=listing.kind,
        name=listing.name,
        description=listing.description,
        tags=listing.tags,
        author=listing.author,
        namespace=place_text(hit.row.namespace),
        score=hit.score,
        snippet=hit.snippet,
        version=_version(hit.row),
        rating=hit.row.rating,
        downloads=hit.row.installs,
    )


def _version(row: ListedRow) -> str:
    return read_module(row).latest_version if row.listing.kind == LISTED else ""


ENDPOINTS = (reads("/api/search", search, Hits, query=SearchQuery, problems=(404, 422)),)
