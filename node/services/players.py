"""Players as this node knows them: registering one, finding one, and what others sign of one.

An id alone means one's own player, else that of somebody followed. Keys are free, and so anybody
may say they are `player:…`: of several strangers none is meant until one is named, as `did/id`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import Conflict, NotFound
from node.services.curate import Curator
from node.services.journeys import journeys_of
from node.services.names import author_meant
from node.services.passages import Ferry
from registry.advisory import Advisory
from registry.attestation import read_row
from registry.edits import Edit
from storage.forks import Fork
from storage.listings import ListedRow
from storage.signed_of import SignedOf
from storage.store import Store
from universe.player import CLASS, KIND, WORD, Player, listed_player, parse_player_id
from universe.reputation import (
    Fact,
    Proof,
    Reputation,
    advisory_fact,
    answer_facts,
    rating_fact,
    reputation_of,
)

CANDIDATES_SHOWN: Final = 10
UNKNOWN: Final = "unknown-player"


@dataclass(frozen=True, slots=True)
class Met:
    """A player as known here."""

    row: ListedRow
    player: Player
    also_by: tuple[str, ...]
    """Other authors who say they are of that id."""


async def find_player(store: Store, text: str, namespace: NamespaceKey = COMMONS) -> Met:
    """By its id, `did/id` or `petname/id`.

    Raises `InvalidName`, `UnknownPetname`, `NotFound` (`unknown-player`), or `Conflict`
    (`ambiguous-player`).
    """
    owner, slash, id = text.rpartition("/")
    parse_player_id(id)
    whose = await author_meant(store, owner) if slash else None
    own, followed = await store.own_authors(), await store.followed_authors()
    same = await store.namesakes(WORD, id, namespace, own=own, followed=followed)
    rows = [one.row for one in same]
    authors = [row.listing.author for row in rows]
    if whose is None:
        if len(authors) > 1 and authors[0] not in followed:
            raise _ambiguous(id, authors)
        row = rows[0] if rows else None
    else:
        row = await store.listing(WORD, whose, id, namespace)
    if row is None:
        raise unknown_player(text)
    return _met(row, authors)


def unknown_player(text: str) -> NotFound:
    detail = f"no player {text} is known here; `panspermia sync` may bring it"
    return NotFound(detail, code=UNKNOWN)


async def register(
    by: Curator, id: str, edit: Edit, *, dry_run: bool = False
) -> tuple[Met | None, bytes | None]:
    """This author says who the player is, or says it anew: how it is listed, and the entry.

    Both None for a dry run, which makes every check; no entry where nothing is new. Raises
    `InvalidName`, `NotAllowed`, and as `Store.commit`.
    """
    store, identity = by.signers.store, by.signers.identity
    document = document_of(identity.author, id, by.namespace)
    signer = await by.signers.for_document(document)
    if dry_run:
        await store.rehearse(document, edit, signer)
        return None, None
    committed = await store.commit(document, edit, signer)
    row = await store.listing(WORD, identity.did, id, by.namespace)
    assert row is not None, "it was listed with its last change"
    return _met(row, []), committed.id if committed else None


def document_of(author: AuthorKey, id: str, namespace: NamespaceKey) -> DocumentId:
    return DocumentId(namespace, author, CLASS, KIND, parse_player_id(id).encode())


async def reputation(by: Ferry, author: str) -> Reputation:
    """What is held here, in one namespace, of what others sign of `author` (a did:key)."""
    counting = await by.store.followed_authors()
    signed = await by.store.signed_of(author, counting, by.namespace)
    journeys, is_whole = await journeys_of(by, author, counting)
    facts = [*journeys, *await asyncio.to_thread(_facts, signed)]
    proofs = map(_proof, signed.forks)
    return reputation_of(author, facts, counting, proofs, is_whole=signed.is_whole and is_whole)


def _facts(signed: SignedOf) -> list[Fact]:
    facts = [rating_fact(row) for row in signed.ratings]
    facts += answer_facts(map(read_row, signed.answered), map(read_row, signed.runs))
    for row in signed.advisories:
        said = msgspec.json.decode(row.listing.fields, type=Advisory)
        if not said.withdrawn:
            facts.append(advisory_fact(said, row.listing.updated_us))
    return facts


def _proof(fork: Fork) -> Proof:
    id = fork.document
    record = id.record.decode(errors="replace")
    return Proof(
        key=encode_did_key(fork.key),
        of=f"{encode_did_key(id.subspace)}/{id.cls}/{id.kind}/{record}",
        number=fork.seq,
        entries=tuple(twin.id.hex() for twin in fork.twins),
    )


def listed(row: ListedRow) -> Met:
    """As a list shows it: nobody asked who else."""
    return _met(row, [])


def _met(row: ListedRow, authors: list[str]) -> Met:
    others = tuple(one for one in authors if one != row.listing.author)
    return Met(row, listed_player(row.listing.fields), others)


def _ambiguous(id: str, authors: list[str]) -> Conflict:
    candidates = tuple(f"{author}/{id}" for author in authors[:CANDIDATES_SHOWN])
    more = len(authors) - len(candidates)
    detail = f"{len(authors)} authors say they are {id}; choose one of: {', '.join(candidates)}"
    if more:
        detail += f" and {more} more"
    return Conflict(detail, code="ambiguous-player", candidates=candidates)
