"""What genomes, seeds and lineages look like as JSON, the part that all share.

A row of a list keeps as JSON what the record itself says: the fields here that have no default.
What others say of it, and its bytes where they are text, are put beside them when it is shown
(`shown`). So a list of a hundred genomes of 10 kB is put together without reading any of them.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from registry.head import Head
from registry.listed import ModuleRating

TAGS_JOINED_BY: Final = ","
"""The Galactic Federation's tags are one text."""
ANONYMOUS: Final = "anonymous"
"""Its author of what nobody said who made it."""


class Published(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Times are RFC 3339. What has a default is no part of the row."""

    id: str
    """A genome's or a seed's: 64 hex digits, the BLAKE3 of its bytes. A lineage's own word."""
    author: str
    """Who made it, in free text; nobody vouches for it."""
    author_did: str
    """Who signed it."""
    name: str
    description: str
    tags: str
    """Joined by commas, as the Galactic Federation has them."""
    tag_list: tuple[str, ...]
    license: str
    card: str
    """Markdown."""
    created_at: str
    updated_at: str
    anonymous: bool
    """Signed by a public node for somebody who did not say who they are."""
    namespace: str = "commons"
    """`commons`, or the did:key of the namespace that this record of it is in."""
    downloads: int = 0
    """By how many signers."""
    rating: ModuleRating | None = None
    also_by: tuple[str, ...] = ()
    """Other authors who published the same, those first whom one follows."""

    @property
    def full_name(self) -> str:
        return f"{self.author_did}/{self.id}"


def shown(kept: bytes, beside: Mapping[str, object]) -> bytes:
    """The JSON of a row with more fields beside its own."""
    assert kept.endswith(b"}"), "a row's JSON is an object"
    return kept[:-1] + b"," + msgspec.json.encode(beside)[1:]


def tags_joined(tags: tuple[str, ...]) -> str:
    return TAGS_JOINED_BY.join(tags)


def tags_split(text: str) -> tuple[str, ...]:
    """Each once, in the order in which they come; spaces around them are no part of them."""
    parts = (part.strip() for part in text.split(TAGS_JOINED_BY))
    return tuple(dict.fromkeys(part for part in parts if part))


def words_of(head: Head, *more: str) -> str:
    """More to find it by than its name, description and tags."""
    return "\n".join(filter(None, (*more, head.license, head.card)))
