"""Who calls, and what is made of what they say of themselves: between real nodes on loopback."""

import time
from pathlib import Path
from random import Random

import pytest

from crdt.did import encode_did_key
from p2p.protocol.errors import PeerLeft
from p2p.protocol.hint import Hint
from p2p.transport.address import Address
from p2p.transport.connection import Connection
from tests.p2p.transport.proxies import proxy_to
from tests.p2p.transport.test_network import open_node, until


async def test_a_strangers_word_calls_no_service_of_this_machine_and_no_relay(
    tmp_path: Path,
) -> None:
    """Over a WebSocket, so that any of these would be better, or be tried when it is lost."""
    service, relay = "127.0.0.1:5432", circuit_to_nobody("127.0.0.1:1")
    relay_elsewhere = circuit_to_nobody("relay.example:4747")
    told = (service, "ws://localhost:1/", relay, relay_elsewhere, "192.0.2.7:4747")
    async with open_node(tmp_path / "m", 3, *told) as mallory:
        async with open_node(tmp_path / "b", 2, "192.0.2.8:4747") as bob:
            met = await bob.network.connect(f"ws://{mallory.address}/")
            assert known_to(met) == {"192.0.2.7:4747", f"ws://{mallory.address}/"}
        async with open_node(tmp_path / "a", 1, "127.0.0.1:4747") as alice:
            met = await alice.network.connect(f"ws://{mallory.address}/")
            assert service in known_to(met), "both are on one machine and nowhere else"


def known_to(connection: Connection) -> set[str]:
    """The places at which it would be called were it lost."""
    paths, found = connection.paths, set[str]()
    paths.use(None, now_s=0.0)
    while (place := paths.next(now_s=1e9)) is not None:
        found.add(place)
        paths.failed(place, Random(1), now_s=1e9)
    return found


def circuit_to_nobody(relay: str) -> str:
    return f"circuit:{encode_did_key(bytes(32)).removeprefix('did:key:')}@{relay}"


async def test_of_all_who_come_by_one_proxy_only_those_are_shut_out_who_did_wrong(
    tmp_path: Path,
) -> None:
    async with (
        open_node(tmp_path / "a", 1, proxies=("127.0.0.1",)) as alice,
        open_node(tmp_path / "b", 2) as bob,
        proxy_to(alice.port) as proxy,
    ):
        wrong, right = "192.0.2.66", "203.0.113.7"
        while alice.offences.admits(wrong, now_s=time.time()):
            alice.offences.fault(None, wrong, "handshake", "junk", now_s=time.time())
        proxy.header = f"X-Forwarded-For: {wrong}\r\n".encode()
        with pytest.raises(PeerLeft):
            await bob.network.connect(f"ws://127.0.0.1:{proxy.port}/")
        proxy.header = f"X-Forwarded-For: {wrong}, {right}\r\n".encode()  # as if it were theirs
        await bob.network.connect(f"ws://127.0.0.1:{proxy.port}/")
        (came,) = alice.network.connections
        assert came.address.startswith(f"{right}:")


async def test_whoever_is_announced_with_a_newer_card_is_called_at_once(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice:
        nowhere = "127.0.0.1:1"
        alice.dialler.hint(Hint("", (nowhere,), "mdns", issued_us=5))

        async def has_failed() -> bool:
            return any(one.last_error for one in alice.dialler.found)

        await until(has_failed)
        (found,) = alice.dialler.found
        for issued_us in (0, 4, 5):
            alice.dialler.hint(Hint("", (nowhere,), "mdns", issued_us=issued_us))
        assert not found.hurry.is_set(), "that was known"
        alice.dialler.hint(Hint("", (nowhere,), "mdns", issued_us=6))
        assert found.hurry.is_set()
        found.hurry.clear()
        alice.dialler.hint(Hint("", (nowhere,), "mdns", issued_us=7))
        assert not found.hurry.is_set(), "whoever forges many calls nobody often"
        assert found.issued_us == 7


async def test_whoever_is_behind_a_relay_that_is_back_is_called_at_once(tmp_path: Path) -> None:
    here, elsewhere = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
    behind, beside = circuit_to_nobody(str(here)), circuit_to_nobody(str(elsewhere))
    async with open_node(tmp_path / "a", 1) as alice:
        for place in (behind, beside, "127.0.0.1:1"):
            alice.dialler.hint(Hint("", (place,), "invite"))

        async def have_failed() -> bool:
            return len([one for one in alice.dialler.found if one.last_error]) == 3

        await until(have_failed)
        alice.dialler.call_through(here)
        hurried = [one for one in alice.dialler.found if one.hurry.is_set()]
        assert [one.address for one in hurried] == [behind]
        hurried[0].hurry.clear()
        alice.dialler.call_through(here)
        assert not hurried[0].hurry.is_set(), "a relay that comes and goes has nobody called often"


async def test_news_do_not_end_the_wait_that_a_peer_told_us(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        for _ in range(2):
            device = bob.signer.device.public
            alice.offences.fault(device, "", "flood", "too much", now_s=time.time())
        bob.dialler.hint(Hint("", (alice.address,), "static"))

        async def is_told_to_wait() -> bool:
            return any(one.not_before_s for one in bob.dialler.found)

        await until(is_told_to_wait)
        (found,) = bob.dialler.found
        bob.dialler.hint(Hint("", (alice.address,), "mdns", issued_us=5))
        assert not found.hurry.is_set()
