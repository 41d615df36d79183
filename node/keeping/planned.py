"""What the store holds, as the plan takes it."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crdt.blob import BlobId
from crdt.did import decode_did_key
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.line import Line
from node.keeping.patience import Patience
from node.keeping.plan import Claim, Kept, Plan, decide
from node.keeping.room import ENOUGH, budget_on_disk
from storage.claimed import Claims, NamedRow
from storage.kept import KeptBlob
from storage.store import Store


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found. `kept`: all of it."""

    plan: Plan
    line: Line
    kept: Sequence[KeptBlob]


async def looked(
    store: Store,
    places: Collection[NamespaceKey],
    whose: tuple[frozenset[AuthorKey], frozenset[NamespaceKey]],
    budgets: tuple[int, int],
    patience: Patience,
    came: Mapping[int, int],
    had: Mapping[bytes, int],
) -> Looked:
    """By what is here and said now; nothing is changed.

    `whose`: authors that were chosen, and those of `places` that are owned; `budgets`: what the
    setting says, and what it was at last; `came`, `had`: as of a `Line`.
    """
    authors, owned = whose
    chosen = await store.blobs_of_authors(authors, places)
    others = await store.blobs_in_namespaces(owned, authors)
    own = keys_of(await store.own_authors())
    kept = await store.kept_blobs()
    unnamed = await store.unnamed_blobs(authors, places, owned)
    room = await store.kept_room(ENOUGH * budgets[0])
    budget = budget_on_disk(budgets[0], room, budgets[1])
    plan, line = await asyncio.to_thread(
        plan_of, chosen, others, kept, unnamed, budget, patience, own, came, had
    )
    return Looked(plan, line, kept)


def plan_of(
    chosen: Claims,
    others: Claims,
    kept: Sequence[KeptBlob],
    unnamed: Collection[BlobId],
    budget: int,
    patience: Patience,
    own: Collection[AuthorKey],
    came: Mapping[int, int],
    had: Mapping[bytes, int],
) -> tuple[Plan, Line]:
    """What is to be done, and in which turn; `came`, `had`: as of a `Line`. In a thread of its own:
    it may be tens of thousands of each."""
    claims = [_claim(row, shares=False) for row in chosen.rows]
    claims += [_claim(row, shares=True) for row in others.rows]
    held = [kept_of(one, is_named=one.id not in unnamed) for one in kept]
    left_out = chosen.left_out + others.left_out
    plan = decide(claims, held, budget, patience.absent, left_out, own)
    return plan, Line(plan.turns, patience, came, had)


def _claim(row: NamedRow, *, shares: bool) -> Claim:
    blob, author, namespace, size, at_us, universe = row
    place = NamespaceKey(namespace) if shares else None
    return Claim(BlobId(blob), AuthorKey(author), place, size, at_us, universe)


def kept_of(one: KeptBlob, *, is_named: bool = True) -> Kept:
    """`is_named`: whether any record that counts names it."""
    return Kept(one.id, one.author, one.size, one.is_whole, is_named)


def keys_of(dids: Iterable[str]) -> frozenset[AuthorKey]:
    """Of authors by their DIDs."""
    return frozenset(AuthorKey(decode_did_key(did)) for did in dids)
