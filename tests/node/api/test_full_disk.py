"""A node on a disk of 32 MiB that is really full: each act says so, nothing is half done, and all
of it goes on once there is room."""

import asyncio
import base64
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.blob import Chunking
from crdt.keys import NamespaceKey
from node.gates import Gates
from node.services.passages import Ferry
from storage.disk_room import FREE_PARTS
from storage.errors import OverQuota
from tests.node.api.test_blobs import in_pieces
from tests.node.api.test_snapshots import AT, PLACE
from tests.node.parts import Alice, open_alice
from tests.node.passing_time import PassingTime
from tests.storage.test_small_disk import DISK_BYTES, disk, fill

__all__ = ["disk"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own: root only")

WORLD = blake3(b"a world").digest(length=3 << 20)
LARGE = blake3(b"a large one").digest(length=40 << 20)
PASSAGE = "/api/passage/passage:1"
TRIES = 300  # of some 30 KB each: many times what the files still have inside


def changed(at: int) -> bytes:
    """The world, a little of it changed."""
    return WORLD[: at * 1_000] + b"%d" % at + WORLD[at * 1_000 :]


@pytest_asyncio.fixture
async def alice(disk: Path) -> AsyncGenerator[Alice]:
    """With two universes, a passage between them, and three snapshots of one."""
    async with open_alice(disk / "alice") as alice:
        for id in ("main", "reef"):
            body = {"id": f"universe:{id}", "name": id, "isPublic": True}
            assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        ends = {"sourceUniverseId": "universe:main", "targetUniverseId": "universe:reef"}
        made = await alice.client.post("/api/passage", json=ends | {"id": "passage:1"})
        assert made.status_code == 201, made.text
        for tick in (1, 2, 3):
            done = await alice.client.post(f"{AT}?tick={tick}", content=changed(tick))
            assert done.status_code == 201, done.text
        yield alice


async def all_is_there(alice: Alice) -> None:
    for tick in (1, 2, 3):
        assert (await alice.client.get(f"{AT}/{tick}")).content == changed(tick)


async def until_full(ask: Callable[[int], Awaitable[httpx2.Response]]) -> int:
    """How many were done until one was not, and said why."""
    for number in range(TRIES):
        answer = await ask(number)
        if answer.status_code != 201 and answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (507, "over-quota"), answer.text
            assert "full" in answer.json()["detail"]
            return number
    raise AssertionError("the disk is never full")


async def travellers(alice: Alice) -> dict[str, str]:
    """Where each is."""
    told = (await alice.client.get(f"{PASSAGE}/travellers")).json()["travellers"]
    return {one["soul"]: one["state"] for one in told}


async def sends(alice: Alice, number: int) -> httpx2.Response:
    data = base64.b64encode(LARGE[number : number + 30_000]).decode()
    body: dict[str, Any] = {
        "data": data, "soul": f"fox {number}", "format": "bytes", "from": "universe:main",
        "migration": f"{number:032x}",
    }  # fmt: skip
    return await alice.client.post(f"{PASSAGE}/travel", json=body)


async def test_who_cannot_leave_is_still_here_and_who_cannot_arrive_is_on_the_way(
    alice: Alice, disk: Path
) -> None:
    def ferry(namespace: NamespaceKey) -> Ferry:
        return Ferry(alice.node.store, alice.node.identity, alice.node.clock_us, namespace)

    other = fill(disk, leave=500_000)
    left = await until_full(lambda number: sends(alice, number))
    assert left, "there was room for some"
    here = await travellers(alice)
    assert sorted(here) == sorted(f"fox {number}" for number in range(left))
    time, tries = PassingTime(), asyncio.Semaphore(0)
    gates = Gates(ferry, alice.node.gating, alice.node.events, time.clock_s)

    async def rest(seconds: float) -> None:
        tries.release()

    answering = asyncio.create_task(gates.run(rest, time.wait))
    async with asyncio.timeout(60):
        for _ in range(3):
            await tries.acquire()
        assert await travellers(alice) == here, "all of them on the way"
        other.unlink()
        again = await sends(alice, left)
        assert again.status_code == 200, again.text
        while "transit" in str(await travellers(alice)):
            await tries.acquire()
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)
    assert len(await travellers(alice)) == left + 1
    await all_is_there(alice)


async def test_what_cannot_be_written_is_refused_and_done_once_there_is_room(
    alice: Alice, disk: Path
) -> None:
    store = alice.node.store
    full = await alice.client.post(f"{AT}?tick=4", content=LARGE)
    assert (full.status_code, full.json()["code"]) == (507, "over-quota"), full.text
    other = fill(disk, leave=0)
    for size in (1, 1 << 20):
        full = await alice.client.post(f"{AT}?tick=4", content=LARGE[:size])
        assert (full.status_code, full.json()["code"]) == (507, "over-quota"), full.text

    async def forks(number: int) -> httpx2.Response:
        body = {"name": "F" * 50, "description": "x" * 1_000, "id": f"universe:{number}"}
        return await alice.client.post(f"{PLACE}/fork", json=body | {"snapshotTick": 1})

    forked = await until_full(forks)
    listed = (await alice.client.get(f"{PLACE}/forks")).json()["forks"]
    assert len(listed) == forked, "none is half there"
    with pytest.raises(OverQuota):
        await store.settled()
    await all_is_there(alice)
    assert (await alice.client.get(f"{AT}/4")).status_code == 404
    status = (await alice.client.get("/api/status")).json()
    assert status["state"] == "ready"
    other.unlink()
    assert (await forks(forked)).status_code == 201
    assert (await alice.client.post(f"{AT}?tick=4", content=LARGE[:9])).status_code == 201
    assert await store.settled() > 0, "the snapshots that had to wait are made small now"
    await all_is_there(alice)


@pytest.mark.parametrize("path", [f"{AT}?tick=4", "/api/blobs"])
async def test_who_is_refused_hears_how_much_room_all_of_it_takes(
    alice: Alice, disk: Path, path: str
) -> None:
    """Who makes so much has it kept: what came before it was refused is gone again by then."""
    fill(disk, leave=14 << 20)
    large = LARGE[: 20 << 20]
    length = {"Content-Length": str(len(large))}
    full = await alice.client.post(path, content=in_pieces(large), headers=length)
    assert (full.status_code, full.json()["code"]) == (507, "over-quota")
    said = full.json()["detail"]
    assert said.startswith("The disk has no room for 20 MiB (less where parts of it are here")
    may_take = re.search("blobs may take ([0-9]+) MiB", said)
    came = re.search(r"([0-9]+) MiB of it had come, and are not kept\.", said)
    assert may_take
    assert came
    assert 8 <= int(may_take[1]) <= 14
    assert 4 <= int(came[1]) <= 16
    unsaid = await alice.client.post(path, content=in_pieces(large))
    assert (unsaid.status_code, unsaid.json()["code"]) == (507, "over-quota")
    assert "MiB of it had come, and are not kept." in unsaid.json()["detail"]
    moment = re.search("up to ([0-9]+) MiB more for a moment", said)
    assert (moment is not None) == (path != "/api/blobs"), "a snapshot goes through a log"
    lacks = 20 + (int(moment[1]) if moment else 0) - int(may_take[1]) + 1
    enlarge(disk, DISK_BYTES + (lacks << 20) * FREE_PARTS // (FREE_PARTS - 1))
    done = await alice.client.post(path, content=in_pieces(large), headers=length)
    assert done.status_code == 201, done.text


@pytest.mark.parametrize("leave", [0, 1 << 20])
async def test_what_is_collected_on_a_full_disk_gives_its_room_back(
    alice: Alice, disk: Path, leave: int
) -> None:
    """Others took all of it, or all but a little."""
    store = alice.node.store
    await store.settled()
    await store.put_blob(LARGE[: 4 << 20], chunking=Chunking.CONTENT)  # nothing names it
    refused = await alice.client.post(f"{AT}?tick=6", content=LARGE)
    assert refused.status_code == 507
    fill(disk, leave=leave)
    if not leave:
        with suppress(OverQuota):  # it may have room enough inside of its files
            await store.gc(grace_us=-1)
        await all_is_there(alice)
        await give_room(disk, 1 << 20)
    await store.gc(grace_us=-1)
    assert left_bytes(disk) > leave + (4 << 20)
    await all_is_there(alice)
    assert (await alice.client.post(f"{AT}?tick=6", content=LARGE[: 1 << 19])).status_code == 201


async def give_room(disk: Path, size: int) -> None:
    """Whoever took it gives so much of it back."""
    file = disk / "other"
    await asyncio.to_thread(os.truncate, file, file.stat().st_size - size)


def enlarge(disk: Path, size: int) -> None:
    """Give it so many bytes in all."""
    options = f"remount,size={size}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)


def left_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize
