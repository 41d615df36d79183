"""Entries by rights that a revocation in force has ended: few of them are kept.

They count for nothing, but a revocation may be taken back, so some are kept as they come in.
Whoever was revoked can sign as many as they like: beyond a bound they are refused, and remembered
until one of those through whom the right came says something new. Nothing is refused that may lie
under what the revocation leaves: where not all of that is here, what is missing could be just this.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from crdt.change import CheckedEntry, DocumentId
from crdt.document import skeleton_for
from crdt.held import Reason
from crdt.keys import NamespaceKey
from storage.authority import Cut, cuts_of, frontiers_of, place_of
from storage.database import Reading
from storage.statements import hashes
from storage.usage import size_of

ENDED_ENTRIES_MAX = 256  # of a document
ENDED_BYTES_MAX = 4 << 20  # of all that came through one revoked key
REVOKED_SENDER = "revoked-sender"
"""Brought by the one who was revoked, who has no reason to: counts against them."""
TOO_MANY_REVOKED = "too-many-revoked"
"""Passed on by another, who may have held them from before."""

_HELD = (
    "SELECT d.id, count(l.entry) FROM document d JOIN left_out l ON l.document = d.number"
    f" WHERE l.code = '{Reason.REVOKED}' AND d.id IN (*) GROUP BY d.id"
)
_TAKEN = (
    "SELECT sum(o.size) FROM left_out l JOIN entry e ON e.number = l.entry"
    " JOIN capability_key k ON k.capability = e.capability AND k.key = ?"
    f" JOIN origin o ON o.entry = l.entry WHERE l.code = '{Reason.REVOKED}'"
)


async def beyond_revocations(view: Reading, fresh: Sequence[CheckedEntry]) -> dict[bytes, bytes]:
    """By id those of `fresh` that are too many, with the key that was revoked."""
    ended = await find_ended(view, fresh)
    if not ended:
        return ended
    documents = list({one.document.encode() for one in fresh if one.id in ended})
    held = Counter[bytes](dict(await view.rows_in(_HELD, documents)))
    taken = Counter({key: await view.number(_TAKEN, (key,)) for key in set(ended.values())})
    out: dict[bytes, bytes] = {}
    for one in fresh:
        key = ended.get(one.id)
        if key is None:
            continue
        id, size = one.document.encode(), size_of(one)
        if held[id] >= ENDED_ENTRIES_MAX or taken[key] + size > ENDED_BYTES_MAX:
            out[one.id] = key
        else:
            held[id] += 1
            taken[key] += size
    return out


async def find_ended(view: Reading, fresh: Sequence[CheckedEntry]) -> dict[bytes, bytes]:
    """Those that a revocation in force hits for certain, by id, with the key it revoked."""
    ended: dict[bytes, bytes] = {}
    by_namespace: dict[NamespaceKey, list[CheckedEntry]] = {}
    for one in fresh:
        by_namespace.setdefault(one.document.namespace, []).append(one)
    for namespace, those in by_namespace.items():
        keys = {key for one in those for key in one.capability.chain}
        cuts = await cuts_of(view, namespace, keys)
        by_document: dict[DocumentId, list[CheckedEntry]] = {}
        for one in those if cuts else ():
            by_document.setdefault(one.document, []).append(one)
        for document, entries in by_document.items():
            ended |= await _ended_of(view, document, entries, cuts)
    return ended


async def _ended_of(
    view: Reading, document: DocumentId, entries: Sequence[CheckedEntry], cuts: Sequence[Cut]
) -> dict[bytes, bytes]:
    place = place_of(document)
    pairs = {pair for one in entries for pair in combinations(one.capability.chain, 2)}
    hits = [
        cut
        for cut in cuts
        if (cut.revocation.issuer, cut.revocation.key) in pairs
        and cut.revocation.area.includes(place)
    ]
    if not hits:
        return {}
    leaves = await _left_by(view, document, entries, hits)
    return {
        one.id: cut.revocation.key
        for one in entries
        for cut in hits
        if cut.number in leaves
        and cut.revocation.hits(one.capability.chain)
        and one.change.hash not in leaves[cut.number]
    }


async def _left_by(
    view: Reading,
    document: DocumentId,
    entries: Sequence[CheckedEntry],
    cuts: Sequence[Cut],
) -> dict[int, frozenset[bytes]]:
    """The changes that each of these leaves, where all of them are here; without the others."""
    known = [cut.number for cut in cuts if cut.is_known]
    heads = await frontiers_of(view, known, document)
    parents: dict[bytes, Sequence[bytes]] = {}
    if heads:
        rows = await view.rows(
            "SELECT e.change, e.depends_on FROM document d JOIN entry e ON e.document = d.number"
            " WHERE d.id = ?",
            (document.encode(),),
        )
        parents = {change: hashes(depends_on) for change, depends_on in rows}
        parents |= {one.change.hash: one.change.dependencies for one in entries}
        parents[skeleton_for(document.cls, document.kind).hash] = ()
    under = {number: _under(heads.get(number, ()), parents) for number in known}
    return {number: all for number, all in under.items() if all is not None}


def _under(
    heads: Iterable[bytes], parents: Mapping[bytes, Sequence[bytes]]
) -> frozenset[bytes] | None:
    """The heads and all that they were built on; None where something of that is not here."""
    seen: set[bytes] = set()
    todo = list(heads)
    while todo:
        change = todo.pop()
        if change in seen:
            continue
        if change not in parents:
            return None
        seen.add(change)
        todo += parents[change]
    return frozenset(seen)
