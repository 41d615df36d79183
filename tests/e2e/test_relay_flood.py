"""Clients that flood a relay are read more slowly; everybody else goes on as before."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode
from p2p.protocol.errors import SyncError
from p2p.protocol.relay import frames, limits
from p2p.protocol.relay.frames import RelayFrame, encode_relay_frame
from scripts.benchmarks._usage import usage_of
from tests.e2e.circuits import card_of
from tests.e2e.mallory import Mallory
from tests.e2e.relays import know_each_other, start_islands, start_relay, wait_for_peer
from tests.e2e.story import Shell, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

FLOOD = 4_000  # frames of each flooder; a client's bucket holds 200 tokens
# Measured: 1 to 3. Each of the four may make it keep a MiB: answers unread, frames that wait.
GROWN_MIB_MAX = 8.0
AT_ONCE = 50


Flood = Callable[[Mallory, int], RelayFrame]
FLOODS: dict[str, Flood] = {
    "Register": lambda mallory, number: frames.Register(card_of(mallory)),
    "Lookup": lambda mallory, number: frames.Lookup(number, True, os.urandom(32)),
    "Call": lambda mallory, number: frames.Call(number, mallory.device.public),
    "Letter": lambda mallory, number: frames.Letter(
        number, mallory.device.public, os.urandom(16), os.urandom(8 << 10), 1 << 52
    ),
}


@pytest.fixture
def quick() -> None:
    """What a process takes is measured here, and a fork has pages of its parent."""


async def flood(address: str, make: Flood) -> None:
    """Writes as fast as it can, and never reads; until it is told to stop or hung up on."""
    mallory = Mallory()
    async with mallory.calls(address) as call:
        first = encode_relay_frame(frames.Register(card_of(mallory)))
        some = [encode_relay_frame(make(mallory, number)) for number in range(1, AT_ONCE)]
        try:
            await call.stream.write([first])
            for _ in range(FLOOD // AT_ONCE):
                await call.stream.write(some)
        except SyncError:
            return


async def test_two_nodes_meet_while_others_flood(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, str(relay.ready["relay"]))
    before = usage_of(relay.process.pid).rss_mib
    made = make_module(tmp_path / "m", "io.alice.clock", "1.0.0", answering(7))
    assert shell(alice, "publish", str(made)).code == 0

    def meet() -> None:
        know_each_other(alice, bob)
        wait_for_peer(bob)
        wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])

    async with asyncio.TaskGroup() as tasks:
        floods = [
            tasks.create_task(flood(str(relay.ready["p2p"]), make)) for make in FLOODS.values()
        ]
        await asyncio.to_thread(meet)
        for one in floods:
            one.cancel()
    text = relay.client.get_bytes("/metrics").decode()
    counts = dict(line.rsplit(" ", 1) for line in text.splitlines())
    letters = int(counts["panspermia_relay_letters"])
    assert letters <= limits.LETTERS_OF_SENDER_MAX, "no mailbox takes more"
    assert usage_of(relay.process.pid).rss_mib - before < GROWN_MIB_MAX
    assert relay.client.get("/healthz") == {"status": "ok"}


async def test_a_guess_at_a_circuits_key_leads_nowhere(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    host, port = str(relay.ready["p2p"]).rsplit(":", 1)
    for said in (b"J" + os.urandom(32), b"J" + os.urandom(8)):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        async with asyncio.timeout(4 * limits.JOIN_S):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert relay.client.get("/healthz") == {"status": "ok"}
