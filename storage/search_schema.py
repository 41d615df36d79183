"""What the index keeps of a record: terms to find it by, and columns to put it in order.

Every column is a function of the record and of what is said of it, and `tie` tells any two records
apart: no order ever depends on when something came, or on how the files of the index are cut.
"""

import hashlib
import math
import struct
from typing import Final

import tantivy

from crdt.keys import NamespaceKey
from storage.facts import Facts
from storage.listing import Listing
from storage.listings import ListedRow
from storage.search_words import beginnings, kept_words, runs, stem

SCHEMA_VERSION: Final = 3
"""tantivy refuses an index of another schema: a new directory, then a rebuild."""
FACETS: Final = ("kind", "tag", "license", "format")
"""Fields whose values can be counted."""
TERMS_MAX: Final = 2_048  # 1,000 imports and 256 exports, in two or three forms each
TIE_BITS: Final = 63
NAME_ORDER_BYTES: Final = 8

# Of `standing`: what people say of it, then how short its name is, then the first bits of its tie,
# so that hardly any two are equal.
POINTS_SHIFT: Final = 50
SHORTNESS_SHIFT: Final = 44
SHORTNESS_MAX: Final = 63
POINTS_PER_DOUBLING: Final = 4
POINTS_MAX: Final = 1_000
STARS_NEUTRAL: Final = 3
STARS_PRIOR: Final = 4  # as if so many had given three: one friend's five stars say little


def schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for name in ("name", "head", "any", "begun"):  # their words come separated by spaces
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    for name in ("id", "exact", "author", "namespace", "fact"):  # updates delete by the id
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in FACETS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    for name in (
        "number", "standing", "downloads", "updated", "rating", "fitness", "name_order", "size",
        "tie",
    ):  # fmt: skip
        builder.add_unsigned_field(name, fast=True)
    return builder.build()


def to_document(row: ListedRow, facts: Facts) -> tantivy.Document:
    listing = row.listing
    document = tantivy.Document()
    name = dict.fromkeys(kept_words(f"{listing.name} {listing.record}"))
    head = name | dict.fromkeys(kept_words(" ".join(listing.tags)))
    every = head | dict.fromkeys(kept_words(f"{listing.description} {listing.text}"))
    for field, words in (
        ("name", name),
        ("head", head),
        ("any", every | dict.fromkeys(map(stem, every))),  # a slip is in a word, not in its stem
        ("begun", beginnings(head)),
    ):
        document.add_text(field, " ".join(words))
    for field, values in (
        ("id", (str(row.number),)),
        ("exact", (exact_name(listing.name), exact_name(listing.record))),
        ("author", (listing.author,)),
        ("namespace", (row.namespace.hex(),)),
        ("fact", facts.terms[:TERMS_MAX]),
        ("kind", (listing.kind,)),
        ("tag", listing.tags),
        ("license", facts.licenses),
        ("format", (facts.format,) if facts.format else ()),
    ):
        for value in values:
            document.add_text(field, storable(value))
    for column, number in columns(row, facts).items():
        document.add_unsigned(column, number)
    return document


def columns(row: ListedRow, facts: Facts) -> dict[str, int]:
    """What it is put in order by, each from 0 to 2^63."""
    listing = row.listing
    tie = tie_of(row.namespace, listing)
    return {
        "number": row.number,
        "standing": standing(row, tie),
        "downloads": max(0, row.installs),
        "updated": max(0, listing.updated_us),
        "rating": row.rating_key,
        "fitness": in_order(facts.fitness),
        "name_order": name_order(listing.name),
        "size": max(0, facts.size or 0),
        "tie": tie,
    }


def exact_name(text: str) -> str:
    """What an exact name is compared by: its words alone."""
    return " ".join(runs(text))


def tie_of(namespace: NamespaceKey, listing: Listing) -> int:
    """A number for whose record it is and where; nobody can choose it well, all nodes agree."""
    whose = b"\0".join((namespace, listing.kind.encode(), listing.target.encode(errors="replace")))
    digest = hashlib.blake2b(whose, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - TIE_BITS)


def standing(row: ListedRow, tie: int) -> int:
    """How well a record stands apart from any query: higher is better."""
    shortness = SHORTNESS_MAX - min(SHORTNESS_MAX, len(row.listing.name))
    return (
        points(row) << POINTS_SHIFT
        | shortness << SHORTNESS_SHIFT
        | (1 << SHORTNESS_SHIFT) - 1 - (tie >> (TIE_BITS - SHORTNESS_SHIFT))
    )


def points(row: ListedRow) -> int:
    """Quarters of doublings of the downloads, and up to two doublings more or less by the stars.

    By integers: floating point rounds differently from one machine to the next.
    """
    downloads = ((1 + max(0, row.installs)) ** POINTS_PER_DOUBLING).bit_length() - 1
    above = row.stars_sum - STARS_NEUTRAL * row.stars_count
    stars = POINTS_PER_DOUBLING * above // (row.stars_count + STARS_PRIOR)
    return max(0, min(POINTS_MAX, downloads + stars + 2 * POINTS_PER_DOUBLING))


def in_order(value: float | None) -> int:
    """Integers in the order of the numbers; 0 for none, which comes last. Halved to 63 bits."""
    if value is None or math.isnan(value):
        return 0
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))  # -0.0 is 0.0
    ordered: int = ~bits & (1 << 64) - 1 if bits >> 63 else bits | 1 << 63
    return ordered >> 1


def name_order(name: str) -> int:
    """The first eight bytes as a number: the ties that matter, in a column that sorts."""
    folded = name.casefold().encode(errors="replace")[:NAME_ORDER_BYTES]
    return int.from_bytes(folded.ljust(NAME_ORDER_BYTES, b"\0"), "big") >> 1


def storable(text: str) -> str:
    """`text` without lone surrogates, which are in no index."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
