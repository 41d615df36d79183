"""One real relay: 1,000 clients that are registered and idle, and the rate of a circuit.

The clients are a light process of their own, this one: each a real channel with its own device key
and card. Memory is the relay's proportional share (PSS) once all are registered and settled, with
the disk's work done. The rate is that of 256 MiB through one circuit with a channel in it: sender
and receiver are processes too, so that sender, relay and receiver share what cores there are.
"""

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import uvloop

from crdt.boxes import sealing_key
from crdt.change import device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey, DeviceKey
from node.commands.nodes import start_node
from p2p.protocol.card import sign_card
from p2p.protocol.errors import SyncError
from p2p.transport.carrier import Carrier
from p2p.transport.channels import Channels, open_tcp
from p2p.transport.relay.client import RelayClient
from p2p.transport.relay.url import RelayUrl
from scripts.benchmarks._usage import pss_mib_of, usage_of

CLIENTS: Final = 1_000
AT_ONCE: Final = 16  # that come at the same time
SETTLED_S: Final = 5.0
PSS_MIB_MAX: Final = 286.1  # 300 MB
BLOB_BYTES: Final = 256 << 20
PIECE_BYTES: Final = 1 << 18
MB_PER_S_MIN: Final = 60.0
SET_UPS: Final = 20
WAIT_S: Final = 120.0
T = TypeVar("T")


@dataclass(slots=True)
class User:
    """A client that answers circuits and wants nothing else."""

    device: SigningKey
    encoded: bytes
    answered: "asyncio.Queue[Carrier]"

    def card(self) -> bytes:
        return self.encoded

    def answer(self, carrier: Carrier, who: bytes, relay: RelayClient) -> None:
        self.answered.put_nowait(carrier)

    def signalled(self, device: bytes, sealed: bytes, relay: RelayClient) -> None:
        """Nobody signals here."""

    async def letter(self, id: bytes, sealed: bytes, relay: RelayClient) -> bool:
        return True

    def changed(self, relay: RelayClient) -> None:
        """Nobody watches."""


def make_user(root: SigningKey) -> User:
    """Another device of one author."""
    device = SigningKey(os.urandom(32))
    now_us = time.time_ns() // 1_000
    card = sign_card(
        device,
        author=AuthorKey(root.public),
        capability=device_capabilities(root, DeviceKey(device.public))["pub"],
        places=(),
        relays=(),
        sealing=sealing_key(os.urandom(32)),
        issued_us=now_us,
        until_us=now_us + 86_400_000_000,
    )
    return User(device, card, asyncio.Queue())


def run(work: Coroutine[Any, Any, T]) -> T:
    """On the loop that nodes have."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def channels_of(user: User) -> Channels:
    return Channels(user.device, static_private=os.urandom(32), openers={"tcp": open_tcp})


def client_of(user: User, channels: Channels, url: str, tasks: asyncio.TaskGroup) -> RelayClient:
    return RelayClient(RelayUrl.parse(url), channels, user, Random(), tasks)


async def register(url: str, pid: int) -> dict[str, Any]:
    """All of them, and the relay's memory before and after."""
    before = pss_mib_of(pid)
    root, gate = SigningKey(os.urandom(32)), asyncio.Semaphore(AT_ONCE)
    began_s, cpu_s = time.monotonic(), usage_of(pid).cpu_s
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []

        async def come() -> None:
            async with gate:
                user = make_user(root)
                client = client_of(user, channels_of(user), url, tasks)
                running.append(tasks.create_task(client.run()))
                async with asyncio.timeout(WAIT_S):
                    await client.registered.wait()

        await asyncio.gather(*(come() for _ in range(CLIENTS)))
        came_s, came_cpu_s = time.monotonic() - began_s, usage_of(pid).cpu_s - cpu_s
        await asyncio.sleep(SETTLED_S)
        idle_cpu_s = usage_of(pid).cpu_s
        await asyncio.sleep(SETTLED_S)
        idle_cpu_s = usage_of(pid).cpu_s - idle_cpu_s
        after = pss_mib_of(pid)
        for task in running:
            task.cancel()
    return {
        "clients": CLIENTS,
        "pss_mib_before": before,
        "pss_mib": after,
        "kib_a_client": round((after - before) * 1_024 / CLIENTS, 1),
        "registered_s": round(came_s, 2),
        "relay_cpu_ms_a_client": round(1_000 * came_cpu_s / CLIENTS, 2),
        "idle_cpu_of_one_core": round(idle_cpu_s / SETTLED_S, 3),
        "pss_mib_max": PSS_MIB_MAX,
    }


def receive(url: str, told: Any) -> None:  # noqa: ANN401 - a pipe's end
    """A process: registers, answers circuits, and reads what comes by a channel in them."""

    async def main() -> None:
        user = make_user(SigningKey(os.urandom(32)))
        async with asyncio.TaskGroup() as tasks:
            channels = channels_of(user)
            client = client_of(user, channels, url, tasks)
            running = tasks.create_task(client.run())
            await client.registered.wait()
            told.send(user.device.public)
            for _ in range(SET_UPS + 1):
                carrier = await user.answered.get()
                stream = await channels.shake_hands(carrier, is_initiator=False)
                size, wanted = 0, int.from_bytes(await stream.read(), "big")
                while size < wanted:
                    size += len(await stream.read())
                await stream.write([b"all"])
            running.cancel()

    run(main())


async def send(url: str, device: bytes) -> dict[str, Any]:
    """Many circuits of which nothing is wanted, then one with a blob's worth of bytes."""
    user, piece = make_user(SigningKey(os.urandom(32))), os.urandom(PIECE_BYTES)
    times_s: list[float] = []
    took_s = 0.0
    async with asyncio.TaskGroup() as tasks:
        channels = channels_of(user)
        client = client_of(user, channels, url, tasks)
        running = tasks.create_task(client.run())
        await client.registered.wait()
        for number in range(SET_UPS + 1):
            began_s = time.monotonic()
            wanted = BLOB_BYTES if number == SET_UPS else 0
            carrier = await call(client, device)
            stream = await channels.shake_hands(carrier, is_initiator=True)
            await stream.write([wanted.to_bytes(8, "big")])
            times_s.append(time.monotonic() - began_s)
            began_s = time.monotonic()
            for _ in range(wanted // PIECE_BYTES):
                await stream.write([piece])
            await stream.read()
            took_s = time.monotonic() - began_s
            await stream.close()
        running.cancel()
    return {
        "mb_per_s": round(BLOB_BYTES / took_s / 1e6, 1),
        "set_up_ms": round(1_000 * statistics.median(times_s), 2),
        "mb_per_s_min": MB_PER_S_MIN,
    }


async def call(client: RelayClient, device: bytes) -> Carrier:
    """The relay may still count the circuit before."""
    while True:
        try:
            return await client.call(device)
        except SyncError as error:
            if error.code != "too-many-circuits":
                raise
            await asyncio.sleep(0.01)


def main() -> dict[str, Any]:
    """Memory with 1,000 idle clients; a circuit's rate and set-up time."""
    with tempfile.TemporaryDirectory() as name:
        relay = start_node("relay", Path(name), role="relay")
        try:
            url, pid = str(relay.ready["relay"]), relay.process.pid
            crowd = run(register(url, pid))
            ours, theirs = multiprocessing.Pipe()
            receiver = multiprocessing.get_context("spawn").Process(
                target=receive, args=(url, theirs)
            )
            receiver.start()
            cpu_s = usage_of(pid).cpu_s
            rate = run(send(url, ours.recv()))
            rate["relay_cpu_s_a_gb"] = round((usage_of(pid).cpu_s - cpu_s) * 1e9 / BLOB_BYTES, 2)
            receiver.join(WAIT_S)
        finally:
            relay.kill()
    return {
        **crowd,
        **rate,
        "held": crowd["pss_mib"] < PSS_MIB_MAX and rate["mb_per_s"] >= MB_PER_S_MIN,
    }
