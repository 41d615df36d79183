"""Universes of two authors that are called alike go out into one folder, and keep apart there."""

import json
from pathlib import Path

import pytest

from tests.node.api.test_devices import carry
from tests.node.api.test_others_snapshots import Giving
from tests.node.api.test_others_snapshots import alice as alice
from tests.node.commands.test_universe_whole import MAIN, Playing, done, saved
from tests.node.parts import Alice, open_alice
from tests.node.served import shown


async def public(alice: Alice, tick: int) -> str:
    """A universe with one state; its full name."""
    body = {"id": MAIN, "name": "Main", "visibility": "public"}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    await Playing(alice).keep(MAIN, tick, saved(tick, "Ada"))
    return f"{alice.node.identity.did}/{MAIN}"


@pytest.mark.parametrize("format", ["raw", "savefile"])
async def test_each_has_a_folder_of_its_own(alice: Alice, tmp_path: Path, format: str) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        names = [await public(alice, 1), await public(bob, 2)]
        await carry(bob, alice)
        assert isinstance(alice.network, Giving)
        alice.network.bob = bob.node.store  # where her node fetches them
        out = tmp_path / "out"
        async with shown(alice) as home:
            report = await done(home, "export", *names, str(out), "--format", format)
            apart = sorted(one.name for one in out.iterdir())
            assert apart == sorted(f"{MAIN}-{one.partition('/')[0][-8:]}" for one in names)
            assert (report["ids"], report["written"]) == ([MAIN, MAIN], 2)
            for folder in apart:
                line = ("import", str(out / folder), "--id", "universe:new", "--dry-run")
                (new,) = (await done(home, *line))["universes"]
                assert (new["id"], new["new"]) == ("universe:new", 1)


async def test_a_server_has_one_of_an_id_and_nothing_is_fetched_for_two(
    alice: Alice, tmp_path: Path
) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        names = [await public(alice, 1), await public(bob, 2)]
        await carry(bob, alice)
        async with shown(alice) as home:
            line = ("export", *names, str(tmp_path / "out"), "--format", "ai-village")
            refused = await done(home, *line, exit=1)
    assert refused["code"] == "same-universe-id"
    assert f"Several are {MAIN}" in json.dumps(refused)
    assert not (tmp_path / "out").exists()
