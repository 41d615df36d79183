"""A state that the disk damaged is read: it comes again on the way, or what is wrong is said."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.blob import Chunking
from node.api.transfer import Transfer
from node.client import Client
from node.commands import universe_opened, verify
from node.commands.progress import Progress
from node.commands.universe_opened import Opening
from node.failure import Failure
from node.services import mended
from tests.node.api.test_scrub import Giving, spoil
from tests.node.parts import Alice, Wish, open_alice
from tests.node.served import served

PLACE = "/api/universe/universe:main"
WORLD = blake3(b"a large world").digest(length=5 << 20)
TICK = f"{PLACE}/snapshot/1200"


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice", network=Giving()) as alice:
        body = {"id": "universe:main", "name": "Main", "ownerId": "player:a", "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        sent = await alice.client.post(f"{PLACE}/snapshot?tick=1200", content=WORLD)
        assert sent.status_code == 201
        yield alice


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        await bob.node.store.put_blob(WORLD, chunking=Chunking.CONTENT)
        yield bob


@pytest_asyncio.fixture
async def client(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Client]:
    async with served(alice) as client:
        for module in (universe_opened, verify):
            monkeypatch.setattr(module, "node", lambda: client)
        yield client


def damage(alice: Alice, order: str) -> None:
    """One of its parts, near the first or the last; at the very end lies the list of them."""
    spoil(
        alice,
        "snapshots.db",
        "UPDATE whole SET data = zeroblob(length(data)) WHERE id ="
        f" (SELECT id FROM name WHERE size > 4000 ORDER BY id {order} LIMIT 1 OFFSET 3)",
    )


async def opened(client: Client) -> bytes:
    file = BytesIO()

    def run() -> None:
        found = client.get(f"{PLACE}/nearest/latest")
        opening = Opening(PLACE, {}, found, Progress())
        assert opening.write(file, "world") == len(WORLD)

    await asyncio.to_thread(run)
    return file.getvalue()


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_what_is_damaged_comes_again_on_the_way(
    alice: Alice, bob: Alice, order: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(alice.network, Giving)
    alice.network.bob = bob.node.store
    damage(alice, order)
    answer = await alice.client.get(TICK)
    assert (answer.status_code, answer.content == WORLD) == (200, True)
    assert alice.network.given > 0
    damage(alice, order)
    part = await alice.client.get(TICK, headers={"range": "bytes=7-"})
    assert (part.status_code, part.content == WORLD[7:]) == (206, True)
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    name = f"the snapshot of {alice.node.identity.did}/universe:main at tick 1200"
    assert [one.startswith(name) and "was damaged on the disk" in one for one in said] == [True] * 2


async def test_however_many_places_are_damaged_each_comes_again(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mended, "MENDS_MAX", 2)
    assert isinstance(alice.network, Giving)
    alice.network.bob = bob.node.store
    name = "SELECT id FROM name WHERE size > 4000 AND id % 20 = 1"  # some in each run that is read
    zeros = f"UPDATE whole SET data = zeroblob(length(data)) WHERE id IN ({name})"
    spoil(alice, "snapshots.db", zeros)
    answer = await alice.client.get(TICK)
    assert (answer.status_code, answer.content == WORLD) == (200, True)
    assert alice.network.given > 10


async def test_so_it_is_where_others_lean_on_what_is_damaged(alice: Alice, bob: Alice) -> None:
    """More of it is found to be damaged when the first of it came."""
    states = {tick: later(tick) for tick in range(1, 6)}
    for tick, state in states.items():
        sent = await alice.client.post(f"{PLACE}/snapshot?tick={tick}", content=state)
        assert sent.status_code == 201
        await bob.node.store.put_blob(state, chunking=Chunking.CONTENT)
    await alice.node.store.settled()
    assert isinstance(alice.network, Giving)
    alice.network.bob = bob.node.store
    leaned_on = "id IN (SELECT id FROM name WHERE height > 0)"
    spoil(
        alice, "snapshots.db", f"UPDATE whole SET data = zeroblob(length(data)) WHERE {leaned_on}"
    )
    for tick, state in states.items():
        answer = await alice.client.get(f"{PLACE}/snapshot/{tick}")
        assert (tick, answer.status_code, answer.content == state) == (tick, 200, True)


def later(tick: int) -> bytes:
    """The world with a little of it changed."""
    new = blake3(bytes([tick])).digest(length=4_000)
    return WORLD[: tick * 1_000] + new + WORLD[tick * 1_000 :]


async def test_where_nobody_gives_it_that_is_said_from_the_first_time_on(alice: Alice) -> None:
    damage(alice, "ASC")
    for _ in range(2):
        answer = await alice.client.get(TICK)
        assert (answer.status_code, answer.json()["code"]) == (504, "snapshot-damaged")
        assert "universe:main at tick 1200" in answer.json()["detail"]
        assert answer.json()["detail"].endswith("then: panspermia scrub")
        near = (await alice.client.get(f"{PLACE}/nearest/1200")).json()
        assert (near["held"], near["damaged"]) == (False, True)


async def test_after_the_next_start_it_is_known_to_be_damaged(tmp_path: Path) -> None:
    network = Giving()
    async with open_alice(tmp_path / "alice", network=network) as alice:
        body = {"id": "universe:main", "name": "Main", "ownerId": "player:a", "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        assert (await alice.client.post(f"{PLACE}/snapshot?tick=1200", content=WORLD)).is_success
        damage(alice, "ASC")
        assert (await alice.client.get(TICK)).status_code == 504
    async with open_alice(tmp_path / "alice", network=network) as alice:
        answer = await alice.client.get(TICK)
        assert (answer.status_code, answer.json()["code"]) == (504, "snapshot-damaged")


async def test_in_the_middle_the_connection_ends_and_one_line_says_why(
    alice: Alice, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    damage(alice, "DESC")
    with pytest.raises(Failure) as cut:
        await asyncio.to_thread(client.download, TICK, BytesIO(), lambda done, total: None, 60)
    assert cut.value.problem["code"] == "connection-lost"
    name = f"the snapshot of {alice.node.identity.did}/universe:main at tick 1200"
    said = [one for one in caplog.records if "ended early" in one.getMessage()]
    assert [one.getMessage().startswith(f"GET {TICK} ended early: {name}") for one in said] == [
        True
    ]
    assert not [one for one in caplog.records if one.exc_info]
    assert "a bug" not in caplog.text
    with pytest.raises(Failure) as failed:
        await opened(client)
    assert (failed.value.exit, failed.value.problem["code"]) == (7, "snapshot-damaged")


class Later(Giving):
    """Bob comes only after he was asked for once in vain."""

    asked = 0

    async def bring(self, wish: Wish) -> None:
        self.asked += 1
        bob = self.bob
        if self.asked == 1:
            self.bob = None
        try:
            await super().bring(wish)
        finally:
            self.bob = bob


async def test_who_opens_it_goes_on_where_it_broke_off(
    alice: Alice, bob: Alice, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Later(bob=bob.node.store, alice=alice.node.store)
    monkeypatch.setattr(alice.network, "bring", network.bring)
    damage(alice, "DESC")
    asked: list[int] = []
    download = Client.download

    def counted(self: Client, *said: Any) -> int:  # noqa: ANN401 - whatever it is given
        asked.append(said[4])
        return download(self, *said)

    monkeypatch.setattr(Client, "download", counted)
    assert await opened(client) == WORLD
    assert (len(asked), asked[0], 0 < asked[-1] < len(WORLD)) == (2, 0, True)


class Nobody(Giving):
    """Somebody gave some of it and is gone; until the node gives up nothing comes."""

    async def bring(self, wish: Wish) -> None:
        said = "no peer is connected"
        self.running = (Transfer(wish.blob.hex(), reason=said, state="fetching"),)
        wish.progress(0, 0)
        await asyncio.Event().wait()


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_who_opens_it_says_how_long_it_waits_for_what_is_damaged(
    alice: Alice, client: Client, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """Also where that turns out only while its first part is on the way."""
    network = Nobody(alice=alice.node.store)
    monkeypatch.setattr(alice.network, "bring", network.bring)
    monkeypatch.setattr(alice.network, "transfers", network.transfers)
    damage(alice, order)

    def run() -> None:
        found = client.get(f"{PLACE}/nearest/latest")
        Opening(PLACE, {}, found, Progress(), 1).write(BytesIO(), "world")

    with pytest.raises(Failure) as failed:
        await asyncio.to_thread(run)
    assert failed.value.problem["code"] == "snapshot-damaged"
    assert "nobody who has it came within 1 s" in str(failed.value.problem["detail"])


async def test_of_a_state_of_which_nothing_is_here_yet_that_is_said(
    alice: Alice, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing came that could be kept, and no place is there to go on from."""
    network = Nobody(alice=alice.node.store)
    monkeypatch.setattr(alice.network, "bring", network.bring)
    monkeypatch.setattr(alice.network, "transfers", network.transfers)
    found = await asyncio.to_thread(client.get, f"{PLACE}/nearest/latest")
    never = {**found, "held": False, "blob": "ab" * 32}

    def run() -> None:
        Opening(PLACE, {}, never, Progress(), 1).write(BytesIO(), "world")

    with pytest.raises(Failure) as failed:
        await asyncio.to_thread(run)
    first, second = str(failed.value.problem["detail"]).split("\n")
    assert first == "universe:main at tick 1,200: nothing of its 5.0 MiB is here."
    assert second.endswith("Once somebody is connected who has it, ask again.")
    assert "is not here: no peer is connected, and nobody who has it came within 1 s." in second
