"""What `universe import` makes of players: who is registered where, which others can read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.node.commands.test_universe_whole import MAIN, Playing, done
from tests.node.parts import Alice
from tests.node.served import shown, typed

WHO, TYPE = "player:ada", "panspermia.universe-export/1"


def laid(top: Path, player: dict[str, Any], **said: object) -> str:
    top.mkdir()
    index: dict[str, Any] = {
        "type": TYPE,
        "id": MAIN,
        "name": "Main",
        "owner": WHO,
        "players": [player],
    }
    (top / "universe.json").write_text(json.dumps({**index, **said}))
    return str(top)


async def listed(alice: Alice, namespace: str) -> list[str]:
    query = {"namespace": namespace}
    told = (await alice.client.get("/api/players", params=query)).json()
    return [one["id"] for one in told["players"]]


@pytest.mark.parametrize("visibility", ["private", "public", "as-said"])
@pytest.mark.parametrize("owner", [WHO, ""])
async def test_nobody_is_registered_of_whose_universes_none_is_there(
    alice: Alice, tmp_path: Path, visibility: str, owner: str
) -> None:
    """A player in commons is told to everybody, for ever."""
    hers = Playing(alice)
    await hers.make(MAIN)
    assert (await alice.client.delete(f"/api/universe/{MAIN}")).status_code == 200
    out = laid(tmp_path / "out", {"id": WHO, "displayName": "Ada"}, owner=owner)
    line = ["import", out, "--visibility", visibility]
    async with shown(alice) as home:
        planned = await done(home, *line, "--dry-run", exit=1)
        imported = await done(home, *line, exit=1)
        said = (await typed(home, "universe", *line)).output
    assert await listed(alice, "commons") == []
    for report in (planned, imported):
        (player,) = report["players"]
        assert (player["state"], "namespace" in player) == ("left", False)
        assert player["reason"] == "none of their universes is there"
    assert "player player:ada, Ada: left: none of their universes is there" in said


@pytest.mark.parametrize("owner", [WHO, ""])
@pytest.mark.parametrize(
    ("visibility", "said"),
    [("private", ", for who reads their universes"), ("public", ", in commons for everybody")],
)
async def test_a_player_lies_where_their_universes_are(
    alice: Alice, tmp_path: Path, visibility: str, said: str, owner: str
) -> None:
    """Who has none lies no wider than those that come along; the line says where that is."""
    out = laid(tmp_path / "out", {"id": WHO, "displayName": "Ada"}, owner=owner)
    line = ("universe", "import", out, "--visibility", visibility)
    async with shown(alice) as home:
        told = (await typed(home, *line)).output
    assert f"player player:ada, Ada: created{said}" in told
    here = (await alice.client.get(f"/api/universe/{MAIN}")).json()["universe"]["namespace"]
    assert (here == "commons") is (visibility == "public")
    assert await listed(alice, here) == [WHO]
    assert await listed(alice, "commons") == ([WHO] if visibility == "public" else [])
