"""Deleting a record, of whatever kind, and taking that back.

Deleting is a mark that everybody honours and anybody who may write there takes away again. For good
is a second step: a root key says that the bytes may go, and every node that hears of it lets them
go at its next `gc`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from shlex import quote

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.keys import COMMONS, NamespaceKey
from crdt.statement import DROP_HEADS_MAX, Drop
from node.errors import Conflict, NotAllowed, NotFound
from node.services.namespaces import Keeper
from node.services.places import place_text
from node.services.records import record_meant, record_text
from node.services.revoking import Planned, carry_out
from node.services.roots import Root, roots_in
from node.services.signers import Signers
from node.text import undo_command
from registry.deletion import delete, is_deleted, undelete
from registry.module import CLASS, KIND
from storage.dropping import Dropped
from storage.store import Store

ROUNDS_MAX = 3
"""What comes while a record goes is waited for so often."""


@dataclass(frozen=True, slots=True)
class Deleter:
    """Who deletes, and where."""

    keeper: Keeper
    signers: Signers
    namespace: NamespaceKey
    is_said: bool = True
    """False: that is where records are looked for that nobody said the place of."""

    @property
    def store(self) -> Store:
        return self.keeper.store


async def delete_record(by: Deleter, text: str, *, now_us: int) -> DocumentId:
    """Shown to nobody from now on. Raises `NotFound`, or `Conflict` where it is deleted already."""
    document = await record_meant(by.keeper, text, by.namespace)
    if await _is_deleted(by.store, document):
        raise Conflict(f"{record_text(document)} is deleted already", code="deleted")
    signer = await by.signers.for_document(document)
    await by.store.commit(document, delete(now_us=now_us), signer, is_letting_go=True)
    return document


async def undelete_record(by: Deleter, text: str) -> DocumentId:
    """Shown again as it was; where no namespace was said, wherever it lies. Raises `NotFound`, and
    `Conflict` where it is not deleted, or lies in several."""
    document = await record_meant(by.keeper, text, by.namespace)
    if not by.is_said:
        document = await _wherever_it_is(by.store, document)
    if not await _is_deleted(by.store, document):
        raise Conflict(f"{record_text(document)} is not deleted", code="not-deleted")
    await by.store.commit(document, undelete(), await by.signers.for_document(document))
    return document


async def drop_record(by: Deleter, text: str, passphrase: str | None) -> tuple[DocumentId, Dropped]:
    """Its bytes may go, here at once and elsewhere at the next `gc`; nobody can take that back.

    Raises `Conflict` unless it is deleted, `NotAllowed` where no root key of this home may say so,
    `BadIdentity` where the key does not open.
    """
    document = await record_meant(by.keeper, text, by.namespace)
    if not await _is_deleted(by.store, document):
        raise Conflict(f"{record_text(document)} is shown; delete it first", code="not-deleted")
    root = await _root_of(by, document, passphrase)
    dropped = Dropped(0, 0, 0)
    for _ in range(ROUNDS_MAX):
        held = await by.store.heads_held(document)
        if not held:
            break
        for epoch, heads in held:
            for at in range(0, len(heads), DROP_HEADS_MAX):
                part = Drop(epoch.encode(), heads[at : at + DROP_HEADS_MAX])
                await carry_out(by.keeper, Planned(root, part), passphrase=passphrase)
        dropped += await by.store.drop()
    return document, dropped


async def refuse_deleted(store: Store, document: DocumentId) -> None:
    """What is written there would be shown to nobody. Raises `Conflict` (`deleted`)."""
    if await was_deleted(store, document):
        record, how = record_text(document), undo_text(document)
        raise Conflict(f"{record} is deleted: {how} brings it back", code="deleted")


async def was_deleted(store: Store, document: DocumentId) -> bool:
    """Whether it was here, and is shown to nobody any more."""
    state = await store.read(document)
    return state is not None and is_deleted(state.value)


def undo_text(document: DocumentId) -> str:
    """The command by which whoever may write there shows it again."""
    place = None if document.namespace == COMMONS else place_text(document.namespace)
    return undo_command(record_text(document), place)


async def _root_of(by: Deleter, document: DocumentId, passphrase: str | None) -> Root:
    """The key of this home whose word lets the bytes go: the owner's, or the namespace's own."""
    for root in await roots_in(by.keeper, by.namespace, passphrase):
        if root.is_namespaces or root.key == document.subspace:
            return root
    detail = (
        f"only {encode_did_key(document.subspace)}, whose it is, lets it go for good, and in an"
        " owned namespace whoever owns that"
    )
    raise NotAllowed(detail, code="no-capability")


async def _is_deleted(store: Store, document: DocumentId) -> bool:
    state = await store.read(document)
    if state is None:
        is_module = (document.cls, document.kind) == (CLASS, KIND)
        code = "unknown-module" if is_module else "unknown-record"
        detail = f"nothing is held of {record_text(document)}"
        if places := await _elsewhere(store, document):
            detail = f"{detail} in that namespace; {_said(places)}"
        raise NotFound(detail, code=code)
    return is_deleted(state.value)


async def _wherever_it_is(store: Store, document: DocumentId) -> DocumentId:
    """The one that is deleted: this, or in another namespace; of none one that is held. Raises
    `Conflict` where several are."""
    if await was_deleted(store, document):
        return document
    found = await _elsewhere(store, document)
    places = {one: name for one, name in found.items() if await was_deleted(store, one)}
    if not places and await store.read(document) is None:
        return next(iter(found), document)
    if len(places) > 1:
        detail = f"{record_text(document)} is deleted in several namespaces; {_said(places)}"
        raise Conflict(detail, code="several-namespaces", candidates=tuple(places.values()))
    return next(iter(places), document)


async def _elsewhere(store: Store, document: DocumentId) -> dict[DocumentId, str]:
    """The same in other namespaces, as far as it is held, with what each is called here."""
    there = {replace(document, namespace=one.namespace): one.name for one in await store.joined()}
    held = [one for one in there if one != document and await store.read(one) is not None]
    return {one: there[one] for one in held}


def _said(places: Mapping[DocumentId, str]) -> str:
    return f"say where: --namespace {' or '.join(map(quote, places.values()))}, or ?namespace="
