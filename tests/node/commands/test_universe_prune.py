"""`universe prune`: what it is asked for goes, also of a universe whose record is full."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from crdt import authority, rollover
from crdt.keys import COMMONS
from node.services.universes import document_of
from tests.node.api.test_snapshots import AT, PLACE, listed
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice
from tests.node.served import shown, typed

FULL = 20
CHANGES_MAX = 25
RULE = {"auto": {"newest": 5}}


async def saved(alice: Alice, tick: int) -> tuple[int, str]:
    answer = await alice.client.post(f"{AT}?tick={tick}&type=auto", content=b"state %d" % tick)
    return answer.status_code, answer.json().get("code", "")


@pytest_asyncio.fixture
async def full(alice: Alice, main: None, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Path]:
    """Of a universe that holds more than can go on, as two devices apart may have filled it."""
    monkeypatch.setattr(rollover, "CHANGES_FULL", FULL)
    for tick in range(FULL + 5):
        assert await saved(alice, tick) == (201, "")
    (row,) = await alice.node.store.called("universe", "universe:main", [COMMONS])
    record = await alice.node.store.read(document_of(row))
    assert record is not None
    monkeypatch.setattr(rollover, "PLACES_MAX", rollover.extent(record.value).places - 10)
    monkeypatch.setattr(authority, "CHANGES_MAX", CHANGES_MAX)
    for tick in range(FULL + 5, 2 * CHANGES_MAX):
        if (last := await saved(alice, tick)) != (201, ""):
            assert last == (507, "record-full")
            break
    else:
        pytest.fail("it is never full")
    async with shown(alice) as home:
        yield home


async def test_prune_by_a_rule_makes_room_and_the_rule_stands(alice: Alice, full: Path) -> None:
    ticks = [one["tick"] for one in await listed(alice)]
    seen = await typed(full, "universe", "prune", "--rule", json.dumps(RULE), "--dry-run")
    assert seen.exit_code == 0, seen.output
    assert [one["tick"] for one in await listed(alice)] == ticks
    done = await typed(full, "universe", "prune", "--rule", json.dumps(RULE))
    assert done.exit_code == 0, done.output
    assert f"{len(ticks) - 5} dropped, 5 kept" in done.output
    assert [one["tick"] for one in await listed(alice)] == ticks[-5:]
    shown = (await alice.client.get(PLACE)).json()
    assert json.loads(shown["universe"]["retention"]) == RULE
    for tick in range(1_000, 1_000 + 2 * CHANGES_MAX):
        assert await saved(alice, tick) == (201, "")
    assert len(await listed(alice)) == 5


async def test_one_may_be_deleted_and_brought_back(alice: Alice, full: Path) -> None:
    count = len(await listed(alice))
    dry = await alice.client.delete(f"{PLACE}?dryRun=true")
    assert dry.status_code == 200, dry.text
    gone = await alice.client.delete(PLACE)
    assert gone.status_code == 200, gone.text
    assert (await alice.client.get(PLACE)).status_code == 404
    back = await typed(full, "delete", "universe/universe:main", "--undo")
    assert back.exit_code == 0, back.output
    assert len(await listed(alice)) == count
    done = await typed(full, "delete", "universe/universe:main", "--yes")
    assert done.exit_code == 0, done.output
    assert (await alice.client.get(PLACE)).status_code == 404


@pytest.mark.usefixtures("main")
async def test_what_a_game_says_of_its_saves_is_obeyed_where_that_is_asked(alice: Alice) -> None:
    short = {"snapshot": {}, "type": "auto", "decayPolicy": {"decayAfterTicks": 10}}
    for tick in (0, 100, 200):
        assert (await alice.client.post(AT, json=short | {"tick": tick})).json()["dropped"] == 0
    async with shown(alice) as home:
        for flags, said, left in (
            ((), "0 dropped, 3 kept", [0, 100, 200]),
            (("--decayed", "--dry-run"), "2 would go, 1 kept", [0, 100, 200]),
            (("--decayed",), "2 dropped, 1 kept", [200]),
        ):
            done = await typed(home, "universe", "prune", *flags)
            assert (done.exit_code, said in done.output) == (0, True), done.output
            assert [one["tick"] for one in await listed(alice)] == left
