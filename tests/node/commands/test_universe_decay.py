"""How long a state was to be kept comes along with it, however large it is; or it is told."""

from pathlib import Path
from typing import Any

import pytest

from tests.node.commands.test_universe_whole import done, numbers
from tests.node.commands.test_world_files import laid
from tests.node.parts import Alice
from tests.node.served import shown
from tests.universe.formats.memory import as_json
from tests.universe.formats.villages import entry, village

MAIN = "universe:main"
TICKS = {"decayAfterTicks": 3}
LARGE = 49 << 20
"""More than is held whole."""


def world(top: Path, state: bytes, decay: dict[str, Any]) -> str:
    entries = [entry(5, 5, decayPolicy=decay)]
    return str(laid(top / "data", village(MAIN, entries, {"5.json.gz": state})))


async def listed(alice: Alice) -> list[dict[str, Any]]:
    answer = await alice.client.get(f"/api/universe/{MAIN}/snapshots")
    found: list[dict[str, Any]] = answer.json()["snapshots"]
    return found


async def test_the_ticks_of_a_large_state_come_along(alice: Alice, tmp_path: Path) -> None:
    state = as_json({"tick": "5", "creature": "x" * LARGE})
    path = world(tmp_path, state, TICKS)
    async with shown(alice) as home:
        for also, new in (("--dry-run", 1), ("--visibility=private", 1), ("--dry-run", 0)):
            told = await done(home, "import", path, also)
            assert [one["new"] for one in told["universes"]] == [new]
            assert "left" not in told["counts"]
    (one,) = await listed(alice)
    assert (one["decayPolicy"], one["wrapped"], one["fileSize"]) == (TICKS, True, len(state))
    # As with a small one, it goes where somebody asks for it, and not by itself.
    body = {"snapshot": {"tick": "9"}, "tick": 9, "type": "auto"}
    kept = await alice.client.post(f"/api/universe/{MAIN}/snapshot", json=body)
    assert kept.json()["dropped"] == 0
    async with shown(alice) as home:
        gone = await done(home, "prune", MAIN, "--decayed", "--dry-run")
    assert [one["tick"] for one in gone["dropped"]] == [5]


@pytest.mark.parametrize(
    "state",
    [
        b"no JSON", b'{"tick":"5"}\n', b'\n{"tick":"5"}', b'\xef\xbb\xbf{"tick":"5"}', b"x" * LARGE,
        b"null", b'{"name":"\xff"}',
    ],
    ids=["none", "space behind", "space before", "mark", "large", "null", "no text"],
)  # fmt: skip
async def test_ticks_that_are_left_out_are_told(alice: Alice, tmp_path: Path, state: bytes) -> None:
    path = world(tmp_path, state, {**TICKS, "preservationReason": "a feast"})
    async with shown(alice) as home:
        planned = await done(home, "import", path, "--dry-run")
        imported = await done(home, "import", path)
        again = await done(home, "import", path)
        at_last = await done(home, "import", path, "--dry-run")
        (one,) = await listed(alice)
        kept = await done(home, "import", path, "--keep-all")
    assert numbers(planned) == numbers(imported)
    assert numbers(again) == numbers(at_last)
    for told, known in ((imported, 0), (again, 1)):
        assert [one["known"] for one in told["universes"]] == [known]
        (left,) = (one for one in told["problems"] if one["about"] == "left")
        assert left["file"] == f"universes/{MAIN}/snapshots/5.json.gz"
        assert "3 ticks" in left["reason"]
        assert "panspermia universe prune" in left["reason"]
    assert "left" not in kept["counts"]
    assert one["decayPolicy"] == {"preservationReason": "a feast"}
