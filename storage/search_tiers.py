"""What a search asks for in turn, and the tiers of each attempt, see docs/decisions/0073.

Every tier is within the next one. The dictionary of the index tells which of them can have nothing,
or nothing of their own: those are not asked for.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

import tantivy
from msgspec import Struct

from storage.search_schema import exact_name, storable
from storage.search_wanted import QUERY_CHARS_MAX, Wanted
from storage.search_words import BEGINNING_CHARS, is_unspaced, stem

Matched: TypeAlias = Literal["all", "slips", "some", "none"]
"""All words; all, some of them one slip away; some of them; nothing."""

FUZZY_LETTERS_MIN: Final = 4  # one edit of a shorter word is another word

# What a tier is worth, in quarters of a doubling of the downloads, see `search_schema.points`:
# a record with the word in its text alone needs 256 times the downloads of one that is called so.
EXACT: Final = 4_000
IN_NAME: Final = 48
IN_HEAD: Final = 32
ONE_IN_HEAD: Final = 24
ANYWHERE: Final = 16
BEGUN: Final = 0

_MUST: Final = tantivy.Occur.Must
_SHOULD: Final = tantivy.Occur.Should
_MUST_NOT: Final = tantivy.Occur.MustNot


class Tier(Struct, frozen=True):
    """Documents of `query` are worth `points` more than they stand for themselves."""

    points: int
    query: tantivy.Query


Attempt: TypeAlias = tuple[Matched, list[Tier]]


class Attempts:
    """Of one search over one state of the index; the last one is the widest."""

    def __init__(self, schema: tantivy.Schema, searcher: tantivy.Searcher, wanted: Wanted) -> None:
        self._schema = schema
        self._searcher = searcher
        self._wanted = wanted

    def __iter__(self) -> Iterator[Attempt]:
        words = self._wanted.words
        if not words:
            is_lost = bool(self._wanted.text.strip())
            every_one = tantivy.Query.empty_query() if is_lost else tantivy.Query.all_query()
            yield "all", [Tier(BEGUN, every_one)]
            return
        if whole := self._whole(words):
            yield "all", whole
        if any(len(word) >= FUZZY_LETTERS_MIN for word in words):
            in_head = every([self._near("head", word) for word in words])
            anywhere = every([self._near("any", word) for word in words])
            yield "slips", [Tier(IN_HEAD, in_head), Tier(BEGUN, anywhere)]
        for least in dict.fromkeys((len(words) - 1, 1)):
            if least:
                in_head = at_least(least, self._terms("head", words))
                anywhere = at_least(least, self._terms("any", [*map(stem, words)]))
                yield "some", [Tier(IN_HEAD, in_head), Tier(BEGUN, either([in_head, anywhere]))]

    def _whole(self, words: Sequence[str]) -> list[Tier]:
        """All words. Asked for are those tiers that have something which the ones before have not:
        none where no record has a word anywhere, nor the name where tags have the word no oftener.
        """
        stems = [stem(word) for word in words]
        is_anywhere = all(self._count("any", word) for word in stems)
        headed = [self._count("head", word) if is_anywhere else 0 for word in words]
        named = [self._count("name", word) if all(headed) else 0 for word in words]
        tiers: list[Tier] = []
        if all(named):
            exact = exact_name(self._wanted.text[:QUERY_CHARS_MAX])
            if self._count("exact", exact):
                tiers.append(Tier(EXACT, term(self._schema, "exact", exact)))
            tiers.append(Tier(IN_NAME, every(self._terms("name", words))))
        if all(headed) and named != headed:
            tiers.append(Tier(IN_HEAD, every(self._terms("head", words))))
        anywhere = every(self._terms("any", stems))
        if len(words) > 1 and any(headed):
            one_in_head = either(self._terms("head", words))
            tiers.append(Tier(ONE_IN_HEAD, every([anywhere, one_in_head])))
        if is_anywhere:
            tiers.append(Tier(ANYWHERE, anywhere))
        if begun := self._begun(words, headed[-1]):
            tiers.append(Tier(BEGUN, either([anywhere, begun]) if is_anywhere else begun))
        return tiers

    def _begun(self, words: Sequence[str], whole: int) -> tantivy.Query | None:
        """All words, the last one only begun in name or tags: people search while they type.

        None where no more begin with it there than the `whole` documents that say just this.
        """
        *before, last = words
        if len(last) < BEGINNING_CHARS.start or is_unspaced(last):
            return None
        stems = [stem(word) for word in before]
        if not all(self._count("any", word) for word in stems):
            return None
        if len(last) < BEGINNING_CHARS.stop:
            if self._count("begun", last) == whole:
                return None
            begun = term(self._schema, "begun", last)
        else:
            begun = tantivy.Query.fuzzy_term_query(
                self._schema, "head", last, distance=0, prefix=True
            )
        return every([*self._terms("any", stems), begun])

    def _near(self, field: str, word: str) -> tantivy.Query:
        """`word`, or one letter more, less, other, or two in the other order."""
        if len(word) < FUZZY_LETTERS_MIN:
            return term(self._schema, field, word)
        return tantivy.Query.fuzzy_term_query(self._schema, field, word)

    def _terms(self, field: str, words: Sequence[str]) -> list[tantivy.Query]:
        return [term(self._schema, field, word) for word in words]

    def _count(self, field: str, word: str) -> int:
        """How many documents say it, deleted ones among them: of two sets, one within the other,
        that are equally large by this, neither has anything of its own.
        """
        return self._searcher.doc_freq(field, word)


def term(schema: tantivy.Schema, field: str, value: str) -> tantivy.Query:
    return tantivy.Query.term_query(schema, field, storable(value), "basic")


def every(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(_MUST, one) for one in queries])


def either(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    if len(queries) == 1:
        return queries[0]
    return tantivy.Query.boolean_query([(_SHOULD, one) for one in queries])


def at_least(least: int, queries: Sequence[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(_SHOULD, one) for one in queries], least)


def without(query: tantivy.Query, other: tantivy.Query | None) -> tantivy.Query:
    if other is None:
        return query
    return tantivy.Query.boolean_query([(_MUST, query), (_MUST_NOT, other)])
