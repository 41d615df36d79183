"""Calls between two devices whose signals a third one carries, honest or not."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from crdt.boxes import open_sealed
from crdt.ed25519 import SigningKey
from crdt.keys import DeviceKey
from p2p.protocol.errors import PeerLeft, RemoteProtocolError, SyncError
from p2p.protocol.webrtc.signal import OFFER, SIGNAL_LIFE_S, SIGNAL_SKEW_S, Signal, seal_signal
from p2p.transport.webrtc.caller import ANSWERING_MAX
from p2p.transport.webrtc.servers import IceServers
from tests.p2p.transport.webrtc.people import (
    LOOPBACK,
    NOON_US,
    WAIT_S,
    Carried,
    Person,
    Post,
    join,
    nothing_left,
    person,
    udp_sockets,
    until,
)


async def test_two_devices_get_a_channel_of_which_the_one_between_sees_nothing() -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        hers, his = await join(alice, bob, post)
        await hers.write(b"hello")
        assert await his.read_exactly(5) == b"hello"
        assert hers.remote.host == his.remote.host == "127.0.0.1"
        assert [to for to, _ in post.passed] == [bob.key, alice.key]
        for _, sealed in post.passed:  # no address, and no name of who it is from
            assert b"127.0.0.1" not in sealed
            assert b"a=" not in sealed
            assert sealed.find(alice.key) == -1
        hers.abort()


async def test_of_two_calls_that_cross_that_of_the_smaller_key_is_answered() -> None:
    """Whichever of the offers comes first: neither is passed on before both are out."""
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        smaller, larger = sorted((alice, bob), key=lambda one: one.key)
        held: list[tuple[bytes, bytes]] = []

        def hold(to: bytes, sealed: bytes) -> tuple[bytes, bytes] | None:
            held.append((to, sealed))
            return None

        post.meddle = hold
        calls = [
            asyncio.create_task(mine.caller.call(other.key, other.identity.sealing_public, post))
            for mine, other in ((smaller, larger), (larger, smaller))
        ]
        async with asyncio.timeout(WAIT_S):
            await until(lambda: len(held) == 2)
            post.meddle = None
            for to, sealed in held:
                post.to[to](sealed)
            carrier = await calls[0]
            with pytest.raises(PeerLeft, match="webrtc-crossed"):
                await calls[1]
            other = await larger.came.get()
        await carrier.write(b"once")
        assert await other.read_exactly(4) == b"once"
        assert smaller.came.empty()
        carrier.abort()


async def test_a_replayed_offer_is_taken_once() -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        hers, his = await join(alice, bob, post)
        offer = post.passed[0][1]
        sockets = udp_sockets()
        for _ in range(5):
            bob.caller.hear(offer, post)
        await asyncio.sleep(0)  # a task would begin
        assert len(post.passed) == 2, "an offer was answered twice"
        assert udp_sockets() == sockets
        hers.abort()
        his.abort()


async def test_what_a_relay_alters_or_misdirects_leads_nowhere() -> None:
    """An offer with one bit changed, an offer to somebody else, an answer of another call."""
    post = Post()
    async with (
        nothing_left(),
        person(1, post) as alice,
        person(2, post) as bob,
        person(3, post) as carol,
    ):
        hers, _ = await join(alice, bob, post)
        hers.abort()
        (_, offer), (_, answer) = post.passed
        fresh = Post(to=post.to)
        for place in range(0, len(offer), 97):
            altered = bytearray(offer)
            altered[place] ^= 1
            bob.caller.hear(bytes(altered), fresh)
        carol.caller.hear(offer, fresh)  # sealed to Bob
        alice.caller.hear(answer, fresh)  # nothing is asked
        bob.caller.hear(answer, fresh)
        for size in (0, 1, 47, 48, 100_000):
            bob.caller.hear(bytes(size), fresh)
        await asyncio.sleep(0)
        assert fresh.passed == []


async def test_an_offer_that_was_sealed_to_somebody_else_is_not_answered() -> None:
    """A card that lied about Bob's sealing key gives Mallory the offer, and nothing more."""
    post = Post()
    async with (
        nothing_left(),
        person(1, post) as alice,
        person(2, post) as bob,
        person(3, post) as mallory,
    ):
        # Even when she holds the key that the offer is sealed to, it names Bob.
        key = mallory.identity.sealing_public
        call = asyncio.create_task(alice.caller.call(bob.key, key, post))
        post.meddle = lambda _to, sealed: (mallory.key, sealed)
        async with asyncio.timeout(WAIT_S):
            await until(lambda: bool(post.passed))
        assert open_sealed(mallory.identity.sealing_private, post.passed[0][1])
        assert len(post.passed) == 1, "an offer for another device was answered"
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


@pytest.mark.parametrize("off_s", [SIGNAL_SKEW_S + 1, -SIGNAL_SKEW_S - SIGNAL_LIFE_S - 1])
async def test_an_offer_of_another_day_is_not_answered(off_s: int) -> None:
    post = Post()
    async with nothing_left(), person(2, post) as bob:
        then = NOON_US + off_s * 1_000_000
        async with person(1, post, wall_us=lambda: then) as alice:
            call = asyncio.create_task(
                alice.caller.call(bob.key, bob.identity.sealing_public, post)
            )
            async with asyncio.timeout(WAIT_S):
                await until(lambda: bool(post.passed))
            await asyncio.sleep(0)
            assert udp_sockets() == 1  # hers
            assert len(post.passed) == 1
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call


async def test_whoever_is_not_welcome_is_not_answered() -> None:
    post, asked = Post(), list[DeviceKey]()

    def nobody(device: DeviceKey) -> bool:
        asked.append(device)
        return False

    async with nothing_left(), person(1, post) as alice, person(2, post, is_welcome=nobody) as bob:
        call = asyncio.create_task(alice.caller.call(bob.key, bob.identity.sealing_public, post))
        async with asyncio.timeout(WAIT_S):
            await until(lambda: bool(asked))
        assert asked == [alice.key]
        assert len(post.passed) == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_offers_beyond_the_rate_do_not_fill_what_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("p2p.protocol.webrtc.signal.SIGNALS_SEEN_MAX", ANSWERING_MAX)
    monkeypatch.setattr("p2p.transport.webrtc.caller.OFFERS_BURST", 2.0)
    monkeypatch.setattr("p2p.transport.webrtc.caller.OFFERS_PER_S", 1.0)
    monkeypatch.setattr("p2p.transport.webrtc.caller.CONNECT_S", 5.0)
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        silent = Post(meddle=lambda _to, _sealed: None)
        for number in range(10, 40):
            stranger = SigningKey(bytes([number]) * 32)
            source, key = DeviceKey(stranger.public), bob.identity.sealing_public
            rubbish = Signal(OFFER, source, bob.key, bytes(16), key, "no description")
            bob.caller.hear(seal_signal(rubbish, stranger, key, now_us=NOON_US), silent)
        hers: Carried | None = None
        async with asyncio.timeout(WAIT_S):
            while hers is None:
                with suppress(PeerLeft):  # at the rate of this test one more comes in a second
                    key = bob.identity.sealing_public
                    hers = await alice.caller.call(bob.key, key, post)
        hers.abort()


async def test_offers_without_end_open_a_few_sockets() -> None:
    """Thirty strangers offer at once, and are never heard of again."""
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        hers, _ = await join(alice, bob, post)
        hers.abort()
        offers: list[bytes] = []
        for number in range(10, 40):
            async with person(number, Post(to={bob.key: offers.append})) as stranger:
                elsewhere = Post(to={bob.key: offers.append})
                call = asyncio.create_task(
                    stranger.caller.call(bob.key, bob.identity.sealing_public, elsewhere)
                )
                count = len(offers)
                async with asyncio.timeout(WAIT_S):
                    await until(partial(_is_longer, offers, count))
                call.cancel()
                await asyncio.wait([call])
        async with asyncio.timeout(WAIT_S):
            await until(lambda: udp_sockets() == 0)
            answers = Post(meddle=lambda _to, _sealed: None)
            for offer in offers:
                bob.caller.hear(offer, answers)
            await until(lambda: udp_sockets() >= 8)
        assert udp_sockets() == 8


async def test_a_call_through_nobody_leads_nowhere_and_leaves_nothing() -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice:
        stranger = DeviceKey(SigningKey(bytes(32)).public)
        with pytest.raises(PeerLeft, match="relay-unknown"):
            await alice.caller.call(stranger, alice.identity.sealing_public, post)


@pytest.mark.parametrize("key", [bytes(32), b"short"])
async def test_a_sealing_key_that_is_none_is_the_peers_fault(key: bytes) -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        with pytest.raises(RemoteProtocolError, match="signal-key"):
            await alice.caller.call(bob.key, key, post)


async def test_an_address_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from p2p.transport.webrtc import caller as callers

    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        await warm(alice, bob, post)
        monkeypatch.setattr(callers, "CONNECT_S", 0.5)
        post.meddle = lambda to, sealed: (to, sealed) if to == bob.key else None
        with pytest.raises(SyncError, match="webrtc-no-path"):
            await alice.caller.call(bob.key, bob.identity.sealing_public, post)


async def test_a_machine_without_addresses_says_so() -> None:
    post = Post()
    nowhere = IceServers(hosts=())
    async with nothing_left(), person(1, post, servers=nowhere) as alice, person(2, post) as bob:
        with pytest.raises(PeerLeft, match="no address"):
            await alice.caller.call(bob.key, bob.identity.sealing_public, post)


async def warm(alice: Person, bob: Person, post: Post) -> None:
    """aiortc is imported, which may take longer than what comes next waits."""
    hers, his = await join(alice, bob, post)
    hers.abort()
    his.abort()


def test_the_servers_of_these_tests_are_on_this_machine() -> None:
    assert LOOPBACK.hosts == ("127.0.0.1",)
    assert not LOOPBACK.stun


def _is_longer(items: list[bytes], count: int) -> bool:
    return len(items) > count
