"""What a universe wrote as files is imported into the same universe, and changes nothing there."""

from pathlib import Path
from typing import Any

import pytest

from node.config import ApiConfig, Config
from tests.node.commands.test_universe_whole import MAIN, Playing, bob_at, done, saved
from tests.node.parts import Alice, open_alice
from tests.node.served import shown

BINARY = "application/octet-stream"
AT_US = 1_768_000_000_000_123
"""A file that is made for a game says ms."""
DAY_0: dict[str, Any] = {"type": "founded", "title": "First day", "day": 0}


async def tell(alice: Alice, **said: object) -> dict[str, Any]:
    body = {"type": "founded", "title": "First day", "timestamp": 1_768_000_000_000, **said}
    answer = await alice.client.post(f"/api/universe/{MAIN}/timeline", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["entry"]
    return found


@pytest.mark.parametrize("format", ["raw", "ai-village"])
async def test_day_0_stays_the_day_that_it_is(alice: Alice, tmp_path: Path, format: str) -> None:
    """Other than none at all: an event of another day would be another event."""
    hers, out = Playing(alice), tmp_path / "out"
    await hers.make(MAIN)
    await hers.keep(MAIN, 1, saved(1, "Ada"), day=0)
    await hers.keep(MAIN, 2, saved(2, "Eve"))
    await hers.keep(MAIN, 3, saved(3, "Ann"), type="canonical", event=DAY_0)
    assert (await tell(alice, tick=4, day=0))["day"] == 0
    assert (await tell(alice, tick=5))["day"] is None
    there = await hers.whole(MAIN)
    async with shown(alice) as home:
        await done(home, "export", MAIN, str(out), "--format", format)
        again = await done(home, "import", str(out))
        assert await hers.whole(MAIN) == there
    assert [one["new"] for one in again["universes"]] == [0]
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        await done(home, "import", str(out))
        assert await Playing(bob).whole(MAIN) == there


async def test_an_event_whose_state_stayed_behind_does_not_come_again(
    alice: Alice, tmp_path: Path
) -> None:
    """A format may have no place for the state that it names, or that was taken for it."""
    hers, out = Playing(alice), tmp_path / "out"
    await hers.make(MAIN)
    await hers.keep(MAIN, 1, saved(1, "Ada"))
    left = await hers.keep(MAIN, 2, b"\x00binary", BINARY, day=3)
    await hers.keep(MAIN, 3, b"\x00another", BINARY, type="canonical", event=DAY_0, at=AT_US)
    await tell(alice, tick=2, title="Of what stays", snapshot=left)
    await tell(alice, tick=2, title="Of none")
    there = await hers.whole(MAIN)
    async with shown(alice) as home:
        report = await done(home, "export", MAIN, str(out), "--format", "ai-village")
        assert len(report["left"]) == 2
        await done(home, "import", str(out))
        assert await hers.whole(MAIN) == there
        await tell(alice, tick=2, title="Of none", timestamp=1_768_000_000_001)
        await done(home, "import", str(out))
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        await done(home, "import", str(out))
        told = (await bob.client.get(f"/api/universe/{MAIN}/timeline")).json()["entries"]
    titles = sorted(one["title"] for one in told if one.get("event"))
    assert titles == ["First day", "Of none", "Of what stays"]


async def test_a_game_reads_a_number_where_no_day_is_said(tmp_path: Path) -> None:
    """Who has a token reads that none is said."""
    async with open_alice(tmp_path, config=Config(api=ApiConfig(compat=True))) as alice:
        hers, event = Playing(alice), {"type": "war", "title": "A"}
        await hers.make(MAIN)
        await hers.keep(MAIN, 3, saved(3, "Ann"), type="canonical", event=event)
        place = f"/api/universe/{MAIN}"
        del alice.client.headers["authorization"]
        for headers, day in ((alice.bearer(), None), ({}, 0)):
            told = (await alice.client.get(f"{place}/timeline", headers=headers)).json()
            (entry,), (state,) = told["entries"], told["snapshots"]
            assert [entry["day"], state["day"], state["canonEvent"].get("day")] == [day] * 3
