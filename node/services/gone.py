"""Universes that were deleted: shown to nobody any more, and told from what was never here."""

from collections.abc import Sequence

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import AuthorKey, NamespaceKey
from node.services.deleting import undo_text, was_deleted
from node.services.names import author_meant
from registry.errors import UnknownRecord
from storage.store import Store
from universe.record import CLASS, KIND


async def deleted_universe(
    store: Store, author: str, id: str, places: Sequence[NamespaceKey]
) -> DocumentId | None:
    """Where one lies that was deleted; None where none is known. `author`: did:key."""
    owner = AuthorKey(decode_did_key(author))
    for place in places:
        document = DocumentId(place, owner, CLASS, KIND, id.encode())
        if await was_deleted(store, document):
            return document
    return None


async def refuse_gone(store: Store, text: str, places: Sequence[NamespaceKey]) -> None:
    """Of `did/id` or `petname/id`; of an id alone, one's own.

    Raises `UnknownRecord` for one that was deleted, `UnknownPetname`.
    """
    owner, _, id = text.rpartition("/")
    own = await store.own_authors()
    for author in [await author_meant(store, owner)] if owner else sorted(own):
        gone = await deleted_universe(store, author, id, places)
        if gone is not None and author in own:
            raise UnknownRecord(f"{id} is deleted: {undo_text(gone)} brings it back")
        if gone is not None:
            detail = f"{author}/{id} is deleted; whoever may write it brings it back"
            raise UnknownRecord(f"{detail}: {undo_text(gone)}")
