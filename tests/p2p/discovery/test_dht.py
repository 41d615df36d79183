"""Several real nodes of the DHT, on 127.0.0.1 only: what is no card is not found."""

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import libtorrent as lt
import msgspec
import pytest

from crdt.boxes import sealing_key
from crdt.capability import CapabilityCache
from crdt.ed25519 import SigningKey
from p2p.discovery.dht import ITEMS_MAX, VALUE_BYTES_MAX, Dht, open_dht, settings_for
from p2p.discovery.table import leave, look
from p2p.protocol.card import Card, check_card, sign_card
from p2p.protocol.rendezvous import SALT, SLOTS, slots
from tests.simulation.people import ALICE, BOB, Person, person

HOST = "127.0.0.1"
GARDEN = b"garden" * 5 + b"\0\1"
DAY = 20_000
NOW_US = DAY * 86_400_000_000 + 1
ITEM_KEY = SigningKey(bytes(range(32)))
GENEROUS_S = 60.0


def check(data: bytes) -> Card:
    return check_card(data, CapabilityCache(), now_us=NOW_US)


def card_of(one: Person) -> bytes:
    return sign_card(
        one.device,
        author=one.author,
        capability=one.config().capability,
        places=("192.0.2.7:4747",),
        relays=(),
        sealing=sealing_key(bytes(32)),
        issued_us=NOW_US,
        until_us=NOW_US + 3_600_000_000,
    )


class Nodes:
    """Opens nodes that know the first one."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._known: tuple[str, ...] = ()

    async def one(self, *, nodes: Sequence[str] | None = None) -> Dht:
        bootstrap = self._known if nodes is None else ()
        dht = await self._stack.enter_async_context(
            open_dht(HOST, bootstrap=bootstrap, nodes=nodes or ())
        )
        if bootstrap or nodes:
            assert await dht.join()
        else:
            self._known = (f"{HOST}:{dht.port}",)
        return dht


@pytest.fixture
async def nodes() -> AsyncGenerator[Nodes]:
    async with asyncio.timeout(4 * GENEROUS_S), AsyncExitStack() as stack:
        yield Nodes(stack)


async def leave_card(dht: Dht, one: Person) -> int:
    seen = await look(dht, GARDEN, DAY, check=check)
    return await leave(dht, seen, card_of(one), device=one.device_key, nonce=os.urandom(24))


async def devices(dht: Dht) -> set[bytes]:
    seen = await look(dht, GARDEN, DAY, check=check)
    return {card.device for card in seen.cards.values()}


async def test_what_one_leaves_another_finds(nodes: Nodes) -> None:
    await nodes.one()
    alice, bob = await nodes.one(), await nodes.one()
    assert await devices(bob) == set()
    assert await leave_card(alice, ALICE) >= 1
    assert await devices(bob) == {ALICE.device_key}
    assert await leave_card(bob, BOB) >= 1
    assert await devices(alice) == {ALICE.device_key, BOB.device_key}
    assert await leave_card(alice, ALICE) >= 1  # once more: into its own slot
    assert await devices(bob) == {ALICE.device_key, BOB.device_key}


async def test_a_restart_finds_its_way_without_anybody_to_ask(nodes: Nodes) -> None:
    await nodes.one()
    alice = await nodes.one()
    assert await leave_card(alice, ALICE) >= 1
    known = await alice.nodes()
    assert known
    again = await nodes.one(nodes=known)
    assert await devices(again) == {ALICE.device_key}


async def test_where_all_slots_are_full_nobody_is_overwritten(nodes: Nodes) -> None:
    await nodes.one()
    dht = await nodes.one()
    people = [person(f"member {number}") for number in range(SLOTS + 1)]
    written = [await leave_card(dht, one) for one in people]
    assert all(written[:SLOTS])
    assert written[SLOTS] == 0
    assert await devices(dht) == {one.device_key for one in people[:SLOTS]}


async def test_whoever_knows_the_name_and_leaves_no_card_is_ignored(nodes: Nodes) -> None:
    await nodes.one()
    alice, mallory = await nodes.one(), await nodes.one()
    first, second, third = slots(GARDEN, DAY)[:3]
    await mallory.put(first.key, SALT, b"x")
    await mallory.put(second.key, SALT, bytes(VALUE_BYTES_MAX))
    await mallory.put(third.key, SALT, os.urandom(942))
    seen = await look(alice, GARDEN, DAY, check=check)
    assert (dict(seen.cards), seen.ignored) == ({}, 3)
    assert await leave_card(alice, ALICE) >= 1
    assert await devices(mallory) == {ALICE.device_key}


async def test_nobody_answers_where_nobody_is() -> None:
    async with open_dht(HOST, bootstrap=()) as dht:
        assert await dht.find(ITEM_KEY.public, SALT) is None


def test_elsewhere_than_on_loopback_the_guards_are_on() -> None:
    guards = ("dht_restrict_routing_ips", "dht_restrict_search_ips", "dht_ignore_dark_internet")
    outside = dict(settings_for("0.0.0.0", 0, ("a:1",)))
    inside = dict(settings_for(HOST, 0, ()))
    assert [outside[guard] for guard in guards] == [True] * 3
    assert [inside[guard] for guard in guards] == [False] * 3
    assert outside["dht_bootstrap_nodes"] == "a:1"
    for off in ("enable_lsd", "enable_upnp", "enable_natpmp", "enable_incoming_tcp"):
        assert outside[off] is False


# --- what strangers send -------------------------------------------------------------------------


class Stranger:
    """Speaks BEP 44 by hand, so that nothing keeps it honest."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self._socket.connect((HOST, port))
        self._socket.settimeout(GENEROUS_S)

    def ask(self, query: str, arguments: dict[bytes, Any]) -> dict[bytes, Any]:
        body = {b"id": bytes(20), **arguments}
        # ro: it answers nobody, so nobody should wait for it (BEP 43)
        told: Any = {b"t": b"aa", b"y": b"q", b"q": query.encode(), b"a": body, b"ro": 1}
        self._socket.send(lt.bencode(told))  # pyright: ignore[reportUnknownMemberType]  (see _bdecode)
        while True:  # what it asks of us meanwhile is no answer
            data = self._socket.recv(65_536)
            heard: dict[bytes, Any] = msgspec.convert(_bdecode(data), dict[bytes, Any])
            if heard[b"y"] in (b"r", b"e") and heard[b"t"] == b"aa":
                return heard

    def get(self, key: SigningKey) -> dict[bytes, Any]:
        answer = self.ask("get", {b"target": target_of(key)})[b"r"]
        return msgspec.convert(answer, dict[bytes, Any])

    def put(self, key: SigningKey, value: bytes, signature: bytes | None = None) -> bool:
        token = self.get(key)[b"token"]
        bencoded = b"%d:%b" % (len(value), value)
        signed = signature or key.sign(b"4:salt10:" + SALT + b"3:seqi1e1:v" + bencoded)
        item = {b"k": key.public, b"salt": SALT, b"seq": 1, b"sig": signed, b"token": token}
        return bool(self.ask("put", {**item, b"v": value})[b"y"] == b"r")

    def close(self) -> None:
        self._socket.close()


def _bdecode(data: bytes) -> object:
    # The stubs know only some of what may stand there.
    return lt.bdecode(data)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def target_of(key: SigningKey) -> bytes:
    return hashlib.sha1(key.public + SALT, usedforsecurity=False).digest()


async def test_forged_and_oversized_items_are_kept_by_nobody(nodes: Nodes) -> None:
    stranger = Stranger((await nodes.one()).port)
    try:
        assert not await asyncio.to_thread(stranger.put, ITEM_KEY, b"hello", bytes(64))
        assert not await asyncio.to_thread(stranger.put, ITEM_KEY, b"x" * 1_200)
        assert b"v" not in stranger.get(ITEM_KEY)
        assert await asyncio.to_thread(stranger.put, ITEM_KEY, b"hello")
        assert stranger.get(ITEM_KEY)[b"v"] == b"hello"
    finally:
        stranger.close()


async def test_a_node_that_is_flooded_stays_bounded_and_goes_on(nodes: Nodes) -> None:
    stranger = Stranger((await nodes.one()).port)
    keys = [SigningKey(number.to_bytes(32, "big")) for number in range(ITEMS_MAX + 100)]

    def flood() -> int:
        for key in keys:
            stranger.put(key, b"hello")
        return sum(b"v" in stranger.get(key) for key in keys)

    try:
        assert 0 < await asyncio.to_thread(flood) <= ITEMS_MAX
        assert await asyncio.to_thread(stranger.put, ITEM_KEY, b"news")
        assert stranger.get(ITEM_KEY)[b"v"] == b"news"
    finally:
        stranger.close()


async def test_a_router_can_be_told_of_the_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    async with open_dht(HOST, port=port, bootstrap=()) as dht:
        assert dht.port == port
