"""A peer with valid keys that means harm: the node stays up and small, keeps what it has, says why.

Alice is attacked. Bob is honest, and what he says amid every attack reaches her.
"""

import asyncio
import os
import socket
import subprocess
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import pytest

from crdt import cbor
from crdt.change import SignedEntry
from crdt.did import encode_did_key
from crdt.keys import COMMONS
from crdt.order import FINGERPRINT_BYTES
from node.client import module_path, path_of
from node.commands.nodes import (
    COMMAND,
    LocalNode,
    clean_environment,
    start_node,
    stop_all,
    wait_for,
)
from node.failure import Failure
from p2p.protocol import frames, limits
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Frame
from p2p.transport.address import Address
from tests.crdt.bombs import changes
from tests.e2e.mallory import EVERYTHING, Call, Mallory
from tests.e2e.story import ARRIVE_S, answering, has_modules, make_module

# One after the other: all of them attack one Alice.
pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("hostile peer")]

GROWTH_BYTES_MAX = 200 << 20
ENDS_S = 180.0  # an attack; on a quiet machine the node has ended it long before
SILENT_CONNECTIONS = 200
NON_READERS = 40
BLOB_BYTES = 3 << 20  # Alice's module: a dozen chunks
CHUNK = 2  # the piece that a Get names so


@dataclass
class Scene:
    """Alice and Bob, connected; each published a module, and both hold both."""

    alice: LocalNode
    bob: LocalNode
    module: str  # Bob's
    blob: bytes  # of Alice's
    entries: int  # that Alice holds
    rss_bytes: int  # of Alice, before any attack
    said: int = 0
    turn: Lock = field(default_factory=Lock)  # an attack may listen to Bob while the test does

    @property
    def door(self) -> str:
        return str(self.alice.ready["p2p"])

    def hear_bob(self) -> None:
        """Bob says something new, and Alice shows it, or what he said after it."""
        with self.turn:
            self.said += 1
            number, path = self.said, module_path(self.module, "ratings")
            self.bob.client.post(path, {"stars": 4, "review": f"word {number}"})
            self.entries += 1

        def is_heard() -> bool | None:
            said = [one["review"] for one in self.alice.client.get(path)["ratings"]]
            return any(int(word.removeprefix("word ")) >= number for word in said) or None

        wait_for("Alice to hear Bob", ARRIVE_S, is_heard)

    def forgive(self, *mallories: Mallory) -> None:
        """Their last offences are not to keep them from the next, nor others at their address."""
        devices = [encode_did_key(mallory.device.public) for mallory in mallories]
        for who in ("127.0.0.1", *devices):
            with suppress(Failure):  # nothing is held against it yet
                self.alice.client.delete(path_of("/api/refused-peers", who))

    def refused(self) -> set[str]:
        """Every reason that `panspermia refused` shows."""
        page = self.alice.client.get("/api/refused", {"limit": 1_000})
        return {one["code"] for one in page["refused"]}

    def hear_of(self, code: str) -> None:
        """`panspermia events` tells of this reason; raises `Failure` where it stays silent."""
        for event in self.alice.client.events(after="0", timeout_s=ARRIVE_S):
            if event["event"] == "refused" and code in event["data"]["codes"]:
                return

    def check(self) -> None:
        """Alice is up, small, and holds what she held and what Bob said."""
        assert self.alice.process.poll() is None, "Alice is dead"
        status = self.alice.client.get("/api/status")
        assert status["state"] == "ready"
        assert status["entries"] == self.entries, "what Alice holds has changed"
        assert memory_bytes(self.alice, "VmHWM") - self.rss_bytes < GROWTH_BYTES_MAX


def memory_bytes(node: LocalNode, name: str) -> int:
    """VmRSS, or VmHWM, the highest it was; 0 where the system does not tell."""
    status = Path(f"/proc/{node.process.pid}/status")
    if not status.exists():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[name].split()[0]) << 10


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("hostile")
    nodes: list[LocalNode] = []
    try:
        nodes.append(start_node("alice", folder, "--no-mdns"))
        nodes.append(start_node("bob", folder, "--no-mdns", "--peer", str(nodes[0].ready["p2p"])))
        yield set_up(nodes[0], nodes[1], folder)
    finally:
        stop_all(nodes)


def set_up(alice: LocalNode, bob: LocalNode, folder: Path) -> Scene:
    for node, number, fill_bytes in ((alice, 1, BLOB_BYTES), (bob, 2, 100)):
        id = f"io.test.{node.name}"
        section = b"\x04fill" + os.urandom(fill_bytes)  # a custom section, which nobody runs
        wasm = answering(number) + b"\0" + uleb(len(section)) + section
        made = make_module(folder / id, id, "1.0.0", wasm)
        command = [*COMMAND, "--json", "--home", str(node.home), "publish", str(made)]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, check=False)
        assert done.returncode == 0, done
    names = [f"{alice.did}/io.test.alice", f"{bob.did}/io.test.bob"]
    for node in (alice, bob):
        wait_for("both to hold both", ARRIVE_S, has_modules(node.client, names))
    version = alice.client.get(module_path(names[0]))["versions"][0]
    with suppress(OSError):  # else the peak is that of the start
        Path(f"/proc/{alice.process.pid}/clear_refs").write_text("5")
    entries = alice.client.get("/api/status")["entries"]
    blob = bytes.fromhex(version["blob"])
    return Scene(alice, bob, names[1], blob, entries, memory_bytes(alice, "VmRSS"))


def uleb(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


async def suffer(scene: Scene, attack: Coroutine[Any, Any, None]) -> None:
    """The attack, and Bob's word amid it; then everything is as it was."""
    await asyncio.to_thread(scene.forgive)
    async with asyncio.timeout(ENDS_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(attack)
        tasks.create_task(asyncio.to_thread(scene.hear_bob))
    await asyncio.to_thread(scene.check)


async def is_listed(scene: Scene, *codes: str) -> None:
    """`panspermia refused` shows these reasons, as soon as they are written down."""

    missing = set(codes)

    def look() -> bool | None:
        missing.difference_update(scene.refused())
        return not missing or None

    try:
        await asyncio.to_thread(wait_for, "all reasons to be listed", ARRIVE_S, look)
    except Failure as failure:
        raise AssertionError(f"never listed: {sorted(missing)}") from failure


# --- entries ---------------------------------------------------------------------------------


async def give(call: Call, entries: Sequence[SignedEntry]) -> str:
    """Why Alice hung up over these entries; empty where she did not."""
    try:
        await call.offers(entries)
    except PeerLeft as left:
        return left.code
    return ""


async def test_entries_that_no_honest_node_forwards(scene: Scene) -> None:
    mallory, other = Mallory(), Mallory()
    others = other.signer.capabilities["pub"]
    raw = bytes(300)
    good = [mallory.forges(raw, timestamp=number) for number in range(20)]
    wrong = {
        "bad-signature": [replace(one, signature=bytes(64)) for one in good],
        "wrong-device": [mallory.forges(raw, capability=others)],
        "outside-area": [mallory.forges(raw, author=other.root.public)],
        "payload-length": [mallory.forges(raw, more_bytes=1 << 40)],
        "payload-digest": [replace(good[0], payload=good[0].payload[:-1] + b"x")],
    }

    async def attack() -> None:
        async with mallory.meets(scene.door) as call:
            for entries in wrong.values():
                assert await give(call, entries) == ""

    await suffer(scene, attack())
    await is_listed(scene, *wrong)
    await asyncio.to_thread(scene.hear_of, "bad-signature")


async def test_entries_of_a_namespace_that_was_not_asked_for(scene: Scene) -> None:
    mallory = Mallory()
    strange = [mallory.forges(b"", namespace=bytes(32), timestamp=number) for number in range(300)]

    async def attack() -> None:
        async with mallory.meets(scene.door) as call:
            assert await give(call, strange) == "refused-entries"

    await suffer(scene, attack())
    await is_listed(scene, "refused-entries")


async def test_changes_that_hurt_the_library(scene: Scene) -> None:
    mallory = Mallory()
    bombs = [mallory.forges(raw) for raw in changes().values()]

    async def attack() -> None:
        async with mallory.meets(scene.door) as call:
            assert await give(call, bombs) == ""

    await suffer(scene, attack())


# --- frames ----------------------------------------------------------------------------------

SUMMARY = frames.Summary(None, 7, bytes(FINGERPRINT_BYTES))


def have(count: int) -> Frame:
    return frames.Have(COMMONS, os.urandom(16 * count), False)


def want(number: int) -> Frame:
    return frames.Want(number, COMMONS, os.urandom(16 * limits.WANT_IDS_MAX))


def reconcile(number: int, namespace: bytes = COMMONS) -> Frame:
    return frames.Reconcile(number, namespace, EVERYTHING, (SUMMARY,))


# What ends an open session at once, and the reason that is given.
OUT_OF_PLACE: dict[str, tuple[list[Frame], str]] = {
    "ranges of no reconciliation": ([frames.Ranges(8, (SUMMARY,))], "reconcile-number"),
    "a listed of none": ([frames.Listed(8)], "reconcile-number"),
    "a compare of none": ([frames.Compare(8, 1, bytes(16))], "reconcile-number"),
    "the node's own number": ([reconcile(7)], "reconcile-number"),
    "nine at once": ([reconcile(2 * number) for number in range(9)], "reconcile-count"),
    "a namespace she may not read": ([reconcile(8, bytes(32))], "reconcile-area"),
    "entries nobody asked for": ([frames.Entries(1, (), (), bytes(16))], "entries"),
    "a part nobody asked for": ([frames.Part(1, bytes(256 << 10), 0)], "part"),
    "credit nobody used": ([frames.Credit(4_096)] * 2, "credit"),
    "more than the credit": ([have(1_024) for _ in range(5)], "credit"),
    "half an id": ([frames.Have(COMMONS, bytes(17), False)], "ids"),
    "wants before the answers": ([want(number) for number in range(99)], "want-count"),
    "gets before the answers": (
        [frames.Get(number, bytes(32), CHUNK, 0, 1, 3) for number in range(999)],
        "get-count",
    ),
    "pings": ([frames.Ping(number) for number in range(10_000)], "flood"),
    "pongs": ([frames.Pong(number) for number in range(10_000)], "flood"),
    "interests": ([frames.Interests(())] * 1_000, "flood"),
    "presentations": ([frames.Present(())] * 1_000, "flood"),
}


async def hung_up(call: Call) -> str:
    async with asyncio.timeout(ENDS_S):
        return await call.last_words()


async def say_regardless(call: Call, *said: Frame) -> None:
    """The node may hang up before she has finished."""
    with suppress(PeerLeft):
        await call.say(*said)


async def test_frames_out_of_place(scene: Scene) -> None:
    async def attack() -> None:
        for name, (said, code) in OUT_OF_PLACE.items():
            await asyncio.to_thread(scene.forgive)
            async with Mallory().meets(scene.door) as call:
                await say_regardless(call, *said)
                assert await hung_up(call) in (code, ""), name

    await suffer(scene, attack())
    await is_listed(scene, *{code for _, code in OUT_OF_PLACE.values()})


async def test_a_greeting_that_is_none(scene: Scene) -> None:
    mallory, other = Mallory(), Mallory()

    async def attack() -> None:
        async with mallory.calls(scene.door) as call:
            honest = call.hello()
        openings: list[tuple[Frame, str]] = [
            (frames.Present(()), "out-of-order"),
            (have(1), "out-of-order"),
            (msgspec.structs.replace(honest, version=0), "version"),
            (msgspec.structs.replace(honest, author=other.root.public), "hello-author"),
            (
                msgspec.structs.replace(
                    honest,
                    author=other.root.public,
                    capability=other.signer.capabilities["pub"],
                ),
                "hello-device",
            ),
        ]
        for opening, code in openings:
            await asyncio.to_thread(scene.forgive, mallory)
            async with mallory.calls(scene.door) as call:
                await say_regardless(call, opening)
                assert await hung_up(call) == code
        await asyncio.to_thread(scene.forgive, mallory)
        async with mallory.calls(scene.door) as call:
            await say_regardless(call, honest, honest)
            assert await hung_up(call) == "out-of-order"

    await suffer(scene, attack())
    await is_listed(scene, "out-of-order", "hello-author", "hello-device", "version")


async def test_bytes_that_are_no_frame(scene: Scene) -> None:
    unknown = cbor.encode([1_001, 7])
    cases = {
        b"\xff": "frame-bytes",
        cbor.encode([1_000]): "frame-kind",
        cbor.encode([20, b"short", b"", 3]): "frame-shape",
        cbor.encode([0] * 40_000): "frame-bytes",
        unknown: "flood",
    }

    async def attack() -> None:
        for data, code in cases.items():
            await asyncio.to_thread(scene.forgive)
            async with Mallory().meets(scene.door) as call:
                with suppress(PeerLeft):
                    await call.stream.write([data] * (5_000 if data == unknown else 1))
                assert await hung_up(call) in (code, "")
        await asyncio.to_thread(scene.forgive)
        for size in (0xFFFF_FFFF, frames.FRAME_BYTES_MAX + 1, 0):
            async with Mallory().meets(scene.door) as call:
                await call.say_plain(size.to_bytes(4, "big") + bytes(100))
                assert await hung_up(call) in ("frame-length", "")

    await suffer(scene, attack())
    await is_listed(scene, *set(cases.values()), "frame-length")


async def test_fingerprints_that_never_fit(scene: Scene) -> None:
    """The same ranges come back again and again, each time with another fingerprint."""

    async def attack() -> None:
        code = ""
        async with Mallory().meets(scene.door) as call:
            lie = frames.Summary(None, 1 << 40, os.urandom(16))
            await call.say(frames.Reconcile(8, COMMONS, EVERYTHING, (lie,)))
            try:
                while True:
                    heard = await call.hear_until(frames.Ranges)
                    if isinstance(heard, frames.Ranges) and heard.number == 8:
                        lie = frames.Summary(None, 1 << 40, os.urandom(16))
                        await call.say(frames.Ranges(8, (lie,)))
            except PeerLeft as left:
                code = left.code
        assert code == "ranges-endless"

    await suffer(scene, attack())
    await is_listed(scene, "ranges-endless")


async def test_entries_announced_and_never_given(scene: Scene) -> None:
    async def attack() -> None:
        code = ""
        async with Mallory().meets(scene.door) as call:
            try:
                while True:
                    await call.say(have(limits.TRIAL_IDS_MAX))
                    asked = await call.hear_until(frames.Want)
                    assert isinstance(asked, frames.Want)
                    await call.say(frames.Entries(asked.number, (), (), asked.ids))
            except PeerLeft as left:
                code = left.code
        assert code == "missing"

    await suffer(scene, attack())
    await is_listed(scene, "missing")


# --- time and room ---------------------------------------------------------------------------


async def test_those_who_say_too_little(scene: Scene) -> None:
    """Silent before, in and after the handshake, after the greeting, or a byte at a time."""
    at = Address.parse(scene.door)

    async def drip() -> None:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        with suppress(OSError):
            for byte in b"\x00\x20" + bytes(32):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
        with suppress(OSError):
            await reader.read()  # until Alice closes
        writer.transport.abort()

    async def say_nothing() -> None:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        assert await reader.read() == b""
        writer.transport.abort()

    async def greet_and_be_silent(*, says_hello: bool) -> None:
        async with Mallory().calls(scene.door) as call:
            if says_hello:
                await call.say(call.hello())
            assert await hung_up(call) == "greeting"

    async def be_half_open() -> None:
        async with Mallory().meets(scene.door) as call:
            assert await hung_up(call) == ""  # the session waits for another channel

    async def attack() -> None:
        await asyncio.gather(
            drip(),
            say_nothing(),
            greet_and_be_silent(says_hello=False),
            greet_and_be_silent(says_hello=True),
            be_half_open(),
        )

    await suffer(scene, attack())


async def test_200_silent_connections_keep_nobody_out(scene: Scene) -> None:
    at = Address.parse(scene.door)

    async def attack() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(SILENT_CONNECTIONS):
                one = socket.create_connection((at.host, at.port))
                stack.enter_context(one)
            async with Mallory().meets(scene.door) as call:
                await call.say(frames.Ping(1))
                await call.hear_until(frames.Pong)

    await suffer(scene, attack())


async def test_those_who_ask_and_do_not_read(scene: Scene) -> None:
    """Eight megabytes each, if the node read them all at once."""

    async def attack() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(NON_READERS):
                call = await stack.enter_async_context(Mallory().meets(scene.door))
                gets = [
                    frames.Get(number, scene.blob, CHUNK, number % 12, 1, 3)
                    for number in range(limits.BLOB_REQUESTS_MAX)
                ]
                await call.say(*gets)
            await asyncio.to_thread(scene.hear_bob)

    await suffer(scene, attack())
