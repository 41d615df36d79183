"""Genomes, seeds and lineages as this node knows them: finding one, showing it, its bytes.

An id alone means the record that claims to be the earliest, ties by did:key; `did/id` or
`petname/id` means one author's. Records of the same id are of the same bytes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from blake3 import blake3
from msgspec import Struct

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import NodeError, Unverified
from node.ports import Network
from node.services.fetch import fetch_blob
from node.services.names import all_petnames, author_meant
from node.services.places import place_text
from node.services.signers import Signers
from registry import genome, lineage, ratings, seed
from registry.content import media_type, parse_identity
from registry.errors import RegistryError, UnknownRecord
from registry.lineage import parse_lineage_id
from registry.listed import ModuleRating
from registry.published import shown
from storage.errors import StorageError
from storage.listings import ListedRow
from storage.store import Store

log = logging.getLogger(__name__)

PAGE_CONTENT_BYTES_MAX: Final = 16 << 20
"""Of the texts that one list shows; what comes after them is fetched one by one."""
NAME_DIGITS: Final = 16
"""Of its id, for a file that never had a name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` as documents have it, `word` as people say it."""

    name: str
    word: str
    parse_id: Callable[[str], str]
    shows: tuple[str, ...]
    """Under which names its bytes are shown, where they are short and text."""

    def record_of(self, id: str) -> bytes:
        return bytes.fromhex(id) if self.shows else id.encode()

    def id_of(self, record: bytes) -> str:
        """As people write it."""
        return record.hex() if self.shows else record.decode(errors="replace")

    def document(self, author: AuthorKey, id: str, namespace: NamespaceKey) -> DocumentId:
        return DocumentId(namespace, author, genome.CLASS, self.name, self.record_of(id))


GENOME: Final = Kind(genome.KIND, genome.WORD, parse_identity, ("genotype",))
SEED: Final = Kind(seed.KIND, seed.WORD, parse_identity, ("config", "config_json"))
LINEAGE: Final = Kind(lineage.KIND, lineage.WORD, parse_lineage_id, ())
KINDS: Final = {kind.word: kind for kind in (GENOME, SEED, LINEAGE)}


class _Kept(Struct, frozen=True):
    """What of a row says where its bytes are."""

    blob: str
    size: int
    format: str
    file: str


_DECODER: Final = msgspec.json.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and who else published the same, the earliest one first."""

    kind: Kind
    row: ListedRow
    also_by: tuple[str, ...]


async def find_record(
    store: Store, kind: Kind, text: str, namespace: NamespaceKey = COMMONS
) -> Found:
    """Raises `InvalidName`, `UnknownPetname` or `UnknownRecord`.

    Only `namespace` is looked into: what a group keeps is never taken for what is public.
    """
    owner, slash, id = text.rpartition("/")
    kind.parse_id(id)
    author = await author_meant(store, owner) if slash else None
    authors = await store.authors_of(kind.word, id, namespace)
    chosen = author or next(iter(authors), None)
    row = await store.listing(kind.word, chosen, id, namespace) if chosen else None
    if row is None:
        raise UnknownRecord(f"no {kind.word} {text} is known here; `panspermia sync` may bring it")
    return Found(kind, row, tuple(one for one in authors if one != row.listing.author))


async def show_record(store: Store, found: Found) -> bytes:
    """The JSON of one, with what people one follows say of it."""
    row = found.row
    said = await store.ratings(row.listing.target, found.kind.word, namespace=row.namespace)
    followed = frozenset((await all_petnames(store)).values())
    rating = ratings.summarise(said, followed) if followed else None
    return _shown(found.kind, row, row.listing.content, rating, found.also_by)


def show_page(kind: Kind, rows: Sequence[ListedRow]) -> tuple[bytes, ...]:
    """The JSON of each, in order. Their bytes are shown up to a limit; call this off the loop."""
    left_bytes = PAGE_CONTENT_BYTES_MAX
    pieces: list[bytes] = []
    for row in rows:
        left_bytes -= len(row.listing.content)
        pieces.append(_shown(kind, row, row.listing.content if left_bytes >= 0 else ""))
    return tuple(pieces)


def _shown(
    kind: Kind,
    row: ListedRow,
    content: str,
    rating: ModuleRating | None = None,
    also_by: tuple[str, ...] = (),
) -> bytes:
    beside: dict[str, object] = {
        **dict.fromkeys(kind.shows, content),
        "downloads": row.installs,
        "rating": rating or ModuleRating(row.rating, row.stars_count),
        "namespace": place_text(row.namespace),
    }
    if also_by:
        beside["also_by"] = also_by
    return shown(row.listing.fields, beside)


async def content_of(store: Store, network: Network, row: ListedRow) -> bytes:
    """The original bytes of a genome or a seed, from here or from a peer.

    Raises as `fetch_blob`, and `Unverified` where they are not what the record is named by.
    """
    listing = row.listing
    if listing.content:  # its projection compared it with the record
        return listing.content.encode()
    kept = _DECODER.decode(listing.fields)
    blob = BlobId(bytes.fromhex(kept.blob))
    data = await fetch_blob(store, network, blob, size_bytes_max=kept.size)
    found = await asyncio.to_thread(lambda: blake3(data).hexdigest())
    if found != listing.record:
        detail = f"the bytes that {listing.author} gives for {listing.record} are other ones"
        raise Unverified(detail, code="verification-failed")
    return data


def file_of(row: ListedRow) -> tuple[str, str]:
    """(what its bytes are called, what they are handed out as)"""
    kept = _DECODER.decode(row.listing.fields)
    media = media_type(kept.format, is_text=bool(row.listing.content))
    return kept.file or row.listing.record[:NAME_DIGITS], media


async def count_download(signers: Signers, found: Found) -> None:
    """Once for each author, and only where they opted in. What failed is not counted later."""
    store, row = signers.store, found.row
    author = signers.identity.author
    record = ratings.record_of(row.listing.target)
    document = DocumentId(row.namespace, author, ratings.CLASS, found.kind.name, record)
    try:
        state = await store.read(document)
        if state is None or not ratings.rating_of(document, state.value).installs:
            signer = await signers.for_document(document)
            await store.commit(document, ratings.count_install(now_us=signers.clock_us()), signer)
    except (
        CrdtError,
        NodeError,
        RegistryError,
        StorageError,
    ) as error:  # the bytes are handed out all the same
        log.warning("the download of %s is not counted: %s", row.listing.target, error)
