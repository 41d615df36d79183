"""A scrub over HTTP: real damage on the disk, told with what it belongs to, mended by a peer."""

import json
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from node.errors import Conflict
from node.services.fetch import fetch_blob
from node.services.scrub import scrub
from p2p.protocol.errors import PeerLeft
from tests.node.parts import Alice, Wish, Wishes, open_alice

NOISE = blake3(b"a world").digest(length=1 << 20)
WORLD = content_manifest_of(NOISE).id
LARGE = blake3(b"a file").digest(length=5 << 20)
SMALL = blake3(b"a small file").digest(length=1_000)


@dataclass
class Giving(Wishes):
    """Bob gives the parts that alice misses, as a fetch does."""

    given: int = 0

    async def bring(self, wish: Wish) -> None:
        assert self.alice is not None
        if self.bob is None or not await self.bob.has_blob(wish.blob):
            raise PeerLeft("no-peer-has-it", "No peer could give it.")
        for number in await self.alice.missing_pages(wish.blob):
            page = await self.bob.blob_page(wish.blob, number)
            assert page is not None
            await self.alice.add_page(wish.blob, number, page)
        for index in await self.alice.missing_chunks(wish.blob):
            data = await self.bob.read_chunk(wish.blob, index)
            await self.alice.add_chunks(wish.blob, [(index, data)])
            self.given += 1
        wish.progress(1, 1)


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice", network=Giving()) as alice:
        yield alice


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def add(one: Alice) -> tuple[BlobId, BlobId]:
    """A state of a universe, and two files: one lies in a pack, one in a row."""
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await one.client.post("/api/universe", json=body)).status_code == 201
    place = "/api/universe/universe:main/snapshot?tick=1200"
    assert (await one.client.post(place, content=NOISE)).status_code == 201
    large = await one.client.post("/api/blobs?name=large.bin", content=LARGE)
    small = await one.client.post("/api/blobs?name=small.bin", content=SMALL)
    ids = [BlobId(bytes.fromhex(each.json()["id"])) for each in (large, small)]
    return ids[0], ids[1]


def spoil(one: Alice, name: str, sql: str) -> None:
    """Other bytes lie on the disk of a running node."""
    with closing(sqlite3.connect(one.node.home.database.with_name(name))) as database, database:
        assert database.execute(sql).rowcount > 0


def spoil_world(one: Alice) -> None:
    spoil(
        one,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id ="
        " (SELECT id FROM name ORDER BY size DESC LIMIT 1)",
    )


async def scrubbed(one: Alice, **body: object) -> list[dict[str, Any]]:
    answer = await one.client.post("/api/scrub", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_nothing_is_found_in_a_sound_store(alice: Alice) -> None:
    await add(alice)
    *lines, result = await scrubbed(alice)
    assert {line["stage"] for line in lines} == {"read"}
    assert lines[-1]["done"] == lines[-1]["total"] == result["bytes"]
    assert result["bytes"] >= len(NOISE) + len(LARGE) + len(SMALL)
    del result["bytes"]
    assert result == {
        "event": "result", "parts": 0, "blobs": [], "left_off": 0, "mended": 0, "damaged": 0,
        "dry_run": False,
    }  # fmt: skip


async def test_what_the_disk_damaged_is_told_and_comes_again_from_a_peer(
    alice: Alice, bob: Alice
) -> None:
    large, small = await add(alice)
    for data, chunking in ((NOISE, Chunking.CONTENT), (LARGE, Chunking.FIXED)):
        await bob.node.store.put_blob(data, chunking=chunking)
    spoil_world(alice)
    spoil(alice, "panspermia.db", "UPDATE chunk SET data = zeroblob(length(data))")
    (pack,) = (alice.node.home.database.parent / "blobs").glob("*.pack")
    with pack.open("r+b") as file:
        file.seek(1_000_000)
        file.write(bytes(16))

    *_, looked = await scrubbed(alice, dry_run=True)
    assert (looked["parts"], looked["damaged"], looked["mended"]) == (3, 3, 0)
    uses = {one["id"]: one["of"] for one in looked["blobs"]}
    name = f"{alice.node.identity.did}/universe:main"
    assert uses == {
        WORLD.hex(): [{"kind": "universe", "name": name, "tick": 1200}],
        large.hex(): [{"kind": "file", "name": "large.bin", "tick": None}],
        small.hex(): [{"kind": "file", "name": "small.bin", "tick": None}],
    }
    assert await alice.node.store.has_blob(WORLD)  # nothing was dropped

    network = alice.network
    assert isinstance(network, Giving)
    *_, alone = await scrubbed(alice)
    assert (alone["parts"], alone["damaged"], alone["mended"]) == (3, 3, 0)
    assert all("No peer could give it." in one["why"] for one in alone["blobs"])

    network.bob = bob.node.store
    *lines, result = await scrubbed(alice)  # finds what the one before left
    assert (result["parts"], result["damaged"], result["mended"]) == (0, 1, 2)
    states = {one["id"]: one["state"] for one in result["blobs"]}
    assert states == {WORLD.hex(): "mended", large.hex(): "mended", small.hex(): "damaged"}
    told = {line["id"]: line["event"] for line in lines if line.get("event") in ("mended", "lost")}
    assert told == {WORLD.hex(): "mended", large.hex(): "mended", small.hex(): "lost"}
    assert network.given == 2  # the damaged parts alone
    assert (await alice.client.get("/api/universe/universe:main/snapshot/1200")).content == NOISE
    assert await alice.node.store.read_blob(large) == LARGE

    spoil_world(alice)  # and in one go, of what is kept for nobody but her
    *_, result = await scrubbed(alice)
    assert (result["parts"], result["damaged"], result["mended"]) == (1, 1, 1)
    assert network.given == 3


async def test_there_is_one_at_a_time(alice: Alice) -> None:
    await add(alice)
    with alice.node.store.one_scrub():
        answer = await alice.client.post("/api/scrub", json={})
        assert (answer.status_code, answer.json()["code"]) == (409, "scrub-running")
        with pytest.raises(Conflict):  # who looked before the other began
            await scrub(alice.node.store, alice.network, lambda _: None)
    *_, result = await scrubbed(alice)
    assert result["event"] == "result"


async def test_who_reads_a_blob_that_the_disk_damaged_gets_it_from_a_peer(
    alice: Alice, bob: Alice
) -> None:
    large, small = await add(alice)
    network = alice.network
    assert isinstance(network, Giving)
    (pack,) = (alice.node.home.database.parent / "blobs").glob("*.pack")

    def damage() -> None:
        with pack.open("r+b") as file:
            file.seek(1_000_000)
            file.write(bytes(16))

    damage()
    for _ in range(2):
        answer = await alice.client.get(
            f"/api/blobs/{large.hex()}?", headers={"range": "bytes=999999-"}
        )
        assert (answer.status_code, answer.json()["code"]) == (504, "blob-damaged")
        assert large.hex()[:16] in answer.json()["detail"]
    for data in (LARGE, SMALL):
        await bob.node.store.put_blob(data)
    network.bob = bob.node.store
    answer = await alice.client.get(f"/api/blobs/{large.hex()}")
    assert (answer.status_code, answer.content == LARGE, network.given) == (200, True, 1)
    spoil(alice, "panspermia.db", "UPDATE chunk SET data = zeroblob(length(data))")
    read = await fetch_blob(alice.node.store, network, small, size_bytes_max=len(SMALL))
    assert (read == SMALL, network.given) == (True, 2)
