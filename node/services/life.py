"""Genomes, seeds and lineages as this node knows them: finding one, showing it, its bytes.

An id alone means one's own record, else one of somebody followed, else a stranger's that does not
lie about its bytes, as far as they are here; `did/id` or `petname/id` means one author's. Records
of the same id are of the same bytes, whoever gives them. Of a hash its first digits are enough.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crdt.change import DocumentId
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import NodeError
from node.ports import Network
from node.services.begun import whole_id
from node.services.names import all_petnames, author_meant
from node.services.places import place_text
from node.services.same_bytes import kept_of, right_bytes, truthful_first
from node.services.seats import Seats
from node.services.signers import Signers
from registry import genome, lineage, ratings, seed
from registry.content import (
    CONTENT_BYTES_MAX,
    is_identity,
    media_type,
    parse_beginning,
    parse_identity,
)
from registry.errors import RegistryError, UnknownRecord
from registry.lineage import parse_lineage_id
from registry.listed import ModuleRating
from registry.published import shown
from storage.errors import StorageError
from storage.listings import ListedRow
from storage.namesakes import Namesake
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
    parse_begun: Callable[[str], str]
    """The same of what may be the beginning of one."""
    shows: tuple[str, ...]
    """Under which names its bytes are shown, where they are short and text."""

    def record_of(self, id: str) -> bytes:
        return bytes.fromhex(id) if self.shows else id.encode()

    def id_of(self, record: bytes) -> str:
        """As people write it."""
        return record.hex() if self.shows else record.decode(errors="replace")

    def document(self, author: AuthorKey, id: str, namespace: NamespaceKey) -> DocumentId:
        return DocumentId(namespace, author, genome.CLASS, self.name, self.record_of(id))


GENOME: Final = Kind(genome.KIND, genome.WORD, parse_identity, parse_beginning, ("genotype",))
SEED: Final = Kind(seed.KIND, seed.WORD, parse_identity, parse_beginning, ("config", "config_json"))
LINEAGE: Final = Kind(lineage.KIND, lineage.WORD, parse_lineage_id, parse_lineage_id, ())
KINDS: Final = {kind.word: kind for kind in (GENOME, SEED, LINEAGE)}


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and all that are of its id, itself first, in the order in which they are asked."""

    kind: Kind
    row: ListedRow
    same: tuple[Namesake, ...]

    @property
    def also_by(self) -> tuple[str, ...]:
        """Who else published the same."""
        authors = (one.row.listing.author for one in self.same)
        return tuple(author for author in authors if author != self.row.listing.author)


async def find_record(
    store: Store, kind: Kind, text: str, namespace: NamespaceKey = COMMONS
) -> Found:
    """Raises `InvalidName`, `UnknownPetname`, `UnknownRecord`, or `Conflict` (`ambiguous-digits`).

    Only `namespace` is looked into: what a group keeps is never taken for what is public.
    """
    owner, slash, id = text.rpartition("/")
    kind.parse_begun(id)
    author = await author_meant(store, owner) if slash else None
    id = await _whole_id(store, kind, id, author, namespace)
    same = await same_records(store, kind, id, namespace)
    chosen = author or next((one.row.listing.author for one in same), None)
    row = await store.listing(kind.word, chosen, id, namespace) if chosen else None
    if row is None:
        raise UnknownRecord(f"no {kind.word} {text} is known here; `panspermia sync` may bring it")
    return Found(kind, row, (_meant(row), *(one for one in same if not _is_of(one, row))))


def _meant(row: ListedRow) -> Namesake:
    """Whoever is named is asked first, however many others there are."""
    return Namesake(row, is_whole=bool(row.listing.content))


def _is_of(one: Namesake, row: ListedRow) -> bool:
    return one.row.listing.author == row.listing.author


async def _whole_id(
    store: Store, kind: Kind, text: str, author: str | None, namespace: NamespaceKey
) -> str:
    """The one id that begins so; `text` where none does."""
    if not kind.shows or is_identity(text):
        return text
    return await whole_id(store, kind.word, text, namespace, author=author) or text


async def same_records(
    store: Store, kind: Kind, id: str, namespace: NamespaceKey = COMMONS
) -> list[Namesake]:
    """All of one id, the one that is meant first."""
    own, followed = await store.own_authors(), await store.followed_authors()
    same = await store.namesakes(kind.word, id, namespace, own=own, followed=followed)
    is_strangers = bool(same) and same[0].row.listing.author not in followed
    return await truthful_first(store, same) if kind.shows and is_strangers else same


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


async def content_of(
    store: Store,
    network: Network,
    found: Found,
    *,
    seats: Seats,
    size_bytes_max: int = CONTENT_BYTES_MAX,
) -> bytes:
    """The original bytes of a genome or a seed, from here or from a peer.

    Raises as `right_bytes`; what its record holds itself is given whole.
    """
    if found.row.listing.content:  # its projection compared it with the record
        return found.row.listing.content.encode()
    return await right_bytes(store, network, found.same, seats=seats, size_bytes_max=size_bytes_max)


def file_of(row: ListedRow) -> tuple[str, str]:
    """(what its bytes are called, what they are handed out as)"""
    kept = kept_of(row)
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
