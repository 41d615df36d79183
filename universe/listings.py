"""What lists and search show of each kind of document, the registry's and those of universes."""

from collections.abc import Mapping
from typing import Any, Final

from crdt.change import DocumentId
from registry import listings
from registry.deletion import is_deleted
from storage.listing import Projection
from universe import passage, player

KINDS: Final[Mapping[str, str]] = {
    **listings.KINDS,
    passage.KIND: passage.WORD,
    player.KIND: player.WORD,
}
"""The word people use for each kind of document."""


def project(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """As `registry.listings.project`, of every kind there is. Raises `MalformedRecord`."""
    if is_deleted(value):
        return None
    match document.cls, document.kind:
        case passage.CLASS, passage.KIND:
            return passage.passage_listing(document, value)
        case player.CLASS, player.KIND:
            return player.player_listing(document, value)
        case _:
            return listings.project(document, value)
