"""Searching the index: what is asked, and in which order it is found.

The order is the same on every node that holds the same records. tantivy's own score is not: it
counts deleted documents until their segment is merged away. So matches fall into *tiers*, each
within the next (the name as it was asked for; all words in the name, in name and tags, anywhere;
the last one only begun); what a tier is worth is added to the record's `standing`, integers both,
and the index is asked for the best of each tier by that column. What is best of all tiers by the
sum is among the best of each. See docs/decisions/0073.

Tried in turn until something is found: all words, each perhaps one slip away, all but one, any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias

import tantivy

from crdt.keys import NamespaceKey
from storage.listing_cursors import TIME_MAX
from storage.search_cursor import Key, decode_cursor, encode_cursor
from storage.search_facets import FacetCounts, count_facets
from storage.search_schema import POINTS_SHIFT, exact_name, storable
from storage.search_words import BEGINNING_CHARS, is_unspaced, stem, wanted_words

SearchSort: TypeAlias = Literal["relevance", "recent", "rating", "downloads", "fitness", "name"]
Matched: TypeAlias = Literal["all", "slips", "some", "none"]
"""All words; all, some of them one slip away; some of them; nothing."""

WORDS_MAX: Final = 16
QUERY_CHARS_MAX: Final = 512
FUZZY_LETTERS_MIN: Final = 4  # one edit of a shorter word is another word
VALUE_MAX: Final = (1 << 63) - 1

# What a tier is worth, in quarters of a doubling of the downloads, see `search_schema.points`:
# a record with the word in its text alone needs 256 times the downloads of one that is called so.
EXACT: Final = 4_000
IN_NAME: Final = 48
IN_HEAD: Final = 32
ONE_IN_HEAD: Final = 24
ANYWHERE: Final = 16
BEGUN: Final = 0

_COLUMNS: Final[dict[SearchSort, tuple[str, bool]]] = {  # and whether the highest comes first
    "recent": ("updated", True),
    "rating": ("rating", True),
    "downloads": ("downloads", True),
    "fitness": ("fitness", True),
    "name": ("name_order", False),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search. `tags` and `terms`: all of them."""

    text: str = ""
    kind: str | None = None
    author: str | None = None
    tags: tuple[str, ...] = ()
    sort: SearchSort = "relevance"
    namespaces: tuple[NamespaceKey, ...] | None = None
    """Any of these; None where the index holds no others, which is quicker."""
    horizon_us: int = TIME_MAX
    """What claims to be newer is last by `recent`."""
    terms: tuple[str, ...] = ()
    """See `Facts.terms`."""
    licenses: tuple[str, ...] = ()
    format: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    facets: tuple[str, ...] = ()
    """Of `FACETS`."""

    @property
    def is_of_lists(self) -> bool:
        """Whether lists can answer it, without the index."""
        needs_index = (self.terms, self.licenses, self.format, self.facets)
        sizes = (self.size_min, self.size_max)
        return not (self.words or any(needs_index) or sizes != (None, None)) and (
            self.sort != "fitness"
        )

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(wanted_words(self.text[:QUERY_CHARS_MAX], WORDS_MAX))


@dataclass(frozen=True, slots=True)
class Found:
    """One document of the index."""

    number: int
    score: float


@dataclass(frozen=True, slots=True)
class FoundPage:
    """`words`: what to mark in what was found; `is_begun`: the last one may go on."""

    found: tuple[Found, ...]
    total: int
    next: str | None
    matched: Matched
    words: tuple[str, ...] = ()
    facets: FacetCounts = field(default_factory=dict[str, tuple[tuple[str, int], ...]])


@dataclass(frozen=True, slots=True)
class Tier:
    """Documents of `query` are worth `points` more than they stand for themselves."""

    points: int
    query: tantivy.Query


Best: TypeAlias = tuple[Key, tantivy.DocAddress]
_MUST: Final = tantivy.Occur.Must
_SHOULD: Final = tantivy.Occur.Should
_UNSIGNED: Final = tantivy.FieldType.Unsigned


def search(index: tantivy.Index, wanted: Wanted, limit: int, cursor: str | None) -> FoundPage:
    """One page. Raises `BadCursor`; no text raises anything."""
    after = None if cursor is None else decode_cursor(cursor, wanted.sort)
    horizon_us = wanted.horizon_us if after is None else after[-1]
    asked = _Asked(index, wanted)
    total, matched, tiers = asked.tiers_that_match()
    if wanted.sort == "relevance" and wanted.words:
        best = asked.by_worth(tiers, limit + 1, after)
    else:
        best = asked.by_column(tiers[-1].query, limit + 1, after, horizon_us)
    shown = best[:limit]
    more = None
    if len(best) > limit:
        more = encode_cursor((*shown[-1][0], horizon_us), wanted.sort)
    numbers = asked.searcher.fast_field_values("number", [address for _, address in shown])
    found = tuple(
        Found(int(number or 0), _score(key, wanted.sort))
        for number, (key, _) in zip(numbers, shown, strict=True)
    )
    facets = count_facets(asked.searcher, wanted.facets, tiers[-1].query, asked.filters)
    return FoundPage(found, total, more, matched, wanted.words, facets)


class _Asked:
    """One search over one state of the index."""

    def __init__(self, index: tantivy.Index, wanted: Wanted) -> None:
        self.schema = index.schema
        self.searcher = index.searcher()
        self._wanted = wanted

    def tiers_that_match(self) -> tuple[int, Matched, list[Tier]]:
        """(how many match in all, how, the tiers of the first attempt that finds anything)"""
        if not (words := self._wanted.words):
            is_lost = self._wanted.text.strip() and not self._wanted.words
            every = tantivy.Query.empty_query() if is_lost else tantivy.Query.all_query()
            total = self._count(every)
            return total, "all" if total else "none", [Tier(BEGUN, every)]
        tiers: list[Tier] = []
        for matched, tiers in self._attempts(words):
            if total := self._count(tiers[-1].query):
                return total, matched, tiers
        return 0, "none", tiers

    def _attempts(self, words: Sequence[str]) -> Iterator[tuple[Matched, list[Tier]]]:
        yield "all", self._whole(words)
        if any(len(word) >= FUZZY_LETTERS_MIN for word in words):
            in_head = self._every([self._near(word, ("head",)) for word in words])
            anywhere = self._every([self._near(word, ("head", "any")) for word in words])
            yield "slips", [Tier(IN_HEAD, in_head), Tier(BEGUN, anywhere)]
        for least in dict.fromkeys((len(words) - 1, 1)):
            if least:
                in_head = self._at_least(least, [self._term("head", word) for word in words])
                anywhere = self._at_least(least, [self._term("any", stem(w)) for w in words])
                either = self._either([in_head, anywhere])
                yield "some", [Tier(IN_HEAD, in_head), Tier(BEGUN, either)]

    def _whole(self, words: Sequence[str]) -> list[Tier]:
        """Each within the next."""
        anywhere = self._every([self._term("any", stem(word)) for word in words])
        in_head = [self._term("head", word) for word in words]
        tiers = [
            Tier(EXACT, self._term("exact", exact_name(self._wanted.text[:QUERY_CHARS_MAX]))),
            Tier(IN_NAME, self._every([self._term("name", word) for word in words])),
            Tier(IN_HEAD, self._every(in_head)),
        ]
        if len(words) > 1:
            tiers.append(Tier(ONE_IN_HEAD, self._every([anywhere, self._either(in_head)])))
        tiers.append(Tier(ANYWHERE, anywhere))
        if begun := self._begun(words):
            tiers.append(Tier(BEGUN, self._either([anywhere, begun])))
        return tiers

    def _begun(self, words: Sequence[str]) -> tantivy.Query | None:
        """All words, the last one only begun in name or tags: people search while they type."""
        *before, last = words
        if len(last) < BEGINNING_CHARS.start or is_unspaced(last):
            return None
        if len(last) < BEGINNING_CHARS.stop:
            begun = self._term("begun", last)
        else:
            begun = tantivy.Query.fuzzy_term_query(
                self.schema, "head", last, distance=0, prefix=True
            )
        return self._every([*(self._term("any", stem(word)) for word in before), begun])

    def _near(self, word: str, fields: Sequence[str]) -> tantivy.Query:
        """`word`, or one letter more, less, other, or two in the other order."""
        near = [self._term("any", stem(word))] if "any" in fields else []
        if len(word) < FUZZY_LETTERS_MIN:
            return self._either([*near, self._term("head", word)])
        for name in fields:
            text = stem(word) if name == "any" else word
            near.append(tantivy.Query.fuzzy_term_query(self.schema, name, text))
        return self._either(near)

    # ── in which order ──

    def by_worth(self, tiers: Sequence[Tier], limit: int, after: Key | None) -> list[Best]:
        """The best by (what its best tier is worth + `standing`, tie)."""
        found: dict[tuple[int, int], Best] = {}
        better: list[tantivy.Query] = []
        for tier in tiers:
            worth = tier.points << POINTS_SHIFT
            below = None if after is None else (after[0] - worth, after[1])
            # On later pages what a better tier has was shown before.
            query = tier.query if after is None else self._without(tier.query, better)
            better = [tier.query]
            if below is not None and below[0] < 0:
                continue
            for (value, tie), address in self._best(query, "standing", True, limit, below):
                place = (address.segment_ord, address.doc)
                found.setdefault(place, ((value + worth, tie), address))
        return sorted(found.values(), key=lambda one: (-one[0][0], one[0][1]))[:limit]

    def by_column(
        self, query: tantivy.Query, limit: int, after: Key | None, horizon_us: int
    ) -> list[Best]:
        """By the column that `sort` names; of `recent`, what is beyond the horizon comes last."""
        column, is_down = _COLUMNS.get(self._wanted.sort, ("updated", True))
        start = None if after is None else (after[0], after[1])
        if column != "updated":
            return self._best(query, column, is_down, limit, start)
        found: list[Best] = []
        is_beyond = start is not None and start[0] > horizon_us
        if not is_beyond:
            within = self._every([query, self._range(column, None, horizon_us)])
            found = self._best(within, column, is_down, limit, start)
        if len(found) < limit and horizon_us < VALUE_MAX:
            beyond = self._every([query, self._range(column, horizon_us + 1, None)])
            start = start if is_beyond else None
            found += self._best(beyond, column, is_down, limit - len(found), start)
        return found

    def _best(
        self,
        query: tantivy.Query,
        column: str,
        is_down: bool,
        limit: int,
        after: tuple[int, int] | None,
    ) -> list[Best]:
        """The first by (`column`, tie) of those after (value, tie).

        The index breaks ties by when something came; where one falls on the end of the page, those
        of that value are asked for again, by their own tie.
        """
        found: list[tuple[int, tantivy.DocAddress]] = []
        if after is not None:
            value, tie = min(after[0], VALUE_MAX + 1), after[1]
            if value <= VALUE_MAX:
                found += self._of_value(query, column, value, limit, tie + 1)
            query = self._every([query, self._beyond(column, value, is_down=is_down)])
        room = limit - len(found)
        if room > 0:
            hits = self._first(query, column, is_down, room + 1)
            if len(hits) > room and hits[room - 1][0] == hits[room][0]:
                value = hits[room][0]
                hits = [hit for hit in hits if hit[0] != value]
                hits += self._of_value(query, column, value, room - len(hits), 0)
            found += hits[:room]
        ties = self.searcher.fast_field_values("tie", [address for _, address in found])
        best = [
            ((value, int(tie or 0)), address)
            for (value, address), tie in zip(found, ties, strict=True)
        ]
        sign = -1 if is_down else 1
        return sorted(best, key=lambda one: (sign * one[0][0], one[0][1]))

    def _of_value(
        self, query: tantivy.Query, column: str, value: int, limit: int, tie_min: int
    ) -> list[tuple[int, tantivy.DocAddress]]:
        """Those with just this value, by their ties from `tie_min` on."""
        equal = [query, self._range(column, value, value)]
        if tie_min:
            equal.append(self._range("tie", tie_min, None))
        hits = self._first(self._every(equal), "tie", False, limit)
        return [(value, address) for _, address in hits]

    def _first(
        self, query: tantivy.Query, column: str, is_down: bool, limit: int
    ) -> list[tuple[int, tantivy.DocAddress]]:
        order = tantivy.Order.Desc if is_down else tantivy.Order.Asc
        return self.searcher.search(
            self._filtered(query), limit, count=False, order_by_field=column, order=order
        ).hits

    def _count(self, query: tantivy.Query) -> int:
        found = self.searcher.search(self._filtered(query), 1)
        return int(getattr(found, "count", 0) or 0)

    # ── queries ──

    @cached_property
    def filters(self) -> dict[str, list[tantivy.Query]]:
        """Field -> what it must be."""
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
                made[name] = [self._term(name, value) for value in values]
        if wanted.namespaces is not None:
            places = [self._term("namespace", one.hex()) for one in wanted.namespaces]
            made["namespace"] = [self._either(places)]
        if (wanted.size_min, wanted.size_max) != (None, None):
            made["size"] = [self._range("size", max(1, wanted.size_min or 1), wanted.size_max)]
        return made

    def _filtered(self, query: tantivy.Query) -> tantivy.Query:
        return self._every([query, *(one for each in self.filters.values() for one in each)])

    def _term(self, field: str, value: str) -> tantivy.Query:
        return tantivy.Query.term_query(self.schema, field, storable(value), "basic")

    def _range(self, column: str, least: int | None, most: int | None) -> tantivy.Query:
        return tantivy.Query.range_query(self.schema, column, _UNSIGNED, least, most)

    def _beyond(self, column: str, value: int, *, is_down: bool) -> tantivy.Query:
        """What comes after `value`."""
        if is_down:
            return self._range(column, None, value - 1) if value > 0 else _NOTHING
        return self._range(column, value + 1, None)

    @staticmethod
    def _every(queries: Sequence[tantivy.Query]) -> tantivy.Query:
        if len(queries) == 1:
            return queries[0]
        return tantivy.Query.boolean_query([(_MUST, one) for one in queries])

    @staticmethod
    def _either(queries: Sequence[tantivy.Query]) -> tantivy.Query:
        if len(queries) == 1:
            return queries[0]
        return tantivy.Query.boolean_query([(_SHOULD, one) for one in queries])

    @staticmethod
    def _at_least(least: int, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        return tantivy.Query.boolean_query([(_SHOULD, one) for one in queries], least)

    @staticmethod
    def _without(query: tantivy.Query, others: Sequence[tantivy.Query]) -> tantivy.Query:
        """`others` are within `query`."""
        if not others:
            return query
        but = [(tantivy.Occur.MustNot, one) for one in others]
        return tantivy.Query.boolean_query([(_MUST, query), *but])


_NOTHING: Final = tantivy.Query.empty_query()


def _score(key: Key, sort: SearchSort) -> float:
    """For people and programs to compare: points, with what breaks ties behind the point."""
    return round(key[0] / (1 << POINTS_SHIFT), 4) if sort == "relevance" else 0.0
