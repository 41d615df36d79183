"""A relay that lies: nothing of it is believed, and it is named beside the reason."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from crdt.capability import CapabilityCache
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from node.commands.nodes import LocalNode, wait_for
from node.failure import Failure, Json
from p2p.protocol.card import check_card
from p2p.protocol.errors import SyncError
from p2p.protocol.frames import Ping, Pong
from p2p.protocol.relay import frames
from p2p.protocol.relay.frames import RelayFrame, decode_relay_frame, encode_relay_frame
from p2p.transport.carrier import StreamCarrier
from p2p.transport.channels import Channels
from p2p.transport.relay.server import JOIN
from p2p.transport.relay.splice import JOINED
from tests.e2e.mallory import Mallory
from tests.e2e.relays import (
    know_each_other,
    listening_in,
    start_hidden,
    start_islands,
    start_relay,
    wait_for_peer,
)
from tests.e2e.story import Shell, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

NOTICED_S = 60.0


def now_us() -> int:
    return time.time_ns() // 1_000


class Liar:
    """Spoils the first piece of a circuit that it gets, in one way, and says that it did."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.has_lied = False
        self._held = b""

    def look(self) -> bool | None:
        """For `wait_for`."""
        return self.has_lied or None

    def __call__(self, data: bytes) -> bytes:
        if self.has_lied:
            return data
        if self.how == "reorders" and not self._held:
            self._held = data
            return b""
        self.has_lied = True
        match self.how:
            case "alters":
                middle = len(data) // 2
                return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
            case "drops":
                return b""
            case "repeats":
                return data + data
            case _:
                return data + self._held


def losses(peer: Json) -> list[object]:
    """How often the session lost its channel, and why the one before ended, as `peers` shows it."""
    return [peer["moves"], peer["last_error"]]


def test_what_a_relay_does_to_the_bytes_of_a_circuit_is_noticed(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    with listening_in(relay) as wire:
        alice, bob = start_islands(tmp_path, running, f"relay://{wire.address}")
        know_each_other(alice, bob)
        names: list[str] = []
        for number, how in enumerate(("alters", "drops", "repeats", "reorders")):
            before = losses(wait_for_peer(bob)) + losses(wait_for_peer(alice))
            liar = wire.change = Liar(how)
            name = f"io.alice.m{number}"
            ran = shell(
                alice,
                "publish",
                str(make_module(tmp_path / name, name, "1.0.0", answering(number))),
            )
            assert ran.code == 0, ran
            names.append(f"{alice.did}/{name}")
            wait_for(f"the relay to lie: {how}", NOTICED_S, liar.look)
            wire.change = None
            wait_for_modules(bob, names)  # what was dropped comes all the same

            def is_seen(before: list[object] = before) -> bool | None:
                after = losses(wait_for_peer(bob)) + losses(wait_for_peer(alice))
                return after != before or None

            wait_for(f"somebody to see that the relay {how} something", NOTICED_S, is_seen)

        def suspected() -> str | None:
            told = [one.client.get("/api/peers")["relays"][0]["last_error"] for one in (alice, bob)]
            return next((str(one) for one in told if "not genuine" in one), None)

        assert wait_for("the relay to be named", NOTICED_S, suspected)
        for one in (alice, bob):
            assert one.client.get("/api/peers")["refused"] == [], "nobody is blamed for the relay"
            refused = one.client.get("/api/refused")["refused"]
            assert not [row for row in refused if row["source"] in (alice.did, bob.did)]


@dataclass
class FakeRelay:
    """Speaks the protocol, and says of others what it likes."""

    cards: Sequence[bytes] = ()
    calls: int = 0
    heard: list[bytes] = field(default_factory=list[bytes])
    port: int = 0
    channels: Channels = field(
        default_factory=lambda: Channels(
            SigningKey(os.urandom(32)), static_private=os.urandom(32), openers={}
        )
    )

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carrier = StreamCarrier(reader, writer)
        try:
            first = await carrier.read_exactly(1)
            if first[0] == JOIN:
                await carrier.read_exactly(32)
                await carrier.write(JOINED)
                # Whoever was called, it is this relay itself that answers.
                await self.channels.shake_hands(carrier, is_initiator=False)
                self.calls += 1
                return
            carrier.unread(first)
            stream = await self.channels.shake_hands(carrier, is_initiator=False)
            while True:
                frame = decode_relay_frame(await stream.read())
                await stream.write([encode_relay_frame(one) for one in self.answers(frame)])
        except SyncError:
            pass
        finally:
            writer.transport.abort()

    def answers(self, frame: RelayFrame | None) -> list[RelayFrame]:
        match frame:
            case frames.Register(card):
                self.heard.append(card)
                return [frames.Registered(3_600, "192.0.2.1", False)]
            case frames.Lookup(number):
                return [frames.Cards(number, tuple(self.cards))]
            case frames.Call(number, device):
                return [frames.Circuit(number, os.urandom(32), device)]
            case Ping(number):
                return [Pong(number)]
            case _:
                return []


@asynccontextmanager
async def lying(fake: FakeRelay) -> AsyncGenerator[str]:
    server = await asyncio.start_server(fake.accept, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield f"relay://127.0.0.1:{fake.port}"
    finally:
        server.close()


def last_error_of(one: LocalNode, words: str) -> str | None:
    told = str(one.client.get("/api/peers"))
    return told if words in told else None


async def test_forged_cards_are_not_believed(tmp_path: Path, running: list[LocalNode]) -> None:
    fake, bob = FakeRelay(), Mallory()
    async with lying(fake) as url:
        alice = await asyncio.to_thread(start_hidden, "alice", tmp_path, url)
        running.append(alice)

        def registered() -> bytes | None:
            return fake.heard[0] if fake.heard else None

        card = await asyncio.to_thread(wait_for, "a card", NOTICED_S, registered)
        altered = bytearray(card)
        altered[-1] ^= 1
        # Alice's own genuine card, in place of bob's; and one that nobody signed.
        fake.cards = (card, bytes(altered))
        did = encode_did_key(bob.root.public)
        await asyncio.to_thread(alice.client.put, "/api/names/bob", {"author": did})
        look = partial(last_error_of, alice, "a card that does not hold")
        told = await asyncio.to_thread(wait_for, "it to be told", NOTICED_S, look)
        assert f"127.0.0.1:{fake.port}" in told
        assert (await asyncio.to_thread(alice.client.get, "/api/peers"))["peers"] == []


async def test_another_device_at_the_end_of_a_circuit_is_noticed(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    fake = FakeRelay()
    async with lying(fake) as url:
        alice = await asyncio.to_thread(start_hidden, "alice", tmp_path, url)
        running.append(alice)
        device = alice.ready["did"].removeprefix("did:key:")  # any key: nobody has that device
        place = f"circuit:{device}@127.0.0.1:{fake.port}"
        shown = await asyncio.to_thread(post_peer, alice, place)
        assert shown == "another-device"
        look = partial(last_error_of, alice, "not genuine")
        await asyncio.to_thread(wait_for, "the relay to be named", NOTICED_S, look)
        assert fake.calls == 1
        assert (await asyncio.to_thread(alice.client.get, "/api/peers"))["peers"] == []


def post_peer(one: LocalNode, place: str) -> str:
    """The code by which it fails."""
    try:
        one.client.post("/api/peers", {"address": place})
    except Failure as failed:
        return str(failed.problem["code"])
    return ""


async def test_a_relay_hears_of_a_card_that_became_another(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    """Alice begins to use a second relay: whoever asks the first one is told of both."""
    first, second = FakeRelay(), FakeRelay()

    def relays() -> set[str]:
        cards = [check_card(one, CapabilityCache(), now_us=now_us()) for one in first.heard[-1:]]
        return {relay for card in cards for relay in card.relays}

    async with lying(first) as url, lying(second) as other:
        alice = await asyncio.to_thread(start_hidden, "alice", tmp_path, url)
        running.append(alice)
        await asyncio.to_thread(wait_for, "a card", NOTICED_S, lambda: bool(first.heard) or None)
        assert relays() <= {url}
        place = f"circuit:{alice.ready['did'].removeprefix('did:key:')}@127.0.0.1:{second.port}"
        await asyncio.to_thread(post_peer, alice, place)

        def renewed() -> bool | None:
            return relays() == {url, other} or None

        await asyncio.to_thread(wait_for, "the new card", NOTICED_S, renewed)
        assert len(first.heard) > 1
