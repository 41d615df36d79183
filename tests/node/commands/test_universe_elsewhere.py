"""Imports of what is there for other readers say what helps, and who may read what is new."""

from pathlib import Path

import pytest

from tests.node.commands.test_universe_whole import MAIN, Playing, bob_at, done, saved
from tests.node.commands.test_world_files import laid
from tests.node.parts import Alice
from tests.node.served import shown, typed
from tests.universe.formats.villages import entry, state, village

MEADOW = "meadow"
OTHER = f"{MEADOW} is there already for other readers (everybody), and they cannot be changed"


async def kept(alice: Alice, id: str, **said: str) -> None:
    """A universe with one state."""
    answer = await alice.client.post("/api/universe", json={"id": id, "name": id, **said})
    assert answer.status_code == 201, answer.text
    await Playing(alice).keep(id, 7, saved(7, "Ada"))


async def seen_by(alice: Alice, id: str) -> str:
    found = await alice.client.get(f"/api/universe/{id}")
    return str(found.json()["universe"]["visibility"])


async def test_ones_own_export_comes_back_as_the_refusal_says(alice: Alice, tmp_path: Path) -> None:
    await kept(alice, MAIN, visibility="private")
    await kept(alice, MEADOW, visibility="public")
    out = str(tmp_path / "out")
    async with shown(alice) as home:
        await done(home, "export", "--format", "raw", MAIN, MEADOW, out)
        planned = await done(home, "import", out, "--dry-run", exit=1)
        refused = await done(home, "import", out, exit=1)
        ran = await typed(home, "universe", "import", out)
        again = await done(home, "import", out, "--visibility", "as-said")
    for report in (planned, refused):
        (one,) = report["refused"]
        assert (one["universe"], one["code"]) == (MEADOW, "universe-elsewhere")
        assert one["detail"] == (
            f"{OTHER}. To bring into it what is new: --visibility as-said;"
            " to import it under another id: its folder alone, --id NEW"
        )
    assert ran.exit_code == 1
    assert "--visibility as-said" in ran.output
    assert sorted(
        (one["id"], one["state"], one["new"], one["known"], one["visibility"])
        for one in again["universes"]
    ) == [(MEADOW, "unchanged", 0, 1, "public"), (MAIN, "unchanged", 0, 1, "private")]


@pytest.mark.parametrize("beside", [False, True])
async def test_where_the_file_says_other_readers_the_option_names_them(
    alice: Alice, tmp_path: Path, beside: bool
) -> None:
    """`public` for all that lies there would be too much."""
    await kept(alice, MEADOW, visibility="public")
    files = village(MEADOW, [entry(1, 1)], {"1.json.gz": state(1)}, isPublic=False)
    if beside:
        files |= village(MAIN, [entry(1, 1)], {"1.json.gz": state(1)}, isPublic=False)
    top = laid(tmp_path / "data", files)
    alone = str(top / "universes" / MEADOW)
    async with shown(alice) as home:
        report = await done(home, "import", str(top), "--dry-run", exit=1)
        came = await done(home, "import", alone, "--visibility", "public")
    (one,) = report["refused"]
    option = "its folder alone, --visibility public" if beside else "--visibility public"
    assert one["detail"].startswith(f"{OTHER}. To bring into it what is new: {option};")
    assert (came["universes"][0]["state"], came["universes"][0]["new"]) == ("unchanged", 1)


async def test_what_is_private_here_is_gone_on_with_in_private(
    alice: Alice, tmp_path: Path
) -> None:
    await kept(alice, MEADOW, visibility="private")
    files = village(MEADOW, [entry(1, 1)], {"1.json.gz": state(1)})
    top = str(laid(tmp_path / "data", files))
    async with shown(alice) as home:
        report = await done(home, "import", top, "--visibility", "as-said", exit=1)
        ran = await typed(home, "universe", "import", top, "--visibility", "private")
    (one,) = report["refused"]
    assert f"{MEADOW} is there already for other readers (you alone)" in one["detail"]
    assert "what is new: --visibility private;" in one["detail"]
    assert ran.exit_code == 0
    assert "everybody" not in ran.output, "who may read it was chosen before"


async def test_what_a_namespace_shares_has_no_option_that_helps(
    alice: Alice, tmp_path: Path
) -> None:
    assert (await alice.client.post("/api/namespaces", json={"name": "guild"})).status_code == 201
    await kept(alice, MEADOW, namespace="guild")
    out = str(tmp_path / "out")
    async with shown(alice) as home:
        await done(home, "export", MEADOW, out)
        report = await done(home, "import", out, exit=1)
    (one,) = report["refused"]
    assert one["detail"] == (
        f"{MEADOW} is there already for other readers (members of a namespace), and they cannot"
        " be changed; to import it under another id: --id NEW"
    )


async def test_that_what_was_public_is_imported_in_private_is_said(
    alice: Alice, tmp_path: Path
) -> None:
    await kept(alice, MEADOW, visibility="public")
    out = str(tmp_path / "out")
    async with shown(alice) as home:
        await done(home, "export", MEADOW, out)
    async with bob_at(tmp_path) as bob, shown(bob) as home:
        line = ("universe", "import", out)
        planned = (await typed(home, *line, "--dry-run")).output
        public = (await typed(home, *line, "--dry-run", "--visibility", "as-said")).output
        imported = (await typed(home, *line)).output
        assert await seen_by(bob, MEADOW) == "private"
        other = await done(home, "import", out, "--visibility", "as-said", "--id", "new")
        again = (await typed(home, *line)).output
        assert await seen_by(bob, "new") == "public"
    said = f"{MEADOW}: for everybody where it comes from, and here for you alone"
    assert f"{said}; --visibility as-said has it for everybody, for good" in planned
    assert f"{said}; for everybody it takes another id: --visibility as-said --id NEW" in imported
    assert "everybody" not in public + again
    (one,) = other["universes"]
    assert (one["visibility"], one["public_there"]) == ("public", True)
