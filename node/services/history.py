"""The signed history of a name: who did what to a module, by which device, under which right."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from crdt.capability import (
    Capability,
    CapabilityCache,
    capability_digest,
    decode_capability,
)
from crdt.change import DocumentId, SignedEntry, check_entry
from crdt.document import Document
from crdt.errors import CrdtError
from crdt.keys import NamespaceKey
from node.errors import NotFound
from node.services.explain import OTHERWISE, WHYS, record_named
from node.services.namespaces import Keeper
from node.services.records import record_text
from registry.history import Act, acts
from storage.explaining import Told
from storage.forks import Fork

# One change may hold 64 KiB, and each is applied on its own: 500 take seconds of a thread.
ENTRIES_MAX: Final = 500
READER: Final = bytes(32)
"""Actor of the documents that are only read."""


@dataclass(frozen=True, slots=True)
class Event:
    """One signed entry. `acts` is empty for what does not count, and where nothing shows."""

    told: Told
    capability: Capability
    digest: bytes
    acts: tuple[Act, ...]
    why: str
    """Why it does not count; "" where it does."""


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first, as they build on one another."""

    document: DocumentId
    events: tuple[Event, ...]
    is_whole: bool
    """False: there are more entries than are told; then nobody says what these did."""
    forks: tuple[Fork, ...]
    """Devices that signed two things with one number: proof that somebody equivocates."""


async def history(node: Keeper, what: str, namespace: NamespaceKey) -> History:
    """Of a module, whoever changed it. Raises `NotFound`, and what a name may raise."""
    document = await record_named(node, what, namespace)
    told = await node.store.told(document, limit=ENTRIES_MAX + 1)
    if not told:
        raise NotFound(f"nothing is held of {record_text(document)}", code="unknown-module")
    is_whole, told = len(told) <= ENTRIES_MAX, told[:ENTRIES_MAX]
    ids = [one.id for one in told] if is_whole else []
    entries = await node.store.entries(namespace, ids)
    events = await asyncio.to_thread(_events, told, entries)
    forks = await node.store.forks_in(document)
    return History(document, tuple(events), is_whole, tuple(forks))


def _events(told: Sequence[Told], entries: Sequence[SignedEntry]) -> list[Event]:
    """In an order in which each comes after what it builds on, epoch by epoch."""
    cache = CapabilityCache()
    checked = {one.id: check_entry(one, cache) for one in entries}

    def place(one: Told) -> tuple[int, int, int]:
        start = checked[one.id].change.start_op if one.id in checked else 0
        return one.document.epoch, start, one.number

    ordered = sorted(told, key=place)
    done = _replayed(ordered, {id: one.raw for id, one in checked.items()})
    return [_event(one, done.get(one.id, ())) for one in ordered]


def _replayed(ordered: Sequence[Told], raws: Mapping[bytes, bytes]) -> dict[bytes, tuple[Act, ...]]:
    """What each entry that counts did. Of one that the library refuses nothing is said."""
    found: dict[bytes, tuple[Act, ...]] = {}
    documents: dict[DocumentId, Document] = {}
    before: Mapping[str, object] = {}
    for one in ordered:
        if one.code is not None or one.id not in raws:
            continue
        id = one.document
        if id not in documents:
            documents[id] = Document.open(id.cls, id.kind, READER)
        with suppress(CrdtError):
            documents[id].receive([raws[one.id]])
            after = documents[id].to_py()
            found[one.id] = acts(before, after)
            before = after
    return found


def _event(told: Told, done: tuple[Act, ...]) -> Event:
    why = "" if told.code is None else WHYS.get(told.code, OTHERWISE).why
    digest = capability_digest(told.capability)
    return Event(told, decode_capability(told.capability), digest, done, why)
