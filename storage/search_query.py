"""Searching the index: what is asked, and in which order it is found.

The order is the same on every node that holds the same records. tantivy's own score is not: it
counts deleted documents until their segment is merged away. So matches fall into *tiers*, each
within the next (the name as it was asked for; all words in the name, in name and tags, anywhere;
the last one only begun); what a tier is worth is added to the record's `standing`, integers both,
and the index is asked for the best of each tier by that column. What is best of all tiers by the
sum is among the best of each. See docs/decisions/0073.

Tried in turn until something is found: all words, each perhaps one slip away, all but one, any.
"""

from collections.abc import Collection, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Final, TypeAlias

import tantivy
from msgspec import Struct, field

from storage.search_cursor import Key, decode_cursor, encode_cursor
from storage.search_facets import FacetCounts, count_facets
from storage.search_schema import POINTS_SHIFT
from storage.search_tiers import Attempts, Matched, Tier, either, every, term, without
from storage.search_wanted import SearchSort, Wanted

VALUE_MAX: Final = (1 << 63) - 1
_POINT: Final = 1 << POINTS_SHIFT

_COLUMNS: Final[dict[SearchSort, tuple[str, bool]]] = {  # and whether the highest comes first
    "recent": ("updated", True),
    "rating": ("rating", True),
    "downloads": ("downloads", True),
    "fitness": ("fitness", True),
    "name": ("name_order", False),
}


class Found(Struct, frozen=True, gc=False):
    """One document of the index."""

    number: int
    score: float


class FoundPage(Struct, frozen=True):
    """`words`: what to mark in what was found; `is_begun`: the last one may go on."""

    found: tuple[Found, ...]
    total: int
    next: str | None
    matched: Matched
    words: tuple[str, ...] = ()
    facets: FacetCounts = field(default_factory=dict[str, tuple[tuple[str, int], ...]])


class _Matches(Struct, frozen=True):
    """What an attempt found: `hits` are the best of its widest tier by `standing`."""

    matched: Matched
    tiers: list[Tier]
    total: int
    hits: "list[Valued]"

    @property
    def widest(self) -> tantivy.Query:
        return self.tiers[-1].query

    @property
    def standing_max(self) -> int:
        return self.hits[0][0] if self.hits else 0


Valued: TypeAlias = tuple[int, tantivy.DocAddress]
_UNSIGNED: Final = tantivy.FieldType.Unsigned


def search(index: tantivy.Index, wanted: Wanted, limit: int, cursor: str | None) -> FoundPage:
    """One page. Raises `BadCursor`; no text raises anything."""
    after = None if cursor is None else decode_cursor(cursor, wanted.sort)
    horizon_us = wanted.horizon_us if after is None else after[-1]
    asked = Asked(index, wanted)
    is_by_worth = wanted.is_by_worth
    is_first = after is None and is_by_worth
    matches = asked.matches(limit + 2 if is_first else 1)  # the next page's first, and what may tie
    if is_by_worth:
        found = asked.by_worth(matches, limit + 1, after)
    else:
        found = asked.by_column(matches.widest, limit + 1, after, horizon_us)
    best = asked.in_order(found, horizon_us)
    shown = best[:limit]
    more = None
    if len(best) > limit:
        value, address = shown[-1]
        (tie,) = asked.column("tie", [address])
        more = encode_cursor((value, tie, horizon_us), wanted.sort)
    facets = count_facets(asked.searcher, wanted.facets, matches.widest, asked.filters)
    numbers = asked.column("number", [address for _, address in shown])
    scores = [round(value / _POINT, 4) for value, _ in shown] if is_by_worth else repeat(0.0)
    return FoundPage(
        tuple(map(Found, numbers, scores)),
        matches.total,
        more,
        matches.matched,
        wanted.words,
        facets,
    )


class Asked:
    """One search over one state of the index."""

    def __init__(self, index: tantivy.Index, wanted: Wanted) -> None:
        self.schema = index.schema
        self.searcher = index.searcher()
        self._wanted = wanted
        self.filters = self._filters()
        """Field -> what it must be."""
        self._narrowing = [
            (tantivy.Occur.Must, one) for each in self.filters.values() for one in each
        ]

    def matches(self, limit: int) -> "_Matches":
        """Of the first attempt that finds anything; `limit`: how many of its best to look at."""
        tiers: list[Tier] = []
        for matched, tiers in Attempts(self.schema, self.searcher, self._wanted):
            found = self._search(tiers[-1].query, "standing", True, limit, count=True)
            if total := int(getattr(found, "count", 0) or 0):
                return _Matches(matched, tiers, total, found.hits)
        return _Matches("none", tiers[-1:], 0, [])

    # ── in which order ──

    def by_worth(self, matches: "_Matches", limit: int, after: Key | None) -> list[Valued]:
        """The best by (what its best tier is worth + `standing`, tie)."""
        # By `standing`; of several that have the same one, all but the first by their place too.
        found: dict[int | tuple[int, int, int], Valued] = {}
        better: tantivy.Query | None = None
        for tier in matches.tiers:
            worth = tier.points << POINTS_SHIFT
            if after is None:
                if len(found) == matches.total:  # the wider tiers have nothing more
                    break
                if self._is_full(found.values(), limit, worth + matches.standing_max):
                    break
                query, below = tier.query, None
            else:  # what a better tier has was shown before
                below = (after[0] - worth, after[1])
                query, better = without(tier.query, better), tier.query
                if below[0] < 0:
                    continue
            is_widest = after is None and tier is matches.tiers[-1]
            hits = matches.hits if is_widest else None
            for value, address in self._best(query, "standing", True, limit, below, hits):
                known = found.get(value)
                if known is None:
                    found[value] = (value + worth, address)
                elif known[1] != address:
                    place = (value, address.segment_ord, address.doc)
                    found.setdefault(place, (value + worth, address))
        return [*found.values()]

    @staticmethod
    def _is_full(found: Collection[Valued], limit: int, most: int) -> bool:
        """Whether `limit` of them are better than anything that is still to come."""
        if len(found) < limit:
            return False
        return sorted(found, key=itemgetter(0), reverse=True)[limit - 1][0] > most

    def by_column(
        self, query: tantivy.Query, limit: int, after: Key | None, horizon_us: int
    ) -> list[Valued]:
        """By the column that `sort` names; of `recent`, what is beyond the horizon comes last."""
        column, is_down = _COLUMNS.get(self._wanted.sort, _COLUMNS["recent"])
        start = None if after is None else (after[0], after[1])
        if column != "updated":
            return self._best(query, column, is_down, limit, start)
        found: list[Valued] = []
        is_beyond = start is not None and start[0] > horizon_us
        if not is_beyond:
            within = every([query, self._range(column, None, horizon_us)])
            found = self._best(within, column, is_down, limit, start)
        if len(found) < limit and horizon_us < VALUE_MAX:
            beyond = every([query, self._range(column, horizon_us + 1, None)])
            start = start if is_beyond else None
            found += self._best(beyond, column, is_down, limit - len(found), start)
        return found

    def in_order(self, found: Sequence[Valued], horizon_us: int) -> list[Valued]:
        """Those of one value by their ties, which are asked for where there are any."""
        is_by_worth = self._wanted.is_by_worth
        is_tied = len(dict(found)) < len(found)
        if is_by_worth and not is_tied:
            return sorted(found, key=itemgetter(0), reverse=True)
        column, is_down = _COLUMNS.get(self._wanted.sort, _COLUMNS["recent"])
        is_recent = column == "updated" and not is_by_worth
        ties = self.column("tie", [at for _, at in found]) if is_tied else [0] * len(found)

        def place(at: int) -> tuple[bool, int, int]:
            value = found[at][0]
            return is_recent and value > horizon_us, -value if is_down else value, ties[at]

        return [found[at] for at in sorted(range(len(found)), key=place)]

    def column(self, name: str, addresses: list[tantivy.DocAddress]) -> list[int]:
        return [int(value or 0) for value in self.searcher.fast_field_values(name, addresses)]

    def _best(
        self,
        query: tantivy.Query,
        column: str,
        is_down: bool,
        limit: int,
        after: tuple[int, int] | None,
        hits: list[Valued] | None = None,
    ) -> list[Valued]:
        """The first by (`column`, tie) of those after (value, tie), in any order.

        The index breaks ties by when something came; where one falls on the end of the page, those
        of that value are asked for again, by their own tie. `hits`: what it would find at first.
        """
        found: list[Valued] = []
        if after is not None:
            value, tie = min(after[0], VALUE_MAX + 1), after[1]
            if value <= VALUE_MAX:
                found += self._of_value(query, column, value, limit, tie + 1)
            query = every([query, self._beyond(column, value, is_down=is_down)])
        room = limit - len(found)
        if room <= 0:
            return found
        if hits is None:  # one more tells whether the last one ties
            hits = self._search(query, column, is_down, room + 1).hits
        if len(hits) > room and hits[room - 1][0] == hits[room][0]:
            value = hits[room][0]
            hits = [hit for hit in hits if hit[0] != value]
            hits += self._of_value(query, column, value, room - len(hits), 0)
        return [*found, *hits[:room]]

    def numbers(self, query: tantivy.Query, limit: int) -> list[int]:
        """Of at most so many documents of `query`, in no order."""
        return [value for value, _ in self._search(query, "number", True, limit).hits]

    def _of_value(
        self, query: tantivy.Query, column: str, value: int, limit: int, tie_min: int
    ) -> list[Valued]:
        """Those with just this value, by their ties from `tie_min` on."""
        equal = [query, self._range(column, value, value)]
        if tie_min:
            equal.append(self._range("tie", tie_min, None))
        hits: list[Valued] = self._search(every(equal), "tie", False, limit).hits
        return [(value, address) for _, address in hits]

    def _search(
        self, query: tantivy.Query, column: str, is_down: bool, limit: int, *, count: bool = False
    ) -> tantivy.SearchResult:
        order = tantivy.Order.Desc if is_down else tantivy.Order.Asc
        if self._narrowing:
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), *self._narrowing])
        return self.searcher.search(query, limit, count=count, order_by_field=column, order=order)

    # ── queries ──

    def _filters(self) -> dict[str, list[tantivy.Query]]:
        wanted = self._wanted
        made: dict[str, list[tantivy.Query]] = {}
        for name, values in (
            ("kind", () if wanted.kind is None else (wanted.kind,)),
            ("author", () if wanted.author is None else (wanted.author,)),
            ("tag", wanted.tags),
            ("fact", wanted.terms),
            ("license", wanted.licenses),
            ("format", () if wanted.format is None else (wanted.format,)),
        ):
            if values:
                made[name] = [term(self.schema, name, value) for value in values]
        if wanted.namespaces is not None:
            places = [term(self.schema, "namespace", one.hex()) for one in wanted.namespaces]
            made["namespace"] = [either(places)]
        if (wanted.size_min, wanted.size_max) != (None, None):
            made["size"] = [self._range("size", max(1, wanted.size_min or 1), wanted.size_max)]
        return made

    def _range(self, column: str, least: int | None, most: int | None) -> tantivy.Query:
        return tantivy.Query.range_query(self.schema, column, _UNSIGNED, least, most)

    def _beyond(self, column: str, value: int, *, is_down: bool) -> tantivy.Query:
        """What comes after `value`."""
        if is_down:
            return self._range(column, None, value - 1) if value > 0 else _NOTHING
        return self._range(column, value + 1, None)


_NOTHING: Final = tantivy.Query.empty_query()
