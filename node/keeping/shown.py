"""What is kept, for whom, and what waits: as the status and `/api/kept` say it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct

from crdt.blob import BlobId
from crdt.did import encode_did_key
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.keeping import Keeping
from node.keeping.plan import Wanted
from node.keeping.waiting import NO_PEER, NOT_YET, TOO_MANY
from node.services.places import place_text
from storage.kept import KeptBlob

TOLD_MAX = 100
"""Of those that wait, in one answer."""


class KeepWaits(Struct, frozen=True):
    """So many blobs wait for the same reason."""

    why: str
    count: int


class KeepState(Struct, frozen=True):
    """Blobs that are here only because records name them."""

    budget_bytes: int
    """0: none are kept."""
    bytes: int
    blobs: int
    fetching: int
    """Now."""
    waits: tuple[KeepWaits, ...]


class KeepShare(Struct, frozen=True):
    """What an author has of the budget."""

    author: str
    namespace: str | None
    """Whose share its writers share; None: the author is one whom this person named, or oneself."""
    share_bytes: int
    """0: nobody who counts names it any more. What is here goes first, and with the next `gc`."""
    bytes: int
    """That are here, or begun."""
    blobs: int


class KeptWaiting(Struct, frozen=True):
    """A blob that a record names and that is not here."""

    id: str
    author: str
    namespace: str | None
    size: int
    why: str


class KeptShown(Struct, frozen=True):
    """A blob that is kept."""

    id: str
    author: str
    """Who named it when it was begun."""
    size: int
    whole: bool
    chosen: bool
    """False: it goes where others need its room."""


class KeptPage(Struct, frozen=True):
    keep: KeepState
    shares: tuple[KeepShare, ...]
    waits: tuple[KeptWaiting, ...]
    """The first of them."""
    blobs: tuple[KeptShown, ...]
    next: str | None = None


async def keep_state(keeping: Keeping) -> KeepState:
    held = await keeping.store.kept_sum()
    return KeepState(
        keeping.budget,
        held.bytes,
        held.blobs,
        len(keeping.running),
        tuple(KeepWaits(why, count) for why, count in sorted(_counts(keeping).items())),
    )


async def show_shares(keeping: Keeping, limit: int) -> Sequence[KeepShare]:
    """Of all who have one, and of all of whose something is here; those who have most first."""
    held = {one.author: one for one in await keeping.store.kept_by_authors()}
    shares = keeping.plan.chosen.shares
    found: list[KeepShare] = []
    for one in shares:
        of = held.pop(one.author, None)
        size, blobs = (of.bytes, of.blobs) if of else (0, 0)
        found.append(_share(one.author, one.namespace, one.bytes_max, size, blobs))
    found += [_share(author, None, 0, of.bytes, of.blobs) for author, of in held.items()]
    return sorted(found, key=lambda one: (-one.bytes, -one.share_bytes, one.author))[:limit]


def show_waiting(keeping: Keeping, limit: int = TOLD_MAX) -> Sequence[KeptWaiting]:
    """In the order in which they are fetched; then those that have no room."""
    found = [
        _waiting(one.blob, one.author, one.namespace, one.size, _why(keeping, one.blob))
        for one in islice(_waits(keeping), limit)
    ]
    no_room = keeping.plan.chosen.without_room[: limit - len(found)]
    found += [
        _waiting(claim.blob, claim.author, claim.namespace, claim.size, why.value)
        for claim, why in no_room
    ]
    return found


def _waits(keeping: Keeping) -> Iterator[Wanted]:
    """Chosen, and not here; the first to be fetched first. What is being fetched is not."""
    under_way = keeping.under_way
    return (one for one in keeping.plan.queue if one.blob not in under_way)


def _counts(keeping: Keeping) -> Counter[str]:
    """How many wait, by why; not one by one, since they may be tens of thousands."""
    chosen, patience = keeping.plan.chosen, keeping.patience
    done = {one for one in keeping.under_way if one in chosen.blobs}
    left = max(0, len(keeping.plan.queue) - len(done))
    found = Counter(
        patience.why(one) for one in patience.absent if one in chosen.blobs and one not in done
    )
    found[_why(keeping, None)] += max(0, left - found.total())
    found.update({each.value: count for each, count in chosen.no_room.items()})
    found[TOO_MANY] += keeping.plan.left_out
    return +found


def _why(keeping: Keeping, blob: BlobId | None) -> str:
    """Why one of these waits; None: one that was not tried."""
    if blob is not None and (said := keeping.patience.why(blob)):
        return said
    return NOT_YET if keeping.has_peers else NO_PEER


def show_kept(keeping: Keeping, one: KeptBlob) -> KeptShown:
    chosen = one.id in keeping.plan.chosen.blobs
    return KeptShown(one.id.hex(), encode_did_key(one.author), one.size, one.is_whole, chosen)


def _share(
    author: AuthorKey, namespace: NamespaceKey | None, share: int, size: int, blobs: int
) -> KeepShare:
    place = None if namespace is None else place_text(namespace)
    return KeepShare(encode_did_key(author), place, share, size, blobs)


def _waiting(
    blob: bytes, author: AuthorKey, namespace: NamespaceKey | None, size: int, why: str
) -> KeptWaiting:
    place = None if namespace is None else place_text(namespace)
    return KeptWaiting(blob.hex(), encode_did_key(author), place, size, why)
