"""Deleting a module of one's own, and taking that back.

Deleting is a mark that everybody honours and anybody who may write there takes away again. For good
is a second step: the root key says that the bytes may go, and every node that hears of it lets them
go at its next `gc`.
"""

from dataclasses import dataclass

from crdt.change import DocumentId
from crdt.keys import NamespaceKey
from crdt.statement import Drop
from node.errors import Conflict, NotFound
from node.services.modules import document_of
from node.services.names import written_name
from node.services.namespaces import Keeper
from node.services.revoking import Planned, carry_out
from node.services.roots import root_in
from node.services.signers import Signers
from registry.deletion import delete, is_deleted, undelete
from registry.names import ModuleName, parse_reference
from storage.dropping import Dropped


@dataclass(frozen=True, slots=True)
class Deleter:
    """Who deletes, and where."""

    keeper: Keeper
    signers: Signers
    namespace: NamespaceKey


async def delete_module(by: Deleter, text: str, *, now_us: int) -> ModuleName:
    """Shown to nobody from now on. Raises `NotFound`, or `Conflict` where it is deleted already."""
    name, document = await _record(by, text)
    if await _is_deleted(by, document):
        raise Conflict(f"{name} is deleted already", code="deleted")
    await by.keeper.store.commit(
        document, delete(now_us=now_us), await by.signers.for_document(document)
    )
    return name


async def undelete_module(by: Deleter, text: str) -> ModuleName:
    """Shown again as it was. Raises `NotFound`, and `Conflict` where it is not deleted."""
    name, document = await _record(by, text)
    if not await _is_deleted(by, document):
        raise Conflict(f"{name} is not deleted", code="not-deleted")
    await by.keeper.store.commit(document, undelete(), await by.signers.for_document(document))
    return name


async def drop_module(by: Deleter, text: str, passphrase: str | None) -> tuple[ModuleName, Dropped]:
    """Its bytes may go, here at once and elsewhere at the next `gc`; nobody can take that back.

    Raises `Conflict` unless it is deleted, `BadIdentity` where the root key does not open.
    """
    name, document = await _record(by, text)
    if not await _is_deleted(by, document):
        raise Conflict(f"{name} is shown; delete it first", code="not-deleted")
    root = await root_in(by.keeper, by.namespace, passphrase)
    for epoch, heads in await by.keeper.store.heads_held(document):
        said = Planned(root, Drop(epoch.encode(), heads))
        await carry_out(by.keeper, said, passphrase=passphrase)
    return name, await by.keeper.store.drop()


async def _record(by: Deleter, text: str) -> tuple[ModuleName, DocumentId]:
    """A bare id means one's own. Raises `NotFound`."""
    given = await written_name(by.keeper.store, parse_reference(text))
    name = ModuleName(given.author or by.keeper.identity.did, given.id)
    return name, document_of(name, by.namespace)


async def _is_deleted(by: Deleter, document: DocumentId) -> bool:
    state = await by.keeper.store.read(document)
    if state is None:
        name = document.record.decode()
        raise NotFound(f"nothing is held of {name}", code="unknown-module")
    return is_deleted(state.value)
