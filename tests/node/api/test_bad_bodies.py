"""Uploads over real sockets: of whoever lies, drips, changes its mind or just goes away."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import zstandard
from blake3 import blake3
from starlette.requests import Request
from starlette.types import Message

from node.api import arriving
from node.api.arriving import LARGE_AT_ONCE_MAX, Turns, pieces_arriving
from node.api.snapshot_bodies import BESIDE_BYTES
from node.daemon import (
    EmbeddedServer,
    _uvicorn_config,  # pyright: ignore[reportPrivateUsage]  # the server as a node has it
)
from node.errors import CutOff
from node.left_over import keep_giving_back
from node.services import uploads
from tests.node.parts import PORT, Alice
from universe.formats.json_pieces import STEP_BYTES

AT = "/api/universe/universe:main/snapshot"
WORLD = blake3(b"a world").digest(length=(6 << 20) + 7)
SUM = f"X-Checksum: {blake3(WORLD).hexdigest()}"
GOOD = (f"Content-Length: {len(WORLD)}", SUM)
CHUNKED = "Transfer-Encoding: chunked"
WAIT_S = 60
SMALL = b"a small world"


@dataclass
class Line:
    """One connection to the node, whose other end says what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    token: str

    async def begins(self, *headers: str, query: str = "?tick=1") -> None:
        head = [f"POST {AT}{query} HTTP/1.1", f"Host: 127.0.0.1:{PORT}"]
        head += [f"Authorization: {self.token}", *headers, "", ""]
        self.writer.write("\r\n".join(head).encode())
        await self.writer.drain()

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def hangs_up(self) -> None:
        """At once, as where the cable is pulled and put back."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hears(self) -> tuple[int, dict[str, Any]]:
        """The next answer; 0 where the node just closes."""
        try:
            async with asyncio.timeout(WAIT_S):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
                status = int(head.split(" ")[1])
                size = [line for line in head.lower().split("\r\n") if "content-length:" in line]
                body = await self.reader.readexactly(int(size[0].partition(":")[2]) if size else 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, {}
        return status, json.loads(body) if body.startswith(b"{") else {}


@dataclass
class Door:
    """Where a node listens."""

    alice: Alice
    port: int

    @asynccontextmanager
    async def line(self) -> AsyncGenerator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer, self.alice.bearer()["Authorization"])
        finally:
            writer.close()

    async def asks(self, headers: Sequence[str], body: bytes = b"") -> tuple[int, str]:
        async with self.line() as line:
            await line.begins(*headers)
            try:
                await line.says(body)
            except ConnectionError:
                return 0, ""
            status, said = await line.hears()
            return status, said.get("code", "")

    async def keeps_nothing(self) -> None:
        """Nothing is listed, and the room is given back; and whoever comes next is served."""
        store = self.alice.node.store
        async with asyncio.timeout(WAIT_S):
            while store.has_left_over or (await store.counts()).blob_bytes:  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0.01)
        listed = await self.alice.client.get(AT.replace("/snapshot", "/snapshots"))
        assert listed.json()["snapshots"] == []


@pytest_asyncio.fixture
async def door(alice: Alice) -> AsyncIterator[Door]:
    body = {"id": "universe:main", "name": "Main"}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    await alice.node.store.give_back()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = EmbeddedServer(_uvicorn_config(alice.app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        giving = asyncio.create_task(keep_giving_back(alice.node.store, alice.node.left_over))
        await server.accepts.wait()
        yield Door(alice, listener.getsockname()[1])
        giving.cancel()
        await asyncio.gather(giving, return_exceptions=True)
        server.should_exit = True
        await serving


async def test_what_is_not_what_was_said_is_refused(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SWELLS_BYTES_MIN", 1 << 20)
    length = f"Content-Length: {len(WORLD)}"
    turned = bytearray(WORLD)
    turned[-1] ^= 1
    assert await door.asks(GOOD, bytes(turned)) == (422, "checksum-mismatch")
    await door.keeps_nothing()
    for pack, encoding in ((gzip.compress, "gzip"), (zstandard.compress, "zstd")):
        packed = (bomb := pack(bytes(16 << 20)), pack(WORLD)[:-9])
        said = [(f"Content-Length: {len(one)}", f"Content-Encoding: {encoding}") for one in packed]
        assert await door.asks(said[0], bomb) == (422, "swells-too-much")
        assert await door.asks(said[1], packed[1]) == (422, "bad-encoding")
        await door.keeps_nothing()
    assert await door.asks((length, "Content-Encoding: gzip"), WORLD) == (422, "bad-encoding")
    # More than was said to come is no part of it, and nothing else that could be meant.
    async with door.line() as line:
        await line.begins(f"Content-Length: {len(WORLD) - 10}", SUM)
        await line.says(WORLD)
        assert (await line.hears())[0] in (0, 400, 422)
    await door.keeps_nothing()


@pytest.mark.parametrize(
    "lengths",
    [
        ("Content-Length: -1",), ("Content-Length: x",), ("Content-Length: 13, 14",),
        ("Content-Length: 13", "Content-Length: 14"), ("Content-Length: 13", CHUNKED),
        (CHUNKED, "Content-Length: 13"), ("Content-Length: 99999999999999999999999",),
        ("Transfer-Encoding: gzip, chunked, identity",),
    ],
)  # fmt: skip
async def test_a_length_that_is_none_or_two_is_no_request(
    door: Door, lengths: tuple[str, ...]
) -> None:
    status, _ = await door.asks(lengths, SMALL)
    assert status in (0, 400)
    await door.keeps_nothing()


@pytest.mark.parametrize("how", ["ends", "resets"])
@pytest.mark.parametrize("said", [GOOD, (CHUNKED, SUM)], ids=["length", "chunked"])
async def test_who_goes_away_in_the_middle_leaves_nothing(
    door: Door, how: str, said: tuple[str, ...]
) -> None:
    async with door.line() as line:
        await line.begins(*said)
        await line.says(b"600000\r\n" if CHUNKED in said else b"")
        await line.says(WORLD[: 5 << 20])
        if how == "resets":
            line.hangs_up()
        else:
            line.writer.write_eof()
            assert (await line.hears())[0] in (0, 400, 408)
    await door.keeps_nothing()


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nabc", b"ffffffffffffffffff\r\nabc", b"-3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n"],
)
async def test_chunks_that_are_none_are_refused(door: Door, chunks: bytes) -> None:
    assert (await door.asks((CHUNKED,), chunks))[0] in (0, 400)
    await door.keeps_nothing()


async def test_who_falls_silent_or_drips_is_given_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else no room could be given back any more, for as long as they like."""
    monkeypatch.setattr(arriving, "SILENT_S_MAX", 0.3)
    for said in (GOOD, (CHUNKED, SUM)):
        async with door.line() as line:
            await line.begins(*said)
            status, told = await line.hears()
            assert (status, told["code"]) == (408, "cut-off")
            assert "too slowly" in told["detail"]
    await door.keeps_nothing()
    async with door.line() as line:

        async def drips() -> None:
            while True:
                await line.says(b"1\r\na\r\n")
                await asyncio.sleep(0.02)

        await line.begins(CHUNKED)
        drip = asyncio.create_task(drips())
        status, told = await line.hears()
        drip.cancel()
        await asyncio.gather(drip, return_exceptions=True)
        assert (status, told["code"]) == (408, "cut-off")
    await door.keeps_nothing()
    blob = await door.alice.client.post("/api/blobs", content=in_time())
    assert blob.status_code == 201, "what comes at all, and fast enough, is kept"


@dataclass
class Crowd:
    """Many at the door, each with a line of its own."""

    door: Door
    lines: AsyncExitStack

    async def sends(self, headers: Sequence[str], data: bytes, query: str = "") -> Line:
        line = await self.lines.enter_async_context(self.door.line())
        await line.begins(*headers, query=query)
        await line.says(data)
        return line

    async def until_no_turn_is_free(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not self.door.alice.node.large.are_taken:  # noqa: ASYNC110 - no event says it
                await asyncio.sleep(0.01)


@asynccontextmanager
async def crowd_at(door: Door) -> AsyncGenerator[Crowd]:
    async with AsyncExitStack() as lines:
        yield Crowd(door, lines)


async def test_few_that_send_zstd_are_unpacked_at_once(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds a window until its end. Who sends it otherwise waits for none of them."""
    packed = zstandard.compress(SMALL)
    said = ("Content-Encoding: zstd", f"Content-Length: {len(packed)}")
    async with crowd_at(door) as crowd:
        silent = [
            await crowd.sends(said, packed[:5], f"?tick={100 + at}")
            for at in range(LARGE_AT_ONCE_MAX)
        ]
        await crowd.until_no_turn_is_free()
        waits = await crowd.sends(said, packed, "?tick=200")
        assert (await door.asks((f"Content-Length: {len(SMALL)}",), SMALL))[0] == 201
        silent.pop().hangs_up()
        assert (await waits.hears())[0] == 201
        await crowd.sends(said, packed[:5], "?tick=201")
        await crowd.until_no_turn_is_free()
        monkeypatch.setattr(arriving, "SILENT_S_MAX", 0.3)
        status, told = await (await crowd.sends(said, packed, "?tick=202")).hears()
        assert (status, told["code"]) == (408, "cut-off")
        assert "as gzip" in told["detail"]
        for line in silent:
            await line.says(packed[5:])
            assert (await line.hears())[0] == 201
        assert (await door.asks(said, packed))[0] == 200


async def test_few_that_send_much_beside_a_snapshot_are_taken_at_once(door: Door) -> None:
    """It is held until the end. Who says as much as an event may have waits for none of them, nor
    does whoever sends much that nobody reads."""
    json_said = "Content-Type: application/json"

    def body(tick: int, inside: int, beside: int) -> tuple[tuple[str, ...], bytes]:
        event = {"type": "found", "title": "t", "picture": "x" * inside}
        said = {"tick": tick, "picture": "x" * beside, "canonEvent": event, "snapshot": {"a": tick}}
        data = json.dumps(said).encode()
        return (json_said, f"Content-Length: {len(data)}"), data

    long = BESIDE_BYTES + 2 * STEP_BYTES
    async with crowd_at(door) as crowd:
        silent: list[Line] = []
        for at in range(LARGE_AT_ONCE_MAX):
            headers, data = body(100 + at, long, 0)
            silent.append(await crowd.sends(headers, data[:-5]))
        await crowd.until_no_turn_is_free()
        waits = await crowd.sends(*body(200, long, 0))
        assert (await door_asks(door, *body(201, 8_000, 3 << 20)))[0] == 201
        assert (await door_asks(door, *body(202, 8_000, 0)))[0] == 201
        silent.pop().hangs_up()
        assert (await waits.hears())[0] == 201
        for at, line in enumerate(silent):
            await line.says(body(100 + at, long, 0)[1][-5:])
            assert (await line.hears())[0] == 201


async def door_asks(door: Door, headers: Sequence[str], data: bytes) -> tuple[int, dict[str, Any]]:
    async with crowd_at(door) as crowd:
        return await (await crowd.sends(headers, data)).hears()


class JumpingLoop(asyncio.SelectorEventLoop):
    """Its time goes on as a test says."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


async def jumps(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.ahead_s += seconds
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_waits_for_a_turn_is_given_up_where_nobody_ends_and_not_before() -> None:
    turns, told = Turns(1), list[str]()

    async def waits(name: str, ends: asyncio.Event) -> None:
        try:
            async with turns.one():
                told.append(f"{name} begins")
                await ends.wait()
        except CutOff as late:
            told.append(f"{name}: {late}")

    async def story() -> None:
        ends = {name: asyncio.Event() for name in "abcd"}
        async with asyncio.TaskGroup() as group:
            for name, end in ends.items():
                group.create_task(waits(name, end))
                await jumps(0)
            for name in "ab":
                await jumps(0.8 * arriving.SILENT_S_MAX)
                ends[name].set()
                await jumps(0)
            assert told == ["a begins", "b begins", "c begins"]
            await jumps(0.8 * arriving.SILENT_S_MAX)
            assert len(told) == 3
            await jumps(0.3 * arriving.SILENT_S_MAX)
            assert told[3].startswith("d: 4 bodies of zstd")
            ends["c"].set()
        assert not turns.are_taken

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(story())


@pytest.mark.parametrize("is_sender_slow", [False, True])
def test_of_the_time_of_an_upload_counts_what_its_sender_takes(is_sender_slow: bool) -> None:
    """Its node may have it wait, in the middle too, for longer than a sender may take."""
    sent = 0
    pause_s = 0.4 * arriving.SILENT_S_MAX

    async def receive() -> Message:
        nonlocal sent
        sent += 1
        await jumps(pause_s if is_sender_slow else 0)
        return {"type": "http.request", "body": b"abc", "more_body": sent < 9}

    async def story() -> None:
        async with aclosing(pieces_arriving(Request({"type": "http"}, receive))) as pieces:
            async for piece in pieces:
                assert piece == b"abc"
                await jumps(0 if is_sender_slow else 20 * pause_s)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        if not is_sender_slow:
            runner.run(story())
        else:
            with pytest.raises(CutOff, match="6 bytes in 144 s"):
                runner.run(story())
    assert sent == (3 if is_sender_slow else 9)


async def in_time() -> AsyncGenerator[bytes]:
    for at in range(0, len(WORLD), 1 << 20):
        yield WORLD[at : at + (1 << 20)]


async def test_who_asks_first_hears_whether_to_go_on(door: Door) -> None:
    expects = ("Expect: 100-continue", *GOOD)
    async with door.line() as line:
        await line.begins(*expects, query="?tick=none")
        status, told = await line.hears()
        assert (status, told["code"]) == (400, "bad-tick"), "without a byte of it"
    async with door.line() as line:
        await line.begins(*expects)
        assert (await line.hears())[0] == 100
        await line.says(WORLD[:1000])
        line.hangs_up()  # it changed its mind
    await door.keeps_nothing()
    async with door.line() as line:
        await line.begins(*expects)
        assert (await line.hears())[0] == 100
        await line.says(WORLD)
        status, told = await line.hears()
        assert (status, told["checksum"]) == (201, blake3(WORLD).hexdigest())
    assert (await door.alice.client.get(f"{AT}/1")).content == WORLD
