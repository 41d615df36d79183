"""A data channel whose packets come late and in no order: bytes come in theirs, sessions live."""

import asyncio
from pathlib import Path

from crdt.keys import DeviceKey
from p2p.protocol.effects import Synced
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.network import sync_with
from p2p.transport.place import Place, RelayedPlace
from tests.p2p.transport.test_network import open_node
from tests.p2p.transport.webrtc.disorder import Disorder, between
from tests.p2p.transport.webrtc.people import Carried, Post, join, nothing_left, person

WAIT_S = 120.0
DATA = bytes(range(256)) * 1_024
RECORDS = 60


def check(disorder: Disorder) -> None:
    assert disorder.overtaken > disorder.passed // 10, "packets came in order: it was no test"


async def carry(source: Carried, target: Carried) -> bytes:
    """What arrives of the data."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(source.write(DATA))
        reading = tasks.create_task(target.read_exactly(len(DATA)))
    return reading.result()


async def test_bytes_come_in_order_both_ways() -> None:
    post = Post()
    async with nothing_left(), person(1, post) as alice, person(2, post) as bob:
        with between(post, (alice, bob), seed=1) as disorder:
            hers, his = await join(alice, bob, post)
            async with asyncio.timeout(WAIT_S):
                up, down = await asyncio.gather(carry(hers, his), carry(his, hers))
            assert up == down == DATA
            check(disorder)
            hers.abort()
            his.abort()


async def test_a_session_lives_over_it_and_all_entries_come_once(tmp_path: Path) -> None:
    post = Post()
    async with (
        nothing_left(),
        person(1, post) as alice,
        person(2, post) as bob,
        open_node(tmp_path / "a", 1) as hers,
        open_node(tmp_path / "b", 2) as his,
    ):
        for number in range(RECORDS):
            await hers.write(f"r{number}", "x" * 2_000)

        async def open_webrtc(_: Place) -> Carrier:
            to_alice, to_bob = await join(bob, alice, post)
            hers.network.take_in(to_bob, Address("127.0.0.1", 1))
            return to_alice

        his.network.channels.openers["webrtc"] = open_webrtc
        at = RelayedPlace("webrtc", DeviceKey(hers.signer.device.public), Address("127.0.0.1", 1))
        with between(post, (alice, bob), seed=2) as disorder:
            async with asyncio.timeout(WAIT_S):
                connection = await his.network.connect(str(at))
                assert isinstance(await sync_with(connection), Synced)
            assert connection.carrier == "webrtc"
            assert connection.session.report.entries_received == RECORDS
            assert connection.session.report.entries_known == 0
            assert await his.store.counts() == await hers.store.counts()
            check(disorder)
            connection.leave("done", "That is all.")
            await connection.ended.wait()
