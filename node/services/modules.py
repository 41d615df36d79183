"""Modules as this node knows them: finding one by its name, showing it with its ratings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.services.names import all_petnames, written_name
from node.services.places import place_of, place_text
from registry.errors import UnknownModule, UnknownVersion, quoted
from registry.listed import Module, ModuleRating, ModuleVersion
from registry.module import CLASS, KIND
from registry.names import ModuleName, Reference, choose_author, parse_reference
from storage.listings import ListedRow
from storage.store import Store

LISTED: Final = "module"
"""The word for modules in lists, search and ratings."""
_DECODER = msgspec.json.Decoder(Module)


async def full_name(
    store: Store, reference: Reference, namespace: NamespaceKey = COMMONS
) -> ModuleName:
    """Whose module is meant. Raises `UnknownModule`, `AmbiguousName` or `UnknownPetname`."""
    name = await written_name(store, reference)
    if name.author is not None:
        return name
    rows = await store.candidates(LISTED, name.id, namespace)
    if not rows and (places := await _elsewhere(store, name, namespace)):
        raise UnknownModule(_told(str(name.id), places))
    authors = [row.listing.author for row in rows]
    petnames = await all_petnames(store) if len(authors) > 1 else {}
    return choose_author(name, authors, petnames)


async def find_row(store: Store, text: str, namespace: NamespaceKey = COMMONS) -> ListedRow:
    """The row of `<did>/<id>` or of a bare id. Raises as `full_name`, or `UnknownModule`.

    Only `namespace` is looked into: what a group keeps is never taken for what is public.
    """
    name = await full_name(store, parse_reference(text), namespace)
    row = await store.listing(LISTED, str(name.author), name.id, namespace)
    if row is None:
        if places := await _elsewhere(store, name, namespace):
            raise UnknownModule(_told(str(name), places))
        raise UnknownModule(f"{name} is not known here; `panspermia sync` may bring it")
    return row


async def _elsewhere(store: Store, name: ModuleName, namespace: NamespaceKey) -> list[str]:
    """What this person calls the joined namespaces that hold it."""
    found: list[str] = []
    for joined in await store.joined():
        if joined.namespace == namespace:
            continue
        rows = await store.candidates(LISTED, name.id, joined.namespace)
        if any(name.author in (None, row.listing.author) for row in rows):
            found.append(joined.name)
    return found


def _told(name: str, places: Sequence[str]) -> str:
    where = " and in ".join(places)
    return f"{name} is not here, but in {where}: name the namespace (--namespace {places[0]})"


async def find_module(store: Store, text: str, namespace: NamespaceKey = COMMONS) -> Module:
    """As `find_row`, shown."""
    return show_module(await find_row(store, text, namespace))


def show_module(row: ListedRow) -> Module:
    """The module's own record with what others say of it."""
    rating = ModuleRating(row.rating, row.stars_count)
    return msgspec.structs.replace(read_module(row), download_count=row.installs, rating=rating)


def show_modules(rows: Sequence[ListedRow]) -> tuple[Module, ...]:
    """A page of them; some hold many versions, so call this off the event loop."""
    return tuple(show_module(row) for row in rows)


def read_module(row: ListedRow) -> Module:
    """What the store keeps of it: our own JSON, made by `registry.listings`."""
    module = _DECODER.decode(row.listing.fields)
    if row.namespace == COMMONS:
        return module
    return msgspec.structs.replace(module, namespace=place_text(row.namespace))


@dataclass(frozen=True, slots=True)
class Dependant:
    """A module whose latest version needs another one, in that range."""

    module: str
    version: str
    range: str
    is_optional: bool


async def dependants(store: Store, module: str) -> tuple[Dependant, ...]:
    """Who needs the module (a full name), in every namespace that is joined; at most 1,000 each."""
    places = [one.namespace for one in await store.joined()]
    found: list[Dependant] = []
    for row in await store.naming(module, places):
        other = read_module(row)
        for need in other.dependencies:
            if need.module_id == module:
                latest, range = other.latest_version, need.version_requirement
                found.append(Dependant(other.full_name, latest, range, need.optional))
    return tuple(found)


def version_of(module: Module, version: str) -> ModuleVersion:
    """Raises `UnknownVersion`."""
    for each in module.versions:
        if each.version == version:
            return each
    raise UnknownVersion(
        f"{module.full_name} has no version {quoted(version)}; the latest is"
        f" {module.latest_version}"
    )


def document_of(name: ModuleName, namespace: NamespaceKey = COMMONS) -> DocumentId:
    """Where the author keeps the module."""
    return module_document(str(name.author), name.id, namespace)


def document_shown(module: Module) -> DocumentId:
    """Whose record it shows."""
    return module_document(module.author_did, module.id, place_of(module.namespace))


def module_document(author: str, id: str, namespace: NamespaceKey = COMMONS) -> DocumentId:
    return DocumentId(namespace, AuthorKey(decode_did_key(author)), CLASS, KIND, id.encode())
