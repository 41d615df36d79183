"""Tells the events of records: what was just appended, as people know it.

A burst of records (the first sync with a peer) is told as one `gap`: read the lists anew.
"""

import asyncio
from collections import deque
from typing import Final

from msgspec import Struct

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.path import PUBLIC
from node.events import Events
from node.projection import KINDS
from node.services.places import place_text
from storage.appended import AppendedEvent
from storage.store import Store

# A person reads a few; a program that is told of more reads a list faster than single records.
PENDING_MAX: Final = 64


class RecordNews(Struct, frozen=True):
    """The `record` event."""

    kind: str
    author: str
    id: str
    name: str
    namespace: str


async def tell_news(store: Store, events: Events) -> None:
    """Until cancelled: a `record` event for each public document that changed."""
    pending: deque[DocumentId] = deque(maxlen=PENDING_MAX + 1)
    changed = asyncio.Event()

    def note(event: AppendedEvent) -> None:
        pending.extend(each for each in event.documents if each.cls == PUBLIC)
        changed.set()

    unsubscribe = store.subscribe(note)
    try:
        while True:
            await changed.wait()
            changed.clear()
            while pending:
                await asyncio.sleep(0)  # what is read at once holds nobody else up
                if len(pending) > PENDING_MAX:  # also of what came while others were told
                    pending.clear()
                    events.publish("gap", {})
                else:
                    await _tell(store, events, pending.popleft())
    finally:
        unsubscribe()


async def _tell(store: Store, events: Events, document: DocumentId) -> None:
    author = encode_did_key(document.subspace)
    record = document.record.decode(errors="replace")
    kind = KINDS.get(document.kind, document.kind)
    # Mostly without a hop to a thread, which whoever wrote it would feel: see decision 119.
    rows = await store.called(kind, record, [document.namespace], authors=[author])
    for row in rows[-1:]:
        one = row.listing
        place = place_text(row.namespace)
        events.publish("record", RecordNews(one.kind, one.author, one.record, one.name, place))
