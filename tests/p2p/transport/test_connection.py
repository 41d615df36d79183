"""The shell around a session, with a peer that takes nothing."""

import asyncio
from collections.abc import Callable

import pytest

from crdt.keys import DeviceKey
from p2p.protocol.bandwidth import Bandwidth, Rates
from p2p.protocol.config import Role
from p2p.protocol.effects import Send, SessionEvent
from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX, Entries, Part, encode_frame
from p2p.protocol.limits import UNSENT_BYTES_MAX
from p2p.transport.connection import Connection
from p2p.transport.giving import delta_work
from p2p.transport.stream import FrameStream
from tests.fuzz.p2p_doors import Tape
from tests.simulation.memory_store import MemoryStore
from tests.simulation.people import ALICE, BOB

HALF_A_MEBIBYTE = bytes(512 << 10)


class DeafStream(FrameStream):
    """Bob says nothing, and reads nothing."""

    def __init__(self) -> None:
        self.carrier = Tape(b"")
        self.device = DeviceKey(BOB.device_key)
        self.handshake_hash = bytes(32)
        self.sent_bytes = 0

    @property
    def received_bytes(self) -> int:
        return 0

    @property
    def is_ready(self) -> bool:
        return False

    async def read(self, size_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        silence: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await silence

    async def write(self, frames: list[bytes]) -> None:
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """There is nothing to close."""


class SayingStream(DeafStream):
    """Bob says one thing."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self._said = [said]

    async def read(self, size_bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        return self._said.pop() if self._said else await super().read(size_bytes_max)


def connection_to_bob(
    stream: FrameStream | None = None, spend: Callable[[Connection, int], None] | None = None
) -> Connection:
    def ignore(connection: Connection, event: SessionEvent) -> None:
        return

    return Connection(
        stream or DeafStream(),
        MemoryStore(),
        ALICE.config(),
        role=Role.INITIATOR,
        address="bob:4747",
        clock=asyncio.get_running_loop().time,
        upload=Bandwidth(Rates(), now_s=0.0),
        deltas=delta_work(now_s=0.0),
        wall_us=lambda: 0,
        notify=ignore,
        spend=spend or (lambda connection, size: None),
    )


async def test_what_waits_to_be_written_is_bounded() -> None:
    """UNSENT_BYTES_MAX: beyond it the connection is closed, whatever made it so long."""
    connection = connection_to_bob()
    part = Send(Part(1, HALF_A_MEBIBYTE, 0))
    count = UNSENT_BYTES_MAX // len(HALF_A_MEBIBYTE) + 1
    connection._carry_out([part] * count)  # pyright: ignore[reportPrivateUsage]  what a bug would do
    reason = await connection.run()
    assert isinstance(reason, RemoteProtocolError)
    assert reason.code == "unread"


@pytest.mark.parametrize(
    ("said", "counted"), [(Entries(1, (), (), bytes(160)), True), (Part(1, b"part", 0), False)]
)
async def test_entries_that_come_are_counted_where_downloads_are_limited(
    said: Entries | Part, counted: bool
) -> None:
    """Runs of blobs are paid for when they are asked for; nobody asked for these."""
    spent: list[int] = []
    data = encode_frame(said)
    connection = connection_to_bob(SayingStream(data), lambda _, size: spent.append(size))
    assert isinstance(await connection.run(), RemoteProtocolError)
    assert spent == ([len(data)] if counted else [])


async def test_whoever_begins_to_listen_after_the_end_hears_of_it() -> None:
    connection = connection_to_bob()
    running = asyncio.create_task(connection.run())
    await asyncio.sleep(0)
    connection.leave("stopping", "Good night.")
    await running
    with connection.watch() as watch, pytest.raises(PeerLeft, match="session-closed"):
        await watch.next()
