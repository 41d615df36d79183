"""Records of any kind, as people write them and read them.

    NAME | WHOSE/NAME                    a module
    [WHOSE/]genome|seed|lineage/ID       one of these; of a hash the first 8 digits or more
    [WHOSE/]universe/ID                  a universe
    [WHOSE/]CLASS/KIND/RECORD            a record of any kind: rate/mod/did:key:…/io.x

WHOSE is a did:key or a name; without it, it is one's own.
"""

import re
from typing import Final

from crdt.change import DocumentId
from crdt.did import decode_did_key, encode_did_key
from crdt.keys import AuthorKey, NamespaceKey
from crdt.path import PUBLIC, RATING
from node.services.begun import one_of
from node.services.life import KINDS as LIFE_KINDS
from node.services.life import Kind
from node.services.modules import document_of
from node.services.names import author_meant, written_name
from node.services.namespaces import Keeper
from registry import module
from registry.content import is_identity
from registry.errors import UnknownRecord
from registry.names import ModuleName, parse_reference
from universe import record as universe
from universe.names import parse_universe_id

UNIVERSE: Final = Kind(universe.KIND, universe.WORD, parse_universe_id, parse_universe_id, ())
KINDS: Final = {**LIFE_KINDS, UNIVERSE.word: UNIVERSE}
_PLACE: Final = re.compile(
    rf"(?:(?P<whose>[^/]*)/)?(?P<cls>{PUBLIC}|{RATING})/(?P<kind>[^/]+)/(?P<record>.+)", re.DOTALL
)
_LIFE: Final = re.compile(rf"(?:(?P<whose>[^/]+)/)?(?P<word>{'|'.join(KINDS)})/(?P<id>[^/]+)")


def is_place(text: str) -> bool:
    """Whether it names a record by where it lies, and no module by its name."""
    return _PLACE.fullmatch(text) is not None or _LIFE.fullmatch(text) is not None


async def record_meant(node: Keeper, text: str, namespace: NamespaceKey) -> DocumentId:
    """Where it lies; a bare name is one's own.

    Raises `InvalidName`, `UnknownPetname`, `Conflict` (`ambiguous-digits`), `Malformed` for no
    such path.
    """
    place = _PLACE.fullmatch(text)
    if place is None and (life := _LIFE.fullmatch(text)):
        kind = KINDS[life["word"]]
        owner = await _owner(node, life["whose"])
        id = await _whole_id(node, kind, life["id"], owner, namespace)
        return kind.document(owner, kind.parse_id(id), namespace)
    if place is None:
        name = await written_name(node.store, parse_reference(text))
        return document_of(ModuleName(name.author or node.identity.did, name.id), namespace)
    owner = await _owner(node, place["whose"])
    record = place["record"].encode(errors="replace")
    document = DocumentId(namespace, owner, place["cls"], place["kind"], record)
    return DocumentId.decode(document.encode())  # whatever is wrong with it


def record_text(document: DocumentId) -> str:
    """As `record_meant` reads it, whoever reads."""
    owner = encode_did_key(document.subspace)
    for kind in KINDS.values():
        if (document.cls, document.kind) == (PUBLIC, kind.name):
            return f"{owner}/{kind.word}/{kind.id_of(document.record)}"
    record = document.record.decode(errors="replace")
    if (document.cls, document.kind) == (module.CLASS, module.KIND):
        return f"{owner}/{record}"
    return f"{owner}/{document.cls}/{document.kind}/{record}"


async def _whole_id(
    node: Keeper, kind: Kind, text: str, owner: AuthorKey, namespace: NamespaceKey
) -> str:
    """Also of what is deleted, which no list has any more."""
    kind.parse_begun(text)
    if not kind.shows or is_identity(text):
        return text
    ids = await node.store.held_beginning(kind.name, text, owner, namespace)
    found = one_of(kind.word, text, ids)
    if found is None:
        raise UnknownRecord(f"no {kind.word} of {encode_did_key(owner)} begins with {text}")
    return found


async def _owner(node: Keeper, whose: str | None) -> AuthorKey:
    """One's own where nobody is named."""
    if not whose:
        return node.identity.author
    return AuthorKey(decode_did_key(await author_meant(node.store, whose)))
