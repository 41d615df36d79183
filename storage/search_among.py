"""Which of some documents a search finds: for an order that the index knows nothing of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import tantivy

from storage.search_facets import FacetCounts, count_facets
from storage.search_query import Asked
from storage.search_tiers import Matched
from storage.search_wanted import Wanted

AT_ONCE: Final = 1_000  # ids in one query


@dataclass(frozen=True, slots=True)
class Among:
    """`numbers` of what was found; `words`: what to mark in it; `facets` are of it alone."""

    numbers: frozenset[int]
    matched: Matched
    words: tuple[str, ...]
    facets: FacetCounts


def search_among(index: tantivy.Index, wanted: Wanted, numbers: Sequence[int]) -> Among:
    """Of documents with these `numbers`, those that `wanted` finds in the whole index, as far as
    it gives way: where some record has all words, those that have only some are not found.
    """
    asked = Asked(index, wanted)
    matches = asked.matches(1)
    found: set[int] = set()
    for at in range(0, len(numbers), AT_ONCE):
        part = numbers[at : at + AT_ONCE]
        found.update(asked.numbers(_both(index, matches.widest, part), len(part)))
    of_these = _both(index, matches.widest, sorted(found))
    facets = count_facets(asked.searcher, wanted.facets, of_these, asked.filters)
    return Among(frozenset(found), matches.matched, wanted.words, facets)


def _both(index: tantivy.Index, query: tantivy.Query, numbers: Sequence[int]) -> tantivy.Query:
    terms = [tantivy.Query.term_query(index.schema, "id", str(one), "basic") for one in numbers]
    either = tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in terms])
    ids = either if terms else tantivy.Query.empty_query()
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, one) for one in (query, ids)])
