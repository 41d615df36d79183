"""Worlds of other programs go into a real node and come out of it, by the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.commands.nodes import LocalNode, start_node, stop_all
from node.commands.world_files import world_files
from tests.e2e.story import Shell
from tests.node.commands.test_world_files import laid
from tests.storage.test_foreign_worlds import world_db
from tests.universe.formats.memory import as_json
from tests.universe.formats.saves import save, universe_part
from tests.universe.formats.test_out import EVENT
from tests.universe.formats.test_primordium import LEGEND, LIVE, SAVED, lines
from tests.universe.formats.villages import entry, state, village
from universe.formats import plan

pytestmark = pytest.mark.nodes

MAIN = "universe:main"
LARGE = state(4, 40_000)


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    made = start_node("alice", tmp_path_factory.mktemp("worlds"), "--no-mdns")
    yield made
    stop_all([made])


def told(shell: Shell, alice: LocalNode, *line: str, exit: int = 0) -> dict[str, Any]:
    ran = shell(alice, "universe", *line)
    assert ran.code == exit, ran
    return ran.answer


def hashes(path: Path) -> dict[str, list[str]]:
    return {
        one.id: [each.content.checksum.hex() for each in one.snapshots]
        for one in plan(world_files(path)).universes
    }


def server(top: Path) -> Path:
    """A played universe and a fork of it, with what is usually wrong."""
    entries = [
        entry(0, 1),
        entry(0, 2),
        entry(0, 3),
        entry(4, 4, type="manual"),
        entry(9, 5),
        entry(7, 6, type="canonical", canonEvent=EVENT, day=3),
    ]
    states = {"0.json.gz": state(0), "4.json.gz": LARGE, "7.json.gz": state(7)}
    fork = {"universeId": MAIN, "snapshotTick": 4}
    files = village(MAIN, entries, states, config={"timeScale": 2}) | village(
        "universe:fork", [entry(4, 20), entry(5, 30)], {"5.json.gz": state(5)}, forkOf=fork
    )
    return laid(top, files)


def test_a_server_goes_in_once_and_comes_out_as_it_was(
    alice: LocalNode, shell: Shell, tmp_path: Path
) -> None:
    top = server(tmp_path / "data")
    planned = told(shell, alice, "import", str(top), "--dry-run")
    assert [one["state"] for one in planned["universes"]] == ["planned"] * 2
    assert shell(alice, "universe", "export", MAIN, str(tmp_path / "none")).code == 5
    done = told(shell, alice, "import", str(top))
    assert [(one["id"], one["state"], one["new"]) for one in done["universes"]] == [
        (MAIN, "created", 3),
        ("universe:fork", "created", 1),
    ]
    assert done["counts"] == planned["counts"]
    fork = alice.client.get("/api/universe/universe:fork")["universe"]
    assert (fork["forkOf"]["universeId"], fork["forkOf"]["snapshotTick"]) == (MAIN, 4)
    assert {"overwritten", "missing", "order", "checksum"} <= done["counts"].keys()
    again = told(shell, alice, "import", str(top))
    assert [(one["state"], one["new"], one["known"]) for one in again["universes"]] == [
        ("unchanged", 0, 3),
        ("unchanged", 0, 1),
    ]
    out = tmp_path / "out"
    for format in ("ai-village", "raw"):
        report = told(shell, alice, "export", MAIN, str(out / format), "--format", format)
        assert (report["written"], report["left"]) == (3, [])
        assert hashes(out / format) == {MAIN: hashes(top)[MAIN]}
        (same,) = plan(world_files(out / format)).universes
        (one, _) = plan(world_files(top)).universes
        assert [each.at_us for each in same.snapshots] == [each.at_us for each in one.snapshots]
        assert same.events == one.events
        assert (same.name, same.owner) == (one.name, one.owner)
    timeline = next((out / "ai-village").rglob("timeline.json"))
    assert "regenerated" not in timeline.read_text()
    refused = shell(alice, "universe", "export", MAIN, str(out / "raw"))
    assert (refused.code, refused.answer["code"]) == (1, "file-exists")


def test_saves_and_worlds_go_in_and_what_is_broken_is_told(
    alice: LocalNode, shell: Shell, tmp_path: Path
) -> None:
    parts = [universe_part("universe:one", 3), universe_part("universe:two", 4)]
    top = laid(tmp_path / "saves", {"a.json": as_json(save(*parts)), "b.json": b"{"})
    done = told(shell, alice, "import", str(top / "a.json"))
    assert [(one["id"], one["new"]) for one in done["universes"]] == [
        ("universe:one", 1),
        ("universe:two", 1),
    ]
    out = tmp_path / "out"
    told(shell, alice, "export", "universe:two", str(out), "--format", "savefile")
    assert hashes(out) == {"universe:two": hashes(top / "a.json")["universe:two"]}

    eden = laid(
        tmp_path / "eden",
        {"save.json": SAVED, "logs/live.jsonl": LIVE + b"7\n", "logs/legends.json": lines(LEGEND)},
    )
    world_db(eden / "logs/world.db", [(1_000, b"\x00binary" * 9_000)])
    done = told(shell, alice, "import", str(eden), "--id", "universe:eden-2", exit=1)
    (one,) = done["universes"]
    assert (one["id"], one["new"], one["events"]) == ("universe:eden-2", 2, 6)
    assert [problem["place"] for problem in done["problems"] if problem["about"] == "unreadable"]
    assert done["refused"] == []
    timeline = alice.client.get("/api/universe/universe:eden-2/timeline")["entries"]
    assert {"Oxygen is low.", "Extinction"} <= {one["title"] for one in timeline}
    told(shell, alice, "export", "universe:eden-2", str(tmp_path / "raw"))
    assert sorted(hashes(tmp_path / "raw")["universe:eden-2"]) == sorted(
        hashes(eden)["universe:eden"]
    )
    again = told(
        shell,
        alice,
        "export",
        "universe:eden-2",
        str(tmp_path / "eden-3"),
        "--format",
        "primordium",
    )
    assert (again["written"], again["left"]) == (2, [])
    assert sorted(hashes(tmp_path / "eden-3")["universe:eden-3"]) == sorted(
        hashes(eden)["universe:eden"]
    )
    nothing = shell(alice, "universe", "import", str(tmp_path / "none"))
    assert (nothing.code, nothing.answer["code"]) == (1, "not-a-world")
