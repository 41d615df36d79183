"""Search over everything this node knows."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from node.api.endpoint import Call, reads
from node.api.models import SIZE_MAX, Facets, FacetValue, Hit, Hits, SearchQuery
from node.services.names import author_meant
from node.services.places import place_text, places_meant
from node.services.search_attested import search_attested
from node.wiring import Node
from registry.facts import export_term, import_term
from registry.listed import rfc3339
from storage.search_index import Hit as Found
from storage.search_index import Hits as FoundPage
from storage.search_wanted import Wanted


class _Fields(msgspec.Struct, frozen=True):
    """What is shown of a record's own fields, whatever its kind."""

    latest_version: str = ""
    license: str = ""
    format: str = ""
    fitness_score: float | None = None


_FIELDS: Final = msgspec.json.Decoder(_Fields)
AT_ONCE_MAX: Final = 100
"""Records that are shown without a thread."""
_NO_FIELDS: Final = _Fields()


async def search(node: Node, call: Call[SearchQuery, None]) -> Hits:
    """Records that match all words, else with one letter wrong, else most or any of them.

    Without `q`: the newest. `snippet` is plain text with the matches in <b>; all else is escaped.
    Without follows and petnames the order is the same on every node that holds the same records.
    """
    query = call.query
    where = f"search {msgspec.json.encode(msgspec.structs.replace(query, cursor=None, limit=1))!r}"
    author = None if query.author is None else await author_meant(node.store, query.author)
    cursor = node.cursors.open(where, query.cursor)
    places = await places_meant(node.store, query.namespace)
    exports = map(export_term, (*query.exports, *query.capability))
    wanted = Wanted(
        query.q,
        query.kind,
        author,
        query.tag,
        "relevance" if query.sort == "attested" else query.sort,
        horizon_us=node.store.horizon_us(),
        terms=(*exports, *map(import_term, query.imports)),
        licenses=tuple(text.strip().lower() for text in query.license),
        format=query.format,
        size_min=query.size_min or None,
        size_max=query.size_max if query.size_max < SIZE_MAX else None,
        facets=query.facets,
    )
    if query.sort == "attested":
        found = await search_attested(
            node.index, node.attested, wanted, places, limit=query.limit, after=cursor
        )
        shown = await _all_shown(found.hits.hits)
        hits = tuple(
            msgspec.structs.replace(one, attested=summary)
            for one, summary in zip(shown, found.summaries, strict=True)
        )
        return _page(found.hits, hits, node.cursors.seal(where, found.next))
    page = await node.index.search_wanted(wanted, query.limit, cursor, places)
    return _page(page, await _all_shown(page.hits), node.cursors.seal(where, page.next))


def _page(page: FoundPage, hits: tuple[Hit, ...], more: str | None) -> Hits:
    counted = {
        name: tuple(FacetValue(*one) for one in values) for name, values in page.facets.items()
    }
    return Hits(hits, page.total, more, Facets(**counted), page.matched, page.meant)


async def _all_shown(hits: Sequence[Found]) -> tuple[Hit, ...]:
    """Records of modules with many versions are long, and each is looked through."""
    if len(hits) <= AT_ONCE_MAX:
        return _shown(hits)
    return await asyncio.to_thread(_shown, hits)


def _shown(hits: Sequence[Found]) -> tuple[Hit, ...]:
    places = {space: place_text(space) for space in {hit.row.namespace for hit in hits}}
    shown: list[Hit] = []
    for hit in hits:
        row, listing = hit.row, hit.row.listing
        try:
            fields = _FIELDS.decode(listing.fields)
        except msgspec.MsgspecError:  # of a kind that says these things in other types
            fields = _NO_FIELDS
        one = Hit(  # by place: a search makes twenty
            listing.target, listing.kind, listing.name, listing.description, listing.tags,
            listing.author, places[row.namespace], hit.score, hit.snippet, fields.latest_version,
            row.rating, row.installs, fields.license, fields.format, fields.fitness_score,
            rfc3339(listing.updated_us),
        )  # fmt: skip
        shown.append(one)
    return tuple(shown)


ENDPOINTS = (
    reads("/api/search", search, Hits, query=SearchQuery, problems=(404, 422), is_remembered=True),
)
