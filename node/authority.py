"""What statements leave to do: fetch the frontiers that they name, judge what they concern.

A revocation cuts off everything until its frontier is here, so that blob goes before all others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from crdt.blob import BlobId
from crdt.errors import CrdtError
from crdt.statement import is_statement_class
from node.errors import NodeError
from p2p.protocol.errors import SyncError
from storage.appended import AppendedEvent
from storage.errors import StorageError
from storage.store import Store

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""Until what no peer gave is asked for again; a new statement asks at once."""

Fetch = Callable[[BlobId, int], Awaitable[object]]
"""Gets a blob of at most so many bytes from whichever peer has it."""


async def follow_statements(store: Store, fetch: Fetch) -> None:
    """Until cancelled."""
    said, unsettled = asyncio.Event(), asyncio.Event()

    def note(event: AppendedEvent) -> None:
        if any(is_statement_class(document.cls) for document in event.documents):
            said.set()
            unsettled.set()

    said.set()  # what was left when the node stopped
    unsettled.set()
    unsubscribe = store.subscribe(note)
    try:
        # Apart from each other: whoever names blobs that nobody has delays no judgement.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_settle(store, unsettled), name="settle what statements concern")
            tasks.create_task(_fetch_wanted(store, fetch, said, unsettled), name="fetch frontiers")
    finally:
        unsubscribe()


async def _settle(store: Store, unsettled: asyncio.Event) -> None:
    while True:
        await unsettled.wait()
        unsettled.clear()
        try:
            await store.settle()
        except StorageError as error:  # the disk is full, say
            log.warning("what statements concern is judged later: %s", error)
            await _set_or_later(unsettled)
            unsettled.set()


async def _fetch_wanted(
    store: Store, fetch: Fetch, said: asyncio.Event, unsettled: asyncio.Event
) -> None:
    while True:
        await said.wait()
        said.clear()
        if not await _fetch_frontiers(store, fetch, unsettled):
            await _set_or_later(said)
            said.set()


async def _set_or_later(event: asyncio.Event) -> None:
    """Until it is set, or what failed may be tried again."""
    with suppress(TimeoutError):
        async with asyncio.timeout(RETRY_S):
            await event.wait()


async def _fetch_frontiers(store: Store, fetch: Fetch, unsettled: asyncio.Event) -> bool:
    """Whether all frontiers are known now, or will never be."""
    try:
        wanted = await store.wanted_frontiers()
    except StorageError as error:
        log.warning("which frontiers are wanted is looked up later: %s", error)
        return False
    is_complete = True
    for blob, bytes_max in wanted:
        try:
            await fetch(blob, bytes_max)
            await store.know_frontier(blob)
            unsettled.set()
        except CrdtError as error:
            log.warning("%s is no frontier: %s", blob.hex(), error)
        except (SyncError, NodeError, StorageError) as error:
            log.info("the frontier %s is not here yet: %s", blob.hex(), error)
            is_complete = False
    return is_complete
