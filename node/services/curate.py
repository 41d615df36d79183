"""What an author later says of a version, and what anyone says of a module."""

from crdt.change import DocumentId
from crdt.keys import COMMONS
from node.identity import Identity
from node.services.modules import (
    check_own,
    find_module,
    find_row,
    module_document,
    version_of,
)
from registry import ratings
from registry.listed import ModuleVersion
from registry.names import ModuleName
from registry.publication import deprecate, undo_deprecate, undo_yank, yank
from storage.listings import ListedRow
from storage.store import Store


async def set_yanked(
    store: Store, identity: Identity, name: str, version: str, reason: str, *, undo: bool
) -> ModuleVersion:
    """New resolutions leave the version out, or take it again."""
    document = await _own_version(store, identity, name, version)
    edit = undo_yank(version) if undo else yank(version, reason)
    await store.commit(document, edit, identity.signer)
    return version_of(await find_module(store, name), version)


async def set_deprecated(
    store: Store, identity: Identity, name: str, version: str, reason: str, *, undo: bool
) -> ModuleVersion:
    """People are warned when they install it, or no longer."""
    document = await _own_version(store, identity, name, version)
    edit = undo_deprecate(version) if undo else deprecate(version, reason)
    await store.commit(document, edit, identity.signer)
    return version_of(await find_module(store, name), version)


async def _own_version(store: Store, identity: Identity, name: str, version: str) -> DocumentId:
    module = await find_module(store, name)
    check_own(module, identity.did)
    version_of(module, version)
    return module_document(module.author_did, module.id)


async def rate_module(
    store: Store, identity: Identity, name: str, stars: int, review: str, *, now_us: int
) -> ListedRow:
    """This author's own word on a module; the row with it counted."""
    return await _edit_rating(store, identity, name, ratings.rate(stars, review, now_us=now_us))


async def take_back_rating(store: Store, identity: Identity, name: str, *, now_us: int) -> None:
    """This author says nothing of the module any more. Raises `NotRated`."""
    await _edit_rating(store, identity, name, ratings.take_back(now_us=now_us))


async def _edit_rating(
    store: Store, identity: Identity, name: str, edit: ratings.Edit
) -> ListedRow:
    row = await find_row(store, name)
    module = ModuleName(row.listing.author, row.listing.record)
    document = DocumentId(
        COMMONS, identity.author, ratings.CLASS, ratings.KIND, ratings.record_of(module)
    )
    await store.commit(document, edit, identity.signer)
    return await find_row(store, str(module))
