"""Two devices that call each other by WebRTC on loopback, and who passes their signals on."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from crdt.boxes import sealing_key
from crdt.ed25519 import SigningKey
from crdt.keys import DeviceKey
from p2p.protocol.errors import PeerLeft
from p2p.transport.address import Address
from p2p.transport.carrier import Carrier
from p2p.transport.webrtc.caller import Caller, Identity
from p2p.transport.webrtc.carrier import DataChannelCarrier
from p2p.transport.webrtc.servers import IceServers

NOON_US = 1_790_000_000_000_000
LOOPBACK = IceServers(hosts=("127.0.0.1",))
WAIT_S = 30.0
Hear: TypeAlias = Callable[[bytes], None]
Carried: TypeAlias = DataChannelCarrier


@dataclass(eq=False)
class Post:
    """Passes signals on, in this process; it keeps them, and `meddle` may change or drop them."""

    to: dict[bytes, Callable[[bytes], None]] = field(
        default_factory=dict[bytes, Callable[[bytes], None]]
    )
    passed: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    meddle: Callable[[bytes, bytes], tuple[bytes, bytes] | None] | None = None

    async def signal(self, device: bytes, sealed: bytes) -> None:
        self.passed.append((device, sealed))
        to: tuple[bytes, bytes] | None = (device, sealed)
        if self.meddle is not None:
            to = self.meddle(device, sealed)
        if to is None:
            return
        if to[0] not in self.to:
            raise PeerLeft("relay-unknown", "Nobody of that name is here.")
        self.to[to[0]](to[1])


@dataclass(eq=False)
class Person:
    """A device with its caller; `came` holds the carriers others called for."""

    identity: Identity
    caller: Caller
    came: "asyncio.Queue[DataChannelCarrier]"

    @property
    def key(self) -> DeviceKey:
        return DeviceKey(self.identity.device.public)


@asynccontextmanager
async def person(
    seed: int,
    post: Post,
    *,
    servers: IceServers = LOOPBACK,
    is_welcome: Callable[[DeviceKey], bool] = lambda _: True,
    wall_us: Callable[[], int] = lambda: NOON_US,
) -> AsyncGenerator[Person]:
    """Whatever it started is ended on leaving."""
    private = bytes([seed + 100]) * 32
    identity = Identity(SigningKey(bytes([seed]) * 32), private, sealing_key(private))
    came: asyncio.Queue[DataChannelCarrier] = asyncio.Queue()

    def receive(carrier: Carrier, _source: Address) -> None:
        assert isinstance(carrier, DataChannelCarrier)
        came.put_nowait(carrier)

    async with asyncio.TaskGroup() as tasks:
        before = asyncio.all_tasks()
        caller = Caller(
            identity,
            lambda: servers,
            receive=receive,
            is_welcome=is_welcome,
            wall_us=wall_us,
            entropy=os.urandom,
            tasks=tasks,
        )
        one = Person(identity, caller, came)
        post.to[one.key] = lambda sealed: caller.hear(sealed, post)
        try:
            yield one
        finally:
            while not came.empty():
                came.get_nowait().abort()
            for task in asyncio.all_tasks() - before:
                if task.get_name().startswith(("answer", "data channel")):
                    task.cancel()


async def join(alice: Person, bob: Person, post: Post) -> tuple[Carried, Carried]:
    """Alice calls Bob: her end and his."""
    async with asyncio.timeout(WAIT_S):
        hers = await alice.caller.call(bob.key, bob.identity.sealing_public, post)
        return hers, await bob.came.get()


@asynccontextmanager
async def nothing_left() -> AsyncGenerator[None]:
    """At its end no task and no UDP socket is there that was not before."""
    before = asyncio.all_tasks()
    yield
    left: object = None
    try:
        async with asyncio.timeout(WAIT_S):
            # The loop itself tells nobody when a socket is closed.
            while left := (tasks_since(before) or udp_sockets()):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"left behind: {left}") from None


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for what nothing tells of."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def tasks_since(before: "set[asyncio.Task[Any]]") -> "set[asyncio.Task[Any]]":
    return asyncio.all_tasks() - before - {cast("asyncio.Task[Any]", asyncio.current_task())}


def udp_sockets() -> int:
    """How many this process holds open."""
    inodes = set[str]()
    for name in ("udp", "udp6"):
        with open(f"/proc/self/net/{name}") as table:
            inodes |= {line.split()[9] for line in table.readlines()[1:]}
    held = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        held += target.startswith("socket:[") and target[8:-1] in inodes
    return held
