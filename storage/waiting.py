"""Entries that wait for others: how many, and how many bytes, may do so.

An entry waits for a change, an entry before it or an authority record that is not here, and so does
what builds on one that waits. It is kept, since they may come in any order, but not without bounds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from crdt.change import CheckedEntry, DocumentId
from crdt.document import skeleton_for
from crdt.held import WAITING
from crdt.order import ITEM_ID_BYTES
from storage.database import Reading
from storage.usage import size_of

WAITING_ENTRIES_MAX = 1_024  # of a document: two answers of a peer, in any order
WAITING_BYTES_MAX = 16 << 20  # of one source
DOCUMENT_KEY_BYTES = 8

_WAITS = ", ".join(f"'{code}'" for code in sorted(WAITING))


def document_key(document: DocumentId) -> bytes:
    """What `kept_out` knows it by."""
    return blake3(document.encode()).digest(DOCUMENT_KEY_BYTES)


@dataclass(slots=True)
class Waiting:
    """Which of a batch wait, and what waits already."""

    ids: frozenset[bytes]
    of_documents: Counter[DocumentId] = field(default_factory=Counter[DocumentId])
    of_source_bytes: int = 0

    def has_room(self, one: CheckedEntry) -> bool:
        """Whether it waits for nothing, or may wait; then it counts."""
        if one.id not in self.ids:
            return True
        size = size_of(one)
        is_over = self.of_source_bytes + size > WAITING_BYTES_MAX
        if is_over or self.of_documents[one.document] >= WAITING_ENTRIES_MAX:
            return False
        self.of_documents[one.document] += 1
        self.of_source_bytes += size
        return True


async def find_waiting(view: Reading, fresh: Sequence[CheckedEntry], source: int) -> Waiting:
    """Those of `fresh` that would wait, and what is waiting of their documents and this source."""
    ids = frozenset(await _waiting(view, fresh))
    if not ids:
        return Waiting(ids)
    documents = {one.document.encode(): one.document for one in fresh if one.id in ids}
    counts = await view.rows_in(
        "SELECT d.id, count(l.entry) FROM document d JOIN left_out l ON l.document = d.number"
        f" WHERE l.code IN ({_WAITS}) AND d.id IN (*) GROUP BY d.id",
        list(documents),
    )
    held = await view.number(
        "SELECT sum(o.size) FROM left_out l JOIN origin o ON o.entry = l.entry"
        f" WHERE l.code IN ({_WAITS}) AND o.source = ?",
        (source,),
    )
    return Waiting(ids, Counter({documents[id]: count for id, count in counts}), held)


async def _waiting(view: Reading, fresh: Sequence[CheckedEntry]) -> set[bytes]:
    """The ids of those that need what is neither here and counts, nor among them."""
    needs = {one.id: _needs(one) for one in fresh}
    met = {skeleton_for(one.document.cls, one.document.kind).hash for one in fresh}
    by_change = {(one.document, one.change.hash): one.id for one in fresh}
    open = {
        one.id: {
            by_change.get((one.document, need), need) for need in needs[one.id] if need not in met
        }
        for one in fresh
    }
    # Entries go by 32-byte ids as changes do; nobody finds two of these the same.
    missing = {need for all in open.values() for need in all if need not in open}
    missing -= await _held(view, fresh, missing)
    waiting: set[bytes] = set()
    found = {id for id, all in open.items() if all & missing}
    while found:
        waiting |= found
        found = {id for id, all in open.items() if id not in waiting and all & waiting}
    return waiting


def _needs(one: CheckedEntry) -> set[bytes]:
    if one.statement is not None:
        return set()  # statements count as a set
    return {*one.change.dependencies, *one.auth_heads, *((one.prev,) if one.prev else ())}


async def _held(
    view: Reading, fresh: Sequence[CheckedEntry], wanted: Iterable[bytes]
) -> set[bytes]:
    """Those of `wanted`, changes of these documents or entries, that are here and wait for none."""
    needs = list(wanted)
    if not needs:
        return set()
    held = {
        id
        for id, code in await view.rows_in(
            "SELECT e.id, l.code FROM entry e LEFT JOIN left_out l ON l.entry = e.number"
            f" WHERE substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
            [need[:ITEM_ID_BYTES] for need in needs],
        )
        if code not in WAITING
    }
    changes = set(needs) - held
    if changes:
        rows = await view.rows_in(
            "SELECT e.change, l.code FROM document d JOIN entry e ON e.document = d.number"
            " LEFT JOIN left_out l ON l.entry = e.number WHERE d.id IN (*)",
            list({one.document.encode() for one in fresh if _needs(one) & changes}),
        )
        held |= {change for change, code in rows if change in changes and code not in WAITING}
    return held
