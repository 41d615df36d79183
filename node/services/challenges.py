"""Challenges: calling for one, finding it, and where everybody stands in it.

    ID     chal- and 16 hex digits, or the first 8 or more of these: `node.services.begun`

Several authors may call for the same terms: that is one challenge, under several names and rules.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import NotAllowed, NotFound, Rejected
from node.services.begun import DIGITS_MIN, whole_id
from node.services.curate import Curator
from node.services.evaluators import Evaluator, bundled
from node.services.life import GENOME, same_records
from node.workers.workers import Workers
from registry.attestation import read_row
from registry.challenge import (
    CLASS,
    ID_DIGITS,
    KIND,
    WORD,
    Challenge,
    Entrant,
    Terms,
    id_of,
    listed_challenge,
    publish_challenge,
    standing_of,
)
from registry.deletion import delete
from registry.errors import quoted
from registry.fitness import Trust
from registry.head import Words
from storage.listing import AttestationRow
from storage.listings import ListedRow
from storage.store import Store

_BEGINNING: Final = re.compile(rf"(?:chal-)?([0-9a-f]{{{DIGITS_MIN},{ID_DIGITS}}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Called:
    """A challenge as it is known here, and who else calls for it."""

    row: ListedRow
    challenge: Challenge
    also_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """All who entered, as this node's person trusts what is said of them."""

    entrants: tuple[Entrant, ...]
    is_whole: bool
    """Whether all entries and words were looked at: no bound of `storage.challenges` was hit."""


def called_of(row: ListedRow, also_by: tuple[str, ...] = ()) -> Called:
    return Called(row, listed_challenge(row.listing.fields), also_by)


async def find_challenge(
    store: Store, text: str, namespace: NamespaceKey = COMMONS, author: str | None = None
) -> Called:
    """By its id or its first digits; of several authors oneself, or one whom this node follows.

    Raises `NotFound` (`unknown-challenge`), or `Conflict` (`ambiguous-digits`).
    """
    if (begun := _BEGINNING.fullmatch(text)) is None:
        detail = (
            f"{quoted(text)} is no challenge: chal- and {ID_DIGITS} digits of 0-9 and a-f, or the"
            f" first {DIGITS_MIN} or more of them"
        )
        raise NotFound(detail, code="unknown-challenge")
    id: str | None = f"chal-{begun[1]}"
    if len(begun[1]) < ID_DIGITS:
        id = await whole_id(store, WORD, f"chal-{begun[1]}", namespace, author=author)
    called = None if id is None else await _called(store, id, namespace, author)
    if called is None:
        whose = "" if author is None else f" of {author}"
        detail = f"no challenge {text}{whose} is known here; `panspermia sync` may bring it"
        raise NotFound(detail, code="unknown-challenge")
    return called


async def _called(
    store: Store, id: str, namespace: NamespaceKey, author: str | None
) -> Called | None:
    if author is not None:
        row = await store.listing(WORD, author, id, namespace)
        return None if row is None else called_of(row)
    own, followed = await store.own_authors(), await store.followed_authors()
    same = await store.namesakes(WORD, id, namespace, own=own, followed=followed)
    if not same:
        return None
    first, *others = (one.row for one in same)
    return called_of(first, tuple(row.listing.author for row in others))


async def check_evaluator(workers: Workers, found: Evaluator) -> None:
    """That it is one: it judges no bytes at all, from seed 0, over no ticks.

    Raises `Rejected`.
    """
    if bundled(digest=found.blake3) is not None:
        return
    tried = await workers.evaluate(found.wasm, b"", seed=0, ticks=0)
    if tried.answer is None:
        raise Rejected(f"{found.module} {found.version}: {tried.detail}", code=tried.code)


async def say_challenge(
    by: Curator, terms: Terms, words: Words, *, now_us: int, dry_run: bool
) -> tuple[Called | None, bytes | None]:
    """This author calls for it, or says its words anew: how it is listed, and the entry.

    Both None for a dry run, which makes every check; no entry where nothing is new. Raises
    `InvalidChallenge` or `InvalidRecord`, `NotAllowed`, and as `Store.commit`.
    """
    edit = publish_challenge(terms, words, now_us=now_us)
    identity, store, id = by.signers.identity, by.signers.store, id_of(terms)
    document = _document(identity.did, id, by.namespace)
    signer = await by.signers.for_document(document)
    if dry_run:
        await store.rehearse(document, edit, signer)
        return None, None
    committed = await store.commit(document, edit, signer)
    row = await store.listing(WORD, identity.did, id, by.namespace)
    assert row is not None, "it was listed with its last change"
    return called_of(row), committed.id if committed else None


async def drop(by: Curator, called: Called, *, now_us: int) -> None:
    """It is shown to nobody any more. Raises `NotAllowed` for somebody else's."""
    author, id = called.challenge.author, called.challenge.id
    if author != by.signers.identity.did:
        detail = f"{id} is a challenge of {author}; only they delete it"
        raise NotAllowed(detail, code="not-allowed")
    document = _document(author, id, by.namespace)
    signer = await by.signers.for_document(document)
    await by.signers.store.commit(document, delete(now_us=now_us), signer, is_letting_go=True)


async def standing(
    store: Store, own: str, terms: Terms, namespace: NamespaceKey = COMMONS
) -> Standing:
    """Who stands where, as `own` and whom this node follows found."""
    id = id_of(terms)
    entered = await store.entrants(id, terms, namespace)
    said = await store.words_of_entrants(id, terms, entered.genomes, namespace)
    trust = Trust(own, await store.followed_authors())
    found = await asyncio.to_thread(_standing, terms, said.rows, trust)
    return Standing(found, entered.is_whole and said.is_whole)


def _standing(terms: Terms, rows: Sequence[AttestationRow], trust: Trust) -> tuple[Entrant, ...]:
    return standing_of(terms, map(read_row, rows), trust)


def _document(author: str, id: str, namespace: NamespaceKey) -> DocumentId:
    return DocumentId(namespace, AuthorKey(decode_did_key(author)), CLASS, KIND, id.encode())


async def genome_names(
    store: Store, entrants: Sequence[Entrant], namespace: NamespaceKey
) -> dict[str, str]:
    """What the record of each that is meant calls it; none of those that are not here."""
    return {
        one.genome: same[0].row.listing.name
        for one in entrants
        if (same := await same_records(store, GENOME, one.genome, namespace))
    }
