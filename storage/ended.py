"""Entries by rights that a revocation in force has ended: few of them are kept.

They count for nothing, but a revocation may be taken back, so some are kept as they come in.
Whoever was revoked can sign as many as they like: beyond a bound they are refused, and remembered
until the revocation is in force no more. Nothing is refused that may lie under what it leaves:
where not all of that is here, what is missing could be just this.

Whoever was let in may revoke what came through them, as often as they like and in a log of their
own. So every revocation that hits an entry is asked for room, and the first in the chain is named.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeAlias

from crdt.change import CheckedEntry, DocumentId
from crdt.document import skeleton_for
from crdt.held import Reason
from crdt.keys import NamespaceKey
from storage import bounds
from storage.authority import Cut, cuts_of, frontiers_of, place_of
from storage.database import Reading
from storage.statements import hashes
from storage.usage import ENTRY_BYTES, size_of
from storage.workers import Workers

ENDED_ENTRIES_MAX = 256  # of a document
ENDED_BYTES_MAX = 4 << 20  # of all that came through one revoked key
REVOKED_SENDER = "revoked-sender"
"""Brought by the one who was revoked, who has no reason to: counts against them."""
TOO_MANY_REVOKED = "too-many-revoked"
"""Passed on by another, who may have held them from before."""

Pair: TypeAlias = tuple[bytes, bytes]
"""Who revoked, and whom."""
CutBy: TypeAlias = tuple[NamespaceKey, bytes, bytes]
"""Where, who and whom."""

_HELD = (
    "SELECT d.id, count(l.entry) FROM document d JOIN left_out l ON l.document = d.number"
    f" WHERE l.code = '{Reason.REVOKED}' AND d.id IN (*) GROUP BY d.id"
)
# From what the key wrote on: of others who were revoked there may be any number. No entry takes
# less than `ENTRY_BYTES`, so what is not looked at would be over the bound.
_TAKEN = (
    "SELECT sum(size) FROM (SELECT o.size FROM capability_key k"
    " CROSS JOIN entry e ON e.capability = k.capability"
    " CROSS JOIN left_out l ON l.document = e.document AND l.entry = e.number"
    f" AND l.code = '{Reason.REVOKED}'"
    " CROSS JOIN origin o ON o.entry = e.number WHERE k.key = ?1 LIMIT ?2)"
)

_FALLEN = (
    "SELECT count(*) FROM (SELECT 1 FROM statement s JOIN entry e ON e.number = s.entry"
    " JOIN capability_key k ON k.capability = e.capability AND k.key = ?1"
    " WHERE NOT s.stands LIMIT ?2)"
)


async def beyond_revocations(
    view: Reading, fresh: Sequence[CheckedEntry], workers: Workers, cited: Collection[bytes]
) -> dict[bytes, list[Pair]]:
    """By id those of `fresh` that are too many, with who revoked whom, the first in the chain
    first. Of what is `cited` by something held (`storage.waiting`) so many statements are kept as
    of those that stand, whatever else the key wrote.
    """
    ended = await find_ended(view, fresh, workers)
    if not ended:
        return ended
    documents = list({one.document.encode() for one in fresh if one.id in ended})
    held = Counter[bytes](dict(await view.rows_in(_HELD, documents)))
    looked_at = ENDED_BYTES_MAX // ENTRY_BYTES + 1
    taken, fallen = Counter[bytes](), Counter[bytes]()
    for key in {key for pairs in ended.values() for _, key in pairs}:
        taken[key] = await view.number(_TAKEN, (key, looked_at))
        if cited:
            most = bounds.AUTHORITY_ENTRIES_MAX
            fallen[key] = await view.number(_FALLEN, (key, most))
    out: dict[bytes, list[Pair]] = {}
    for one in fresh:
        if one.id not in ended:
            continue
        id, size = one.document.encode(), size_of(one)
        keys = {key for _, key in ended[one.id]}
        is_over = any(taken[key] + size > ENDED_BYTES_MAX for key in keys)
        if one.id in cited:
            is_over = any(fallen[key] >= bounds.AUTHORITY_ENTRIES_MAX for key in keys)
        elif held[id] >= ENDED_ENTRIES_MAX:
            is_over = True
        if is_over:
            out[one.id] = ended[one.id]
        else:
            held[id] += 1
            taken.update(dict.fromkeys(keys, size))
            fallen.update(keys)
    return out


async def still_cut(view: Reading, cut: Iterable[CutBy]) -> set[CutBy]:
    """Those of which a revocation is in force."""
    by_namespace: dict[NamespaceKey, set[bytes]] = {}
    for namespace, issuer, key in cut:
        by_namespace.setdefault(namespace, set()).update((issuer, key))
    return {
        (namespace, cut.revocation.issuer, cut.revocation.key)
        for namespace, keys in by_namespace.items()
        for cut in await cuts_of(view, namespace, keys)
    }


async def find_ended(
    view: Reading, fresh: Sequence[CheckedEntry], workers: Workers
) -> dict[bytes, list[Pair]]:
    """Those that a revocation in force hits for certain, by id, with who revoked whom."""
    ended: dict[bytes, list[Pair]] = {}
    by_namespace: dict[NamespaceKey, list[CheckedEntry]] = {}
    for one in fresh:
        by_namespace.setdefault(one.document.namespace, []).append(one)
    for namespace, those in by_namespace.items():
        keys = {key for one in those for key in one.capability.chain}
        cuts = await cuts_of(view, namespace, keys)
        by_pair: dict[Pair, list[Cut]] = defaultdict(list)
        for cut in cuts:
            by_pair[cut.revocation.issuer, cut.revocation.key].append(cut)
        by_document: dict[DocumentId, list[CheckedEntry]] = {}
        for one in those if cuts else ():
            by_document.setdefault(one.document, []).append(one)
        for document, entries in by_document.items():
            if asked := await _asked(view, document, entries, by_pair):
                ended |= await workers.run(_ended_of, asked)
    return ended


@dataclass(slots=True)
class _Asked:
    """Arrivals of one document, and what may hit them."""

    entries: Sequence[CheckedEntry]
    pairs: Mapping[tuple[bytes, ...], Sequence[Pair]]  # by chain, the first in it first
    leaves: Mapping[Pair, set[frozenset[bytes]]]
    """The heads that each revocation of the pair leaves; said a thousand times, they are one."""
    parents: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    """What is held of the document, where it matters: each change, and what it was built on."""


async def _asked(
    view: Reading,
    document: DocumentId,
    entries: Sequence[CheckedEntry],
    by_pair: Mapping[Pair, Sequence[Cut]],
) -> _Asked | None:
    """None where nothing hits."""
    place = place_of(document)
    pairs = {
        chain: [pair for pair in combinations(chain, 2) if pair in by_pair]
        for chain in {one.capability.chain for one in entries}
    }
    hits = {
        pair: [cut for cut in by_pair[pair] if cut.is_known and cut.revocation.area.includes(place)]
        for pair in {pair for those in pairs.values() for pair in those}
    }
    if not any(hits.values()):
        return None
    known = [cut.number for those in hits.values() for cut in those]
    heads = await frontiers_of(view, known, document)
    leaves = {
        pair: {heads.get(cut.number, frozenset[bytes]()) for cut in those}
        for pair, those in hits.items()
    }
    asked = _Asked(entries, pairs, leaves)
    if heads:
        asked.parents = await view.rows(
            "SELECT e.change, e.depends_on FROM document d JOIN entry e ON e.document = d.number"
            " WHERE d.id = ?",
            (document.encode(),),
        )
    return asked


def _ended_of(asked: _Asked) -> dict[bytes, list[Pair]]:
    frontiers = list({heads for those in asked.leaves.values() for heads in those})
    places = {heads: 1 << place for place, heads in enumerate(frontiers)}
    parents: dict[bytes, Sequence[bytes]] = {}
    if any(frontiers):
        parents = {change: hashes(depends_on) for change, depends_on in asked.parents}
        parents |= {one.change.hash: one.change.dependencies for one in asked.entries}
        document = asked.entries[0].document
        parents[skeleton_for(document.cls, document.kind).hash] = ()
    under, unsure = _under(frontiers, parents)
    masks = {
        pair: sum(places[heads] for heads in those) & ~unsure
        for pair, those in asked.leaves.items()
    }
    ended: dict[bytes, list[Pair]] = {}
    for one in asked.entries:
        left = under.get(one.change.hash, 0)
        hitting = [pair for pair in asked.pairs[one.capability.chain] if masks[pair] & ~left]
        if hitting:
            ended[one.id] = hitting
    return ended


def _under(
    frontiers: Sequence[Iterable[bytes]], parents: Mapping[bytes, Sequence[bytes]]
) -> tuple[dict[bytes, int], int]:
    """Of each change a bit for each frontier that it is in or under; and those of which something
    is not here.
    """
    under: dict[bytes, int] = {}
    unsure = 0
    followers = Counter[bytes]()
    todo = list({head for heads in frontiers for head in heads})
    while todo:
        change = todo.pop()
        if change not in under:
            under[change] = 0
            built_on = parents.get(change, ())
            followers.update(built_on)
            todo += built_on
    for place, heads in enumerate(frontiers):
        for head in heads:
            under[head] |= 1 << place
    ready = [change for change in under if not followers[change]]
    while ready:
        change = ready.pop()
        if change not in parents:
            unsure |= under[change]
        for parent in parents.get(change, ()):
            under[parent] |= under[change]
            followers[parent] -= 1
            if not followers[parent]:
                ready.append(parent)
    return under, unsure
