"""What an author later says of a version, and what anyone says of a record."""

from dataclasses import dataclass
from typing import TypeAlias

from crdt.change import DocumentId, Signer
from crdt.keys import COMMONS, NamespaceKey
from node.errors import NotAllowed
from node.services.modules import (
    document_shown,
    find_module,
    find_row,
    read_module,
    version_of,
)
from node.services.signers import Signers
from registry import module, ratings
from registry.edits import Edit
from registry.listed import Module, ModuleVersion
from registry.publication import deprecate, undo_deprecate, undo_yank, yank
from storage.listings import ListedRow

OneVersion: TypeAlias = tuple[str, ModuleVersion]
"""Of a module, by its full name."""


@dataclass(frozen=True, slots=True)
class Curator:
    """Who speaks, and in which namespace."""

    signers: Signers
    namespace: NamespaceKey = COMMONS


@dataclass(frozen=True, slots=True)
class Mark:
    """What an author says of a version, or takes back."""

    reason: str = ""
    is_undone: bool = False
    is_dry_run: bool = False
    """Everything is checked, and nothing kept."""


async def set_yanked(by: Curator, name: str, version: str, mark: Mark) -> OneVersion:
    """New resolutions leave the version out, or take it again."""
    edit = undo_yank(version) if mark.is_undone else yank(version, mark.reason)
    return await _edit_own(by, name, version, edit, is_dry_run=mark.is_dry_run)


async def set_deprecated(by: Curator, name: str, version: str, mark: Mark) -> OneVersion:
    """People are warned when they install it, or no longer."""
    edit = undo_deprecate(version) if mark.is_undone else deprecate(version, mark.reason)
    return await _edit_own(by, name, version, edit, is_dry_run=mark.is_dry_run)


async def _edit_own(
    by: Curator, name: str, version: str, edit: Edit, *, is_dry_run: bool
) -> OneVersion:
    """The module's full name, and its version as it is then."""
    store = by.signers.store
    module = await find_module(store, name, by.namespace)
    version_of(module, version)
    document = document_shown(module)
    hand = await _hand(by, module, document)
    if is_dry_run:
        would = await store.rehearse(document, edit, hand)
        became = read_module(would.row) if would and would.row else module
    else:
        await store.commit(document, edit, hand)
        became = await find_module(store, module.full_name, by.namespace)
    return module.full_name, version_of(became, version)


async def _hand(by: Curator, module: Module, document: DocumentId) -> Signer:
    """Of the author, or of one whom they made a publisher. Raises `NotAllowed`."""
    try:
        return await by.signers.for_document(document)
    except NotAllowed as error:
        if module.author_did == by.signers.identity.did or error.reason == "revoked":
            raise
        detail = (
            f"{module.full_name} belongs to {module.author_did}; only its author changes it, and"
            " whom they let"
        )
        raise NotAllowed(detail, code="not-your-module") from error


async def rate_module(by: Curator, name: str, stars: int, review: str, *, now_us: int) -> ListedRow:
    """This author's own word on a module; the row with it counted."""
    store = by.signers.store
    row = await find_row(store, name, by.namespace)
    await rate_record(by.signers, module.KIND, row, stars, review, now_us=now_us)
    return await find_row(store, row.listing.target, by.namespace)


async def take_back_module_rating(by: Curator, name: str, *, now_us: int) -> None:
    """This author says nothing of the module any more. Raises `NotRated`."""
    row = await find_row(by.signers.store, name, by.namespace)
    await take_back_rating(by.signers, module.KIND, row, now_us=now_us)


async def rate_record(
    signers: Signers, kind: str, row: ListedRow, stars: int, review: str, *, now_us: int
) -> None:
    """This author's own word on a record; `kind` as documents have it. Raises `InvalidRating`."""
    await _edit_rating(signers, kind, row, ratings.rate(stars, review, now_us=now_us))


async def take_back_rating(signers: Signers, kind: str, row: ListedRow, *, now_us: int) -> None:
    """This author says nothing of it any more. Raises `NotRated`."""
    await _edit_rating(signers, kind, row, ratings.take_back(now_us=now_us))


async def _edit_rating(signers: Signers, kind: str, row: ListedRow, edit: Edit) -> None:
    """It lies in the namespace of what is rated: elsewhere it would name what is private."""
    author, record = signers.identity.author, ratings.record_of(row.listing.target)
    document = DocumentId(row.namespace, author, ratings.CLASS, kind, record)
    await signers.store.commit(document, edit, await signers.for_document(document))
