"""`gc` says before what it would take, of which universes and ticks, and takes just that."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt import rollover
from crdt.blob import BlobId
from node.api.routes import upkeep
from node.wiring import clock_us
from storage.collecting import GRACE_US
from tests.node.api.test_snapshots import AT, PLACE
from tests.node.parts import Alice, open_alice
from tests.node.served import shown, typed

BYTES = 20_000
LAST = 11
FULL = 5


@dataclass
class Clock:
    """Goes on as the machine's does, and may be put forward."""

    ahead_us: int = 0

    def __call__(self) -> int:
        return clock_us() + self.ahead_us


@dataclass
class Playing:
    alice: Alice
    clock: Clock
    worlds: list[bytes]

    async def gc(self, *, is_dry: bool) -> dict[str, Any]:
        answer = await self.alice.client.post("/api/gc", json={"dry_run": is_dry})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def held(self) -> set[int]:
        """Ticks of states whose bytes are here."""
        blobs = self.blobs
        return {one for one in blobs if await self.alice.node.store.has_blob(blobs[one])}

    @property
    def blobs(self) -> dict[int, BlobId]:
        return dict(enumerate(self._blobs))

    _blobs: list[BlobId]


@pytest_asyncio.fixture
async def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Playing]:
    """A record that went on in new epochs; a rule let all of its states go but the last."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    clock, blobs = Clock(), list[BlobId]()
    worlds = [os.urandom(BYTES) for _ in range(LAST + 1)]
    async with open_alice(tmp_path, clock=clock) as alice:
        body = {"id": "universe:main", "name": "Main", "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        for tick, world in enumerate(worlds):
            kept = await alice.client.post(f"{AT}?tick={tick}&type=auto", content=world)
            assert kept.status_code == 201, kept.text
            blobs.append(BlobId(bytes.fromhex(kept.json()["entry"]["blob"])))
        rule = {"retention": {"auto": {"newest": 1}}}
        pruned = await alice.client.post(f"{PLACE}/prune", json=rule)
        assert len(pruned.json()["dropped"]) == LAST
        yield Playing(alice, clock, worlds, blobs)


async def test_what_is_said_is_what_goes(playing: Playing) -> None:
    added = await playing.alice.node.store.put_blob(b"of nobody" * 100)
    young = await playing.gc(is_dry=True)
    assert (young["blobs"], young["bytes"], young["young"], young["going"]) == (0, 0, LAST + 1, [])
    playing.clock.ahead_us = GRACE_US + 1
    foreseen = await playing.gc(is_dry=True)
    assert await playing.gc(is_dry=True) == foreseen, "nothing was changed"
    assert await playing.held() == {*range(LAST + 1)}
    name = f"{playing.alice.node.identity.did}/universe:main"
    states, others = foreseen["going"][:LAST], foreseen["going"][LAST:]
    for tick, one in enumerate(states):
        assert (one["universe"], one["tick"]) == (name, tick)
        assert (one["namespace"], one["size"]) == ("commons", BYTES)
        assert one["blob"] == playing.blobs[tick].hex()
        opened = await playing.alice.client.get(f"{AT}/{tick}?snapshot={one['snapshot']}")
        assert opened.content == playing.worlds[tick], "by what was said it is found"
    assert [(one["blob"], one["universe"], one["tick"]) for one in others] == [
        (added.hex(), None, None)
    ]
    done = await playing.gc(is_dry=False)
    assert (done["blobs"], done["young"], done["going"]) == (foreseen["blobs"], 0, [])
    assert await playing.held() == {LAST}
    assert LAST * BYTES <= foreseen["bytes"] <= 1.2 * done["bytes"]
    again = await playing.gc(is_dry=True)
    assert (again["blobs"], again["bytes"], again["going"]) == (0, 0, [])


async def test_what_is_too_much_for_one_answer_is_counted(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "GOING_MAX", 3)
    playing.clock.ahead_us = GRACE_US + 1
    foreseen = await playing.gc(is_dry=True)
    assert [one["tick"] for one in foreseen["going"]] == [0, 1, 2]
    assert (foreseen["blobs"], foreseen["left_off"]) == (LAST, LAST - 3)


async def test_a_state_that_shares_its_bytes_gives_back_what_it_alone_had(
    playing: Playing,
) -> None:
    """Ten times the world of the last one, each a little further."""
    world = bytearray(os.urandom(200_000))
    for tick in range(100, 110):
        world[tick : tick + 4] = os.urandom(4)
        answer = await playing.alice.client.post(
            f"{AT}?tick={tick}&type=auto", content=bytes(world)
        )
        assert answer.status_code == 201, answer.text
    playing.clock.ahead_us = GRACE_US + 1
    foreseen = await playing.gc(is_dry=True)
    assert foreseen["blobs"] == LAST + 1 + 9
    assert foreseen["bytes"] < (LAST + 1) * BYTES + 9 * 50_000


async def test_typed_it_lists_universes_and_ticks(playing: Playing) -> None:
    playing.clock.ahead_us = GRACE_US + 1
    async with shown(playing.alice) as home:
        said = (await typed(home, "gc", "--dry-run")).output
        done = (await typed(home, "gc")).output
        after = (await typed(home, "gc", "--dry-run")).output
    rows = [line.split() for line in said.splitlines() if "universe:main" in line]
    assert [row[-4:] for row in rows] == [
        [str(tick), "19.5", "KiB", playing.blobs[tick].hex()] for tick in range(LAST)
    ]
    assert f"{LAST} blobs would go, about" in said
    assert "nothing was changed" in said
    assert f"collected {LAST} blobs" in done
    assert after.startswith("0 blobs would go, about 0 B")
