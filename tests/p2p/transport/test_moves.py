"""Sessions that go from one carrier to another, between real nodes on loopback."""

import asyncio
from collections.abc import Hashable
from pathlib import Path

import pytest

from p2p.protocol import limits
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.effects import ChannelChanged, ChannelLost, SessionEvent
from p2p.protocol.paths import CarrierKind
from p2p.transport.connection import Connection
from p2p.transport.network import PeerSaid, PeerWent, sync_with
from tests.p2p.transport.proxies import proxy_to
from tests.p2p.transport.test_network import WAIT_S, Node, open_node, until

RECORDS = 400


async def fill(node: Node, count: int = RECORDS) -> None:
    for number in range(count):
        await node.write(f"r{number}", "x" * 2_000)


async def heard(node: Node, kind: type[SessionEvent]) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            said = await node.heard(PeerSaid)
            if isinstance(said, PeerSaid) and isinstance(said.event, kind):
                return


async def holds_all_of(node: Node, other: Node, count: int = RECORDS) -> None:
    async def has_last() -> bool:
        (connection,) = node.network.connections
        return connection.session.report.entries_received >= count

    await until(has_last)
    assert await node.store.counts() == await other.store.counts()


def other_side(node: Node) -> Connection:
    (connection,) = node.network.connections
    return connection


@pytest.mark.parametrize(
    ("scheme", "kind"), [("ws://127.0.0.1:{}/", "websocket"), ("127.0.0.1:{}", "tcp")]
)
async def test_a_cut_amid_a_sync_moves_the_session_and_nothing_is_sent_twice(
    tmp_path: Path, scheme: str, kind: CarrierKind
) -> None:
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        proxy_to(alice.port) as proxy,
    ):
        await fill(alice)
        proxy.cut_after = 150_000
        connection = await bob.network.connect(f"127.0.0.1:{proxy.port}")
        place = scheme.format(alice.port)
        connection.know([(place, kind)])
        await heard(bob, ChannelChanged)
        await holds_all_of(bob, alice)
        sent = other_side(alice).session.report
        got = connection.session.report
        assert (sent.entries_sent, got.entries_received, got.entries_known) == (RECORDS, RECORDS, 0)
        assert (sent.moves, got.moves) == (1, 1)
        assert connection.address in (place, f"127.0.0.1:{proxy.port}")
        assert type(await sync_with(connection)).__name__ == "Synced"


class Meter(Bandwidth):
    """Notes what it counts."""

    def __init__(self) -> None:
        super().__init__(Rates(), now_s=0.0)
        self.spent: list[int] = []

    def spend(self, peer: Hashable, size: int, *, now_s: float) -> None:
        self.spent.append(size)
        super().spend(peer, size, now_s=now_s)


async def test_what_is_sent_again_after_a_move_counts_where_uploads_are_limited(
    tmp_path: Path,
) -> None:
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        proxy_to(alice.port) as proxy,
    ):
        meter = alice.network._upload = Meter()  # pyright: ignore[reportPrivateUsage]  no limit
        await fill(alice)
        proxy.cut_after = 150_000
        connection = await bob.network.connect(f"127.0.0.1:{proxy.port}")
        connection.know([(f"127.0.0.1:{alice.port}", "tcp")])
        await heard(bob, ChannelChanged)
        await holds_all_of(bob, alice)
        resent_bytes = other_side(alice).session.report.resent_bytes
        assert resent_bytes > 0
        assert resent_bytes in meter.spent


async def test_a_better_carrier_is_moved_to_and_the_old_one_is_let_go(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        connection = await bob.network.connect(f"ws://{alice.address}/")
        assert connection.carrier == "websocket"
        connection.know([(alice.address, "tcp")])
        await heard(bob, ChannelChanged)
        await heard(alice, ChannelChanged)
        assert (connection.carrier, other_side(alice).carrier) == ("tcp", "tcp")
        await alice.write("after", "the move")
        await until(lambda: bob.store.read(alice.record("after")))


async def test_a_carrier_that_passes_nothing_on_is_noticed_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half open: neither side hears of it but by silence."""
    monkeypatch.setattr(limits, "DEAD_AFTER_S", 3.0)
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        proxy_to(alice.port) as proxy,
    ):
        await fill(alice, 50)
        connection = await bob.network.connect(f"127.0.0.1:{proxy.port}")
        await holds_all_of(bob, alice, 50)
        proxy.is_stuck = True
        connection.know([(f"ws://{alice.address}/", "websocket")])
        await alice.write("late", "news")
        await heard(bob, ChannelLost)
        await heard(bob, ChannelChanged)
        await until(lambda: bob.store.read(alice.record("late")))
        assert connection.session.report.entries_received == 51


async def test_a_session_that_nobody_takes_up_again_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGER_S", 2.0)
    async with open_node(tmp_path / "a", 1) as alice:
        async with open_node(tmp_path / "b", 2) as bob, proxy_to(alice.port) as proxy:
            await bob.network.connect(f"127.0.0.1:{proxy.port}")
            await until_all_open(alice, 1)
            proxy.is_stuck = True
            proxy.cut()
            await heard(alice, ChannelLost)
        assert (await ended(alice)).reason.code == "connection-lost"
        assert not alice.network.connections


async def test_after_a_goodbye_nothing_is_taken_up_again(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        connection = await bob.network.connect(alice.address)
        other_side(alice).leave("test", "Good night.")
        await connection.ended.wait()
        assert connection.session.report.moves == 0
        assert (await ended(alice)).reason.code == "test"
        assert not alice.network.connections


async def test_a_node_that_has_started_anew_does_not_know_the_session(tmp_path: Path) -> None:
    async with open_node(tmp_path / "b", 2) as bob:
        async with open_node(tmp_path / "a", 1) as alice, proxy_to(alice.port) as proxy:
            connection = await bob.network.connect(f"127.0.0.1:{proxy.port}")
            proxy.is_stuck = True  # her goodbye does not come through
        async with open_node(tmp_path / "a", 1) as alice:
            connection.know([(alice.address, "tcp")])
            connection.hurry()
            await connection.ended.wait()
            again = await bob.network.connect(alice.address)
            assert type(await sync_with(again)).__name__ == "Synced"


async def test_sessions_that_wait_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2p.transport.mover.LINGERING_MAX", 1)
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        open_node(tmp_path / "c", 3) as carol,
        proxy_to(alice.port) as proxy,
    ):
        place = f"127.0.0.1:{proxy.port}"
        for one in (bob, carol):
            await one.network.connect(place)
        await until_all_open(alice, 2)
        proxy.is_stuck = True
        proxy.cut()
        await ended(alice)
        (left,) = alice.network.connections
        assert left.link.is_adrift


async def test_what_they_keep_is_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2p.transport.mover.LINGERING_BYTES_MAX", 1)
    async with (
        open_node(tmp_path / "a", 1) as alice,
        open_node(tmp_path / "b", 2) as bob,
        proxy_to(alice.port) as proxy,
    ):
        await bob.network.connect(f"127.0.0.1:{proxy.port}")
        await until_all_open(alice, 1)
        (connection,) = alice.network.connections
        proxy.is_stuck = True
        await alice.write("late", "news")

        async def is_kept() -> bool:
            return connection.link.kept_bytes > 1

        await until(is_kept)
        proxy.cut()
        await ended(alice)
        assert not alice.network.connections


async def ended(node: Node) -> PeerWent:
    async with asyncio.timeout(WAIT_S):
        while True:
            went = await node.heard(PeerWent)
            if isinstance(went, PeerWent) and went.connection is not None:
                return went


async def until_all_open(node: Node, count: int) -> None:
    async def are_open() -> bool:
        return sum(one.link.is_resumable for one in node.network.connections) == count

    await until(are_open)
