"""Canonical states in the folder of a server, of which its timeline has no word, imported."""

from pathlib import Path

from tests.node.commands.test_universe_whole import done
from tests.node.commands.test_world_files import laid
from tests.node.parts import Alice
from tests.node.served import shown, typed
from tests.universe.formats.villages import entry, state, village

MAIN = "universe:main"
BEYOND = f"{1 << 63}.json.gz"


async def test_states_called_by_their_tick_are_there_and_what_cannot_be_is_told(
    alice: Alice, tmp_path: Path
) -> None:
    states = {
        "1.json.gz": state(1),
        "canonical/500.json.gz": state(500),
        "canonical/birth_3_1768000005000.json.gz": state(7),
    }
    top = laid(tmp_path / "data", village(MAIN, [entry(1, 1)], states))
    async with shown(alice) as home:
        planned = await done(home, "import", str(top), "--dry-run")
        imported = await done(home, "import", str(top))
        again = await done(home, "import", str(top))
        laid(top, village(MAIN, [entry(1, 1)], {f"canonical/{BEYOND}": state(8)}))
        beyond = await done(home, "import", str(top), exit=1)
        said = (await typed(home, "universe", "import", str(top))).output
    listed = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    assert sorted((one["tick"], one["type"]) for one in listed) == [
        (0, "canonical"),
        (1, "auto"),
        (500, "canonical"),
    ]
    opened = await alice.client.get(f"/api/universe/{MAIN}/snapshot/500", params={"raw": "true"})
    assert opened.content == state(500)
    (one,) = planned["universes"]
    assert (one["snapshots"], one["canonical"], one["new"]) == (3, 2, 3)
    assert (imported["universes"][0]["new"], again["universes"][0]["new"]) == (3, 0)
    assert imported["counts"]["unlisted"] == 2
    assert "unreadable" not in imported["counts"]
    (refused,) = [one for one in beyond["problems"] if one["left_out"]]
    assert refused["file"].endswith(BEYOND)
    assert beyond["universes"][0]["known"] == 3
    assert f"its name says a number beyond {(1 << 63) - 1}" in said
