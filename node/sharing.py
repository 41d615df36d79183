"""What this node shares with whom, as the wallet has it."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

from crdt.area import Area
from crdt.capability import READ
from crdt.keys import COMMONS, NamespaceKey, is_communal
from crdt.path import AUTHORITY
from p2p.protocol.config import Cut, SessionConfig
from p2p.protocol.grants import with_authority
from p2p.transport.network import Network
from storage.appended import AppendedEvent
from storage.store import Store


async def with_wallet(
    config: SessionConfig, store: Store, only: Collection[NamespaceKey] | None = None
) -> SessionConfig:
    """What this device wants: commons, and of the joined namespaces all that it may read.

    With `only`, of those alone: a relay keeps what its operator chose.
    """
    interests: list[tuple[NamespaceKey, Area]] = []
    shown: list[bytes] = []
    for joined in await store.joined():
        namespace = joined.namespace
        if only is not None and namespace not in only:
            continue
        if is_communal(namespace):
            interests.append((namespace, Area()))
            continue
        for held in await store.capabilities_held(
            namespace, receiver=config.device.public, mode=READ
        ):
            interests.append((namespace, held.capability.granted_area))
            shown.append(held.encoded)
    cuts = [
        Cut(namespace, revocation, said_at)
        for namespace in {namespace for namespace, _ in interests} - {COMMONS}
        for revocation, said_at in await store.cuts(namespace)
    ]
    return replace(
        config,
        interests=with_authority(interests),
        read_capabilities=tuple(shown),
        cuts=frozenset(cuts),
    )


async def follow_wallet(
    network: Network,
    config: SessionConfig,
    store: Store,
    only: Collection[NamespaceKey] | None = None,
) -> None:
    """Until cancelled: what is joined, left or given is told to the peers that may know of it.

    Whose right to read is taken back is given nothing more.
    """
    changed = asyncio.Event()

    def note(event: AppendedEvent) -> None:
        if event.namespace != COMMONS and any(one.cls == AUTHORITY for one in event.documents):
            changed.set()

    unsubscribe = store.on_wallet_change(changed.set)
    forget = store.subscribe(note)
    now = config
    try:
        while True:
            # Once before the first change: one may have come before anybody listened.
            wanted = await with_wallet(now, store, only)
            if wanted != now:
                now = wanted
                network.reconfigure(now)
            await changed.wait()
            changed.clear()
    finally:
        unsubscribe()
        forget()
