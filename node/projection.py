"""What lists and search show of each kind of document: those of the registry and of universes."""

from collections.abc import Mapping
from typing import Any, Final

from crdt.change import DocumentId
from registry import listings
from registry.deletion import is_deleted
from storage.listing import Projection, Projector
from universe import passage, player, record

OF_UNIVERSES: Final[Mapping[tuple[str, str], Projector]] = {
    (record.CLASS, record.KIND): record.universe_listing,
    (passage.CLASS, passage.KIND): passage.passage_listing,
    (player.CLASS, player.KIND): player.player_listing,
}
KINDS: Final[Mapping[str, str]] = {
    **listings.KINDS,
    record.KIND: record.WORD,
    passage.KIND: passage.WORD,
    player.KIND: player.WORD,
}
"""The word people use for each kind of document."""


def project(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """The row of one document; None for kinds that are not listed, and for what was deleted.

    Raises `MalformedRecord` where the document is not what its kind promises.
    """
    of_universe = OF_UNIVERSES.get((document.cls, document.kind))
    if of_universe is None:
        return listings.project(document, value)
    return None if is_deleted(value) else of_universe(document, value)
