"""A backup holds each snapshot with all its bytes, however it lies in the home."""

import io
import sqlite3
from contextlib import closing
from pathlib import Path

from node import drops
from node.drops import read_drop
from node.home import Home
from tests.node.conftest import alice as alice
from tests.node.parts import Alice, open_alice
from tests.node.services.test_backup import backed_up, restored
from tests.storage.vault.worlds import World

SERIES = World(entities=1_500).series(4)


async def add(alice: Alice) -> None:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    for tick, world in enumerate(SERIES):
        place = f"/api/universe/universe:main/snapshot?tick={tick}"
        assert (await alice.client.post(place, content=world)).status_code == 201
    await alice.node.store.settled()


async def all_are_there(alice: Alice) -> None:
    for tick, world in enumerate(SERIES):
        place = f"/api/universe/universe:main/snapshot/{tick}"
        assert (await alice.client.get(place)).content == world


def deltas(home: Home) -> int:
    with closing(sqlite3.connect(home.database.with_name("snapshots.db"))) as vault:
        ((count,),) = vault.execute("SELECT count(*) FROM delta")
        return int(count)


async def test_what_lies_as_what_it_differs_in_comes_back_byte_for_byte(
    alice: Alice, tmp_path: Path
) -> None:
    await add(alice)
    assert deltas(alice.node.home) > 10
    data = await backed_up(alice)
    chunks = [one.body for one in read_drop(io.BytesIO(data)) if one.kind == drops.CHUNK]
    assert sum(map(len, chunks)) > sum(map(len, SERIES))  # whole, each of them
    await restored(tmp_path / "new", data)
    async with open_alice(tmp_path / "new") as again:
        await all_are_there(again)
        await again.node.store.settled()  # as a running node does
        assert deltas(again.node.home) > 10
        await all_are_there(again)
        assert await again.node.store.damaged_blobs() == []
    await all_are_there(alice)
