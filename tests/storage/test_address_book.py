"""Whom a node knows."""

from dataclasses import replace

from crdt.keys import DeviceKey
from storage.address_book import KnownPeer
from storage.store import Store


async def test_an_address_told_by_a_person_stays_so(store: Store) -> None:
    told = KnownPeer("10.0.0.2:4747", None, None, "static", 1)
    found = KnownPeer("10.0.0.2:4747", DeviceKey(bytes(32)), "did:key:z", "mdns", 9)
    other = KnownPeer("10.0.0.3:4747", None, None, "mdns", 10)
    for peer in (told, found, other):
        await store.remember_peer(peer)
    assert await store.known_peers() == [replace(found, source="static"), other]
    assert await store.forget_peer(other.address)
    assert not await store.forget_peer(other.address)


async def test_whom_this_node_was_paired_with_stays_and_what_a_person_says_goes_first(
    store: Store,
) -> None:
    paired = KnownPeer("10.0.0.3:4747", None, None, "invite", 1)
    found = KnownPeer("10.0.0.3:4747", None, None, "mdns", 5)
    await store.remember_peer(KnownPeer("10.0.0.9:4747", None, None, "mdns", 9))
    await store.remember_peer(paired)
    await store.remember_peer(found)
    first, _ = await store.known_peers()
    assert first == replace(found, source="invite")
    await store.remember_peer(replace(paired, source="static"))
    await store.remember_peer(paired)
    first, _ = await store.known_peers()
    assert first.source == "static"
