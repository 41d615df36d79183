"""How many of what matches have each value of a field: counted exactly, in one order everywhere.

A tag's own filter counts too (tags narrow each other); a kind's does not, so that the other kinds
show what they would give.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import tantivy

FacetCounts: TypeAlias = dict[str, tuple[tuple[str, int], ...]]

VALUES_MAX: Final = 50
"""Values shown of each field; of equally many, the first in the alphabet."""
# Of each segment of the index its first so many: what is cut off may be counted short, by how much
# tantivy says. Who could be among the first is counted again; all are, where that tells nobody.
VALUES_ASKED: Final = 1_000
VALUES_ASKED_MAX: Final = 60_000  # tantivy makes no more than 65,000
WHOLE: Final = frozenset({"kind", "format"})
"""Fields with one value a record: their own filter would leave just that."""

Counts: TypeAlias = Mapping[str, int]


def count_facets(
    searcher: tantivy.Searcher,
    names: Sequence[str],
    query: tantivy.Query,
    filters: Mapping[str, Sequence[tantivy.Query]],
) -> FacetCounts:
    """Field -> (value, count), the most frequent first."""
    counted: FacetCounts = {}
    for group in _groups(names, filters):
        left_out = group[0] if group[0] in WHOLE else None
        must = [query, *(one for name, each in filters.items() if name != left_out for one in each)]
        narrowed = tantivy.Query.boolean_query([(tantivy.Occur.Must, one) for one in must])
        asked = {name: _terms(name, VALUES_ASKED) for name in group}
        found = _aggregate(searcher, narrowed, asked)
        for name in group:
            counts = _counts(found[name])
            short = int(found[name].get("doc_count_error_upper_bound") or 0)
            if short or found[name].get("sum_other_doc_count"):
                again = _to_count_again(name, counts, short)
                counts = _counts(_aggregate(searcher, narrowed, {name: again})[name])
            counted[name] = _first(counts)
    return {name: counted[name] for name in names}


def _to_count_again(name: str, counts: Counts, short: int) -> dict[str, Any]:
    """Those that could be among the first, or all where one that was cut off could be."""
    ordered = sorted(counts.values(), reverse=True)
    enough = ordered[VALUES_MAX - 1]
    if ordered[-1] + short >= enough:
        return _terms(name, VALUES_ASKED_MAX)
    could = [value for value, count in counts.items() if count + short >= enough]
    again = _terms(name, len(could))
    again["terms"]["include"] = could
    return again


def _groups(
    names: Sequence[str], filters: Mapping[str, Sequence[tantivy.Query]]
) -> Iterable[list[str]]:
    """Those that can be counted in one go."""
    alone = [name for name in names if name in WHOLE and name in filters]
    together = [name for name in dict.fromkeys(names) if name not in alone]
    return [*([together] if together else []), *([name] for name in dict.fromkeys(alone))]


def _terms(name: str, most: int) -> dict[str, Any]:
    return {"terms": {"field": name, "size": most, "segment_size": most}}


def _aggregate(
    searcher: tantivy.Searcher, query: tantivy.Query, asked: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    ask = cast(Any, searcher).aggregate  # its dicts are untyped
    found: dict[str, dict[str, Any]] = ask(query, asked)
    return found


def _counts(found: Mapping[str, Any]) -> Counts:
    return {str(one["key"]): int(one["doc_count"]) for one in found["buckets"]}


def _first(counts: Counts) -> tuple[tuple[str, int], ...]:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(ordered[:VALUES_MAX])
