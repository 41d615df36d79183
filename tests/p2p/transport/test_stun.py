"""The responder on a real UDP socket, asked by aioice, by floods and by rubbish."""

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import cast

import pytest
from aioice import Connection, stun

from p2p.transport import stun as responders
from p2p.transport.stun import ANSWERS_OF_HOST_BURST, HOSTS_MAX, StunResponder, stun_responder

WAIT_S = 30.0


@pytest.fixture
async def responder() -> AsyncGenerator[StunResponder]:
    async with stun_responder("127.0.0.1", 0) as made:
        yield made


class Asker(asyncio.DatagramProtocol):
    """Sends datagrams to the responder; the answers arrive in a queue."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.put_nowait(data)


async def asker(port: int) -> tuple[asyncio.DatagramTransport, Asker]:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Asker, remote_addr=("127.0.0.1", port))


def request() -> bytes:
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))


async def test_aioice_learns_its_address(responder: StunResponder) -> None:
    ice = Connection(ice_controlling=True, stun_server=("127.0.0.1", responder.port))
    async with asyncio.timeout(WAIT_S):
        found = await ice.get_component_candidates(1, ["127.0.0.1"])
        await ice.close()
    host, reflexive = found
    assert (reflexive.type, reflexive.host, reflexive.port) == ("srflx", host.host, host.port)
    assert responder.answered == 1


async def test_rubbish_is_dropped_and_costs_the_next_one_nothing(responder: StunResponder) -> None:
    transport, heard = await asker(responder.port)
    for size in range(0, 1_400, 7):
        transport.sendto(os.urandom(size))
    transport.sendto(request())
    async with asyncio.timeout(WAIT_S):
        await heard.heard.get()
    transport.close()
    assert responder.answered == 1
    assert responder.hosts_remembered == 1  # nobody is remembered for rubbish


async def test_one_host_gets_its_share_and_no_more() -> None:
    """The clock stands still, so that nothing flows in."""
    responder = StunResponder(lambda: 0.0)
    sent: list[tuple[bytes, object]] = []
    responder.connection_made(Wire(sent))
    for port in range(1, 1_000):
        responder.datagram_received(request(), ("192.0.2.7", port))
    assert len(sent) == ANSWERS_OF_HOST_BURST
    responder.datagram_received(request(), ("192.0.2.8", 1))
    assert sent[-1][1] == ("192.0.2.8", 1)
    # All of a /64 is one host: addresses there cost nothing.
    before = len(sent)
    for number in range(1, 1_000):
        responder.datagram_received(request(), (f"2001:db8::{number:x}", 1))
    assert len(sent) - before == ANSWERS_OF_HOST_BURST


async def test_all_hosts_together_get_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responders, "ANSWERS_BURST", 50.0)
    responder = StunResponder(lambda: 0.0)
    sent: list[tuple[bytes, object]] = []
    responder.connection_made(Wire(sent))
    for number in range(200):
        responder.datagram_received(request(), (f"192.0.2.{number}", 1))
    assert len(sent) == 50
    assert (responder.answered, responder.dropped) == (50, 150)


async def test_hosts_without_end_are_not_all_remembered() -> None:
    responder = StunResponder(lambda: 0.0)
    responder.connection_made(Wire([]))
    for number in range(HOSTS_MAX + 500):
        responder.datagram_received(request(), (f"10.{number >> 8}.{number & 255}.1", 1))
    assert responder.hosts_remembered == HOSTS_MAX


async def test_while_the_kernel_takes_nothing_no_answers_are_made() -> None:
    responder = StunResponder(lambda: 0.0)
    sent: list[tuple[bytes, object]] = []
    responder.connection_made(Wire(sent))
    responder.pause_writing()
    responder.datagram_received(request(), ("192.0.2.7", 1))
    assert not sent
    responder.resume_writing()
    responder.datagram_received(request(), ("192.0.2.7", 1))
    assert len(sent) == 1


class Wire(asyncio.DatagramTransport):
    """Keeps what is sent: to hosts of many addresses, which one machine has not."""

    def __init__(self, sent: list[tuple[bytes, object]]) -> None:
        super().__init__()
        self._sent = sent

    def sendto(self, data: object, addr: object = None) -> None:
        self._sent.append((bytes(cast("bytes", data)), addr))
