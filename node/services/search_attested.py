"""Searching in the order of what is verified: for this node's person, as `AttestedOrder` has it.

    verified genomes, the first first ─▸ which of them the search finds ─▸ a page, each genome once

The index knows nothing of that order, which is another one for everybody.
"""

import bisect
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from crdt.keys import NamespaceKey
from node.services.attested import AttestedOrder, Place, place_of, text_of
from registry.fitness import Summary
from registry.genome import WORD
from storage.search_index import Hits, SearchIndex
from storage.search_query import Found, FoundPage
from storage.search_wanted import Wanted

PLACES_MAX: Final = 10_000
"""Verified genomes that are looked through, the first of them; lists show all."""

Where: TypeAlias = tuple[Place, NamespaceKey]
Documents: TypeAlias = Mapping[str, int]
"""Of one genome: who published it, and the number of that record."""


@dataclass(frozen=True, slots=True)
class AttestedHits:
    """`summaries`: what is verified of each hit, in their order; `next`: where to go on."""

    hits: Hits
    summaries: tuple[Summary | None, ...]
    next: str | None


async def search_attested(
    index: SearchIndex,
    order: AttestedOrder,
    wanted: Wanted,
    namespaces: Collection[NamespaceKey],
    *,
    limit: int,
    after: str | None,
) -> AttestedHits:
    """A page of those that have a verified result. Raises `BrokenIndex`."""
    places = [
        (place, namespace)
        for namespace in dict.fromkeys(namespaces)
        for place in await order.places(namespace)
    ]
    places = sorted(places)[:PLACES_MAX]
    documents = await _documents(order, places)
    numbers = [one for each in documents.values() for one in each.values()]
    among = await index.search_among(wanted, sorted(numbers), namespaces)
    found = [where for where in places if among.numbers & {*documents[where].values()}]
    start = 0 if after is None else bisect.bisect_right(found, _where_of(after))
    page = found[start : start + limit]
    shown = [(await _meant(order, where, documents[where], among.numbers), where) for where in page]
    hits = await index.show(
        FoundPage(
            tuple(Found(number, 0.0) for number, _ in shown),
            len(found),
            None,
            among.matched,
            among.words,
            among.facets,
        )
    )
    genomes = dict(shown)
    summaries: list[Summary | None] = []
    for hit in hits.hits:
        place, namespace = genomes[hit.row.number]
        summaries.append(await order.summary(bytes.fromhex(place[-1]), namespace))
    is_last = start + limit >= len(found)
    return AttestedHits(hits, tuple(summaries), None if is_last else _text_of(page[-1]))


async def _documents(
    order: AttestedOrder, places: Collection[Where]
) -> dict[Where, dict[str, int]]:
    """Of each genome the records that are listed here."""
    wanted: dict[NamespaceKey, dict[str, Where]] = defaultdict(dict)
    documents: dict[Where, dict[str, int]] = {}
    for where in places:
        documents[where] = {}
        wanted[where[1]][where[0][-1]] = where
    for namespace, genomes in wanted.items():
        for id, author, number in await order.store.numbers_of(WORD, [*genomes], namespace):
            documents[genomes[id]][author] = number
    return documents


async def _meant(
    order: AttestedOrder, where: Where, documents: Documents, found: frozenset[int]
) -> int:
    """The record that its bare id means, where that is found; else the first author's that is."""
    row = await order.row(where[0][-1], None, where[1])
    if row is not None and row.number in found:
        return row.number
    return next(number for _, number in sorted(documents.items()) if number in found)


def _text_of(where: Where) -> str:
    return f"{where[1].hex()} {text_of(where[0])}"


def _where_of(text: str) -> Where:
    """Of a cursor that this node sealed."""
    namespace, _, place = text.partition(" ")
    return place_of(place), NamespaceKey(bytes.fromhex(namespace))
