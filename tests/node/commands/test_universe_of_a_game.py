"""Saves of a game that has no token, exported and imported again: each is there once."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from node.config import ApiConfig, Config
from tests.node.commands.test_universe_whole import done
from tests.node.parts import Alice, open_alice
from tests.node.served import shown
from tests.universe.formats.memory import as_json
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.villages import entry, state, village
from universe import record, retention

PLACE = "/api/universe/universe:main"


@pytest.fixture
async def game(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path, config=Config(api=ApiConfig(compat=True))) as alice:
        token = alice.client.headers.pop("authorization")
        body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice"}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        yield alice
        alice.client.headers["authorization"] = token


async def saved(game: Alice, tick: int, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "snapshot": {"universes": [{"tick": tick}]}, "tick": tick, "type": "manual",
        "decayPolicy": {"decayAfterTicks": 5},
    }  # fmt: skip
    answer = await game.client.post(f"{PLACE}/snapshot", json=body, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    told: dict[str, Any] = answer.json()
    return told


async def sent_back(game: Alice) -> list[tuple[int, str]]:
    """As the game itself reads it."""
    found = await game.client.get(f"{PLACE}/snapshots")
    return [(one["tick"], one["type"]) for one in found.json()["snapshots"]]


async def rows(game: Alice) -> list[tuple[int, str]]:
    found = await game.client.get(f"{PLACE}/snapshots", headers=game.bearer())
    return [(one["tick"], one["type"]) for one in found.json()["snapshots"]]


@pytest.mark.parametrize("format", ["raw", "ai-village"])
async def test_an_export_that_comes_back_is_there_already(
    game: Alice, tmp_path: Path, format: str
) -> None:
    for tick in range(4):
        await saved(game, tick)
    before = await rows(game)
    out = str(tmp_path / "out")
    async with shown(game) as home:
        await done(home, "export", "universe:main", out, "--format", format)
        for also in (("--dry-run",), (), ()):
            (told,) = (await done(home, "import", out, *also))["universes"]
            assert (told["new"], told["known"]) == (0, 4)
    assert await rows(game) == before
    # What the game itself sends again is there as well.
    assert [(await saved(game, tick))["known"] for tick in range(4)] == [True] * 4
    assert await rows(game) == before


@pytest.mark.parametrize("format", ["raw", "ai-village", "savefile"])
async def test_what_a_game_called_manual_is_so_on_another_node_too(
    game: Alice, tmp_path: Path, format: str
) -> None:
    """And what a person kept by hand is that there too; a server's timeline has its own word."""
    by_hand = as_json(save(universe_part("universe:main", 9)))
    await game.client.post(
        f"{PLACE}/snapshot",
        params={"tick": 9, "type": "manual"},
        content=by_hand,
        headers={**game.bearer(), "content-type": "application/json"},
    )
    await game.client.post(
        f"{PLACE}/snapshot",
        json={"snapshot": save(universe_part("universe:main", 5)), "tick": 5, "type": "manual"},
    )
    there, read = await rows(game), await sent_back(game)
    assert (there, read) == ([(5, "auto"), (9, "manual")], [(5, "manual"), (9, "manual")])
    out, again = tmp_path / "out", tmp_path / "again"
    async with shown(game) as home:
        await done(home, "export", "universe:main", str(out), "--format", format)
    for path in out.rglob("timeline.json"):
        listed = json.loads(path.read_bytes())["snapshots"]
        assert sorted((one["tick"], one["type"]) for one in listed) == read
    async with open_alice(tmp_path / "bob", config=Config(api=ApiConfig(compat=True))) as bob:
        token = bob.client.headers.pop("authorization")
        async with shown(bob) as home:
            for new in (2, 0):
                (told,) = (await done(home, "import", str(out)))["universes"]
                assert told["new"] == new
            assert (await rows(bob), await sent_back(bob)) == (there, read)
            await done(home, "export", "universe:main", str(again), "--format", format)
        bob.client.headers["authorization"] = token
    assert kinds_in(again) == kinds_in(out)


def kinds_in(top: Path) -> dict[str, list[tuple[int, str]]]:
    """The kinds in all that lies there."""
    return {
        path.name: [
            (one["tick"], one.get("kind") or one["type"])
            for one in json.loads(path.read_bytes()).get("snapshots", ())
        ]
        for path in sorted(top.rglob("*.json"))
    }


async def test_what_was_signed_as_made_by_hand_before_is_there_when_a_game_sends_it_again(
    game: Alice,
) -> None:
    assert not (await saved(game, 1, headers=game.bearer()))["known"]
    assert await rows(game) == [(1, "manual")]
    assert (await saved(game, 1))["known"]
    # But who keeps by hand what a game saved says something new.
    await saved(game, 2)
    assert not (await saved(game, 2, headers=game.bearer()))["known"]
    assert sorted(await rows(game)) == [(1, "manual"), (2, "auto"), (2, "manual")]


@pytest.mark.parametrize("is_file", [False, True])
async def test_a_world_that_is_imported_from_a_games_server_goes_on_to_be_saved(
    game: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_file: bool
) -> None:
    """Years of saves, each called `manual`: of so many the oldest go, as they would have come."""
    monkeypatch.setattr(record, "SNAPSHOTS_MAX", 6)
    monkeypatch.setattr(retention, "ROOM_MAX", 5)
    files = {
        f"saves/{tick}.json": as_json(save(universe_part("universe:main", tick)))
        for tick in range(6)
    }
    if not is_file:
        entries = [entry(tick, tick, type="manual") for tick in range(6)]
        states = {f"{tick}.json.gz": state(tick) for tick in range(6)}
        files = village("universe:main", entries, states)
    for path, data in files.items():
        file = tmp_path / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    async with shown(game) as home:
        for also in ("--dry-run", "--keep-all"):
            (told,) = (await done(home, "import", str(tmp_path / "data"), also))["universes"]
            assert (told["new"], told["known"]) == (6, 0)
    assert [(await saved(game, tick))["dropped"] for tick in (500, 600, 700)] == [2, 1, 1]
    assert [tick for tick, _ in await rows(game)] == [4, 5, 500, 600, 700]
    assert {kind for _, kind in await rows(game)} == {"auto"}
