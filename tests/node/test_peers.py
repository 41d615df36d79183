"""Where a node listens is where it says that it does, and whom it leaves it calls no more."""

import socket
from pathlib import Path

import pytest

from crdt.did import encode_did_key
from crdt.keys import DeviceKey
from node.listening import listen
from node.peers import hint_of, leave
from p2p.discovery.mdns import local_addresses
from p2p.transport.network import PeerCame
from storage.address_book import KnownPeer
from tests.p2p.transport.test_network import Node, open_node

CAROL = DeviceKey(bytes([7]) * 32)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"])
def test_a_node_answers_at_every_address_that_it_announces(address: str) -> None:
    if address.startswith("[") and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with listen(address) as listener:
        host, port = listener.getsockname()[:2]
        announced = local_addresses(host)
        assert "127.0.0.1" in announced
        for one in announced:
            socket.create_connection((one, port), timeout=5).close()


async def told(bob: Node, address: str, device: DeviceKey | None) -> None:
    """His person once connected to `device` there, and it was saved; somebody answers now."""
    saved = KnownPeer(address, device, None, "static", 1)
    await bob.store.remember_peer(saved)
    bob.dialler.hint(hint_of(saved))
    await bob.heard(PeerCame)


async def test_whoever_answers_where_a_friend_was_saved_is_left_and_the_friend_is_not_forgotten(
    tmp_path: Path,
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await told(bob, alice.address, CAROL)
        (found,) = bob.dialler.found
        intruder = DeviceKey(alice.signer.device.public)
        assert found.device_did == encode_did_key(intruder)
        assert await leave(intruder, bob.network, bob.dialler, bob.store)
        assert not bob.dialler.found, "nobody calls there any more, until it is named again"
        (saved,) = await bob.store.known_peers()
        assert (saved.address, saved.device) == (alice.address, CAROL)


async def test_a_friend_is_left_though_somebody_else_answers_there(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await told(bob, alice.address, CAROL)
        assert await leave(CAROL, bob.network, bob.dialler, bob.store)
        assert not bob.dialler.found
        assert await bob.store.known_peers() == []
        assert not await leave(CAROL, bob.network, bob.dialler, bob.store)


async def test_who_answers_where_nobody_was_meant_is_left_and_forgotten(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await told(bob, alice.address, None)
        device = DeviceKey(alice.signer.device.public)
        assert await leave(device, bob.network, bob.dialler, bob.store)
        assert await bob.store.known_peers() == []


async def test_an_address_that_is_named_again_is_for_whom_it_was_named_last(
    tmp_path: Path,
) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await told(bob, alice.address, CAROL)
        device = DeviceKey(alice.signer.device.public)
        bob.dialler.hint(hint_of(KnownPeer(alice.address, device, None, "static", 2)))
        assert await leave(device, bob.network, bob.dialler, bob.store)
        assert await bob.store.known_peers() == []


async def test_a_card_takes_no_address_from_who_proved_to_be_there(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        device = DeviceKey(alice.signer.device.public)
        await told(bob, alice.address, device)
        bob.dialler.hint(hint_of(KnownPeer(alice.address, CAROL, None, "invite", 2)))
        await leave(CAROL, bob.network, bob.dialler, bob.store)
        assert [one.address for one in bob.dialler.found] == [alice.address]
        assert [one.device for one in await bob.store.known_peers()] == [device]
