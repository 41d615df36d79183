"""Searching the index: what is asked, in which order it is found, and the words marked.

Exact name first, then relevance times log-popularity, then downloads, then name: one total order,
so pages neither overlap nor skip. Tried in turn until something is found: all words, the last one
also as the beginning of a word; any word; names and tags one edit away.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import tantivy

from crdt.keys import NamespaceKey
from storage.errors import BadCursor
from storage.listings import TIME_MAX, ListedRow

SearchSort: TypeAlias = Literal["relevance", "recent", "rating", "downloads", "name"]

SCHEMA_VERSION = 2  # tantivy refuses an index of another schema: a new directory, then a rebuild
CANDIDATES = 1_000  # ranked in Python; deeper pages are for listings, which SQLite serves
WORDS_MAX = 16
QUERY_CHARS_MAX = 512
FUZZY_LETTERS_MIN = 4  # one edit of a shorter word is another word
PREFIX_LETTERS_MIN = 2  # one letter begins half of all words
SNIPPET_CHARS = 160
CURSOR_CHARS_MAX = 512
NAME_ORDER_BYTES = 8
BOOSTS: Final = {"name": 4.0, "tags": 2.0}
TEXT_FIELDS: Final = ["name", "tags", "description", "words"]
PREFIX_FIELDS: Final = ("name", "tags")

# What each order looks at first: a fast field, and whether the highest comes first.
_FIELDS: Final[dict[SearchSort, tuple[str, bool]]] = {
    "recent": ("updated", True),
    "rating": ("rating", True),
    "downloads": ("downloads", True),
    "name": ("name_order", False),
}

Key: TypeAlias = tuple[float | int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search. `tags`: all of them."""

    text: str
    kind: str | None = None
    author: str | None = None
    tags: tuple[str, ...] = ()
    sort: SearchSort = "relevance"
    namespaces: tuple[NamespaceKey, ...] | None = None
    """Any of these; None where the index holds no others, which is quicker."""
    horizon_us: int = TIME_MAX
    """What claims to be newer is last by `recent`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One document of the index: `key` is its place in the order."""

    number: int
    score: float
    key: Key
    snippet: str


@dataclass(frozen=True, slots=True)
class FoundPage:
    found: tuple[Found, ...]
    total: int
    next: str | None


def schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw")  # raw: updates delete by it
    builder.add_text_field("name")
    builder.add_text_field("exact", tokenizer_name="raw")  # the case-folded name as one term
    builder.add_text_field("description", stored=True, tokenizer_name="en_stem")
    builder.add_text_field("words", tokenizer_name="en_stem")
    builder.add_text_field("tags")
    for name in ("kind", "author", "tag", "namespace"):
        builder.add_text_field(name, tokenizer_name="raw")
    for name in ("number", "downloads", "updated", "rating", "name_order"):
        builder.add_unsigned_field(name, fast=True)
    builder.add_float_field("popularity", fast=True)
    return builder.build()


def to_document(row: ListedRow) -> tantivy.Document:
    """What the index keeps of a record: terms, the columns it sorts by, text for snippets."""
    listing = row.listing
    document = tantivy.Document()
    for field, text in (
        ("id", str(row.number)),
        ("name", f"{listing.name} {listing.record}"),
        ("exact", listing.name.casefold()),
        ("description", listing.description),
        ("words", listing.text),
        ("tags", " ".join(listing.tags)),
        ("kind", listing.kind),
        ("author", listing.author),
        ("namespace", row.namespace.hex()),
    ):
        document.add_text(field, text)
    document.add_text("exact", listing.record.casefold())
    for tag in listing.tags:
        document.add_text("tag", tag)
    for field, number in (
        ("number", row.number),
        ("downloads", row.installs),
        ("updated", listing.updated_us),
        ("rating", row.rating_key),
        ("name_order", name_order(listing.name)),
    ):
        document.add_unsigned(field, number)
    document.add_float("popularity", math.log2(1 + row.installs))
    return document


def search(index: tantivy.Index, wanted: Wanted, limit: int, cursor: str | None) -> FoundPage:
    """One page. Raises `BadCursor`; no text raises anything."""
    after = None if cursor is None else _decode(cursor, wanted.sort)
    searcher = index.searcher()
    query, total, order = _found(index, searcher, wanted)
    rest = [one for one in order if after is None or one[0] > after]
    shown = rest[:limit]
    more = _encode(shown[-1][0], wanted.sort) if len(rest) > limit else None
    return FoundPage(tuple(_marked(index, searcher, query, shown)), total, more)


_Ranked: TypeAlias = tuple[Key, float, tantivy.DocAddress]


def _found(
    index: tantivy.Index, searcher: tantivy.Searcher, wanted: Wanted
) -> tuple[tantivy.Query, int, list[_Ranked]]:
    """(the query that found something, how much in all, the best of it in order)"""
    text = storable(wanted.text[:QUERY_CHARS_MAX])
    exact = _filtered(index, _term(index, "exact", text.strip().casefold()), wanted)
    query = tantivy.Query.empty_query()
    named = searcher.search(exact, CANDIDATES, count=False, weight_by_field="popularity").hits
    for attempt in _attempts(index, text):
        query = attempt
        either = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, _filtered(index, attempt, wanted)),
                (tantivy.Occur.Should, exact),
            ]
        )
        result = _best(searcher, either, wanted.sort)
        if hits := result.hits:
            total = int(getattr(result, "count", 0) or len(hits))
            if wanted.sort == "recent":  # else those of the future could fill all that is ranked
                hits = [*_best(searcher, _until(index, either, wanted), "recent").hits, *hits]
            return query, total, _ranked(searcher, named, hits, wanted)
    return query, len(named), _ranked(searcher, named, [], wanted)


def _best(
    searcher: tantivy.Searcher, query: tantivy.Query, sort: SearchSort
) -> tantivy.SearchResult:
    if sort == "relevance":
        return searcher.search(query, CANDIDATES, weight_by_field="popularity")
    field, is_down = _FIELDS[sort]
    order = tantivy.Order.Desc if is_down else tantivy.Order.Asc
    return searcher.search(query, CANDIDATES, order_by_field=field, order=order)


def _until(index: tantivy.Index, query: tantivy.Query, wanted: Wanted) -> tantivy.Query:
    must, number = tantivy.Occur.Must, tantivy.FieldType.Unsigned
    until = tantivy.Query.range_query(index.schema, "updated", number, None, wanted.horizon_us)
    return tantivy.Query.boolean_query([(must, query), (must, until)])


def _attempts(index: tantivy.Index, text: str) -> Iterator[tantivy.Query]:
    """Operators never reach the parser: it is given letters and digits only."""
    words = re.findall(r"\w+", text.lower())[:WORDS_MAX]
    if not words:
        return
    whole, begun = _all_words(index, words), _last_word_begun(index, words)
    if begun is not None and not _is_enough(index, whole):
        should = tantivy.Occur.Should
        yield tantivy.Query.boolean_query([(should, whole), (should, begun)])
    else:
        yield whole
    if len(words) > 1:
        yield index.parse_query_lenient(" ".join(words), TEXT_FIELDS, BOOSTS)[0]
    fuzzy = [
        (
            tantivy.Occur.Should,
            tantivy.Query.fuzzy_term_query(index.schema, field, word),
        )
        for word in words
        if len(word) >= FUZZY_LETTERS_MIN
        for field in PREFIX_FIELDS
    ]
    if fuzzy:
        yield tantivy.Query.boolean_query(fuzzy)


def _all_words(index: tantivy.Index, words: Sequence[str]) -> tantivy.Query:
    return index.parse_query_lenient(
        " ".join(words), TEXT_FIELDS, BOOSTS, conjunction_by_default=True
    )[0]


def _last_word_begun(index: tantivy.Index, words: Sequence[str]) -> tantivy.Query | None:
    """All words, the last one only begun: people search while they type."""
    *before, last = words
    if len(last) < PREFIX_LETTERS_MIN:
        return None
    begun = tantivy.Query.boolean_query(
        [
            (
                tantivy.Occur.Should,
                tantivy.Query.fuzzy_term_query(index.schema, field, last, distance=0, prefix=True),
            )
            for field in PREFIX_FIELDS
        ]
    )
    if not before:
        return begun
    must = tantivy.Occur.Must
    return tantivy.Query.boolean_query([(must, _all_words(index, before)), (must, begun)])


def _is_enough(index: tantivy.Index, query: tantivy.Query) -> bool:
    """Whether whole words alone fill every page: then beginnings would only cost time."""
    found = index.searcher().search(query, 1)
    return int(getattr(found, "count", 0) or 0) >= CANDIDATES


def _filtered(index: tantivy.Index, query: tantivy.Query, wanted: Wanted) -> tantivy.Query:
    """Filters say yes or no; they add nothing to the score."""
    terms = [("tag", tag) for tag in wanted.tags]
    terms += [("kind", wanted.kind)] if wanted.kind is not None else []
    terms += [("author", wanted.author)] if wanted.author is not None else []
    must = tantivy.Occur.Must
    filters = _somewhere(index, wanted.namespaces)
    filters += [
        (must, tantivy.Query.const_score_query(_term(index, field, value), 0.0))
        for field, value in terms
    ]
    return tantivy.Query.boolean_query([(must, query), *filters]) if filters else query


def _somewhere(
    index: tantivy.Index, namespaces: tuple[NamespaceKey, ...] | None
) -> list[tuple[tantivy.Occur, tantivy.Query]]:
    """In one of them."""
    if namespaces is None:
        return []
    should = tantivy.Occur.Should
    either = [(should, _term(index, "namespace", one.hex())) for one in namespaces]
    query = tantivy.Query.const_score_query(tantivy.Query.boolean_query(either), 0.0)
    return [(tantivy.Occur.Must, query)]


def _term(index: tantivy.Index, field: str, value: str) -> tantivy.Query:
    return tantivy.Query.term_query(index.schema, field, storable(value))


Hits: TypeAlias = list[tuple[float, tantivy.DocAddress]]


def _ranked(searcher: tantivy.Searcher, named: Hits, found: Hits, wanted: Wanted) -> list[_Ranked]:
    """In the total order. Reads columns only, no documents."""
    sort = wanted.sort
    is_named = {(address.segment_ord, address.doc): score for score, address in named}
    hits = {(address.segment_ord, address.doc): (score, address) for score, address in found}
    for score, address in named:
        hits.setdefault((address.segment_ord, address.doc), (score, address))
    addresses = [address for _, address in hits.values()]
    first, is_down = _FIELDS.get(sort, ("downloads", True))
    columns = [
        [int(value or 0) for value in searcher.fast_field_values(field, addresses)]
        for field in (first, "downloads", "name_order", "number")
    ]
    ranked: list[_Ranked] = []
    for place, (score, address), leading, downloads, name, number in zip(
        hits, hits.values(), *columns, strict=True
    ):
        ties = (-downloads, name, number)
        if sort == "relevance":
            key: Key = (0 if place in is_named else 1, -float(score), *ties)
        else:
            if sort == "recent" and leading > wanted.horizon_us:
                leading = 0
            key = (-leading if is_down else leading, *ties)
            score = 0.0
        ranked.append((key, float(score), address))
    ranked.sort(key=lambda one: one[0])
    return ranked


def _marked(
    index: tantivy.Index,
    searcher: tantivy.Searcher,
    query: tantivy.Query,
    ranked: Sequence[_Ranked],
) -> Iterator[Found]:
    marker = tantivy.SnippetGenerator.create(searcher, query, index.schema, "description")
    marker.set_max_num_chars(SNIPPET_CHARS)
    for key, score, address in ranked:
        document = searcher.doc(address)
        snippet = marker.snippet_from_doc(document).to_html()  # it escapes the text
        yield Found(int(document["id"][0]), score, key, snippet)


def storable(text: str) -> str:
    """`text` without lone surrogates, which are in no index."""
    return text.encode("utf-8", "replace").decode()


def name_order(name: str) -> int:
    """The first eight bytes as a number: the ties that matter, in a column that sorts."""
    folded = name.casefold().encode()[:NAME_ORDER_BYTES]
    return int.from_bytes(folded.ljust(NAME_ORDER_BYTES, b"\0"), "big")


def _encode(key: Key, sort: SearchSort) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, *key]).encode()).decode()


def _decode(cursor: str, sort: SearchSort) -> Key:
    try:
        if len(cursor) > CURSOR_CHARS_MAX:
            raise ValueError("too long")
        told, *key = json.loads(base64.b64decode(cursor.encode(), b"-_", validate=True))
        if told != sort or len(key) != (5 if sort == "relevance" else 4):
            raise ValueError("of another search")
        if not all(type(part) in (int, float) for part in key):
            raise ValueError("no numbers")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadCursor(f"This is no cursor of a search sorted by {sort}: {error}") from error
    return tuple(key)
