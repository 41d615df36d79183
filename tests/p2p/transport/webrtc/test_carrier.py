"""A real data channel on loopback: bytes both ways, back-pressure, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest
from aioice import Candidate as IceCandidate

from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.webrtc.sdp import CANDIDATES_MAX, MESSAGE_BYTES_MAX
from p2p.transport.webrtc import carrier as carriers
from p2p.transport.webrtc.carrier import TELL_BYTES_LEAST, WINDOW_BYTES, DataChannelCarrier
from p2p.transport.webrtc.servers import IceServers
from p2p.transport.webrtc.stack import NAMED_PAIRS_MAX, Leg, _Ice  # pyright: ignore[reportPrivateUsage]  # what is bounded
from tests.p2p.transport.webrtc.people import (
    WAIT_S,
    Person,
    Post,
    join,
    nothing_left,
    person,
    udp_sockets,
    until,
)


@dataclass
class Both:
    """Alice's end and Bob's of one channel."""

    post: Post
    alice: Person
    bob: Person
    hers: DataChannelCarrier
    his: DataChannelCarrier


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        hers, his = await join(alice, bob, post)

        yield Both(post, alice, bob, hers, his)
        hers.abort()
        his.abort()


async def test_bytes_go_both_ways_in_order(both: Both) -> None:
    up = bytes(range(256)) * 256  # 64 KiB
    async with asyncio.timeout(WAIT_S):
        await both.hers.write(b"first")
        await both.hers.write(up)
        await both.his.write(b"back")
        assert await both.his.read_exactly(5) == b"first"
        assert await both.his.read_exactly(len(up)) == up
        assert await both.hers.read_exactly(4) == b"back"
    assert both.hers.name == "webrtc"
    assert not both.hers.is_bulk


async def test_a_writer_waits_for_a_reader_that_does_not_read(both: Both) -> None:
    """At most the window is unread; all of it comes once it is read, more than the window too."""
    size = WINDOW_BYTES + 5 * MESSAGE_BYTES_MAX
    data = bytes(range(256)) * (size // 256)
    writing = asyncio.create_task(both.hers.write(data))
    async with asyncio.timeout(WAIT_S):
        # No message has room any more, so all that may come has: the writer waits.
        first = await both.his.read_exactly(1)
        await until(lambda: both.his.unread_bytes >= WINDOW_BYTES - MESSAGE_BYTES_MAX)
        assert not writing.done()
        rest = await both.his.read_exactly(size - 1)
        await writing
    assert first + rest == data


def takes_more_than(carrier: DataChannelCarrier, size: int) -> bool:
    return carrier.taken_bytes > size


async def test_a_reader_that_reads_little_says_so_once_a_second(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever writes to it would see for minutes that nothing is taken."""
    monkeypatch.setattr(carriers, "TELL_S", 0.0)
    async with asyncio.timeout(WAIT_S):
        await both.hers.write(bytes(100 << 10))
        for _ in range(5):
            before = both.hers.taken_bytes
            await both.his.read_exactly(TELL_BYTES_LEAST)
            await until(partial(takes_more_than, both.hers, before))
        monkeypatch.setattr(carriers, "TELL_S", 1_000.0)
        told = both.hers.taken_bytes
        await both.his.read_exactly(50 << 10)
        await both.his.write(b"that was all")
        assert await both.hers.read_exactly(12) == b"that was all"
        assert both.hers.taken_bytes == told, "not for every message"


async def test_what_was_sent_before_the_end_is_read_after_it(both: Both) -> None:
    async with asyncio.timeout(WAIT_S):
        await both.hers.write(b"last words" * 5_000)
        await both.hers.close()
        assert await both.his.read_exactly(50_000) == b"last words" * 5_000
        with pytest.raises(PeerLeft):
            await both.his.read_exactly(1)
        with pytest.raises(PeerLeft):
            await both.his.write(b"anybody?")


async def test_an_end_that_is_dropped_ends_the_other(both: Both) -> None:
    reading = asyncio.create_task(both.his.read_exactly(1))
    both.hers.abort()
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(PeerLeft):
            await reading
        with pytest.raises(PeerLeft):
            await both.hers.read_exactly(1)


async def test_close_waits_for_nobody(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bob is gone without a word: Alice's end closes all the same."""
    monkeypatch.setattr(carriers, "CLOSE_S", 0.05)
    vanish(both.his)
    async with asyncio.timeout(WAIT_S):
        await both.hers.write(b"into the void")
        await both.hers.close()
    with pytest.raises(PeerLeft):
        await both.hers.write(b"more")


async def test_the_end_of_the_node_ends_its_channels() -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        await join(alice, bob, post)
        assert udp_sockets() == 2


@pytest.mark.parametrize(
    "message",
    [
        bytes(MESSAGE_BYTES_MAX + 1),
        b"",
        "hello",
        "read",
        "read -1",
        "read 0",
        "read 1",
        "read ٣",
        "read " + "9" * 40,
    ],
    ids=[
        "long",
        "empty",
        "text",
        "no-number",
        "negative",
        "nothing",
        "unsent",
        "digits",
        "huge",
    ],
)
async def test_a_message_that_is_none_of_ours_ends_the_channel(
    both: Both, message: bytes | str
) -> None:
    send(both.hers, message)
    async with asyncio.timeout(WAIT_S):
        with pytest.raises(RemoteProtocolError, match="webrtc-message"):
            await both.his.read_exactly(1)


async def test_more_than_the_window_ends_the_channel(both: Both) -> None:
    for _ in range(WINDOW_BYTES // MESSAGE_BYTES_MAX + 1):
        send(both.hers, bytes(MESSAGE_BYTES_MAX))
    async with asyncio.timeout(WAIT_S):
        await ended(both.his)
        with pytest.raises(RemoteProtocolError, match="webrtc-message"):
            await both.his.read_exactly(1)
    assert both.his.unread_bytes <= WINDOW_BYTES


def leg_of(carrier: DataChannelCarrier) -> Leg:
    return carrier._leg  # pyright: ignore[reportPrivateUsage] - what a hostile peer has in hand


def send(carrier: DataChannelCarrier, message: bytes | str) -> None:
    """As a peer that keeps no rules."""
    leg = leg_of(carrier)
    # Its own library would keep it from sending so much.
    leg._sctp._remote_max_message_size = 0  # pyright: ignore[reportPrivateUsage]
    leg.channel.send(message)


async def ended(carrier: DataChannelCarrier) -> None:
    await leg_of(carrier).ended.wait()


def vanish(carrier: DataChannelCarrier) -> None:
    """It is gone without a word, as after a crash."""
    # The sockets are the library's own.
    for protocol in leg_of(carrier)._gatherer.ice._protocols:  # pyright: ignore[reportPrivateUsage]
        protocol.transport.abort()


async def test_what_comes_before_anybody_listens_is_heard() -> None:
    """The peer may speak as soon as the channel is open, which it may be earlier at its end."""
    heard: list[bytes | str] = []
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        hers, his = await join(alice, bob, post)
        leg = leg_of(his)
        leg._hear = None  # pyright: ignore[reportPrivateUsage] - as before there was a carrier
        send(hers, b"early")
        async with asyncio.timeout(WAIT_S):
            await until(lambda: bool(leg._early))  # pyright: ignore[reportPrivateUsage] - as above
        leg.listen(heard.append)
        assert heard == [b"early"]
        hers.abort()
        his.abort()


async def test_an_offer_of_many_addresses_is_checked_so_far_only() -> None:
    """Whose they are shows an answer alone: without one, a bounded number of pairs is tried."""
    hosts = [f"127.0.0.{number}" for number in range(1, 9)]
    async with nothing_left():
        ice = _Ice(IceServers(hosts=hosts), is_controlling=True)
        await ice.gather_candidates()
        assert len(ice.local_candidates) == len(hosts)
        ice.remote_username, ice.remote_password = "name", "p" * 22
        for number in range(CANDIDATES_MAX):
            foundation, priority = str(number), 2_000_000_000 - number
            await ice.add_remote_candidate(
                IceCandidate(foundation, 1, "udp", priority, "127.0.0.9", 40_000 + number, "host")
            )
        await ice.add_remote_candidate(None)
        connecting = asyncio.ensure_future(ice.connect())
        pairs = ice._check_list  # pyright: ignore[reportPrivateUsage]  # what is bounded
        await until(lambda: any(pair.task is not None for pair in pairs))
        assert len(pairs) == NAMED_PAIRS_MAX
        best = max(pair.remote_candidate.priority for pair in pairs)
        assert best == 2_000_000_000, "the best are those that are tried"
        await ice.close()
        with pytest.raises(ConnectionError):
            await connecting
