"""Cards between daemons: of whom each of them hears, and what becomes of somebody who lies.

Alice is attacked by devices with valid keys, over real sessions. Nothing false that they say of
others is kept, `refused` tells who said it, and the session ends where a rule was broken.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crdt import cbor
from crdt.area import Area
from crdt.boxes import sealing_key
from crdt.capability import READ
from crdt.did import decode_did_key, encode_did_key
from crdt.keys import AuthorKey
from node.client import path_of
from node.commands.nodes import LocalNode, start_node, stop_all, wait_for
from node.failure import Failure
from node.home import Home
from p2p.protocol import frames
from p2p.protocol.card import CARD_ITEMS_MAX, CARD_PREFIX, sign_card
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Frame
from p2p.protocol.limits import CARD_BYTES_MAX, CARDS_MAX
from registry.listings import project
from storage.store import open_store
from tests.e2e.mallory import Call, Mallory
from tests.e2e.story import ARRIVE_S, Shell, StartNode
from tests.e2e.test_discovery import is_connected
from tests.e2e.test_discovery import wait_for_peer as wait_for_peers
from tests.e2e.test_namespaces import grant, guild_key, holds

pytestmark = pytest.mark.nodes

ENDS_S = 120.0
DAY_US = 86_400_000_000
FLOOD = 500
AUTHOR = 2  # its place in a card


def now_us() -> int:
    return time.time_ns() // 1_000


def card_of(one: Mallory, *, issued_us: int | None = None) -> bytes:
    issued_us = now_us() if issued_us is None else issued_us
    return sign_card(
        one.device,
        author=AuthorKey(one.root.public),
        capability=one.signer.capabilities["pub"],
        places=(),
        relays=(),
        sealing=sealing_key(os.urandom(32)),
        issued_us=issued_us,
        until_us=issued_us + DAY_US,
    )


def of_another_author(one: Mallory) -> bytes:
    """A card by which its device speaks for somebody who never gave it a right."""
    encoded, _ = cbor.decode(card_of(one), bytes_max=CARD_BYTES_MAX, items_max=3, depth_max=1)
    body = cbor.decode(encoded, bytes_max=CARD_BYTES_MAX, items_max=CARD_ITEMS_MAX, depth_max=2)
    body[AUTHOR] = Mallory().root.public
    forged = cbor.encode(body)
    return cbor.encode([forged, one.device.sign(CARD_PREFIX + forged)])


def altered(card: bytes) -> bytes:
    return card[:-1] + bytes([card[-1] ^ 1])


@dataclass
class Scene:
    """Alice, and all whom somebody gave false cards of."""

    alice: LocalNode
    lied_of: list[Mallory] = field(default_factory=list[Mallory])

    @property
    def door(self) -> str:
        return str(self.alice.ready["p2p"])

    def forgive(self) -> None:
        """What others at this address did is not held against the next."""
        with suppress(Failure):
            self.alice.client.delete(path_of("/api/refused-peers", "127.0.0.1"))

    def refused(self) -> set[tuple[str, str]]:
        """Who, and why."""
        page = self.alice.client.get("/api/refused", {"limit": 1_000})
        return {(one["source"], one["code"]) for one in page["refused"]}

    def name(self, one: Mallory, name: str) -> None:
        """From now on Alice trusts them."""
        did = encode_did_key(one.root.public)
        self.alice.client.put(f"/api/names/{name}", {"author": did})

    async def hear_of(self, one: Mallory, code: str) -> None:
        wanted = (encode_did_key(one.device.public), code)

        def look() -> bool | None:
            return wanted in self.refused() or None

        await asyncio.to_thread(wait_for, f"{code} to be listed", ARRIVE_S, look)

    def false(self) -> Mallory:
        """Somebody of whom only false cards exist."""
        self.lied_of.append(Mallory())
        return self.lied_of[-1]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    alice = start_node("alice", tmp_path_factory.mktemp("cards"), "--no-mdns")
    try:
        yield Scene(alice)
    finally:
        stop_all([alice])


async def asked(call: Call) -> int:
    """The number of Alice's first ask."""
    said = await call.hear_until(frames.AskCards)
    assert isinstance(said, frames.AskCards)
    return said.number


Say = Callable[[int], Sequence[Frame]]
# What ends a session at once, and the reason that is given; a number is that of Alice's ask.
BROKEN: dict[str, tuple[Say, str]] = {
    "nobody asked": (lambda number: [frames.Cards(number + 7, ())], "cards-unasked"),
    "twice": (lambda number: [frames.Cards(number, ())] * 2, "cards-unasked"),
    "too many": (lambda number: [frames.Cards(number, (b"",) * (CARDS_MAX + 1))], "frame-shape"),
    "too long": (lambda _: [frames.OwnCard(bytes(CARD_BYTES_MAX + 1))], "frame-shape"),
    "asks": (lambda _: [frames.AskCards(number) for number in range(50)], "flood"),
    "own cards": (lambda _: [frames.OwnCard(b"no card")] * FLOOD, "flood"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_who_breaks_a_rule_is_named_and_left(scene: Scene, how: str) -> None:
    say, code = BROKEN[how]
    await asyncio.to_thread(scene.forgive)
    mallory = Mallory()
    async with asyncio.timeout(ENDS_S), mallory.meets(scene.door) as call:
        with suppress(PeerLeft):  # Alice may hang up before all is said
            await call.say(*say(await asked(call)))
        assert await call.last_words() in (code, "")
    await scene.hear_of(mallory, code)


async def test_cards_that_do_not_hold_are_dropped_and_who_gave_them_is_named(scene: Scene) -> None:
    await asyncio.to_thread(scene.forgive)
    mallory, friend = Mallory(), Mallory()
    await asyncio.to_thread(scene.name, mallory, "mallory")
    wrong = {
        "card-signature": altered(card_of(scene.false())),
        "card-over": card_of(scene.false(), issued_us=now_us() - 2 * DAY_US),
        "card-ahead": card_of(scene.false(), issued_us=now_us() + DAY_US),
        "card-author": of_another_author(scene.false()),
        "card-bytes": b"\xff" * CARD_BYTES_MAX,
    }
    async with asyncio.timeout(ENDS_S), mallory.meets(scene.door) as call:
        cards = (*wrong.values(), card_of(friend))
        await call.say(frames.Cards(await asked(call), cards))
        await call.say(frames.OwnCard(card_of(scene.false())))
        for code in (*wrong, "card-device"):
            await scene.hear_of(mallory, code)
        # The session goes on: what somebody passes on may be another's lie.
        await call.say(frames.Ping(1))
        await call.hear_until(frames.Pong)
    held = await cards_held(scene, friend)
    assert friend.device.public in held, "a good one among them is kept"
    assert held.isdisjoint(one.device.public for one in scene.lied_of)


async def test_a_stranger_is_given_none_and_what_she_gives_is_not_read(scene: Scene) -> None:
    await asyncio.to_thread(scene.forgive)
    mallory, friend = Mallory(), scene.false()
    async with asyncio.timeout(ENDS_S), mallory.meets(scene.door) as call:
        number = await asked(call)
        await call.say(
            frames.OwnCard(card_of(mallory)),
            frames.Cards(number, (card_of(friend), altered(card_of(friend)))),
            frames.AskCards(1),
        )
        given = await call.hear_until(frames.Cards)
        assert given == frames.Cards(1, ())
    held = await cards_held(scene, mallory)
    assert mallory.device.public in held, "her own, as of everybody who calls"
    assert friend.device.public not in held
    assert not {
        code for who, code in scene.refused() if who == encode_did_key(mallory.device.public)
    }


async def test_friends_are_given_those_of_friends_and_nobody_elses(scene: Scene) -> None:
    await asyncio.to_thread(scene.forgive)
    bob, carol, dave = Mallory(), Mallory(), Mallory()
    for one, name in ((bob, "bob"), (carol, "carol")):
        await asyncio.to_thread(scene.name, one, name)
    for one in (carol, dave):  # dave is a stranger
        async with asyncio.timeout(ENDS_S), one.meets(scene.door) as call:
            await call.say(frames.OwnCard(card_of(one)), frames.Ping(1))
            await call.hear_until(frames.Pong)
        await cards_held(scene, one)
    async with asyncio.timeout(ENDS_S), bob.meets(scene.door) as call:
        await call.say(frames.AskCards(1))
        given = await call.hear_until(frames.Cards)
    assert isinstance(given, frames.Cards)
    told = b"".join(given.cards)
    assert carol.device.public in told
    for one in (dave, *scene.lied_of):
        assert one.device.public not in told
        assert one.root.public not in told


async def cards_held(scene: Scene, awaited: Mallory) -> set[bytes]:
    """The devices whose cards Alice keeps, once that of `awaited` is among them."""
    home = Home(scene.alice.home)
    async with asyncio.timeout(ENDS_S):
        while True:
            held = await devices_in(home)
            if awaited.device.public in held:
                return held
            await asyncio.sleep(0.05)


async def devices_in(home: Home) -> set[bytes]:
    async with open_store(home.database, project=project, clock_us=now_us) as store:
        return {bytes(one.device) for one in await store.cards()}


# --- real daemons on all sides -------------------------------------------------------------------


def device_of(one: LocalNode) -> bytes:
    return decode_did_key(one.client.get("/api/identity")["device"])


def connect(one: LocalNode, other: LocalNode) -> None:
    one.client.post("/api/peers", {"address": other.ready["p2p"]})
    wait_for_peers(other, one)


def compared(one: LocalNode, other: LocalNode) -> None:
    """Until `one` has compared what both hold, the namespaces that both are in included."""

    def look() -> bool | None:
        peer = is_connected(one.client, other.did)()
        return (peer is not None and peer["standing"] == "in-sync") or None

    wait_for(f"{one.name} and {other.name} to agree", ARRIVE_S, look)


async def test_each_hears_only_of_those_whom_it_may_know(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    """Bob and Carol are friends of Alice, Erin and Frank members of her guild, Dave nobody."""
    alice = node("alice")
    guild = shell(alice, "namespace", "create", "guild").answer["did"]
    bob, carol, dave, erin, frank = map(node, ("bob", "carol", "dave", "erin", "frank"))
    everybody = (alice, bob, carol, dave, erin, frank)
    for one in (bob, carol):
        assert shell(alice, "name", "set", one.name, one.did).code == 0
        assert shell(one, "name", "set", "alice", alice.did).code == 0
    for one in (erin, frank):
        grant(guild_key(alice.home), one, READ, Area())
        assert shell(one, "namespace", "join", guild, "--name", "guild").code == 0
    for one in (dave, bob, carol, erin, frank):
        connect(one, alice)
        compared(alice, one)
    wait_for_peers(bob, carol)
    wait_for_peers(erin, frank)
    devices = {one.name: device_of(one) for one in everybody}
    may_hear_of = {
        "alice": {"bob", "carol", "dave", "erin", "frank"},
        "bob": {"alice", "carol"},
        "carol": {"alice", "bob"},
        "dave": {"alice"},
        "erin": {"alice", "frank"},
        "frank": {"alice", "erin"},
    }

    async def heard_of(one: LocalNode) -> set[str]:
        held = await devices_in(Home(one.home))
        return {name for name, device in devices.items() if device in held} - {one.name}

    async def has_heard(one: LocalNode) -> None:
        """Of all whom it may: cards follow the greeting, and are written down after that."""
        while True:
            if await heard_of(one) >= may_hear_of[one.name]:
                return
            await asyncio.sleep(0.05)

    async with asyncio.timeout(ENDS_S):
        for one in everybody:
            await has_heard(one)
    for one in everybody:
        one.stop()
    assert {one.name: await heard_of(one) for one in everybody} == may_hear_of
    for one in everybody[1:]:
        others = {*devices} - may_hear_of[one.name] - {one.name}
        assert not holds(one.home, tuple(devices[name] for name in others))
