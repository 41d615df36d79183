"""Entries that wait for others: how many, and how many bytes, may do so.

An entry waits for a change, an entry before it or an authority record that is not here, and so does
what builds on one that waits. It is kept, since they may come in any order, but not without bounds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from blake3 import blake3

from crdt.change import CheckedEntry, DocumentId, log_of
from crdt.digest import DIGEST_BYTES
from crdt.document import skeleton_for
from crdt.held import WAITING, Reason
from crdt.keys import AuthorKey, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from crdt.path import AUTHORITY
from crdt.statement import RECORDS
from storage.database import Reading
from storage.usage import size_of

WAITING_ENTRIES_MAX = 1_024  # of a document: two answers of a peer, in any order
WAITING_BYTES_MAX = 16 << 20  # of one source
DOCUMENT_KEY_BYTES = 8
# A statement that something held waits for has so many times the room: else whoever floods with
# them could have those left out that honest people go by.
CITED_TIMES = 2

CHANGE, ENTRY = "change", "entry"
_Need: TypeAlias = tuple[str, bytes, bytes]
"""A change or an entry of a document, or an authority record of a namespace: which, where, what."""

_WAITS = ", ".join(f"'{code}'" for code in sorted(WAITING))


def document_key(document: DocumentId) -> bytes:
    """What `kept_out` knows it by."""
    return blake3(document.encode()).digest(DOCUMENT_KEY_BYTES)


def authority_key(namespace: NamespaceKey) -> bytes:
    """The same, of what waits for an authority record: it may lie in any log of the namespace."""
    return blake3(AUTHORITY.encode() + namespace).digest(DOCUMENT_KEY_BYTES)


def group_key(namespace: NamespaceKey) -> bytes:
    """The same, of what waits for a statement of anybody in an owned namespace."""
    return blake3(b"group" + namespace).digest(DOCUMENT_KEY_BYTES)


def cut_key(namespace: NamespaceKey, issuer: bytes, key: bytes) -> bytes:
    """The same, of what waits for a revocation of that key by that issuer to end."""
    return blake3(b"revocation" + namespace + issuer + key).digest(DOCUMENT_KEY_BYTES)


def keys_met(kept: Sequence[CheckedEntry]) -> set[bytes]:
    """What of `kept_out` these are: where they lie, the logs of all through whom the rights to them
    came, and authority records.
    """
    documents = {one.document for one in kept}
    keys = {
        (one.document.namespace, AuthorKey(key))
        for one in kept
        if one.statement is None
        for key in one.capability.chain
    }
    documents |= {log_of(*whose, class_) for whose in keys for class_ in RECORDS}
    said = {one.document.namespace for one in kept if one.statement is not None}
    keys_met = set(map(document_key, documents)) | set(map(authority_key, said))
    return keys_met | set(map(group_key, said))


@dataclass(slots=True)
class Waiting:
    """Which of a batch wait, and what waits already."""

    ids: frozenset[bytes]
    for_authority: frozenset[bytes] = frozenset()
    """Those of them that need an authority record themselves."""
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

    def until(self, one: CheckedEntry) -> bytes:
        """What of `kept_out` an arrival has to be of, for this one to come again."""
        if one.id in self.for_authority:
            return authority_key(one.document.namespace)
        return document_key(one.document)


async def cited_by_waiting(view: Reading, fresh: Sequence[CheckedEntry]) -> frozenset[bytes]:
    """Of the statements among these those that something held waits for, by id.

    Whoever wrote it may know no better than that a statement stands of which others have had more
    than enough: without it honest work would wait here for ever.
    """
    said = [one for one in fresh if one.statement is not None]
    if not said:
        return frozenset()
    rows = await view.rows_in(
        "SELECT e.auth_heads FROM left_out l JOIN document d ON d.number = l.document"
        " JOIN namespace n ON n.number = d.namespace JOIN entry e ON e.number = l.entry"
        f" WHERE l.code = '{Reason.UNKNOWN_AUTHORITY}' AND n.key IN (*)",
        list({one.document.namespace for one in said}),
    )
    step = DIGEST_BYTES
    cited = {all[at : at + step] for (all,) in rows for at in range(0, len(all), step)}
    return frozenset({one.id for one in said} & cited)


async def find_waiting(view: Reading, fresh: Sequence[CheckedEntry], source: int) -> Waiting:
    """Those of `fresh` that would wait, and what is waiting of their documents and this source."""
    ids, for_authority = await _waiting(view, fresh)
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
    of_documents = Counter({documents[id]: count for id, count in counts})
    return Waiting(ids, for_authority, of_documents, held)


async def _waiting(
    view: Reading, fresh: Sequence[CheckedEntry]
) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The ids of those that need what is neither here and counts, nor among them; and of those
    that need an authority record which is not here.
    """
    needs = {one.id: _needs(one) for one in fresh}
    makers = {need: one.id for one in fresh for need in _meets(one)}
    missing = {need for all in needs.values() for need in all if need not in makers}
    missing -= await _held(view, missing)
    open = {
        id: {makers.get(need, need) for need in all if need in makers or need in missing}
        for id, all in needs.items()
    }
    for_authority = {
        id for id, all in needs.items() if any(kind == AUTHORITY for kind, _, _ in all & missing)
    }
    waiting: set[bytes] = set()
    found = {id for id, all in open.items() if all & missing}
    while found:
        waiting |= found
        found = {id for id, all in open.items() if id not in waiting and all & waiting}
    return frozenset(waiting), frozenset(for_authority)


def _needs(one: CheckedEntry) -> set[_Need]:
    """Each by where it has to lie: all are 32 bytes, and one does not do for another."""
    if one.statement is not None:
        return set()  # statements count as a set
    document = one.document
    skeleton = skeleton_for(document.cls, document.kind).hash
    needs = {(CHANGE, document.encode(), need) for need in one.change.dependencies}
    needs |= {(AUTHORITY, bytes(document.namespace), need) for need in one.auth_heads}
    if one.prev:
        needs.add((ENTRY, document.encode(), one.prev))
    return needs - {(CHANGE, document.encode(), skeleton)}


def _meets(one: CheckedEntry) -> set[_Need]:
    """What others may need of it."""
    document = one.document
    if one.statement is not None:
        return {(AUTHORITY, bytes(document.namespace), one.id)}
    name = document.encode()
    return {(CHANGE, name, one.change.hash), (ENTRY, name, one.id)}


async def _held(view: Reading, needs: set[_Need]) -> set[_Need]:
    """Those that are here and wait for nothing themselves."""
    if not needs:
        return set()
    rows = await view.rows_in(
        "SELECT d.class, n.key, d.id, e.id, e.change, l.code FROM entry e"
        " JOIN document d ON d.number = e.document JOIN namespace n ON n.number = d.namespace"
        " LEFT JOIN left_out l ON l.entry = e.number"
        f" WHERE substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
        [need[:ITEM_ID_BYTES] for kind, _, need in needs if kind != CHANGE],
    )
    held = {
        (AUTHORITY, namespace, id) if class_ == AUTHORITY else (ENTRY, document, id)
        for class_, namespace, document, id, _, code in rows
        if code not in WAITING
    }
    rows = await view.rows_in(
        "SELECT d.id, e.change, l.code FROM document d JOIN entry e ON e.document = d.number"
        " LEFT JOIN left_out l ON l.entry = e.number WHERE d.id IN (*)",
        list({document for kind, document, _ in needs if kind == CHANGE}),
    )
    return held | {(CHANGE, of, change) for of, change, code in rows if code not in WAITING}
