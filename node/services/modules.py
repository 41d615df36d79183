"""Modules as this node knows them: finding one by its name, showing it with its ratings."""

from collections.abc import Sequence
from typing import Final

import msgspec

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey
from node.errors import NotAllowed
from node.services.names import all_petnames, written_name
from registry.errors import UnknownModule, UnknownVersion, quoted
from registry.listed import Module, ModuleRating, ModuleVersion
from registry.module import CLASS, KIND
from registry.names import ModuleName, Reference, choose_author, parse_reference
from storage.listings import ListedRow
from storage.store import Store

LISTED: Final = "module"
"""The word for modules in lists, search and ratings."""
_DECODER = msgspec.json.Decoder(Module)


async def full_name(store: Store, reference: Reference) -> ModuleName:
    """Whose module is meant. Raises `UnknownModule`, `AmbiguousName` or `UnknownPetname`."""
    name = await written_name(store, reference)
    if name.author is not None:
        return name
    rows = await store.candidates(LISTED, name.id)
    authors = [row.listing.author for row in rows]
    petnames = await all_petnames(store) if len(authors) > 1 else {}
    return choose_author(name, authors, petnames)


async def find_row(store: Store, text: str) -> ListedRow:
    """The row of `<did>/<id>` or of a bare id. Raises as `full_name`, or `UnknownModule`."""
    name = await full_name(store, parse_reference(text))
    row = await store.listing(LISTED, str(name.author), name.id)
    if row is None:
        raise UnknownModule(f"{name} is not known here; `panspermia sync` may bring it")
    return row


async def find_module(store: Store, text: str) -> Module:
    """As `find_row`, shown."""
    return show_module(await find_row(store, text))


def show_module(row: ListedRow) -> Module:
    """The module's own record with what others say of it."""
    rating = ModuleRating(row.rating, row.stars_count)
    return msgspec.structs.replace(read_module(row), download_count=row.installs, rating=rating)


def show_modules(rows: Sequence[ListedRow]) -> tuple[Module, ...]:
    """A page of them; some hold many versions, so call this off the event loop."""
    return tuple(show_module(row) for row in rows)


def read_module(row: ListedRow) -> Module:
    """What the store keeps of it: our own JSON, made by `registry.listings`."""
    return _DECODER.decode(row.listing.fields)


def version_of(module: Module, version: str) -> ModuleVersion:
    """Raises `UnknownVersion`."""
    for each in module.versions:
        if each.version == version:
            return each
    raise UnknownVersion(
        f"{module.full_name} has no version {quoted(version)}; the latest is"
        f" {module.latest_version}"
    )


def document_of(name: ModuleName) -> DocumentId:
    """Where the author keeps the module: in the commons."""
    return module_document(str(name.author), name.id)


def module_document(author: str, id: str) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(decode_did_key(author)), CLASS, KIND, id.encode())


def check_own(module: Module, did: str) -> None:
    """Raises `NotAllowed` where `did` is not the author."""
    if module.author_did != did:
        detail = f"{module.full_name} belongs to {module.author_did}; only its author changes it"
        raise NotAllowed(detail, code="not-your-module")
